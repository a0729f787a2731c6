"""Claims about the DeepPCB builder and the preparation that builders share."""

import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.io
import tensorflow_datasets as tfds

from cadnet_jax.datasets import box_masks, deep_pcb, encoding, preparation, schema
from cadnet_jax.datasets.deep_pcb import deep_pcb_dataset_builder
from cadnet_jax.files.images import read_image
from tests.support.tiny_deep_pcb import SIZE, write_tiny_deep_pcb

TEST = 'group00041/00041/00041002_test.jpg'
TEMPLATE = 'group00041/00041/00041002_temp.jpg'
BOXES = 'group00041/00041_not/00041002.txt'

Damage = Callable[[pathlib.Path], None]


def prepare(output: pathlib.Path, source: pathlib.Path, **options: Any) -> pathlib.Path:
    return preparation.prepare(deep_pcb.Builder, output, source_dir=source, **options)


def read(prepared: pathlib.Path, split: str) -> dict[str, dict[str, Any]]:
    """The examples of a split, by id."""
    source = tfds.builder_from_directory(prepared).as_data_source(split)
    return {pair['id'].decode(): pair for pair in source}


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_tiny_deep_pcb(tmp_path_factory.mktemp('source'))


@pytest.fixture(scope='module')
def prepared(
    source: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    return prepare(tmp_path_factory.mktemp('prepared'), source)


def test_every_tenth_line_of_trainval_is_the_validation_set(
    prepared: pathlib.Path,
) -> None:
    ids = {split: sorted(read(prepared, split)) for split in ('train', 'val', 'test')}
    assert ids['val'] == ['group00041/00041000', 'group00041/00041010']
    assert ids['test'] == [
        'group00041/00041012',
        'group00041/00041014',
        'group13000/13000013',
    ]
    assert len(ids['train']) == 10
    assert len({id for split in ids.values() for id in split}) == 15


@pytest.mark.parametrize('split', ['train', 'val', 'test'])
def test_pairs_come_back_bit_for_bit(
    source: pathlib.Path, prepared: pathlib.Path, split: str
) -> None:
    """Gray pixels in all three channels, and the mask of what was drawn."""
    for id, pair in read(prepared, split).items():
        group, name = id.split('/')
        assert pair['group'].decode() == group
        stem = source / group / group.removeprefix('group') / name
        for field, kind in (('image', 'test'), ('reference', 'temp')):
            gray = cv2.imread(f'{stem}_{kind}.jpg', cv2.IMREAD_GRAYSCALE)
            assert gray is not None
            np.testing.assert_array_equal(pair[field], np.dstack([gray] * 3))
        index = int(name[5:])
        x = 6 + index % 40
        mask = np.zeros((*SIZE, 1), np.uint8)
        mask[20:25, x : x + 5] = 1 + index % 6
        mask[36:41, 40:45] = 5
        np.testing.assert_array_equal(pair['mask'], mask)


def test_the_boxes_are_those_of_the_authors(
    source: pathlib.Path, prepared: pathlib.Path
) -> None:
    for id, pair in read(prepared, 'test').items():
        group, name = id.split('/')
        path = source / group / f'{group.removeprefix("group")}_not' / f'{name}.txt'
        lines = path.read_text().replace(',', ' ').splitlines()
        boxes = [[int(x) for x in line.split()] for line in lines if line]
        assert pair['boxes'].tolist() == boxes and len(boxes) == 2


def test_metadata_name_the_classes_and_count_their_pixels(
    prepared: pathlib.Path,
) -> None:
    metadata = json.loads((prepared / 'metadata.json').read_text())
    assert metadata['class_names'][1:] == [
        'open',
        'short',
        'mousebite',
        'spur',
        'copper',
        'pin_hole',
    ]
    for split, counts in metadata['class_pixels'].items():
        masks = np.stack([pair['mask'] for pair in read(prepared, split).values()])
        expected = [np.count_nonzero(masks == index) for index in range(7)]
        assert counts == expected


def test_the_directory_that_holds_pcbdata_is_as_good(source: pathlib.Path) -> None:
    find_pairs = deep_pcb_dataset_builder.find_pairs
    assert find_pairs(source.parent) == find_pairs(source)


def _cut(path: pathlib.Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _resize(path: pathlib.Path) -> None:
    cv2.imwrite(str(path), np.zeros((48, 60), np.uint8))


def _write(text: str) -> Damage:
    def write(path: pathlib.Path) -> None:
        path.write_text(text)

    return write


BROKEN: dict[str, tuple[str, Damage, str]] = {
    'missing image': (TEST, pathlib.Path.unlink, 'no such image file'),
    'missing template': (TEMPLATE, pathlib.Path.unlink, 'no such image file'),
    'missing boxes': (BOXES, pathlib.Path.unlink, 'no such file'),
    'truncated': (TEST, _cut, 'a truncated JPEG'),
    'non-image': (TEMPLATE, _write('<html>not found</html>'), 'not an image'),
    'empty file': (TEMPLATE, _write(''), 'an empty file'),
    'other size': (TEMPLATE, _resize, '60x48 pixels, but 00041002_test.jpg has 56x48'),
    'words': (BOXES, _write('one two'), "'one two' is not 'x1 y1 x2 y2 type'"),
    'four numbers': (BOXES, _write('1 2 3 4'), "is not 'x1 y1 x2 y2 type'"),
    'unknown type': (BOXES, _write('3 15 18 30 7'), 'unknown type 7; known: 1 to 6'),
    'outside': (BOXES, _write('50 15 57 30 1'), 'leaves the 56x48 image'),
    'inside out': (BOXES, _write('18 15 3 30 1'), 'is empty or leaves'),
}


@pytest.mark.parametrize('case', BROKEN)
def test_a_broken_file_is_named_and_nothing_is_written(
    case: str, tmp_path: pathlib.Path
) -> None:
    """Repaired, the same command goes through."""
    file, damage, message = BROKEN[case]
    source = write_tiny_deep_pcb(tmp_path / 'source', trainval=4, test=1)
    intact = (source / file).read_bytes()
    damage(source / file)
    with pytest.raises(ValueError) as caught:
        prepare(tmp_path / 'data', source)
    assert str(source / file) in str(caught.value)
    assert message in str(caught.value)
    assert list((tmp_path / 'data').rglob('*')) in ([], [tmp_path / 'data/deep_pcb'])
    (source / file).write_bytes(intact)
    assert len(read(prepare(tmp_path / 'data', source), 'train')) == 3


def test_all_bad_files_are_listed_with_the_remedy(tmp_path: pathlib.Path) -> None:
    source = write_tiny_deep_pcb(tmp_path / 'source', trainval=4, test=1)
    _cut(source / TEST)
    (source / TEMPLATE).unlink()
    (source / BOXES).write_text('1 2 3')
    with pytest.raises(
        ValueError, match=r'^bad files \(3\): .*Get these files'
    ) as error:
        prepare(tmp_path / 'data', source)
    assert all(
        str(source / file) in str(error.value) for file in (TEST, TEMPLATE, BOXES)
    )
    assert '\n' not in str(error.value)


def test_of_many_bad_files_twenty_are_listed(tmp_path: pathlib.Path) -> None:
    source = write_tiny_deep_pcb(tmp_path, trainval=20, test=3)
    for path in source.rglob('*_temp.jpg'):
        path.unlink()
    with pytest.raises(ValueError, match=r'bad files \(23\).*; and 3 more\.') as error:
        prepare(tmp_path / 'data', source)
    assert str(error.value).count('no such image file') == 20


def test_a_pair_listed_twice_is_an_error(tmp_path: pathlib.Path) -> None:
    """A pair in two splits would make the scores worthless."""
    source = write_tiny_deep_pcb(tmp_path, trainval=4, test=1)
    line = (source / 'trainval.txt').read_text().splitlines()[1]
    (source / 'test.txt').write_text(line)
    with pytest.raises(ValueError, match='group13000/13000001: listed twice'):
        prepare(tmp_path / 'data', source)


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('test.txt', '', 'no pair for test'),
        ('trainval.txt', 'group00041/00041/00041000.jpg', 'is not of the form'),
        ('trainval.txt', '00041000.jpg 00041000.txt', 'is not of the form'),
    ],
)
def test_a_bad_list_is_an_error(
    name: str, text: str, message: str, tmp_path: pathlib.Path
) -> None:
    source = write_tiny_deep_pcb(tmp_path, trainval=4, test=1)
    (source / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / 'data', source)


def test_a_box_that_shows_nothing_is_ignored_and_listed(
    tmp_path: pathlib.Path,
) -> None:
    """One bad label stops no set: its pixels are ignored, and the check names it."""
    source = write_tiny_deep_pcb(tmp_path / 'source', trainval=4, test=1)
    good = (source / BOXES).read_text()
    (source / BOXES).write_text(f'{good}\n20 40 30 46 1\n')
    prepared = prepare(tmp_path / 'data', source)
    pairs = {**read(prepared, 'train'), **read(prepared, 'val')}
    masks = [p['mask'] for p in pairs.values() if (p['mask'] == 255).any()]
    assert len(masks) == 1
    assert (masks[0][40:46, 20:30] == 255).all()
    assert np.count_nonzero(masks[0] == 255) == 60
    line = 'open in 00041002.txt: (20, 40, 30, 46, 1): nothing differs but the contour'
    assert line in preparation.describe(prepared)
    findings = preparation.check_prepared(prepared).findings
    unusable = [finding for finding in findings if finding.kind == 'unusable']
    assert [line in finding.message for finding in unusable] == [True]


def test_a_directory_without_the_lists_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / 'elsewhere').mkdir()
    for source, file in [('absent', 'absent'), ('', 'trainval.txt')]:
        with pytest.raises(FileNotFoundError, match=rf'{file}: no such .*PCBData'):
            prepare(tmp_path / 'data', tmp_path / source)


def _interrupt_third_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C arrives while the third mask is made."""
    calls, original = iter(range(100)), box_masks.mask_from_boxes

    def mask_from_boxes(*args: Any, **options: Any) -> np.ndarray:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return original(*args, **options)

    monkeypatch.setattr(box_masks, 'mask_from_boxes', mask_from_boxes)


def test_an_interrupted_preparation_leaves_nothing(
    source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        _interrupt_third_pair(monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            prepare(tmp_path, source)
    assert [path.name for path in tmp_path.rglob('*')] == ['deep_pcb']
    assert len(read(prepare(tmp_path, source), 'train')) == 10


def test_overwriting_replaces_the_whole_set(tmp_path: pathlib.Path) -> None:
    source = write_tiny_deep_pcb(tmp_path / 'source', trainval=5, test=2)
    old = prepare(tmp_path / 'data', source)
    write_tiny_deep_pcb(tmp_path / 'source', trainval=3, test=1)
    prepare(tmp_path / 'data', source)
    assert len(read(old, 'train')) == 4, 'without overwrite it is left as it is'
    new = prepare(tmp_path / 'data', source, overwrite=True)
    assert new == old
    assert len(read(new, 'train')) == 2
    counts = json.loads((new / 'metadata.json').read_text())['class_pixels']
    assert [sum(counts[s]) for s in ('train', 'val', 'test')] == [
        pairs * SIZE[0] * SIZE[1] for pairs in (2, 1, 1)
    ]
    assert [path.name for path in new.parent.iterdir()] == ['1.1.0']


def test_an_interrupted_overwriting_keeps_the_old_set(
    source: pathlib.Path, prepared: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.copytree(prepared, tmp_path / 'deep_pcb/1.1.0')
    with pytest.MonkeyPatch.context() as monkeypatch:
        _interrupt_third_pair(monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            prepare(tmp_path, source, overwrite=True)
    assert [path.name for path in (tmp_path / 'deep_pcb').iterdir()] == ['1.1.0']
    assert len(read(tmp_path / 'deep_pcb/1.1.0', 'train')) == 10


def test_a_killed_overwriting_keeps_the_old_set(
    source: pathlib.Path, prepared: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """What `kill -9` leaves: the old set, under the name it was put aside by."""
    shutil.copytree(prepared, tmp_path / 'deep_pcb/1.1.0.previous')
    assert len(read(prepare(tmp_path, source), 'train')) == 10
    assert [path.name for path in (tmp_path / 'deep_pcb').iterdir()] == ['1.1.0']


def test_color_images_keep_their_channel_order(tmp_path: pathlib.Path) -> None:
    """File to RGB, and RGB to prepared bytes and back; scikit-image is the oracle."""
    pixels = np.random.default_rng(0).integers(0, 256, (7, 11, 3), np.uint8)
    skimage.io.imsave(tmp_path / 'a.png', pixels, check_contrast=False)
    np.testing.assert_array_equal(read_image(tmp_path / 'a.png'), pixels)
    stored = encoding.encode_png(pixels)
    (tmp_path / 'b.png').write_bytes(stored)
    np.testing.assert_array_equal(skimage.io.imread(tmp_path / 'b.png'), pixels)
    decoded = schema.features()['image'].decode_example_np(stored)
    np.testing.assert_array_equal(decoded, pixels)


def test_pixel_counts_leave_out_what_is_ignored() -> None:
    mask = np.array([[0, 0, 2, 255], [1, 2, 2, 255]], np.uint8)
    assert schema.count_pixels(mask, 4).tolist() == [2, 1, 3, 0]
    with pytest.raises(
        ValueError, match='mask value 2 is outside the class map: 0 to 1'
    ):
        schema.count_pixels(mask, 2)


def test_real_pairs_have_masks_of_the_size_that_the_rule_gives(
    shared: pathlib.Path,
) -> None:
    """DeepPCB: no box is empty, labels stay in them and take 0.05 to 1 % of a pair."""
    splits = deep_pcb_dataset_builder.find_pairs(shared / 'data/deep_pcb')
    assert {name: len(pairs) for name, pairs in splits.items()} == {
        'train': 900,
        'val': 100,
        'test': 134,
    }
    for pair in splits['test'][::30]:
        assert deep_pcb_dataset_builder.pair_problems(pair) == []
        image, reference = map(
            deep_pcb_dataset_builder.read_gray, (pair.image, pair.reference)
        )
        boxes = deep_pcb_dataset_builder.read_box_list(pair.boxes, size=image.shape)
        mask = box_masks.mask_from_boxes(image, reference, boxes)
        assert 0.0005 < np.mean(mask > 0) < 0.01
        for box in boxes:
            assert np.count_nonzero(mask[box.window] == box.class_id) >= 6
            mask[box.window] = 0
        assert not mask.any()
