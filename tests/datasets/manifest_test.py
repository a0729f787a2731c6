"""Claims about what the lines of a manifest mean, and which are refused."""

import os
import pathlib

import pytest

from cadnet_jax.datasets.paired_folder.options import Options
from cadnet_jax.datasets.paired_folder.source import read_source
from tests.support.tiny_pairs import described, write_images, write_manifest

ONE_SPLIT = Options(splits={'train': 1})


def test_a_manifest_says_it_all(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'x, 1.png', 'y.png', 'z.png', 'ok/r.png', 'm.png')
    write_manifest(
        tmp_path,
        '"x, 1.png",ok/r.png,m.png,train,g',
        'y.png,ok/r.png,defect_free,test,h',
        'z.png,ok/r.png,unlabelled,test,',
    )
    source = read_source(tmp_path, Options())
    assert described(source) == {
        ('x, 1', 'ok/r.png', 'm.png', 'g'),
        ('y', 'ok/r.png', 'defect_free', 'h'),
        ('z', 'ok/r.png', 'unlabelled', 'z'),
    }
    assert [pair.split for pair in source.pairs] == ['train', 'test', 'test']


@pytest.mark.parametrize(
    ('mask', 'meant'),
    [
        ('Defect_Free', 'defect_free'),
        ('defect-free', 'defect_free'),
        ('DEFECT FREE', 'defect_free'),
        ('Unlabelled', 'unlabelled'),
        ('un-labelled', 'unlabelled'),
        ('unlabeled', 'unlabelled'),
    ],
)
def test_what_a_pair_without_a_mask_is_may_be_spelled_in_several_ways(
    mask: str, meant: str, tmp_path: pathlib.Path
) -> None:
    write_images(tmp_path, 'a.png', 'r.png')
    write_manifest(tmp_path, f'a.png,r.png,{mask},,')
    [pair] = read_source(tmp_path, ONE_SPLIT).pairs
    assert (pair.masks, pair.without_mask) == ((), meant)


def test_a_file_that_no_line_names_is_listed(tmp_path: pathlib.Path) -> None:
    """However a line writes its path; not what stands in other folders."""
    names = ('a/1.png', 'a/2.png', 'a/3.JPG', 'r/golden.png', 'r/old.png', 'b/4.png')
    write_images(tmp_path, *names, 'm.png')
    (tmp_path / 'a/link.png').symlink_to('2.png')
    (tmp_path / 'a/.hidden.png').write_text('')
    write_manifest(
        tmp_path,
        './a/1.png,b/../r/golden.png,m.png,,',
        'a/link.png,r/golden.png,defect_free,,',
    )
    source = read_source(tmp_path, ONE_SPLIT)
    names_left = [path.relative_to(tmp_path).as_posix() for path in source.unused]
    assert names_left == ['a/3.JPG', 'r/old.png']
    os.rename(tmp_path / 'a/3.JPG', os.fsencode(f'{tmp_path}/a/\udcff.png'))
    with pytest.raises(ValueError, match=r'udcff\.png.*: no name in UTF-8'):
        read_source(tmp_path, ONE_SPLIT)


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (['a.png,,m.png,,'], 'line 2: image or reference is empty'),
        (['a.png,r.png,,,'], r'a\.png: no mask.*--without_mask=defect_free'),
        (['a.png,r.png,m.png,,', 'a.png,m.png,m.png,,'], r'/a\.\*: there are 2 pairs'),
        (['a.png,r.png,m.png,all,'], "line 2: 'all' cannot be the name of a split"),
        (['a.png,r.png,m.png,All,'], "line 2: 'All' cannot be the name of a split"),
        (['a.png,r.png,m.png,a/b,'], "line 2: 'a/b' cannot be the name of a split"),
        ([f'a.png,r.png,m.png,{"a" * 41},'], f"'{'a' * 41}' cannot be the name"),
        (
            ['a.png,r.png,m.png,test,', 'r.png,a.png,m.png,Test,'],
            "line 3: the split 'Test' also appears with other capitals",
        ),
        (
            ['a.png,r.png,m.png,train,', 'r.png,r.png,m.png,,'],
            r'r\.png: no split, but other pairs have one',
        ),
        (['a.png,r.png,m.png'], 'line 2: not as many values'),
        (['a\0.png,r.png,m.png,,'], r"a\\x00\.png': no name in UTF-8"),
        ([], 'no pairs in it'),
        (['.,r.png,m.png,,', './,r.png,m.png,,'], 'there are 2 pairs'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_a_bad_line_of_a_manifest_is_named(
    lines: list[str], message: str, tmp_path: pathlib.Path
) -> None:
    write_images(tmp_path, 'a.png', 'r.png', 'm.png')
    write_manifest(tmp_path, *lines)
    with pytest.raises(ValueError, match=message) as error:
        read_source(tmp_path, ONE_SPLIT)
    assert '\n' not in str(error.value) and str(tmp_path) in str(error.value)
