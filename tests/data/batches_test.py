"""Claims about the batches that are made of a prepared directory."""

import dataclasses
import json
import pathlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import cv2
import grain
import numpy as np
import orbax.checkpoint as ocp
import pytest
import tensorflow_datasets as tfds

from cadnet_jax.data.batches import evaluation_batches, group_by_size, training_batches
from cadnet_jax.data.labels import ANY_DEFECT, IGNORED
from cadnet_jax.data.split_contents import read_labeled_subset
from cadnet_jax.data_config import DataConfig
from tests.support import tiny_data
from tests.support.tiny_data import SPLITS, prepare_tiny

IMAGES = ('image', 'reference', 'mask')


@pytest.fixture(scope='module')
def mixed_sizes(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """7 test pairs, alternating between 32x48 (4 of them) and 40x24 (3)."""
    directory = tmp_path_factory.mktemp('mixed')
    return prepare_tiny(directory, sizes=((32, 48), (40, 24)))


@pytest.fixture(scope='module')
def partly_unchanged(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """12 training pairs of 64x64, of which 4 have no defect, but ignored pixels."""
    return prepare_tiny(tmp_path_factory.mktemp('partly'), unchanged_every=3)


def unchanged(config: DataConfig) -> DataConfig:
    """Settings under which augmentation does nothing, so that pairs are recognized."""
    return dataclasses.replace(
        config,
        crop_size=64,
        scale_min=1.0,
        scale_max=1.0,
        flip=False,
        rotate=False,
        photometric_probability=0.0,
    )


def take(batches: Any, count: int) -> list[dict[str, np.ndarray]]:
    return [next(batches) for _ in range(count)]


def assert_same(
    first: list[dict[str, np.ndarray]], second: list[dict[str, np.ndarray]]
) -> None:
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys() == set(IMAGES)
        for name in IMAGES:
            np.testing.assert_array_equal(a[name], b[name])


def test_paint_beside_several_classes_is_a_defect_of_unknown_class(
    partly_unchanged: pathlib.Path,
) -> None:
    """The labels of the pairs stay."""
    config = DataConfig(data_dir=str(partly_unchanged), batch_size=4, crop_size=64)
    config = dataclasses.replace(config, paint_defects=True)
    masks = [b['mask'] for b in take(training_batches(config, seed=0), 6)]
    values = set(np.unique(masks).tolist())
    assert ANY_DEFECT in values and values & {1, 2}
    assert values <= {0, 1, 2, ANY_DEFECT, IGNORED}


def test_boxes_are_those_that_were_stored(tmp_path: pathlib.Path) -> None:
    """A pair without a defect has none; padding has none either."""
    num = {'train': 1, 'test': 3}
    with_boxes = prepare_tiny(tmp_path, num=num, unchanged_every=2, boxes=True)
    (batch,) = evaluation_batches(with_boxes, 'test', batch_size=4)
    assert [len(boxes) for boxes in batch['boxes'][:3]].count(0) == 2
    for mask, boxes in zip(batch['mask'], batch['boxes'], strict=True):
        assert boxes.tolist() == tiny_data.label_boxes(mask)
        assert boxes.shape[1] == 5


def test_a_set_without_boxes_has_none(prepared: pathlib.Path) -> None:
    (batch,) = evaluation_batches(prepared, 'test', batch_size=7)
    assert 'boxes' not in batch


# --- Training -----------------------------------------------------------------------


def sampled(data_dir: pathlib.Path, **values: Any) -> DataConfig:
    """Batches of 2 changed and 2 unchanged pairs, which are recognized."""
    config = DataConfig(data_dir=str(data_dir), batch_size=4, unchanged_fraction=0.5)
    return dataclasses.replace(unchanged(config), **values)


def have_defect(batch: dict[str, np.ndarray]) -> list[bool]:
    return [bool(np.any((mask > 0) & (mask < 255))) for mask in batch['mask']]


@pytest.mark.parametrize(
    ('fraction', 'candidates', 'changed', 'count'),
    [(0.5, 1, 2, 4), (0.25, 4, 3, 7), (0.0, 1, 4, 4), (1.0, 2, 0, 8)],
)
def test_a_share_of_each_batch_has_no_defect(
    partly_unchanged: pathlib.Path,
    fraction: float,
    candidates: int,
    changed: int,
    count: int,
) -> None:
    """The crops with one come first; candidates are drawn beyond the batch size."""
    config = sampled(
        partly_unchanged, unchanged_fraction=fraction, hard_candidates=candidates
    )
    for batch in take(training_batches(config, seed=0), 6):
        assert have_defect(batch) == [True] * changed + [False] * (count - changed)


def test_each_kind_of_pairs_has_epochs_of_its_own(
    partly_unchanged: pathlib.Path,
) -> None:
    """8 pairs with a defect in 4 batches, and the 4 without twice as often."""
    batches = take(training_batches(sampled(partly_unchanged), seed=0), 4)
    seen = Counter(image.tobytes() for batch in batches for image in batch['image'])
    assert sorted(seen.values()) == [1] * 8 + [2] * 4


def test_processes_share_each_kind_of_pairs(partly_unchanged: pathlib.Path) -> None:
    config = sampled(partly_unchanged, hard_candidates=2)
    whole = take(training_batches(config, seed=1), 3)
    for process in (0, 1):
        part = training_batches(config, seed=1, process_index=process, process_count=2)
        expected = [
            {name: values[process::2] for name, values in batch.items()}
            for batch in whole
        ]
        assert_same(take(part, 3), expected)


def test_a_sampled_stream_goes_on_from_its_state(
    partly_unchanged: pathlib.Path,
) -> None:
    config = sampled(partly_unchanged, hard_candidates=2)
    batches = training_batches(config, seed=2)
    take(batches, 3)
    state = json.loads(json.dumps(batches.get_state()))
    expected = take(batches, 4)
    resumed = training_batches(config, seed=2)
    resumed.set_state(state)
    assert_same(take(resumed, 4), expected)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'unchanged_fraction': 1.5}, r'unchanged_fraction is 1.5.*\[0, 1\], or -1'),
        ({'unchanged_fraction': -0.5}, 'unchanged_fraction is -0.5'),
        ({'hard_candidates': 0}, 'hard_candidates is 0'),
        (
            {'hard_candidates': 2, 'unchanged_fraction': -1.0},
            'hard_candidates is 2.*set unchanged_fraction',
        ),
        ({'unchanged_fraction': 0.25}, '1 of the 4 crops.*2 processes'),
    ],
)
def test_a_share_that_cannot_be_is_refused(
    partly_unchanged: pathlib.Path, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        config = sampled(partly_unchanged, **values)
        training_batches(config, seed=0, process_count=2)


def test_a_share_of_pairs_that_are_not_there_is_refused(
    prepared: pathlib.Path,
) -> None:
    with pytest.raises(ValueError, match=r"'train'.*no pair without a defect.*-1"):
        training_batches(sampled(prepared), seed=0)
    config = sampled(prepared, unchanged_fraction=0.0)
    assert all(have_defect(next(training_batches(config, seed=0))))


def test_training_batches_are_cropped_uint8_pairs(config: DataConfig) -> None:
    batch = next(training_batches(config, seed=0))
    assert {name: (batch[name].shape, batch[name].dtype) for name in batch} == {
        'image': ((4, 32, 32, 3), np.uint8),
        'reference': ((4, 32, 32, 3), np.uint8),
        'mask': ((4, 32, 32), np.uint8),
    }


@pytest.mark.parametrize('batch_size', range(1, 9))
@pytest.mark.parametrize('unchanged_fraction', [-1.0, 0.5])
def test_batches_have_any_size(
    partly_unchanged: pathlib.Path, batch_size: int, unchanged_fraction: float
) -> None:
    """Also one pair, far into an endless stream."""
    config = DataConfig(
        data_dir=str(partly_unchanged),
        batch_size=batch_size,
        crop_size=32,
        unchanged_fraction=unchanged_fraction if batch_size > 1 else -1.0,
    )
    batches = training_batches(config, seed=0)
    assert next(batches)['mask'].shape == (batch_size, 32, 32)
    state = batches.get_state()
    batches.set_state(state | {'next_index': 10**9})
    assert next(batches)['image'].shape == (batch_size, 32, 32, 3)


def test_same_seed_gives_same_batches_for_any_number_of_threads(
    config: DataConfig,
) -> None:
    first = take(training_batches(config, seed=3), 7)
    for threads in (1, 2, 5):
        same = dataclasses.replace(config, reader_threads=threads)
        assert_same(first, take(training_batches(same, seed=3), 7))
    other = take(training_batches(config, seed=4), 7)
    assert (first[0]['image'] != other[0]['image']).any()


@pytest.mark.parametrize('kept', [0, 5, SPLITS['train']])
def test_pairs_that_fit_in_memory_are_decoded_once(
    config: DataConfig, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """As many as fit, never more; the batches are the same."""
    expected = take(training_batches(config, seed=3), 9)
    decoded = Counter[bytes]()
    decode = cv2.imdecode

    def counted(encoded: np.ndarray, mode: int) -> Any:
        decoded[encoded.tobytes()] += mode == cv2.IMREAD_COLOR_RGB
        return decode(encoded, mode)

    monkeypatch.setattr(cv2, 'imdecode', counted)
    pair_bytes = 7 * 64 * 64
    limited = dataclasses.replace(
        config, cache_gb=(kept + 0.5) * pair_bytes * 1e-9, reader_threads=1
    )
    assert_same(expected, take(training_batches(limited, seed=3), 9))  # three epochs
    times = [number for number in decoded.values() if number]
    assert len(times) == 2 * SPLITS['train']  # images and references
    assert sorted(times)[: 2 * kept] == [1] * 2 * kept
    assert min(sorted(times)[2 * kept :], default=3) >= 3


def test_each_epoch_shows_each_pair_once_in_an_order_of_its_own(
    config: DataConfig,
) -> None:
    batches = training_batches(unchanged(config), seed=0)
    epochs = [
        [image.tobytes() for batch in take(batches, 3) for image in batch['image']]
        for _ in range(3)
    ]
    assert all(len(set(epoch)) == SPLITS['train'] for epoch in epochs)
    assert set(epochs[0]) == set(epochs[1]) == set(epochs[2])
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_pair_is_augmented_anew_in_each_epoch(config: DataConfig) -> None:
    batches = training_batches(config, seed=0)
    crops = [image.tobytes() for b in take(batches, 9) for image in b['image']]
    assert len(set(crops)) == 36


@pytest.mark.parametrize('processes', [2, 4])
def test_processes_together_see_what_one_process_sees(
    config: DataConfig, processes: int
) -> None:
    """Process p has the pairs p, p + processes, ... of each global batch."""
    whole = take(training_batches(config, seed=1), 5)
    for index in range(processes):
        part = training_batches(
            config, seed=1, process_index=index, process_count=processes
        )
        expected = [{k: v[index::processes] for k, v in b.items()} for b in whole]
        assert_same(take(part, 5), expected)


@pytest.mark.parametrize('steps', [0, 1, 4])
def test_resuming_equals_continuing(config: DataConfig, steps: int) -> None:
    """Across an epoch's end, through JSON, and with another number of threads."""
    batches = training_batches(config, seed=2)
    take(batches, steps)
    state = json.loads(json.dumps(batches.get_state()))
    expected = take(batches, 5)
    other = dataclasses.replace(config, reader_threads=3)
    resumed = training_batches(other, seed=2)
    next(resumed)  # a state can be set at any time
    resumed.set_state(state)
    assert_same(take(resumed, 5), expected)


def test_state_goes_through_an_orbax_checkpoint(
    config: DataConfig, tmp_path: pathlib.Path
) -> None:
    batches = training_batches(config, seed=2)
    take(batches, 3)
    with ocp.CheckpointManager(tmp_path / 'checkpoints') as manager:
        save = grain.checkpoint.CheckpointSave(batches)
        manager.save(3, args=ocp.args.Composite(data=save))
        expected = take(batches, 2)
        manager.wait_until_finished()
        resumed = training_batches(config, seed=2)
        restore = grain.checkpoint.CheckpointRestore(resumed)
        manager.restore(3, args=ocp.args.Composite(data=restore))
    assert_same(take(resumed, 2), expected)


def test_a_sliced_split_trains_on_that_part_alone(config: DataConfig) -> None:
    part = dataclasses.replace(unchanged(config), train_split='train[:50%]')
    batches = take(training_batches(part, seed=0), 6)
    images = {image.tobytes() for batch in batches for image in batch['image']}
    assert len(images) == 6


# --- Evaluation ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ('leave_out', 'message'),
    [
        ('group_2', "no group 'group_2'; there are: group_0, group_1"),
        ('group_0,group_1', 'no pair is left'),
    ],
)
def test_groups_that_cannot_be_left_out_are_refused(
    config: DataConfig, leave_out: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        training_batches(dataclasses.replace(config, leave_out=leave_out), seed=0)


def test_a_share_that_leaves_no_pair_without_its_label_is_refused(
    config: DataConfig,
) -> None:
    config = dataclasses.replace(config, label_fraction=0.99)  # of 12 pairs: all
    with pytest.raises(
        ValueError, match=r'label_fraction = 0.99 leaves out none of 12'
    ):
        training_batches(config, seed=0, unlabeled=True)


def test_single_groups_can_be_evaluated(config: DataConfig) -> None:
    batches = evaluation_batches(
        config.data_dir, 'train', batch_size=4, groups=['group_1']
    )
    shown = [name for batch in batches for name in batch['group'] if name]
    assert shown == ['group_1'] * 6


def test_training_on_a_share_shows_its_pairs_alone(config: DataConfig) -> None:
    """One pair, fewer than a batch: each crop is that pair's, and its labels count."""
    config = dataclasses.replace(unchanged(config), label_fraction=0.01)
    subset = read_labeled_subset(config, seed=3)
    ((image, mask),) = (
        (batch['image'][i], batch['mask'][i])
        for batch in evaluation_batches(config.data_dir, 'train', batch_size=4)
        for i in range(4)
        if batch['id'][i] in subset.ids
    )
    batch = next(training_batches(config, seed=3))
    for i in range(config.batch_size):
        np.testing.assert_array_equal(batch['image'][i], image)
        np.testing.assert_array_equal(batch['mask'][i], mask)
    assert subset.class_pixels == tuple(np.bincount(mask.ravel(), minlength=256)[:3])


@pytest.mark.parametrize('batch_size', [1, 2, 3, 10])
def test_evaluation_yields_each_pair_once_bit_for_bit(
    mixed_sizes: pathlib.Path, batch_size: int
) -> None:
    """Held against TFDS's own decoding of the same records."""
    builder = tfds.builder_from_directory(str(mixed_sizes))
    records = {r['id'].decode(): r for r in builder.as_data_source('test')}
    seen: Counter[str] = Counter()
    for batch in evaluation_batches(mixed_sizes, 'test', batch_size=batch_size):
        assert batch['valid'].shape == (batch_size,)
        for row in np.flatnonzero(batch['valid']):
            record = records[batch['id'][row]]
            seen[batch['id'][row]] += 1
            assert batch['group'][row] == record['group'].decode()
            np.testing.assert_array_equal(batch['image'][row], record['image'])
            np.testing.assert_array_equal(batch['reference'][row], record['reference'])
            np.testing.assert_array_equal(batch['mask'][row], record['mask'][..., 0])
    assert seen == Counter(records.keys())


def test_evaluation_pads_the_last_batch_of_each_size(
    mixed_sizes: pathlib.Path,
) -> None:
    batches = list(evaluation_batches(mixed_sizes, 'test', batch_size=3))
    valid: dict[tuple[int, ...], list[int]] = {(32, 48): [], (40, 24): []}
    for batch in batches:
        valid[batch['mask'].shape[1:]].append(int(batch['valid'].sum()))
        padding = ~batch['valid']
        for name in IMAGES:
            assert batch[name].shape[0] == 3 and batch[name].dtype == np.uint8
            assert not batch[name][padding].any()
        for name in ('id', 'group'):
            assert len(batch[name]) == 3
            assert [bool(text) for text in batch[name]] == batch['valid'].tolist()
    assert valid == {(32, 48): [3, 1], (40, 24): [3]}


def test_pairs_of_many_sizes_do_not_pile_up(
    tmp_path: pathlib.Path,
) -> None:
    """Memory has a bound: of 12 sizes at most 8 wait for a second pair."""
    sizes = [(16 + 2 * index, 24) for index in range(12)]
    directory = prepare_tiny(tmp_path, sizes=sizes, num={'test': 12})
    (*examples,) = evaluation_batches(directory, 'test', batch_size=1)
    read: list[str] = []

    def reading() -> Iterator[dict[str, Any]]:
        for example in examples:
            read.append(example['id'][0])
            yield {name: values[0] for name, values in example.items()}

    given: list[str] = []
    for batch in group_by_size(reading(), 2):
        given.extend(filter(None, batch['id']))
        assert batch['valid'].tolist() == [True, False]
        assert len(read) - len(given) <= 8
        assert len(given) > 1 or len(read) == 9
    assert sorted(given) == sorted(read) == [f'test_{index:03}' for index in range(12)]

    batches = evaluation_batches(directory, 'test', batch_size=2)
    assert sorted(batch['id'][0] for batch in batches) == sorted(given)


def test_the_size_that_waited_longest_makes_room() -> None:
    """Of 9 sizes the first one has to go; the others find their second pair."""
    sizes = [*range(9), *range(1, 9), 0]
    examples = (
        {
            **dict.fromkeys(IMAGES, np.zeros((1, 1 + size), np.uint8)),
            'id': f'{index}',
            'group': '',
        }
        for index, size in enumerate(sizes)
    )
    batches = [batch['id'] for batch in group_by_size(examples, 2)]
    whole = [[f'{size}', f'{size + 8}'] for size in range(1, 9)]
    assert batches == [['0', ''], *whole, ['17', '']]


@pytest.mark.parametrize('processes', [2, 3, 9])
def test_evaluation_is_shared_by_processes(
    prepared: pathlib.Path, processes: int
) -> None:
    """Also by more processes than pairs, of which some then have nothing to do."""
    ids = [
        name
        for index in range(processes)
        for batch in evaluation_batches(
            prepared,
            'test',
            batch_size=2,
            process_index=index,
            process_count=processes,
        )
        for name in batch['id']
        if name
    ]
    assert sorted(ids) == [f'test_{index:03}' for index in range(7)]


def test_slices_of_a_split_are_disjoint_and_complete(prepared: pathlib.Path) -> None:
    def ids(split: str) -> set[str]:
        batches = evaluation_batches(prepared, split, batch_size=1)
        return {batch['id'][0] for batch in batches}

    first, second = ids('train[:25%]'), ids('train[25%:]')
    assert (len(first), len(second)) == (3, 9)
    assert first | second == ids('train')


# --- Errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'train_split': 'training'}, r"'training'.*train \(12\), val \(5\)"),
        ({'train_split': 'train['}, r"'train\['.*train \(12\)"),
        ({'train_split': 'train[:0]'}, r"'train\[:0\]' is empty.*train \(12\)"),
        ({'train_split': 'train[5:99]'}, r"'train\[5:99\]'.*12 examples"),
        ({'batch_size': 14}, r'12 pairs.*batch_size = 14'),
        ({'batch_size': 3}, r'batch_size is 3.*processes, 2'),
        ({'batch_size': 0}, r'batch_size is 0'),
        ({'crop_size': 0}, r'crop_size is 0'),
        ({'scale_min': 0.0}, r'scale_min is 0.0'),
        ({'reader_threads': 0}, r'reader_threads is 0'),
        ({'cache_gb': -1.0}, r'cache_gb is -1.0'),
        ({'reference_shift': -1}, r'reference_shift is -1'),
    ],
)
def test_bad_training_settings_are_one_clear_line(
    config: DataConfig, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        bad = dataclasses.replace(config, **changes)
        training_batches(bad, seed=0, process_count=2)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('split', ['training', 'test[:0]', ''])
def test_bad_evaluation_split_is_an_error_at_the_call(
    prepared: pathlib.Path, split: str
) -> None:
    with pytest.raises(ValueError, match=r'test \(7\)') as error:
        evaluation_batches(prepared, split, batch_size=2)
    assert f"'{split}'" in str(error.value) and '\n' not in str(error.value)


def test_evaluation_batch_size_must_be_positive(prepared: pathlib.Path) -> None:
    with pytest.raises(ValueError, match='batch_size is 0'):
        evaluation_batches(prepared, 'test', batch_size=0)
