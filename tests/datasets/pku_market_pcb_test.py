"""Claims about the PKU-Market-PCB builder."""

import functools
import json
import pathlib
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.io
import tensorflow_datasets as tfds

from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.datasets import box_masks, pku_market_pcb, preparation
from cadnet_jax.datasets.pku_market_pcb import annotation
from cadnet_jax.datasets.pku_market_pcb import pku_market_pcb_dataset_builder as builder
from tests.support.tiny_pku_market_pcb import (
    BOARDS,
    CLASSES,
    SIDE,
    SIZE,
    defects,
    voc,
    write_tiny_pku_market_pcb,
)

IMAGE = 'images/Short/04_short_01.jpg'
BOXES = 'Annotations/Short/04_short_01.xml'
TEMPLATE = 'PCB_USED/04.JPG'
SQUARES = {'01': (2, 3), '04': (2, 2), '05': (2, 1), '06': (1, 2), '12': (3, 1)}

Damage = Callable[[pathlib.Path], Any]


def prepare(
    output: pathlib.Path, source: pathlib.Path, config: str = 'by_crop', **options: Any
) -> pathlib.Path:
    make_builder = functools.partial(
        pku_market_pcb.Builder, config=config, **{'size': SIZE, **options}
    )
    return preparation.prepare(make_builder, output, source_dir=source)


def read(prepared: pathlib.Path, split: str) -> dict[str, dict[str, Any]]:
    """The examples of a split, by id."""
    source = tfds.builder_from_directory(prepared).as_data_source(split)
    return {pair['id'].decode(): pair for pair in source}


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_tiny_pku_market_pcb(tmp_path_factory.mktemp('source'), images=2)


@pytest.fixture(scope='module')
def prepared(
    source: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    return prepare(tmp_path_factory.mktemp('prepared'), source)


@pytest.fixture(scope='module')
def pairs(prepared: pathlib.Path) -> dict[str, dict[str, Any]]:
    return read(prepared, 'train') | read(prepared, 'test')


def squares_with_defects(board: str, number: int) -> set[tuple[int, int]]:
    """Where the drawn defects come to lie, from their corners."""
    found = set()
    for y, x in defects(board, number):
        for dy in (0, SIDE - 1):
            for dx in (0, SIDE - 1):
                place = np.array([y + dy, x + dx]) * SQUARES[board] / BOARDS[board]
                found.add((int(place[0]), int(place[1])))
    return found


def test_the_crops_with_defects_are_kept_and_only_they(
    pairs: dict[str, dict[str, Any]],
) -> None:
    assert set(pairs) == {
        f'{board}_{name}_{number:02}/{row}_{column}'
        for board in BOARDS
        for name in CLASSES
        for number in (1, 2)
        for row, column in squares_with_defects(board, number)
    }
    for id, pair in pairs.items():
        assert pair['group'].decode() == id.split('_')[0]
        assert pair['image'].shape == pair['reference'].shape == (SIZE, SIZE, 3)
        assert pair['mask'].shape == (SIZE, SIZE, 1)


def test_a_crop_of_a_photo_that_needs_no_resizing_is_cut_bit_for_bit(
    source: pathlib.Path, pairs: dict[str, dict[str, Any]]
) -> None:
    """Board 04 has 128x128 pixels; scikit-image reads the files anew."""
    template = skimage.io.imread(source / TEMPLATE)
    of_board = [id for id in pairs if id.startswith('04')]
    assert len(of_board) >= 12
    for id in of_board:
        stem, place = id.split('/')
        row, column = map(int, place.split('_'))
        [path] = (source / 'images').rglob(f'{stem}.jpg')
        for field, whole in (
            ('image', skimage.io.imread(path)),
            ('reference', template),
        ):
            square = whole[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
            difference = np.abs(pairs[id][field].astype(int) - square)
            # Two JPEG decoders may round differently.
            assert difference.max() <= 3 and difference.mean() < 0.1


@pytest.mark.parametrize('board', BOARDS)
def test_each_defect_is_labeled_with_its_class_where_it_was_drawn(
    board: str, pairs: dict[str, dict[str, Any]]
) -> None:
    rows, columns = SQUARES[board]
    for class_id, name in enumerate(CLASSES, start=1):
        for number in (1, 2):
            whole = np.zeros((rows * SIZE, columns * SIZE), np.uint8)
            for row, column in squares_with_defects(board, number):
                pair = pairs[f'{board}_{name}_{number:02}/{row}_{column}']
                y, x = row * SIZE, column * SIZE
                whole[y : y + SIZE, x : x + SIZE] = pair['mask'][..., 0]
            assert set(np.unique(whole)) == {0, class_id}
            assert whole[drawn(board, number, grown=0)].all()
            assert not whole[~drawn(board, number, grown=2)].any()


def drawn(board: str, number: int, *, grown: int) -> np.ndarray:
    """The drawn squares, grown by some pixels on each side, bool in whole squares."""
    bits = np.zeros(BOARDS[board], np.uint8)
    for y, x in defects(board, number):
        bits[y - grown : y + SIDE + grown, x - grown : x + SIDE + grown] = 1
    height, width = (SIZE * squares for squares in SQUARES[board])
    resized = cv2.resize(bits, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return resized > 0


def test_metadata_hold_classes_pixels_options_and_statistics(
    prepared: pathlib.Path,
) -> None:
    assert prepared.parts[-3:] == ('pku_market_pcb', 'by_crop', '1.0.0')
    metadata = json.loads((prepared / 'metadata.json').read_text())
    assert metadata['class_names'] == ['background', *CLASSES]
    assert metadata['options'] == {'size': SIZE, 'seed': 0}
    for split in ('train', 'test'):
        pairs = read(prepared, split)
        masks = np.stack([pair['mask'] for pair in pairs.values()])
        assert metadata['class_pixels'][split] == [
            np.count_nonzero(masks == index) for index in range(7)
        ]
        statistics = metadata['statistics'][split]
        groups = [pair['group'].decode() for pair in pairs.values()]
        assert statistics['crops of board'] == {
            board: groups.count(board) for board in set(groups)
        }
        assert statistics['crops with'] == {'defects': len(pairs), 'ignored box': 0}
    assert 'crops of board' in preparation.describe(prepared)
    assert read_info(prepared).name == 'pku_market_pcb/by_crop'


def test_seven_tenths_of_the_crops_are_for_training(
    source: pathlib.Path, prepared: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    train, test = (set(read(prepared, split)) for split in ('train', 'test'))
    assert len(train) == 7 * len(train | test) // 10
    assert not train & test
    boards = {split: {id[:2] for id in ids} for split, ids in [(0, train), (1, test)]}
    assert boards[0] == boards[1] == set(BOARDS)
    again = prepare(tmp_path / 'same', source)
    assert set(read(again, 'train')) == train
    other = prepare(tmp_path / 'other', source, seed=1)
    assert set(read(other, 'train')) != train
    assert set(read(other, 'train')) | set(read(other, 'test')) == train | test


@pytest.mark.parametrize('seed', range(4))
def test_no_board_is_in_two_splits(
    seed: int, source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = prepare(tmp_path, source, 'by_board', seed=seed)
    assert prepared.parts[-3:] == ('pku_market_pcb', 'by_board', '1.0.0')
    groups = {
        split: {pair['group'].decode() for pair in read(prepared, split).values()}
        for split in ('train', 'test')
    }
    assert len(groups['train']) == 3 and len(groups['test']) == 2
    assert groups['train'] | groups['test'] == set(BOARDS)


def test_the_seed_says_which_boards_are_for_testing(source: pathlib.Path) -> None:
    photos, problems = builder.find_photos(source)
    assert not problems
    crops = [builder.Crop(photo, 0, 0) for photo in photos]
    chosen = {
        frozenset(c.photo.board for c in splits['test'])
        for seed in range(20)
        for splits in [builder.split_crops(crops, by='by_board', seed=seed)]
    }
    assert len(chosen) > 3


def test_the_directory_that_holds_pcb_dataset_is_as_good(source: pathlib.Path) -> None:
    assert builder.find_photos(source.parent) == builder.find_photos(source)


def test_another_size_of_crops_gives_other_crops(
    source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    prepared = prepare(tmp_path, source, size=128)
    pairs = read(prepared, 'train') | read(prepared, 'test')
    assert {pair['image'].shape for pair in pairs.values()} == {(128, 128, 3)}
    assert {id for id in pairs if id.startswith('04')} == {
        f'04_{name}_{number:02}/0_0' for name in CLASSES for number in (1, 2)
    }


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [('size', 31, '32 to 4096'), ('size', 0, 'size=0'), ('seed', -1, 'seed=-1')],
)
def test_an_option_out_of_range_is_named(
    option: str, value: int, message: str, source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path, source, 'by_crop', **{option: value})
    assert not list(tmp_path.iterdir())


def _cut(path: pathlib.Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _resize(path: pathlib.Path) -> None:
    cv2.imwrite(str(path), np.zeros((48, 60, 3), np.uint8))


def _huge(path: pathlib.Path) -> None:
    """A PNG, whole by its checksums, whose header says 40,000 x 40,000 pixels."""
    chunks = [
        (b'IHDR', struct.pack('>IIBBBBB', 40_000, 40_000, 8, 2, 0, 0, 0)),
        (b'IDAT', zlib.compress(bytes(1000))),
        (b'IEND', b''),
    ]
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + b''.join(
            struct.pack('>I', len(data))
            + kind
            + data
            + struct.pack('>I', zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )


def _write(text: str) -> Damage:
    return lambda path: path.write_text(text)


def _replace(old: str, new: str) -> Damage:
    return lambda path: path.write_text(path.read_text().replace(old, new, 1))


def _box(*corners: int) -> Damage:
    return _write(voc('04', 'short', 1, [corners]))  # type: ignore[list-item]


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
FILE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
BROKEN: dict[str, tuple[str, Damage, str]] = {
    'missing template': (TEMPLATE, pathlib.Path.unlink, 'no such image file'),
    'missing boxes': (BOXES, pathlib.Path.unlink, 'no such file'),
    'truncated': (IMAGE, _cut, 'a truncated JPEG'),
    'non-image': (IMAGE, _write('<html>not found</html>'), 'not an image'),
    'empty file': (TEMPLATE, _write(''), 'an empty file'),
    'huge header': (IMAGE, _huge, 'not an image that can be read|more than'),
    'other size': (IMAGE, _resize, '60x48 pixels, but 04.JPG has 128x128'),
    'no xml': (BOXES, _write('short 1 2 3 4'), r'not well-formed XML \(syntax error'),
    'empty xml': (BOXES, _write(''), 'not well-formed XML'),
    'cut xml': (BOXES, _cut, 'not well-formed XML'),
    'utf-16': (
        BOXES,
        lambda path: path.write_bytes(path.read_text().encode('utf-16')),
        'not text in utf-8; save it as UTF-8',
    ),
    'entities': (BOXES, _replace('<ann', f'{BOMB}<ann'), 'declares a document type'),
    'a file': (BOXES, _replace('<ann', f'{FILE}<ann'), 'declares a document type'),
    'unknown entity': (BOXES, _replace('short<', '&lol;<'), 'undefined entity'),
    'other root': (BOXES, _write('<svg/>'), 'outermost element is <svg>'),
    'too long': (
        BOXES,
        _write('<annotation>' * 90_000),
        '1,080,000 bytes are too many',
    ),
    'deep': (BOXES, _write('<a>' * 300_000), 'not well-formed XML'),
    'no object': (BOXES, _write('<annotation/>'), 'names no <object>'),
    'other image': (
        BOXES,
        _replace('<width>128', '<width>129'),
        'made for an image of 129x128 pixels, but its image has 128x128',
    ),
    'unknown class': (
        BOXES,
        _replace('<name>short', '<name>../../etc/passwd'),
        "unknown class '../../etc/passwd'; known: missing_hole",
    ),
    'no name': (BOXES, _replace('name>', 'nom>'), 'not well-formed|unknown class'),
    'no corner': (BOXES, _replace('<ymax>', '<ymax></ymax><ymax>'), "<ymax> .* is ''"),
    'words': (BOXES, _replace('<xmin>', '<xmin>one'), "<xmin> in <bndbox> is 'one"),
    'fraction': (BOXES, _replace('<xmin>', '<xmin>0.'), 'not a whole number'),
    'negative': (BOXES, _replace('<xmin>', '<xmin>-'), 'not a whole number'),
    'many digits': (BOXES, _replace('<xmin>', '<xmin>' + '9' * 5000), 'not a whole'),
    'outside': (BOXES, _box(100, 10, 129, 30), 'leaves the 128x128 image'),
    'at 0': (BOXES, _box(0, 10, 20, 30), 'leaves the 128x128 image'),
    'inside out': (BOXES, _box(30, 10, 20, 30), r'the box \(30, 10, 20, 30\) is empty'),
}


@pytest.fixture
def own_source(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_tiny_pku_market_pcb(tmp_path / 'source')


@pytest.mark.parametrize('case', BROKEN)
def test_a_broken_file_is_named_and_nothing_is_written(
    case: str, own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    file, damage, message = BROKEN[case]
    damage(own_source / file)
    with pytest.raises(ValueError, match=message) as caught:
        prepare(tmp_path / 'data', own_source)
    text = str(caught.value)
    assert text.startswith('bad files (1): ' if 'PCB_USED' not in file else 'bad files')
    assert str(own_source / file) in text and '\n' not in text
    assert text.endswith('Get these files again from where the data set came from.')
    assert len(text) < 1500
    assert not list((tmp_path / 'data').rglob('*1.0.0*'))


def test_a_bad_template_is_listed_once(
    own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (own_source / TEMPLATE).unlink()
    with pytest.raises(ValueError, match=r'^bad files \(1\)'):
        prepare(tmp_path / 'data', own_source)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('images/Short/04_short.jpg', 'not of the form BOARD_short_NUMBER.jpg'),
        ('images/Short/04_spur_01.jpg', 'not of the form BOARD_short_NUMBER.jpg'),
        ('images/Short/04_short_01 (copy).jpg', 'not of the form'),
        ('images/Short/04_short_01.jpg.part', 'not of the form'),
        ('images/Short/٠٤_short_01.jpg', 'not of the form'),
        ('images/Short/04_short_01\n.jpg', 'not of the form'),
        ('images/Short/04_short_01.JPG', '04_short_01: two images of this name'),
        ('images/Shorts/04_short_01.jpg', 'not one of the folders missing_hole'),
        ('images/readme.txt', 'not one of the folders'),
        ('Annotations/Short/04_short_09.xml', 'its image is missing'),
        ('Annotations/Background/04_short_09.xml', 'not one of the folders'),
    ],
)
def test_a_name_that_does_not_belong_there_is_an_error(
    name: str, message: str, own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path = own_source / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((own_source / IMAGE).read_bytes())
    with pytest.raises(ValueError, match=message) as caught:
        prepare(tmp_path / 'data', own_source)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('folder', ['images', 'Annotations', 'PCB_USED'])
def test_a_directory_without_the_three_folders_is_an_error(
    folder: str, own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    (own_source / folder).rename(own_source / 'elsewhere')
    with pytest.raises(FileNotFoundError, match=rf'{folder}: no such .*PCB_DATASET of'):
        prepare(tmp_path / 'data', own_source)


def test_one_board_cannot_be_split_by_board(
    own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for folder in ('images', 'Annotations'):
        for path in (own_source / folder).rglob('[0-9]*'):
            if not path.name.startswith('04'):
                path.unlink()
    with pytest.raises(ValueError, match='1 boards with defects: too few'):
        prepare(tmp_path / 'data', own_source, 'by_board')
    assert len(read(prepare(tmp_path / 'data', own_source), 'test')) > 0


def test_a_defect_too_faint_to_see_is_ignored_and_counted(
    own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """The second box of the photo is moved to where nothing differs."""
    (y, x), _ = defects('04', 1)
    visible = (x - 3, y - 3, x + SIDE + 4, y + SIDE + 4)
    faint = (41, 31, 50, 42)
    (own_source / BOXES).write_text(voc('04', 'short', 1, [visible, faint]))
    prepared = prepare(tmp_path, own_source)
    pairs = read(prepared, 'train') | read(prepared, 'test')
    mask = pairs['04_short_01/0_0']['mask'][..., 0]
    expected = np.zeros_like(mask)
    expected[30:42, 40:50] = 255
    np.testing.assert_array_equal(mask == 255, expected == 255)
    assert np.count_nonzero(mask == 4) >= SIDE**2
    metadata = json.loads((prepared / 'metadata.json').read_text())
    assert (
        sum(s['crops with']['ignored box'] for s in metadata['statistics'].values())
        == 1
    )
    assert (
        sum(map(sum, metadata['class_pixels'].values())) == len(pairs) * SIZE**2 - 120
    )
    listed = [label for of in metadata['unusable_labels'].values() for label in of]
    assert [label['label'] for label in listed] == [
        'short in 04_short_01.xml: (40, 30, 50, 42, 4)'
    ]


def test_of_a_photo_whose_boxes_are_all_too_faint_no_crop_is_kept(
    own_source: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """It stops nothing: nobody could mend it."""
    (own_source / BOXES).write_text(voc('04', 'short', 1, [(41, 31, 50, 42)]))
    prepared = prepare(tmp_path, own_source)
    ids = set(read(prepared, 'train') | read(prepared, 'test'))
    assert not any(id.startswith('04_short') for id in ids)
    assert any(id.startswith('04_spur') for id in ids)


def test_voc_corners_count_from_one_and_lie_inside_the_box(
    tmp_path: pathlib.Path,
) -> None:
    path = tmp_path / 'a.xml'
    path.write_text(voc('06', 'Spur ', 1, [(1, 2, 128, 64), (5, 5, 5, 5)]))
    boxes = annotation.read_boxes(path, builder.CLASS_NAMES, size=BOARDS['06'])
    assert boxes == [(0, 1, 128, 64, 5), (4, 4, 5, 5, 5)]


def test_real_photos_have_masks_near_those_lent_with_them(shared: pathlib.Path) -> None:
    """Crops of four boards: no box is empty; the lent masks follow another rule."""
    lent = shared / 'data/pku_pcb'
    samples = json.loads((lent / 'annotations.json').read_text())['samples'][::4]
    ious = []
    for sample in samples:
        image, reference, mask = (
            skimage.io.imread(lent / f'{kind}/{sample["name"]}.{suffix}')
            for kind, suffix in (('ng', 'jpg'), ('ok', 'jpg'), ('mask', 'png'))
        )
        boxes = [
            box_masks.Box(left, top, right, bottom, sample['id'])
            for left, top, right, bottom in sample['boxes']
        ]
        ours = box_masks.mask_from_photo_boxes(image, reference, boxes)
        assert not np.any(ours == 255)
        assert set(np.unique(ours)) == {0, sample['id']}
        if boxes:
            ious.append(
                np.count_nonzero((ours > 0) & (mask > 0))
                / np.count_nonzero((ours > 0) | (mask > 0))
            )
    assert len(ious) >= 15
    assert np.mean(ious) > 0.75 and min(ious) > 0.4
