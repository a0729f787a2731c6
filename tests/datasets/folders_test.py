"""Claims about which files of three folders make pairs, whatever their names are."""

import errno
import os
import pathlib
import unicodedata
from typing import Any

import pytest

from cadnet_jax.datasets.paired_folder.options import Options
from cadnet_jax.datasets.paired_folder.source import read_source
from tests.support.tiny_pairs import (
    described,
    tiny_pair,
    write,
    write_images,
    write_tiny_pairs,
)

ONE_SPLIT = Options(splits={'train': 1})
IMAGE, _, _ = tiny_pair(0)


def test_folders_pair_files_of_equal_names(tmp_path: pathlib.Path) -> None:
    """Endings may differ; a folder of images is a group; a group may share one file."""
    write_images(
        tmp_path,
        *('image/a b.png', 'reference/a b.jpg', 'mask/a b.png'),
        *('image/bläck/1.PNG', 'image/bläck/2.png', 'reference/bläck.bmp'),
        *('mask/bläck/2.tif', 'reference/bläck/2.png'),
    )
    source = read_source(tmp_path, ONE_SPLIT._replace(without_mask='unlabelled'))
    assert described(source) == {
        ('image/a b', 'reference/a b.jpg', 'mask/a b.png', 'image/a b'),
        ('image/bläck/1', 'reference/bläck.bmp', 'unlabelled', 'bläck'),
        ('image/bläck/2', 'reference/bläck/2.png', 'mask/bläck/2.tif', 'bläck'),
    }
    assert not source.unused


def test_one_reference_can_be_that_of_all_images(tmp_path: pathlib.Path) -> None:
    """And folders can have other names."""
    write_images(tmp_path, 'NG/1.png', 'NG/2.png', 'golden.png', 'labels/1.png')
    options = ONE_SPLIT._replace(
        folders=('NG', 'golden', 'labels'), without_mask='defect_free'
    )
    expected = {
        ('NG/1', 'golden.png', 'labels/1.png', 'NG/1'),
        ('NG/2', 'golden.png', 'defect_free', 'NG/2'),
    }
    assert described(read_source(tmp_path, options)) == expected
    named = options._replace(folders=('NG', 'golden.png', 'labels'))
    assert described(read_source(tmp_path, named)) == expected
    write_images(tmp_path, 'golden.old.png')
    assert described(read_source(tmp_path, options)) == expected
    write_images(tmp_path, 'golden.jpg')
    with pytest.raises(ValueError, match=r'golden\.jpg: golden\.png has the same name'):
        read_source(tmp_path, options)


def test_one_reference_can_be_that_of_a_group(tmp_path: pathlib.Path) -> None:
    """Also of one that is found in the names; a reference of its own comes first."""
    write_images(tmp_path, 'image/1_a.png', 'image/2_a.png', 'image/2_b.png')
    write_images(tmp_path, 'reference/1.png', 'reference/2.png', 'reference/2_b.png')
    options = ONE_SPLIT._replace(without_mask='defect_free', group_by=r'(\d)_')
    source = read_source(tmp_path, options)
    assert described(source) == {
        ('image/1_a', 'reference/1.png', 'defect_free', '1'),
        ('image/2_a', 'reference/2.png', 'defect_free', '2'),
        ('image/2_b', 'reference/2_b.png', 'defect_free', '2'),
    }
    assert not source.unused


def test_groups_can_be_part_of_the_names(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'image/b1_x.png', 'image/b1_y.png', 'image/b2_x.png')
    write_images(tmp_path, 'reference.png')
    options = ONE_SPLIT._replace(without_mask='defect_free')
    for group_by, expected in ((r'b\d', 'b1 b1 b2'), (r'b(\d).*', '1 1 2')):
        source = read_source(tmp_path, options._replace(group_by=group_by))
        assert [pair.group for pair in source.pairs] == expected.split()
    with pytest.raises(ValueError, match=r"b2_x\.png: 'b1' finds no group") as error:
        read_source(tmp_path, options._replace(group_by='b1'))
    assert 'b1_x' not in str(error.value)


def test_what_belongs_to_no_pair_is_listed(tmp_path: pathlib.Path) -> None:
    write_tiny_pairs(tmp_path)
    (tmp_path / 'mask/3.png').rename(tmp_path / 'mask/3_mask.png')
    (tmp_path / 'image/notes.txt').write_text('')
    for name in ('.hidden', '._3.png', '._new.png'):  # companions of macOS
        (tmp_path / 'image' / name).write_text('')
    write(tmp_path / 'image/.ipynb_checkpoints/3.png', IMAGE)
    source = read_source(tmp_path, Options(without_mask='unlabelled'))
    names = {path.relative_to(tmp_path).as_posix() for path in source.unused}
    assert names == {'mask/3_mask.png', 'image/notes.txt'}
    assert len(source.pairs) == 10


def test_names_are_equal_in_either_form_of_unicode(tmp_path: pathlib.Path) -> None:
    """Else a mask from macOS would be missed, and its pair taken for defect-free."""
    composed, decomposed = (unicodedata.normalize(f, 'é') for f in ('NFC', 'NFD'))
    names = [f'image/{decomposed}.png', f'reference/{composed}.png']
    write_images(tmp_path, *names, f'mask/{composed}.png')
    source = read_source(tmp_path, ONE_SPLIT._replace(without_mask='defect_free'))
    id = f'image/{decomposed}'
    assert described(source) == {(id, names[1], f'mask/{composed}.png', id)}
    write_images(tmp_path, f'mask/{decomposed}.png')
    with pytest.raises(ValueError, match='has the same name'):
        read_source(tmp_path, ONE_SPLIT)


def test_a_folder_that_cannot_be_read_is_no_empty_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all pairs would be taken for defect-free where masks are not readable."""
    write_tiny_pairs(tmp_path)
    scandir = os.scandir

    def denied(path: str) -> Any:
        if pathlib.Path(path).name == 'mask':
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', denied)
    with pytest.raises(PermissionError, match=r'denied: .*mask'):
        read_source(tmp_path, Options(without_mask='defect_free'))


def test_folders_that_make_no_pairs_are_named(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'A/1.png', 'B/1.png')
    with pytest.raises(FileNotFoundError, match=r'folders A, B; .* --folders=IMAGE'):
        read_source(tmp_path, Options())
    folders = Options(folders=('A', 'B', 'C'), without_mask='defect_free')
    write_images(tmp_path, 'A/2.png', 'A/1.jpg')
    with pytest.raises(ValueError) as error:
        read_source(tmp_path, folders)
    assert f'{tmp_path}/A/2.png: no reference B/2.*' in str(error.value)
    assert f'{tmp_path}/A/1.png: 1.jpg has the same name' in str(error.value)


def test_links_that_go_in_circles_are_named(tmp_path: pathlib.Path) -> None:
    write_tiny_pairs(tmp_path)
    (tmp_path / 'image/loop').symlink_to(tmp_path / 'image')
    with pytest.raises(ValueError, match='image/loop: a link to a folder'):
        read_source(tmp_path, Options())
    with pytest.raises(FileNotFoundError, match='no such directory'):
        (tmp_path / 'circle').symlink_to(tmp_path / 'circle')
        read_source(tmp_path / 'circle', Options())
