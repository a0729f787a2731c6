"""Claims about the first manifest that is written for folders of equal names."""

import pathlib
import shutil

import pytest

from cadnet_jax.datasets.paired_folder.first_manifest import init_manifest
from cadnet_jax.datasets.paired_folder.options import Options
from cadnet_jax.datasets.paired_folder.source import read_source
from tests.support.tiny_pairs import tiny_pair, write, write_tiny_pairs

IMAGE, REFERENCE, MASK = tiny_pair(0)


def test_a_first_manifest_means_what_the_folders_mean(tmp_path: pathlib.Path) -> None:
    """Names with commas, quotes, Unicode; the classes as they are in the masks."""
    names = ('a,b', 'größe "1"', 'x y/1', 'x y/2')
    for name in names:
        write(tmp_path / f'image/{name}.png', IMAGE)
        write(tmp_path / f'reference/{name}.png', REFERENCE)
        write(tmp_path / f'mask/{name}.png', MASK)
    shutil.rmtree(tmp_path / 'mask/x y')
    options = Options(without_mask='unlabelled', splits={'train': 2, 'test': 1})
    first = init_manifest(tmp_path, options)
    written = first.written
    assert [path.name for path in written] == ['classes.csv', 'manifest.csv']
    assert 'Pairs: 4; without a mask: 2' in first.describe()
    from_manifest = read_source(tmp_path, Options())
    assert from_manifest.class_map.ids == {0: 0, 255: 1}
    written[1].unlink()
    from_folders = read_source(tmp_path, options)
    assert set(from_manifest.pairs) == set(from_folders.pairs)
    assert len(from_folders.pairs) == 4


def test_what_a_first_manifest_leaves_out_is_said(tmp_path: pathlib.Path) -> None:
    """At once, and by every check that follows."""
    write_tiny_pairs(tmp_path)
    left = [
        (tmp_path / f'mask/{i}.png').rename(tmp_path / f'mask/{i}_mask.png')
        for i in range(3)
    ]
    for number in range(22):
        left.append(write(tmp_path / f'reference/r{number:02}.png', REFERENCE))
    (tmp_path / 'mask/notes.txt').write_text('')
    text = init_manifest(tmp_path, Options(without_mask='unlabelled')).describe()
    assert 'Pairs: 10; without a mask: 3' in text
    assert 'Files of no pair: 26: ' in text and text.endswith('; and 6 more')
    assert set(read_source(tmp_path, Options()).unused) == set(left)


@pytest.mark.parametrize(
    ('folder', 'ending', 'message'),
    [('masks', '', '--folders=image,reference,masks'), ('mask', '_mask', '10 files')],
)
def test_a_mask_that_is_not_found_makes_no_good_part(
    folder: str, ending: str, message: str, tmp_path: pathlib.Path
) -> None:
    """As without a manifest; nothing is written."""
    write_tiny_pairs(tmp_path)
    for path in sorted(tmp_path.glob('mask/*')):
        (tmp_path / folder).mkdir(exist_ok=True)
        path.rename(tmp_path / folder / f'{path.stem}{ending}.png')
    if folder != 'mask':
        (tmp_path / 'mask').rmdir()
    with pytest.raises(ValueError, match=message):
        init_manifest(tmp_path, Options(without_mask='defect_free'))
    assert not (tmp_path / 'manifest.csv').exists()


def test_a_manifest_is_never_written_over(tmp_path: pathlib.Path) -> None:
    init_manifest(write_tiny_pairs(tmp_path), Options())
    before = (tmp_path / 'manifest.csv').read_bytes()
    with pytest.raises(ValueError, match=r'manifest\.csv already exists'):
        init_manifest(tmp_path, Options(split_seed=1))
    assert (tmp_path / 'manifest.csv').read_bytes() == before
