"""Claims about a source directory: masks that are not found, names, its fingerprint."""

import os
import pathlib
import shutil

import pytest

from cadnet_jax.datasets.paired_folder.manifest import COLUMNS
from cadnet_jax.datasets.paired_folder.options import Options
from cadnet_jax.datasets.paired_folder.source import read_source
from tests.support.tiny_pairs import (
    tiny_pair,
    write,
    write_classes,
    write_images,
    write_manifest,
    write_tiny_pairs,
)

ONE_SPLIT = Options(splits={'train': 1})
IMAGE, REFERENCE, MASK = tiny_pair(0)


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['masks/1.png'], r'mask: no such folder.*--folders=image,reference,masks'),
        (['mask/1_mask.png'], r'1 files among the masks.*such as .*mask/1_mask\.png'),
        (['mask/0.png', 'mask/deep/1.png'], r'among the masks.*mask/deep/1\.png'),
    ],
)
def test_a_mask_that_is_not_found_makes_no_good_part(
    tmp_path: pathlib.Path, names: list[str], message: str
) -> None:
    """--without_mask=defect_free would make a good one of each defect."""
    pairs = [f'{folder}/{i}.png' for folder in ('image', 'reference') for i in range(3)]
    write_images(tmp_path, *pairs, *names)
    options = ONE_SPLIT._replace(without_mask='defect_free')
    with pytest.raises(ValueError, match=message) as error:
        read_source(tmp_path, options)
    assert str(tmp_path / 'image') in str(error.value)  # an example


def test_a_manifests_lost_mask_makes_no_good_part(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'a.png', 'b.png', 'r.png', 'm/a.png', 'm/b_mask.png')
    lines = 'image,reference,mask\na.png,r.png,m/a.png\nb.png,r.png,\n'
    (tmp_path / 'manifest.csv').write_text(lines)
    options = ONE_SPLIT._replace(without_mask='defect_free')
    with pytest.raises(ValueError, match=r'b\.png, but 1 files.*b_mask\.png'):
        read_source(tmp_path, options)


def test_good_parts_alone_need_no_folder_of_masks(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'image/1.png', 'reference/1.png')
    (tmp_path / 'notes').mkdir()
    options = ONE_SPLIT._replace(without_mask='defect_free')
    assert len(read_source(tmp_path, options).pairs) == 1


OUTSIDE = ['../outside.png', '/outside.png', 'link.png', 'image/../../outside.png']


@pytest.mark.parametrize('path', OUTSIDE)
@pytest.mark.parametrize('column', ['image', 'reference', 'mask'])
def test_files_outside_are_refused_unless_they_are_allowed(
    path: str, column: str, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / 'pairs'
    write_images(folder, 'image/a.png')
    outside = write(tmp_path / 'outside.png', IMAGE)
    (folder / 'link.png').symlink_to(outside)
    row = dict.fromkeys(COLUMNS[:3], 'image/a.png') | {
        column: str(outside) if path.startswith('/') else path
    }
    write_manifest(folder, ','.join(row.values()) + ',,')
    with pytest.raises(ValueError, match='--allow_outside') as error:
        read_source(folder, ONE_SPLIT)
    assert pathlib.Path(path).name in str(error.value)
    [pair] = read_source(folder, ONE_SPLIT._replace(allow_outside=True)).pairs
    assert '..' not in pair.id.split('/') and not pair.id.startswith('/')


@pytest.mark.parametrize('folder', ['image', 'mask'])
@pytest.mark.parametrize('ending', ['png', 'txt'])
def test_a_name_that_is_no_utf8_is_named(
    ending: str, folder: str, tmp_path: pathlib.Path
) -> None:
    write_tiny_pairs(tmp_path)
    name = f'/{folder}/\udcff.{ending}'
    os.rename(tmp_path / folder / '1.png', os.fsencode(f'{tmp_path}{name}'))
    os.rename(tmp_path / 'reference', tmp_path / 'other')
    write(tmp_path / 'reference.png', REFERENCE)
    options = Options(without_mask='defect_free')
    with pytest.raises(ValueError, match=rf'udcff\.{ending}.*: no name in UTF-8'):
        read_source(tmp_path, options)


def test_the_fingerprint_follows_what_is_prepared(tmp_path: pathlib.Path) -> None:
    write_tiny_pairs(tmp_path)
    first = read_source(tmp_path, Options())
    seen = {first.fingerprint}
    assert read_source(tmp_path, Options()).fingerprint in seen
    moved = shutil.copytree(tmp_path, tmp_path / 'elsewhere/x')
    assert read_source(moved, Options()).fingerprint in seen
    seen.add(read_source(tmp_path, Options(split_seed=1)).fingerprint)
    write_classes(tmp_path, '0,background', '255,dent')
    seen.add(read_source(tmp_path, Options()).fingerprint)
    write(tmp_path / 'mask/1.png', MASK * 0)
    seen.add(read_source(tmp_path, Options()).fingerprint)
    assert len(seen) == 4
