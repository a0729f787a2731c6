"""Claims about the MVTec AD builder, and about sets whose pairs differ in size."""

import functools
import json
import pathlib
import shutil
from collections import Counter
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.io
import tensorflow_datasets as tfds

from cadnet_jax.data.batches import evaluation_batches, training_batches
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data_config import DataConfig
from cadnet_jax.datasets import mvtec_ad, preparation
from cadnet_jax.datasets.mvtec_ad import mvtec_ad_dataset_builder as builder
from cadnet_jax.datasets.mvtec_ad import references
from tests.support.tiny_mvtec_ad import (
    COUNTS,
    KINDS,
    OBJECTS,
    defect,
    posture,
    write_tiny_mvtec_ad,
)

IMAGE = 'pill/test/crack/002.png'
MASK = 'pill/ground_truth/crack/002_mask.png'
GOOD = 'bottle/train/good/000.png'

Damage = Callable[[pathlib.Path], Any]


def prepare(
    output: pathlib.Path,
    source: pathlib.Path,
    config: str = 'by_object',
    **options: Any,
) -> pathlib.Path:
    make_builder = functools.partial(mvtec_ad.Builder, config=config, **options)
    return preparation.prepare(make_builder, output, source_dir=source)


def read(prepared: pathlib.Path, split: str) -> dict[str, dict[str, Any]]:
    """The examples of a split, by id."""
    source = tfds.builder_from_directory(prepared).as_data_source(split)
    return {pair['id'].decode(): pair for pair in source}


def rgb(path: pathlib.Path) -> np.ndarray:
    """The pixels of a PNG file, by scikit-image."""
    pixels = skimage.io.imread(path)
    return pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_tiny_mvtec_ad(tmp_path_factory.mktemp('source'))


@pytest.fixture(scope='module')
def prepared(
    source: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    return prepare(tmp_path_factory.mktemp('prepared'), source)


def expected_ids() -> set[str]:
    return {
        f'{name}/{folder}/{index:03}'
        for name, counts in COUNTS.items()
        for folder, count in zip(
            ('train/good', 'test/good', f'test/{KINDS[name]}'), counts, strict=True
        )
        for index in range(count)
    }


@pytest.mark.parametrize('split', ['train', 'test'])
def test_images_and_masks_come_back_bit_for_bit(
    split: str, source: pathlib.Path, prepared: pathlib.Path
) -> None:
    """At their own size; gray ones in all three channels; the class is the object."""
    for id, pair in read(prepared, split).items():
        name, _, kind, stem = id.split('/')
        assert pair['group'].decode() == name
        np.testing.assert_array_equal(pair['image'], rgb(source / f'{id}.png'))
        mask = np.zeros((*OBJECTS[name], 1), np.uint8)
        if kind != 'good':
            mask[defect(int(stem))] = 1 + builder.OBJECTS.index(name)
        np.testing.assert_array_equal(pair['mask'], mask)


def test_all_images_are_shuffled_and_seven_tenths_are_for_training(
    source: pathlib.Path, prepared: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    train, test = (set(read(prepared, split)) for split in ('train', 'test'))
    assert len(train) == 49 and len(test) == 21
    assert train | test == expected_ids()
    # The folders do not matter.
    assert any('/test/good/' in id for id in train)
    assert any('/train/' in id for id in test)
    again = prepare(tmp_path / 'same', source)
    assert set(read(again, 'train')) == train
    other = prepare(tmp_path / 'other', source, seed=1)
    assert set(read(other, 'train')) != train


def test_the_counts_of_the_paper_are_seven_tenths_rounded_down() -> None:
    splits = preparation.shuffle_70_30(range(5354), seed=3, what='images')
    assert [len(splits[name]) for name in ('train', 'test')] == [3747, 1607]
    assert sorted(splits['train'] + splits['test']) == list(range(5354))


def test_the_reference_is_the_most_similar_defect_free_training_image(
    source: pathlib.Path, prepared: pathlib.Path
) -> None:
    """Of the object itself, in the same posture, and another image."""
    train, test = read(prepared, 'train'), read(prepared, 'test')
    good = {id: rgb(source / f'{id}.png') for id in train if '/good/' in id}
    alike = 0
    for id, pair in (train | test).items():
        [chosen] = [
            other
            for other, pixels in good.items()
            if pixels.shape == pair['reference'].shape
            and np.array_equal(pixels, pair['reference'])
        ]
        assert chosen != id and chosen.split('/')[0] == id.split('/')[0]
        kin = {
            other
            for other in set(good) - {id}
            if other.split('/')[0] == id.split('/')[0]
            and posture(other[-3:]) == posture(id[-3:])
        }
        assert chosen in kin or not kin
        alike += bool(kin)
    assert alike > 60


def test_first_takes_the_image_of_the_published_code(
    source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = prepare(tmp_path, source, reference='first')
    for id, pair in (read(prepared, 'train') | read(prepared, 'test')).items():
        first = source / id.split('/')[0] / 'train/good/000.png'
        np.testing.assert_array_equal(pair['reference'], rgb(first))
    metadata = json.loads((prepared / 'metadata.json').read_text())
    assert metadata['options'] == {'seed': 0, 'reference': 'first'}
    with pytest.raises(ValueError, match=r'with reference=first, not with .*similar'):
        prepare(tmp_path, source)


def test_any_defect_is_one_class_in_the_binary_config(
    source: pathlib.Path, prepared: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    binary = prepare(tmp_path, source, 'binary')
    assert binary.parts[-3:] == ('mvtec_ad', 'binary', '1.0.0')
    info = read_info(binary)
    assert info.class_names == ('background', 'defect')
    for split in ('train', 'test'):
        by_object = read(prepared, split)
        for id, pair in read(binary, split).items():
            mask = by_object[id]['mask'] > 0
            np.testing.assert_array_equal(pair['mask'], mask)


def test_metadata_hold_all_fifteen_classes_whatever_is_there(
    prepared: pathlib.Path,
) -> None:
    """So that checkpoints fit sets of other objects."""
    assert prepared.parts[-3:] == ('mvtec_ad', 'by_object', '1.0.0')
    metadata = json.loads((prepared / 'metadata.json').read_text())
    assert len(metadata['class_names']) == 16
    for split in ('train', 'test'):
        pairs = read(prepared, split)
        counts: Counter[int] = Counter()
        for pair in pairs.values():
            values, numbers = np.unique(pair['mask'], return_counts=True)
            counts.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
        assert metadata['class_pixels'][split] == [counts[i] for i in range(16)]
        groups = Counter(pair['group'].decode() for pair in pairs.values())
        assert metadata['statistics'][split]['images of'] == groups
    assert 'images of' in preparation.describe(prepared)


def test_the_directory_that_holds_the_archive_is_as_good(source: pathlib.Path) -> None:
    assert builder.find_photos(source.parent) == builder.find_photos(source)


def test_random_crops_of_pairs_that_differ_in_size_make_a_batch(
    prepared: pathlib.Path,
) -> None:
    """Larger and smaller ones than the crop; each object has its turn."""
    config = DataConfig(
        data_dir=str(prepared), batch_size=7, crop_size=72, reader_threads=1
    )
    batches = training_batches(config, seed=0)
    seen = set()
    for _, batch in zip(range(14), batches, strict=False):
        assert batch['image'].shape == batch['reference'].shape == (7, 72, 72, 3)
        assert batch['mask'].shape == (7, 72, 72)
        seen |= set(np.unique(batch['mask']))
    assert seen == {0, 255} | {1 + builder.OBJECTS.index(name) for name in OBJECTS}


@pytest.mark.parametrize('batch_size', [1, 4])
def test_evaluation_has_each_pair_once_in_batches_of_one_size(
    batch_size: int, source: pathlib.Path, prepared: pathlib.Path
) -> None:
    seen: Counter[str] = Counter()
    batches = evaluation_batches(prepared, 'test', batch_size=batch_size)
    for batch in batches:
        for index in np.flatnonzero(batch['valid']):
            id = batch['id'][index]
            np.testing.assert_array_equal(
                batch['image'][index], rgb(source / f'{id}.png')
            )
            seen[id] += 1
    assert seen == Counter(read(prepared, 'test').keys())


def _cut(path: pathlib.Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _blank(height: int, width: int) -> Damage:
    return lambda path: cv2.imwrite(str(path), np.zeros((height, width), np.uint8))


def _write(text: str) -> Damage:
    return lambda path: path.write_text(text)


BROKEN: dict[str, tuple[str, Damage, str]] = {
    'truncated': (IMAGE, _cut, 'a truncated PNG'),
    'truncated mask': (MASK, _cut, 'a truncated PNG'),
    'non-image': (GOOD, _write('<html>not found</html>'), 'not an image'),
    'empty file': (GOOD, _write(''), 'an empty file'),
    'missing mask': (MASK, pathlib.Path.unlink, 'no such image file'),
    'missing image': (IMAGE, pathlib.Path.unlink, 'its image is missing'),
    'black mask': (MASK, _blank(64, 80), 'no pixel is white'),
    'other mask': (MASK, _blank(64, 81), '81x64 pixels, but its image has 80x64'),
    'other size': (
        'zipper/test/good/001.png',
        _blank(100, 102),
        '102x100 pixels, but others of zipper have 102x102',
    ),
}


@pytest.fixture
def own_source(source: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    return shutil.copytree(source, tmp_path / 'source')


@pytest.mark.parametrize('case', BROKEN)
def test_a_broken_file_is_named_and_nothing_is_written(
    case: str, own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    file, damage, message = BROKEN[case]
    damage(own_source / file)
    with pytest.raises(ValueError, match=message) as caught:
        prepare(tmp_path / 'data', own_source)
    text = str(caught.value)
    assert text.startswith('bad files (1): ') and '\n' not in text
    assert str(own_source / (MASK if case == 'missing image' else file)) in text
    assert text.endswith('Get these files again from where the data set came from.')
    assert not list((tmp_path / 'data').rglob('*1.0.0*'))


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('bottel/train/good/000.png', r"bottel': not one of the folders bottle, cable"),
        ('pill/train/crack/000.png', r'only train/good has images for training'),
        ('pill/test/crack/000.jpg', r'not of the form FOLDER/NAME\.png'),
        ('pill/test/crack/000.png.part', r'not of the form FOLDER/NAME\.png'),
        ('pill/test/000.png', r'not of the form FOLDER/NAME\.png'),
        ('pill/test/crack/a b.png', r'not of the form FOLDER/NAME\.png'),
        ('pill/test/crack/a\nb.png', r'not of the form FOLDER/NAME\.png'),
        ('pill/test/crack/٣.png', r'not of the form FOLDER/NAME\.png'),
        ('pill/test/big crack/000.png', r'not of the form FOLDER/NAME\.png'),
        ('pill/test/crack/deep/000.png', r'not of the form FOLDER/NAME\.png'),
        ('pill/ground_truth/crack/099_mask.png', r'its image is missing'),
        ('pill/ground_truth/crack/000.png', r'its image is missing'),
    ],
)
def test_a_name_that_does_not_belong_there_is_an_error(
    name: str, message: str, own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = own_source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((own_source / IMAGE).read_bytes())
    with pytest.raises(ValueError, match=message) as caught:
        prepare(tmp_path / 'data', own_source)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('folder', ['train', 'test', 'ground_truth'])
def test_an_object_without_one_of_its_folders_is_an_error(
    folder: str, own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    shutil.rmtree(own_source / 'pill' / folder)
    with pytest.raises(ValueError, match=f'pill/{folder}: no such directory'):
        prepare(tmp_path / 'data', own_source)


def test_a_directory_without_objects_is_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / 'source/elsewhere').mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r'no folder of an object.*bottle'):
        prepare(tmp_path / 'data', tmp_path / 'source')


def test_an_object_without_a_second_defect_free_image_is_an_error(
    own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for path in own_source.rglob('pill/*/good/*.png'):
        if path.parts[-3:] != ('train', 'good', '000.png'):
            path.unlink()
    with pytest.raises(ValueError, match='pill: no other defect-free image is in'):
        prepare(tmp_path / 'data', own_source)
    (own_source / 'pill/train/good/000.png').unlink()
    with pytest.raises(ValueError, match='pill: there is no image in train/good'):
        prepare(tmp_path / 'data', own_source, reference='first')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'reference': 'best'}, "reference='best' is unknown; .* similar, first"),
        ({'seed': -1}, 'seed=-1 is out of range'),
    ],
)
def test_an_option_out_of_range_is_named(
    options: dict[str, Any], message: str, source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path, source, 'binary', **options)
    assert not list(tmp_path.iterdir())


def test_scores_are_correlation_coefficients() -> None:
    """numpy's corrcoef is the oracle; brightness and contrast do not matter."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 64, 64, 3), np.uint8)
    thumbnails = [references.thumbnail(image) for image in images]
    grays = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).ravel() for image in images]
    np.testing.assert_allclose(
        np.array(thumbnails) @ np.array(thumbnails).T, np.corrcoef(grays), atol=1e-5
    )
    darker = references.thumbnail(images[0] // 2 + 9)
    assert darker @ thumbnails[0] > 0.999
    flat = references.thumbnail(np.full((90, 80, 3), 77, np.uint8))
    assert not flat.any()


def test_an_image_is_never_chosen_for_itself() -> None:
    a, b, c = np.eye(3, 4096, dtype=np.float32)
    near_a = (a + 0.2 * b).astype(np.float32)
    chosen = references.most_correlated(
        {'a': a, 'b': b, 'near a': near_a}, {'a': a, 'b': b, 'c': c}
    )
    assert chosen == {'a': 'b', 'b': 'a', 'near a': 'a'}
    assert references.most_correlated({'a': a}, {'a': a}) == {'a': None}
    assert references.most_correlated({'a': a}, {}) == {'a': None}
