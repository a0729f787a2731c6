"""Which files go together, what pairs are called, and what is refused."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cadnet_jax.files.images import write_png
from cadnet_jax.inference.pair_files import check_output_dir, list_pairs
from tests.support.tiny_data import write_board


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


def test_pictures_that_are_not_read_are_said(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_board(tmp_path, 'a.png')
    (tmp_path / 'image' / 'b.heic').touch()
    assert (
        len(list_pairs(image=tmp_path / 'image', reference=tmp_path / 'reference')) == 1
    )
    assert 'files in a format that is not read: b.heic;' in capsys.readouterr().err


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


def test_lines_of_a_manifest_for_several_masks_are_one_pair(
    tmp_path: pathlib.Path,
) -> None:
    lines = 'a.png,r.png,1.png\na.png,r.png,2.png\nb.png,r.png,3.png\n'
    path = write_csv(tmp_path, f'image,reference,mask\n{lines}')
    for name in ('a', 'b', 'r'):
        (tmp_path / f'{name}.png').touch()
    assert [pair.name for pair in list_pairs(pairs=path)] == ['a', 'b']


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


def test_an_image_named_results_has_another_name(tmp_path: pathlib.Path) -> None:
    for name in ('results.png', 'a.png'):
        write_png(tmp_path / 'image' / name, np.zeros((32, 32, 3), np.uint8))
    found = list_pairs(image=tmp_path / 'image', reference=tmp_path / 'image' / 'a.png')
    assert [pair.name for pair in found] == ['image-a', 'image-results']


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
def test_files_that_make_no_pairs_are_named_in_one_line(
    spoil: Callable[[pathlib.Path], dict[str, pathlib.Path]],
    message: str,
    tmp_path: pathlib.Path,
) -> None:
    write_board(tmp_path, 'a.png')
    arguments: dict[str, Any] = {**spoil(tmp_path)}
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        list_pairs(**arguments)
    assert len(str(error.value).splitlines()) == 1
