"""Pairs given as files: which go together, what is written, and what is refused."""

import json
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.inference import pair_files
from cadnet_jax.inference.decision import Prediction
from cadnet_jax.inference.pair_files import (
    check_output_dir,
    check_pairs,
    list_pairs,
    predict_files,
)
from cadnet_jax.inference.predictor import Predictor, ReferencePredictor
from cadnet_jax.pictures.overlays import panel
from tests.conftest import ROOT
from tests.support.tiny_data import CLASS_NAMES, tiny_board
from tests.support.tiny_run import differencing_predictor, write_run

pytestmark = pytest.mark.usefixtures('quick_compilation')


def write_board(
    folder: pathlib.Path, name: str, size: tuple[int, int] = (40, 64)
) -> np.ndarray:
    """Writes FOLDER/image/NAME and FOLDER/reference/NAME; returns the label."""
    image, reference, mask = tiny_board(np.random.default_rng(0), size)
    write_png(folder / 'image' / name, image)
    write_png(folder / 'reference' / name, reference)
    return mask


def write_csv(folder: pathlib.Path, text: str) -> pathlib.Path:
    path = folder / 'pairs.csv'
    path.write_text(text)
    return path


def test_folders_pair_files_of_equal_name(tmp_path: pathlib.Path) -> None:
    """In the order of their names; what is no image is passed over."""
    for name in ('b.png', 'a.png'):
        write_board(tmp_path, name)
    (tmp_path / 'image' / 'notes.txt').write_text('')
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    assert [pair.name for pair in pairs] == ['a', 'b']
    for pair in pairs:
        assert pair.image == tmp_path / 'image' / f'{pair.name}.png'
        assert pair.reference == tmp_path / 'reference' / f'{pair.name}.png'


def test_a_folder_of_images_can_share_one_reference(tmp_path: pathlib.Path) -> None:
    for name in ('b.png', 'a.png'):
        write_board(tmp_path, name)
    reference = tmp_path / 'reference' / 'b.png'
    pairs = list_pairs(image=tmp_path / 'image', reference=reference)
    assert [(pair.name, pair.reference) for pair in pairs] == [
        ('a', reference),
        ('b', reference),
    ]


@pytest.mark.parametrize(
    'text',
    [
        'image,reference\na.png,b.png\n',
        '\ufeffimage,reference\r\na.png,b.png\r\n',
        'image, reference, mask\na.png, b.png, defect_free\n',
        'image,reference,mask,split,group\n a.png , b.png,m.png,test,\n',
        'note,reference,image\n"1, 2",b.png,a.png\n',
    ],
)
def test_a_manifest_is_a_list_of_pairs(tmp_path: pathlib.Path, text: str) -> None:
    """In whatever way a spreadsheet or an editor wrote it, whatever else it says."""
    (pair,) = list_pairs(pairs=write_csv(tmp_path, text))
    assert (pair.image, pair.reference) == (tmp_path / 'a.png', tmp_path / 'b.png')


@pytest.mark.parametrize('inside', ['image', 'reference', 'image/../reference', 'link'])
def test_results_are_not_written_where_images_are_read(
    tmp_path: pathlib.Path, inside: str
) -> None:
    """The next run would inspect its own masks and overlays."""
    write_board(tmp_path, 'a.png')
    (tmp_path / 'link').symlink_to(tmp_path / 'image')
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    with pytest.raises(ValueError, match=r'a\.png is in it; .*Name another folder'):
        check_output_dir(pairs, tmp_path / inside)
    check_output_dir(pairs, tmp_path / 'image' / 'results')


def test_hidden_companions_are_no_images(tmp_path: pathlib.Path) -> None:
    """macOS writes ._a.png beside a.png where the file system is another's."""
    for folder in ('image', 'reference'):
        (tmp_path / folder).mkdir()
        for name in ('a.png', '._a.png', '.b.png'):
            (tmp_path / folder / name).touch()
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    assert [pair.image.name for pair in pairs] == ['a.png']


def test_a_csvs_relative_paths_start_at_its_folder(tmp_path: pathlib.Path) -> None:
    """Absolute ones stay; other columns, and Excel's byte order mark, do no harm."""
    other = tmp_path / 'elsewhere' / 'b.png'
    path = write_csv(
        tmp_path, f'\ufefflot,image,reference\n1,a.png,r/a.png\n2,{other},r/a.png\n'
    )
    first, second = list_pairs(pairs=path)
    assert (first.image, first.reference) == (tmp_path / 'a.png', tmp_path / 'r/a.png')
    assert second.image == other


@pytest.mark.parametrize(
    ('images', 'names'),
    [
        (['x/a.png', 'x/b.png'], ['a', 'b']),
        (['x/a.png', 'y/a.png', 'x/b.png'], ['x-a', 'y-a', 'x-b']),
        (['p/x/a.png', 'q/x/a.png'], ['p-x-a', 'q-x-a']),
        (['x/a.png', 'x/A.png'], ['1-a', '2-A']),
        (['x/a.png', 'x/a.jpg'], ['1-a', '2-a']),
        (['x/a.png', 'x/a.png'], ['1-a', '2-a']),
        (['x-a.png', 'x/a.png', 'y/a.png'], None),
    ],
)
def test_no_two_pairs_share_a_name(
    images: list[str], names: list[str] | None, tmp_path: pathlib.Path
) -> None:
    """Also where the file system does not tell upper from lower case."""
    lines = ''.join(f'{image},r.png\n' for image in images)
    pairs = list_pairs(pairs=write_csv(tmp_path, f'image,reference\n{lines}'))
    found = [pair.name for pair in pairs]
    assert len({name.lower() for name in found}) == len(images)
    assert names is None or found == names


def test_what_is_written_of_a_pair(tmp_path: pathlib.Path) -> None:
    """Class ids, an overlay, and the defects as JSON, which agree."""
    mask = write_board(tmp_path, 'a.png')
    mask[0] = 0  # ignored in the label, clean in the image
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    output = tmp_path / 'out'
    predict_files(differencing_predictor(), pairs, output, progress=False)
    names = {'a_mask.png', 'a_overlay.png', 'a.json', 'results.json'}
    assert {path.name for path in output.iterdir()} == names
    written = read_image(output / 'a_mask.png')
    np.testing.assert_array_equal(written[..., 0], mask)
    values = json.loads((output / 'a.json').read_text())
    assert values['image'] == str(tmp_path / 'image' / 'a.png')
    assert values['reference'] == str(tmp_path / 'reference' / 'a.png')
    assert values['size'] == [64, 40]
    assert values['model'] == {'workdir': 'run', 'step': 7}
    assert sum(defect['area'] for defect in values['defects']) == np.sum(mask > 0)
    for defect in values['defects']:
        assert set(defect) == {
            'class',
            'class_id',
            'score',
            'defect_score',
            'box',
            'area',
            'centroid',
        }
        assert defect['class'] == CLASS_NAMES[defect['class_id']]
        x_min, y_min, x_max, y_max = defect['box']
        assert np.any(mask[y_min:y_max, x_min:x_max] == defect['class_id'])
    overlay = read_image(output / 'a_overlay.png')
    assert overlay.shape[1] == 6 * 64  # enlarged, so that text can be read
    assert overlay.shape[0] > 6 * 40 + 150  # with close-ups


def test_a_reference_that_pairs_share_is_encoded_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where others stand between them; and what is written is the same."""
    for seed, name in enumerate(('a.png', 'b.png', 'c.png')):
        image, reference, _ = tiny_board(np.random.default_rng(seed), (40, 64))
        write_png(tmp_path / 'image' / name, image)
        write_png(tmp_path / 'reference' / name, reference)
    together = write_csv(
        tmp_path,
        'image,reference\n'
        'image/a.png,reference/a.png\n'
        'image/c.png,reference/c.png\n'
        'image/b.png,reference/a.png\n',
    )
    predictor = differencing_predictor()
    fixed = []
    with_reference = Predictor.with_reference

    def noted(self: Predictor, reference: np.ndarray) -> ReferencePredictor:
        fixed.append(reference)
        return with_reference(self, reference)

    monkeypatch.setattr(Predictor, 'with_reference', noted)
    predict_files(
        predictor, list_pairs(pairs=together), tmp_path / 'out', progress=False
    )
    (encoded,) = fixed
    np.testing.assert_array_equal(encoded, read_image(tmp_path / 'reference/a.png'))
    for name, other in (('a', 'a'), ('b', 'a'), ('c', 'c')):
        expected = predictor(
            read_image(tmp_path / f'image/{name}.png'),
            read_image(tmp_path / f'reference/{other}.png'),
        )
        written = read_image(tmp_path / f'out/{name}_mask.png')[..., 0]
        np.testing.assert_array_equal(written, expected.mask)


def test_the_next_image_is_read_while_the_network_is_at_work(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('a.png', 'b.png'):
        write_board(tmp_path, name)
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    second_is_read = threading.Event()

    def noted(path: pathlib.Path, bit_depth: int) -> np.ndarray:
        image = read_image(path, bit_depth)
        if path == pairs[1].image:
            second_is_read.set()
        return image

    def patient(self: Predictor, *args: Any, **options: Any) -> Prediction:
        assert second_is_read.wait(10)
        return call(self, *args, **options)

    call = Predictor.__call__
    monkeypatch.setattr(Predictor, '__call__', patient)
    monkeypatch.setattr('cadnet_jax.inference.pair_files.read_image', noted)
    predict_files(differencing_predictor(), pairs, tmp_path / 'out', progress=False)
    assert (tmp_path / 'out/b.json').is_file()


def test_a_file_that_cannot_be_written_ends_everything(tmp_path: pathlib.Path) -> None:
    """Although a thread writes it."""
    write_board(tmp_path, 'a.png')
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    (tmp_path / 'out').write_text('a file where the folder should be')
    with pytest.raises(OSError, match='out'):
        predict_files(differencing_predictor(), pairs, tmp_path / 'out', progress=False)


def test_the_check_counts_the_pixels(tmp_path: pathlib.Path) -> None:
    """The end of the bar."""
    for name, size in (('a.png', (40, 64)), ('b.png', (33, 50))):
        write_board(tmp_path, name, size)
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    assert check_pairs(pairs, progress=False).pixels == 40 * 64 + 33 * 50


@pytest.mark.parametrize('shared', [False, True])
@pytest.mark.parametrize(
    ('kept', 'room'), [('all', 2**20), ('one', 40 * 64 * 3), ('none', 0)]
)
def test_files_that_fit_into_memory_are_decoded_once(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    shared: bool,
    kept: str,
    room: int,
) -> None:
    """The others twice: to check them, and to predict. The results are the same."""
    for name in ('a.png', 'b.png'):
        write_board(tmp_path, name)
    reference = tmp_path / 'reference'
    pairs = list_pairs(
        image=tmp_path / 'image', reference=reference / 'a.png' if shared else reference
    )
    read: list[str] = []

    def noted(path: pathlib.Path, bit_depth: int) -> np.ndarray:
        read.append(str(path))
        return read_image(path, bit_depth)

    monkeypatch.setattr(pair_files, 'read_image', noted)
    monkeypatch.setattr(pair_files, 'KEPT_BYTES', room)
    checked = check_pairs(pairs, progress=False)
    predict_files(
        differencing_predictor(),
        pairs,
        tmp_path / 'out',
        checked=checked,
        progress=False,
    )
    assert not checked.decoded
    number = 3 if shared else 4
    assert len(set(read)) == number
    again = {'all': 0, 'one': number - 1, 'none': number}
    assert len(read) == number + again[kept]
    predict_files(differencing_predictor(), pairs, tmp_path / 'again', progress=False)
    for path in (tmp_path / 'out').glob('*.png'):
        assert path.read_bytes() == (tmp_path / 'again' / path.name).read_bytes()


def test_a_panel_is_written_where_it_is_asked_for(tmp_path: pathlib.Path) -> None:
    write_board(tmp_path, 'a.png')
    pairs = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')
    predictor = differencing_predictor()
    predict_files(predictor, pairs, tmp_path / 'out', panels=True, progress=False)
    image, reference = (
        read_image(tmp_path / name / 'a.png') for name in ('image', 'reference')
    )
    prediction = predictor(image, reference)
    np.testing.assert_array_equal(
        read_image(tmp_path / 'out' / 'a_panel.png'),
        panel(image, reference, None, prediction.mask, prediction.distance),
    )


def missing_file(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {'image': folder / 'image/a.png', 'reference': folder / 'none.png'}


def file_with_folder(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {'image': folder / 'image/a.png', 'reference': folder / 'reference'}


def empty_folder(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    (folder / 'empty').mkdir()
    return {'image': folder / 'empty', 'reference': folder / 'reference'}


def no_reference_of_that_name(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    (folder / 'reference/a.png').rename(folder / 'reference/b.png')
    return {'image': folder / 'image', 'reference': folder / 'reference'}


def truncated(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    path = folder / 'reference/a.png'
    path.write_bytes(path.read_bytes()[:-30])
    return {'image': folder / 'image', 'reference': folder / 'reference'}


def not_an_image(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    (folder / 'image/a.png').write_text('no image')
    return {'image': folder / 'image', 'reference': folder / 'reference'}


def other_size(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    write_png(folder / 'reference/a.png', np.zeros((40, 63, 3), np.uint8))
    return {'image': folder / 'image', 'reference': folder / 'reference'}


def image_alone(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {'image': folder / 'image'}


def both_kinds(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return missing_file(folder) | {'pairs': folder / 'pairs.csv'}


def missing_csv(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {'pairs': folder / 'pairs.csv'}


def csv_without_column(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {'pairs': write_csv(folder, 'image,ref\na.png,b.png\n')}


def csv_with_a_gap(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {'pairs': write_csv(folder, 'image,reference\na.png,b.png\nc.png,\n')}


def csv_without_lines(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {'pairs': write_csv(folder, 'image,reference\n')}


def empty_csv(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {'pairs': write_csv(folder, '')}


def csv_that_is_an_image(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    return {'pairs': folder / 'image/a.png'}


BAD_INPUT: list[tuple[Callable[[pathlib.Path], dict[str, pathlib.Path]], str]] = [
    (missing_file, r'none\.png: no such .*check the path'),
    (
        file_with_folder,
        r'reference is a folder, but image .*a\.png is a file; name its',
    ),
    (empty_folder, r'empty: no image in this folder; there must be'),
    (no_reference_of_that_name, r'reference/a\.png: no such file; each image'),
    (truncated, r'reference/a\.png: a truncated PNG; copy'),
    (not_an_image, r'image/a\.png: not an image.*give a PNG'),
    (other_size, r'a\.png is 64 x 40 .*reference/a\.png 63 x 40; align and crop'),
    (image_alone, "give both image and reference.* reference ''"),
    (both_kinds, 'give both image and reference'),
    (missing_csv, r'pairs\.csv: no such CSV file; check'),
    (csv_without_column, r"pairs\.csv: .* lacks the column 'reference'; it must"),
    (csv_with_a_gap, r'pairs\.csv, line 3: image or reference is empty; each'),
    (csv_without_lines, r'pairs\.csv: no pair; add'),
    (empty_csv, r"pairs\.csv: .* lacks the column 'image'"),
    (csv_that_is_an_image, r'a\.png: not a CSV file'),
]


@pytest.mark.parametrize(
    ('spoil', 'message'), BAD_INPUT, ids=[spoil.__name__ for spoil, _ in BAD_INPUT]
)
def test_bad_input_is_named_in_one_line_before_anything_is_computed(
    spoil: Callable[[pathlib.Path], dict[str, pathlib.Path]],
    message: str,
    tmp_path: pathlib.Path,
) -> None:
    write_board(tmp_path, 'a.png')
    arguments: dict[str, Any] = {**spoil(tmp_path)}
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        check_pairs(list_pairs(**arguments), progress=False)
    assert len(str(error.value).splitlines()) == 1


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, 'experiments/predict.py', *arguments],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_script_predicts_with_a_trained_run(tmp_path: pathlib.Path) -> None:
    workdir = write_run(tmp_path / 'run')
    write_board(tmp_path, 'a.png', (64, 64))
    done = run_script(
        f'--workdir={workdir}',
        f'--image={tmp_path / "image/a.png"}',
        f'--reference={tmp_path / "reference/a.png"}',
        f'--output_dir={tmp_path / "out"}',
        '--panels',
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'out' / 'a_panel.png').is_file()
    values = json.loads((tmp_path / 'out' / 'a.json').read_text())
    assert values['model'] == {'workdir': str(workdir), 'step': 0}
    assert read_image(tmp_path / 'out' / 'a_mask.png').shape == (64, 64, 3)


@pytest.mark.slow
def test_the_script_passes_the_size_of_tiles_on(tmp_path: pathlib.Path) -> None:
    workdir = write_run(tmp_path / 'run')
    write_board(tmp_path, 'a.png', (64, 64))
    panels = []
    for size in ('32', '64', '10'):
        done = run_script(
            f'--workdir={workdir}',
            f'--image={tmp_path / "image/a.png"}',
            f'--reference={tmp_path / "reference/a.png"}',
            f'--output_dir={tmp_path / size}',
            f'--tile_size={size}',
            '--panels',
        )
        if size != '10':
            panels.append(read_image(tmp_path / size / 'a_panel.png'))
    assert (panels[0] != panels[1]).any()
    assert done.returncode == 1
    assert done.stderr.startswith('error: flag --tile_size=10: 10 is not integer >= 32')
    assert not (tmp_path / '10').exists()


@pytest.mark.slow
def test_the_script_passes_threshold_and_smallest_area_on(
    tmp_path: pathlib.Path,
) -> None:
    """With a threshold of 0 every pixel is a defect; none is as large as a million."""
    workdir = write_run(tmp_path / 'run')
    write_board(tmp_path, 'a.png', (64, 64))
    flags = ['--threshold=0'], ['--threshold=0', '--min_area=1000000']
    marked = []
    for number, rule in enumerate(flags):
        done = run_script(
            f'--workdir={workdir}',
            f'--image={tmp_path / "image/a.png"}',
            f'--reference={tmp_path / "reference/a.png"}',
            f'--output_dir={tmp_path / str(number)}',
            *rule,
        )
        assert done.returncode == 0, done.stderr
        marked.append(read_image(tmp_path / str(number) / 'a_mask.png') > 0)
    assert marked[0].all() and not marked[1].any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('flag', 'message'),
    [
        ('--threshold=-0.1', 'flag --threshold=-0.1: -0.1 is not '),
        ('--threshold=1', 'threshold is 1.0; it must be in [0, 1)'),
        ('--min_area=0', 'flag --min_area=0: 0 is not '),
    ],
)
def test_a_rule_out_of_its_range_is_refused(
    flag: str, message: str, tmp_path: pathlib.Path
) -> None:
    write_board(tmp_path, 'a.png')
    done = run_script(
        f'--workdir={write_run(tmp_path / "run")}',
        f'--image={tmp_path / "image/a.png"}',
        f'--reference={tmp_path / "reference/a.png"}',
        f'--output_dir={tmp_path / "out"}',
        flag,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f'error: {message}')


@pytest.mark.slow
@pytest.mark.parametrize('run', [True, False])
def test_the_script_ends_bad_input_with_one_line(
    tmp_path: pathlib.Path, run: bool
) -> None:
    """No run, which is quick to see, comes before images that cannot be read."""
    write_board(tmp_path, 'a.png')
    truncated(tmp_path)
    workdir = tmp_path / 'run'
    if run:
        write_run(workdir)
    done = run_script(
        f'--workdir={workdir}',
        f'--image={tmp_path / "image"}',
        f'--reference={tmp_path / "reference"}',
        f'--output_dir={tmp_path / "out"}',
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    if run:
        path = tmp_path / 'reference/a.png'
        assert last.startswith(f'error: {path}: a truncated PNG')
    else:
        assert last.startswith(f'error: {workdir}/config.json: no such file')
    assert not (tmp_path / 'out').exists()


def test_twelve_bits_in_sixteen_are_read_by_their_depth(tmp_path: pathlib.Path) -> None:
    """A gross defect is found, or the file is refused; never found dark."""
    image, reference, mask = tiny_board(np.random.default_rng(0), (40, 64))
    for name, pixels in (('image', image), ('reference', reference)):
        stored = pixels[..., ::-1].astype(np.uint16) * 16
        assert cv2.imwrite(str(tmp_path / f'{name}.png'), stored)
    files = tmp_path / 'image.png', tmp_path / 'reference.png'
    with pytest.raises(ValueError, match=r'\.png: no value is above .*bit_depth'):
        check_pairs(list_pairs(image=files[0], reference=files[1]), progress=False)
    pairs = list_pairs(image=files[0], reference=files[1], bit_depth=12)
    check_pairs(pairs, progress=False)
    predict_files(differencing_predictor(), pairs, tmp_path / 'out', progress=False)
    found = read_image(tmp_path / 'out/image_mask.png')[..., 0]
    np.testing.assert_array_equal(found[1:], mask[1:])
