"""Claims about preparing a user's own pairs: faults are found, and can be mended."""

import functools
import io
import json
import pathlib
import shutil
import zipfile
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds
import tifffile
from PIL import Image

from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.datasets import paired_folder, preparation
from cadnet_jax.datasets.checks import KINDS, Finding
from cadnet_jax.datasets.paired_folder.options import Options
from cadnet_jax.datasets.paired_folder.paired_folder_dataset_builder import check_source
from cadnet_jax.datasets.paired_folder.source import read_source
from cadnet_jax.evaluation.evaluate import evaluate
from cadnet_jax.files.images import read_image
from cadnet_jax.inference.pair_files import list_pairs
from cadnet_jax.inference.predict_files import predict_files
from tests.support.tiny_data import CLASS_NAMES, tiny_board
from tests.support.tiny_pairs import (
    NUM_PAIRS,
    SIZE,
    tiny_pair,
    write,
    write_classes,
    write_tiny_pairs,
)
from tests.support.tiny_run import differencing_predictor

Change = Callable[[pathlib.Path], Any]


def prepare(
    folder: pathlib.Path,
    output: pathlib.Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    **options: Any,
) -> pathlib.Path:
    source = read_source(folder, Options(**options))
    make_builder = functools.partial(
        paired_folder.Builder, source=source, workers=workers
    )
    return preparation.prepare(
        make_builder, output, source_dir=folder, overwrite=overwrite
    )


def check(folder: pathlib.Path, **options: Any) -> list[Finding]:
    return check_source(read_source(folder, Options(**options)), workers=1).findings


def read(prepared: pathlib.Path) -> dict[str, dict[str, Any]]:
    """All examples, by id."""
    builder = tfds.builder_from_directory(prepared)
    return {
        pair['id'].decode(): {**pair, 'split': split}
        for split in builder.info.splits
        for pair in builder.as_data_source(split)
    }


def cut(name: str) -> Change:
    """Leaves half of a file."""

    def change(folder: pathlib.Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return change


def replace(name: str, pixels: np.ndarray) -> Change:
    return lambda folder: write(folder / name, pixels)


def replace_bytes(name: str, data: bytes) -> Change:
    return lambda folder: (folder / name).write_bytes(data)


def copy(source: str, name: str) -> Change:
    return lambda folder: shutil.copy(folder / source, folder / name)


def huge_bmp() -> bytes:
    """The file of one pixel, with a header of 60,000 x 60,000."""
    data = cv2.imencode('.bmp', np.zeros((1, 1), np.uint8))[1].tobytes()
    return data[:18] + (60_000).to_bytes(4, 'little') * 2 + data[26:]


def write_manifest(folder: pathlib.Path, *, boards: str = '0000000111') -> None:
    """Pair i is of the board boards[i]; the last three pairs are the split test."""
    lines = ['image,reference,mask,split,group']
    for i, board in enumerate(boards):
        split = 'test' if i > 6 else 'train'
        lines.append(
            f'image/{i}.png,reference/{i}.png,mask/{i}.png,{split},board {board}'
        )
    (folder / 'manifest.csv').write_text('\n'.join(lines) + '\n')


def leave_a_file_over(folder: pathlib.Path) -> None:
    (folder / 'manifest.csv').unlink()
    shutil.copy(folder / 'mask/3.png', folder / 'mask/three.png')


def empty_zip() -> bytes:
    file = io.BytesIO()
    zipfile.ZipFile(file, 'w').close()
    return file.getvalue()


def link_to_itself(folder: pathlib.Path) -> None:
    (folder / 'image/3.png').unlink()
    (folder / 'image/3.png').symlink_to('3.png')


def write_palettes(folder: pathlib.Path) -> None:
    """Two masks that have one index for two colors; what they label is the same."""
    for name, color in (('2', (255, 0, 0)), ('3', (0, 255, 0))):
        mask = Image.fromarray(MASK, 'P')
        mask.putpalette([0, 0, 0] * 255 + [*color])
        mask.save(folder / f'mask/{name}.png')


def add_a_band(folder: pathlib.Path) -> None:
    """Pair 3 as a TIFF file, with near infrared."""
    stored = np.dstack([IMAGE, IMAGE[..., 0] // 3])
    tifffile.imwrite(folder / 'image/3.tif', stored, photometric='rgb')
    manifest = folder / 'manifest.csv'
    manifest.write_text(manifest.read_text().replace('image/3.png', 'image/3.tif'))
    (folder / 'image/3.png').unlink()


def mirror_a_pair(folder: pathlib.Path) -> None:
    """Pair 3 of the split train as pair 8 of the split test."""
    for name in ('image', 'reference', 'mask'):
        stored = np.array(Image.open(folder / f'{name}/3.png'))
        Image.fromarray(np.fliplr(stored)).save(folder / f'{name}/8.png')


IMAGE, REFERENCE, MASK = tiny_pair(3)
SPECKLE = (np.random.default_rng(0).random(SIZE) < 0.12) * np.uint8(255)
BLUE_SQUARE = IMAGE.copy()
BLUE_SQUARE[25:35, 40:50] = (0, 0, 255)
GREEN_MASK = np.stack([MASK // 2, MASK, MASK // 2], axis=-1)

FAULTS: dict[str, tuple[Change, str, str, str]] = {
    # fault: what breaks the set, and kind, file and words of what is found
    'cut image': (cut('image/3.png'), 'unreadable', 'image/3.png', 'truncated PNG'),
    'cut reference': (cut('reference/3.png'), 'unreadable', 'reference/3.png', 'trunc'),
    'cut mask': (cut('mask/3.png'), 'unreadable', 'mask/3.png', 'truncated PNG'),
    'empty file': (
        replace_bytes('image/3.png', b''),
        *('unreadable', 'image/3.png', 'an empty file'),
    ),
    'huge header': (
        replace_bytes('image/3.png', huge_bmp()),
        *('unreadable', 'image/3.png', 'more than 178,956,970 pixels'),
    ),
    'huge header of a mask': (
        replace_bytes('mask/3.png', huge_bmp()),
        *('unreadable', 'mask/3.png', 'more than 178,956,970 pixels'),
    ),
    'zip of nothing': (
        replace_bytes('mask/3.png', empty_zip()),
        *('unreadable', 'mask/3.png', 'not an image'),
    ),
    'link to itself': (link_to_itself, 'unreadable', 'image/3.png', 'no such image'),
    'size of the image': (
        replace('image/3.png', IMAGE[1:]),
        *('size', 'image/3.png', 'image 56 x 39, reference 56 x 40'),
    ),
    'size of the mask': (
        replace('mask/3.png', MASK[:, :-1]),
        *('size', 'image/3.png', 'mask 55 x 40 pixels'),
    ),
    'value': (
        replace('mask/3.png', MASK // 255),
        *('value', 'mask/3.png', 'has 1 (64 pixels)'),
    ),
    'color': (
        replace('mask/3.png', GREEN_MASK),
        *('value', 'mask/3.png', 'a mask in colors'),
    ),
    'repeated': (
        copy('image/3.png', 'image/8.png'),
        *('repeated', 'image/8.png', 'image/3.png in the split train'),
    ),
    'group': (
        functools.partial(write_manifest, boards='0000001111'),
        *('group', 'image/7.png', "of the group 'board 1', like "),
    ),
    'same image': (
        copy('reference/3.png', 'image/3.png'),
        *('same_image', 'image/3.png', 'the same as its reference'),
    ),
    'empty mask': (
        replace('mask/3.png', MASK * 0),
        *('empty_mask', 'mask/3.png', 'no defect'),
    ),
    'palette': (
        write_palettes,
        *('palette', 'image/3.png', 'index 255 of the mask is #00ff00, but #ff0000 in'),
    ),
    'turned': (
        replace('mask/3.png', np.rot90(MASK, 2)),
        *('turned', 'mask/3.png', 'only if they are turned by 180 degrees'),
    ),
    'mirrored': (
        replace('mask/3.png', np.fliplr(MASK)),
        *('turned', 'mask/3.png', 'only if they are mirrored left to right'),
    ),
    'turned by a quarter': (
        replace('mask/3.png', np.rot90(MASK)),
        *('size', 'image/3.png', 'drawn without the EXIF orientation of the image?'),
    ),
    'near copy': (
        mirror_a_pair,
        *('near_copy', 'image/8.png', 'image/3.png in the split train, mirrored left'),
    ),
    'speckle': (
        replace('mask/3.png', SPECKLE),
        *('implausible', 'mask/3.png', 'of 3 pixels on average at most'),
    ),
    'equal pixels': (
        replace('mask/3.png', np.roll(MASK, 12, axis=0)),
        *('equal_pixels', 'mask/3.png', '1 of 1 labeled regions'),
    ),
    'unlabelled': (
        replace('image/3.png', BLUE_SQUARE),
        *('unlabelled', 'image/3.png', 'around x = 4'),
    ),
    'misaligned': (
        replace('reference/3.png', np.roll(REFERENCE, (1, 3), axis=(0, 1))),
        *('misaligned', 'image/3.png', 'off its reference by x = -3, y = -1 pixels'),
    ),
    'fourth band': (
        add_a_band,
        *('fourth_band', 'image/3.tif', 'fourth of four bands is left out: 3.tif'),
    ),
    'unused': (
        leave_a_file_over,
        *('unused', 'mask/three.png', 'belongs to no pair'),
    ),
}


def test_each_kind_of_fault_has_an_example() -> None:
    """But for labels that a builder could not use, and faults of whole splits."""
    others = {'unusable', 'no_choice', 'unlearned', 'shares', 'ungrouped'}
    assert {kind for _, kind, _, _ in FAULTS.values()} == set(KINDS) - others


@pytest.mark.parametrize('fault', FAULTS)
def test_a_fault_is_found_named_and_can_be_mended(
    fault: str, tmp_path: pathlib.Path
) -> None:
    """Errors leave nothing behind; warnings are listed beside what is prepared."""
    change, kind, file, words = FAULTS[fault]
    good = write_tiny_pairs(tmp_path / 'good')
    write_manifest(good)
    folder = shutil.copytree(good, tmp_path / 'pairs')
    assert not check(folder)
    change(folder)
    findings = check(folder)
    [found] = [f for f in findings if f.kind == kind]
    assert found.file.startswith(f'{folder}/{file}') and words in found.message
    assert found.message.startswith(found.file)
    output = tmp_path / 'prepared'
    if KINDS[kind].is_error:
        with pytest.raises(ValueError) as error:
            prepare(folder, output)
        assert found.message in str(error.value) and 'check_data' in str(error.value)
        assert not list(output.rglob('*2.0.0*'))
    else:
        prepared = prepare(folder, output)
        listed = (prepared / 'check/findings.csv').read_text().splitlines()
        assert len(listed) == 1 + len(findings)
        assert any(found.message in line for line in listed)
    shutil.rmtree(folder)
    shutil.copytree(good, folder)  # the remedy
    assert not check(folder)
    prepared = prepare(folder, output, overwrite=True)
    assert len(read(prepared)) == NUM_PAIRS


def test_all_bad_files_are_named_at_once(tmp_path: pathlib.Path) -> None:
    folder = write_tiny_pairs(tmp_path)
    bad = ['image/1.png', 'mask/2.png', 'reference/1.png']
    for name in bad:
        cut(name)(folder)
    findings = check(folder, splits={'train': 1})
    assert sorted(f.file.removeprefix(f'{folder}/') for f in findings) == bad


def test_what_is_prepared_decodes_to_what_was_given(tmp_path: pathlib.Path) -> None:
    """Pixels, RGB order, ids, names, groups; images of 8 and 16 bits, gray, JPEG."""
    folder = tmp_path / 'Prüfteile 1'
    image, reference, mask = tiny_pair(0)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    stored = {
        'a b.png': image,
        'größe.bmp': image,
        'c.tif': image,
        'd/16 bits.png': image.astype(np.uint16) * 256 + 255,
        'd/16 bits gray.tif': gray.astype(np.uint16) * 256,
        'd/gray.jpg': gray,
    }
    for name, pixels in stored.items():
        stem = pathlib.Path(name).with_suffix('')
        write(folder / 'image' / name, pixels)
        write(folder / 'reference' / stem.with_suffix('.png'), reference)
        write(folder / 'mask' / stem.with_suffix('.png'), mask)
    write_classes(folder, '0,background', '255,"Kratzer, tief"')
    prepared = prepare(folder, tmp_path / 'prepared', splits={'train': 1})
    info = read_info(prepared)
    assert info.class_names == ('background', 'Kratzer, tief')
    labeled = 64 * len(stored)
    total = SIZE[0] * SIZE[1] * len(stored)
    assert info.class_pixels == {'train': (total - labeled, labeled)}
    pairs = read(prepared)
    assert len(pairs) == len(stored)
    for name, pixels in stored.items():
        id = f'image/{name.rpartition(".")[0]}'
        pair = pairs[id]
        expected = image if pixels.ndim == 3 else np.stack([gray] * 3, axis=-1)
        if name.endswith('.jpg'):
            assert np.abs(pair['image'].astype(int) - expected).mean() < 3
        else:
            np.testing.assert_array_equal(pair['image'], expected)
        np.testing.assert_array_equal(pair['reference'], reference)
        np.testing.assert_array_equal(pair['mask'][..., 0], mask // 255)
        group = 'd' if '/d/' in id else id
        assert pair['group'].decode() == group


def test_pairs_without_masks_are_free_of_defects_or_ignored(
    tmp_path: pathlib.Path,
) -> None:
    folder = write_tiny_pairs(tmp_path / 'pairs')
    (folder / 'mask/5.png').unlink()
    for says, value in (('defect_free', 0), ('unlabelled', 255)):
        prepared = prepare(folder, tmp_path / says, without_mask=says)
        assert (read(prepared)['image/5']['mask'] == value).all()
        text = preparation.describe(prepared)
        assert says.replace('_', '-') in text
        pixels = read_info(prepared).class_pixels.values()
        counted = sum(map(sum, pixels))
        assert counted == SIZE[0] * SIZE[1] * (NUM_PAIRS - (value == 255))


def test_a_mask_that_is_ignored_all_over_is_none(tmp_path: pathlib.Path) -> None:
    folder = write_tiny_pairs(tmp_path / 'pairs')
    write_classes(folder, '0,background', '128,ignored', '255,scratch')
    for number, value in ((4, 0), (5, 128)):
        replace(f'mask/{number}.png', np.full_like(MASK, value))(folder)
    prepared = prepare(folder, tmp_path / 'prepared', splits={'train': 1})
    metadata = json.loads((prepared / 'metadata.json').read_text())
    assert metadata['statistics']['train']['labels'] == {
        'defect-free': 1,
        'defective': 8,
        'unlabelled': 1,
    }


def test_the_number_of_workers_does_not_change_a_byte(tmp_path: pathlib.Path) -> None:
    folder = write_tiny_pairs(tmp_path / 'pairs')
    replace('image/3.png', BLUE_SQUARE)(folder)
    one, two = (prepare(folder, tmp_path / f'{n}', workers=n) for n in (1, 2))
    names = [path.relative_to(one) for path in one.rglob('*') if path.is_file()]
    assert len(names) == 8
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_changed_files_are_not_taken_for_what_is_prepared(
    tmp_path: pathlib.Path,
) -> None:
    folder = write_tiny_pairs(tmp_path / 'pairs')
    prepared = prepare(folder, tmp_path / 'prepared')
    assert prepare(folder, tmp_path / 'prepared') == prepared
    replace('image/3.png', BLUE_SQUARE)(folder)
    with pytest.raises(ValueError, match=r'prepared with source=pairs \(10 pairs, .*'):
        prepare(folder, tmp_path / 'prepared')
    prepare(folder, tmp_path / 'prepared', overwrite=True)
    pair = read(prepared)['image/3']
    np.testing.assert_array_equal(pair['image'], BLUE_SQUARE)


def test_predicted_masks_evaluate_to_full_marks_against_themselves(
    tmp_path: pathlib.Path,
) -> None:
    """predict.py's files, given back as labels, are what the network predicts."""
    folder, predictor = tmp_path / 'pairs', differencing_predictor(cell=4)
    for number in range(4):
        image, reference, _ = tiny_board(np.random.default_rng(number), (40, 64))
        write(folder / f'image/{number}.png', image)
        write(folder / f'reference/{number}.png', reference)
    pairs = list_pairs(image=folder / 'image', reference=folder / 'reference')
    predict_files(predictor, pairs, tmp_path / 'predictions', progress=False)
    (folder / 'mask').mkdir()
    for number in range(4):
        saved = tmp_path / f'predictions/{number}_mask.png'
        shutil.copy(saved, folder / f'mask/{number}.png')
    write_classes(folder, *(f'{id},{name}' for id, name in enumerate(CLASS_NAMES)))
    prepared = prepare(folder, tmp_path / 'prepared', splits={'test': 1})
    metrics = evaluate(predictor, prepared, 'test', batch_size=2, progress=False)
    assert metrics['miou'] == metrics['defect_iou'] == 1
    assert all(values['pixels'] > 0 for values in metrics['classes'].values())


@pytest.mark.parametrize(
    ('path', 'folders', 'group_by', 'classes', 'pairs'),
    [
        (
            'pku_pcb',
            ('ng', 'ok', 'mask'),
            r'ng/\d\d',
            'missing_hole mouse_bite open_circuit short spur spurious_copper',
            79,
        ),
        ('change_samples/LEVIR', ('B', 'A', 'label'), '', 'change', 5),
        ('change_samples/DSIFN', ('B', 'A', 'label'), '', 'change', 5),
    ],
)
def test_lent_data_go_through_without_code(
    path: str,
    folders: tuple[str, ...],
    group_by: str,
    classes: str,
    pairs: int,
    shared: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    """Boards by the number of their board; satellite pictures with masks of 0, 255."""
    folder, names = shared / 'data' / path, classes.split()
    values = [255] if names == ['change'] else range(1, 7)
    lines = [f'{v},{name}' for v, name in zip(values, names, strict=True)]
    prepared = prepare(
        folder,
        tmp_path,
        workers=2,
        folders=folders,
        classes=write_classes(tmp_path, '0,background', *lines),
        group_by=group_by,
    )
    examples = read(prepared)
    assert len(examples) == pairs
    metadata = json.loads((prepared / 'metadata.json').read_text())
    assert metadata['class_names'] == ['background', *names]
    total = np.sum(list(metadata['class_pixels'].values()), axis=0)
    assert (total > 0).all()
    stored = [np.array(cv2.imread(str(p), -1)) for p in (folder / folders[2]).iterdir()]
    for i, value in enumerate([0, *values]):
        assert total[i] == sum((mask == value).sum() for mask in stored)
    for id, pair in list(examples.items())[:5]:
        name = next((folder / folders[0]).glob(f'{id.split("/")[1]}.*'))
        expected = read_image(name)
        np.testing.assert_array_equal(pair['image'], expected)
        assert pair['reference'].shape == expected.shape


def test_names_that_suggest_groups_are_pointed_out(tmp_path: pathlib.Path) -> None:
    """With the flag that makes them; with it nothing more is said."""
    folder = write_tiny_pairs(tmp_path / 'pairs')
    for number in range(NUM_PAIRS):
        for name in ('image', 'reference', 'mask'):
            path = folder / name / f'{number}.png'
            path.rename(path.with_stem(f'part{number // 2}_view{number % 2}'))
    [finding] = check(folder)
    assert finding.kind == 'ungrouped'
    assert "10 pairs suggest 5 groups, such as 'part0' with 2" in finding.message
    pattern = finding.message.partition("--group_by='")[2].partition("'.")[0]
    groups = {p.group for p in read_source(folder, Options(group_by=pattern)).pairs}
    assert groups == {f'part{number}' for number in range(5)}
    assert not check(folder, group_by=pattern, splits={'train': 1})


def test_twelve_bits_in_sixteen_need_their_depth(tmp_path: pathlib.Path) -> None:
    """What would be black is an error; masks of 16 bits may have small values."""
    folder = write_tiny_pairs(tmp_path / 'pairs')
    image, reference, mask = tiny_pair(3)
    for name, pixels in (('image', image), ('reference', reference)):
        write(folder / f'{name}/3.png', pixels.astype(np.uint16) * 16)
    write(folder / 'mask/3.png', mask.astype(np.uint16))
    findings = check(folder, splits={'train': 1})
    assert [f.file.removeprefix(f'{folder}/') for f in findings] == [
        'image/3.png',
        'reference/3.png',
    ]
    assert all('set bit_depth to that of the camera' in f.message for f in findings)
    prepared = prepare(folder, tmp_path / 'prepared', bit_depth=12)
    np.testing.assert_array_equal(read(prepared)['image/3']['image'], image)
    plain = read_source(folder, Options())
    assert plain.fingerprint != read_source(folder, Options(bit_depth=12)).fingerprint


def write_strokes(folder: pathlib.Path, *rows: str) -> pathlib.Path:
    """Pairs 0 and 1 with a mask for each stroke; rows are IMAGE,MASK,CLASS."""
    image, reference, _ = tiny_pair(0)
    for number in range(2):
        image[0, 0] = number
        write(folder / f'image/{number}.png', image)
        write(folder / f'reference/{number}.png', reference)
    for name, where in {'dirt': np.s_[2:9, 2:9], 'hole': np.s_[7:20, 7:20]}.items():
        mask = np.zeros(SIZE, np.uint8)
        mask[where] = 255
        write(folder / f'mask/{name}.png', mask)
    write(folder / 'mask/small.png', mask[:9])
    lines = []
    for row in rows:
        which, mask_name, class_name = row.split(',')
        files = f'image/{which}.png,reference/{which}.png,mask/{mask_name}.png'
        lines.append(f'{files},train,{class_name}')
    text = '\n'.join(['image,reference,mask,split,class', *lines])
    (folder / 'manifest.csv').write_text(text + '\n')
    write_classes(folder, '0,background', ',dirt', ',hole', '9,other')
    return folder


def test_several_masks_of_an_image_each_have_their_class(
    tmp_path: pathlib.Path,
) -> None:
    """Where two overlap and one is ignored, the pixels are ignored."""
    rows = '0,dirt,dirt', '0,hole,ignored', '1,hole,hole'
    folder = write_strokes(tmp_path / 'pairs', *rows)
    pairs = read(prepare(folder, tmp_path / 'prepared'))
    first, second = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    first[2:9, 2:9] = 1
    first[7:20, 7:20] = 255
    second[7:20, 7:20] = 2
    for name, mask in (('image/0', first), ('image/1', second)):
        np.testing.assert_array_equal(pairs[name]['mask'][..., 0], mask)


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        (['0,dirt,dirt', '0,hole,hole'], r'dirt\.png: 4 pixels have another class in '),
        (['0,dirt,dirt', '0,small,dirt'], r'of 56 x 40, not 56 x 9 pixels as .*small'),
        (['0,dirt,dirt', '0,dirt,dirt'], r'image/0\.\*: there are 2 pairs'),
        (['0,dirt,scratch'], r"'scratch' is not a class in .*classes\.csv.*,scratch"),
        (['0,hole,'], r'hole\.png: has 255 \(169 pixels\), not in '),
    ],
)
def test_masks_of_one_image_that_disagree_are_named(
    tmp_path: pathlib.Path, rows: list[str], message: str
) -> None:
    folder = write_strokes(tmp_path / 'pairs', *rows)
    with pytest.raises(ValueError, match=message) as error:
        prepare(folder, tmp_path / 'prepared')
    assert '\n' not in str(error.value)


def test_soft_masks_are_cut_by_a_range(tmp_path: pathlib.Path) -> None:
    folder = write_tiny_pairs(tmp_path / 'pairs')
    soft = np.linspace(0, 255, SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint8)
    write(folder / 'mask/3.png', soft)
    write_classes(folder, '0-127,background', '128-200,scratch', '201-255,scratch')
    pairs = read(prepare(folder, tmp_path / 'prepared'))
    np.testing.assert_array_equal(pairs['image/3']['mask'][..., 0], soft >= 128)
    for line, message in (
        ('100-300,scratch', 'line 3: the value 100 appears twice'),
        ('300-200,scratch', "line 3: '300-200' is neither a gray value"),
    ):
        write_classes(folder, '0-127,background', line)
        with pytest.raises(ValueError, match=message):
            read_source(folder, Options())
