"""Pictures of a folder that are not read are named, and nothing else is."""

import pathlib

import pytest

from cadnet_jax.files.unread_images import describe_unread
from cadnet_jax.inspection.parts import arriving, list_parts


def touch(folder: pathlib.Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_of_images_and_other_files_has_nothing_unread(
    tmp_path: pathlib.Path,
) -> None:
    touch(tmp_path, 'a.png', 'B.JPG', 'Thumbs.db', 'notes.txt', '.hidden/c.png')
    touch(tmp_path, 'empty/readme.txt', '._d.heic')
    assert describe_unread(tmp_path) == ''


def test_folders_and_formats_are_named_with_the_remedy(tmp_path: pathlib.Path) -> None:
    """Also images of folders in folders; of many names the first three."""
    touch(tmp_path, 'a.png', 'day 1/b.png', 'day 1/early/c.png', 'empty/d.txt')
    touch(tmp_path, 'IMG_1.HEIC', 'e.gif', 'f.dng', 'g.pdf')
    text = describe_unread(tmp_path)
    assert 'folders inside it are not searched: day 1 (2 images); move' in text
    assert 'not read: IMG_1.HEIC, e.gif, f.dng and 1 more; convert them to PNG' in text


def test_parts_that_are_not_read_are_said_where_parts_are_listed(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a warning beside parts that are read, once; as an error without any."""
    touch(tmp_path, 'a.png', 'later/b.png')
    warning = f'warning: {tmp_path}: folders inside it are not searched: later (1 image'
    assert [part.name for part in list_parts(tmp_path)] == ['a']
    assert capsys.readouterr().err.startswith(warning)
    assert len(list(arriving(tmp_path, idle=0.2, interval=0.05))) == 1
    captured = capsys.readouterr().err
    assert captured.startswith(warning) and captured.count('\n') == 1
    (tmp_path / 'a.png').unlink()
    with pytest.raises(ValueError, match=r'no image.*folders inside it .* later'):
        list_parts(tmp_path)
    assert capsys.readouterr().err == ''
