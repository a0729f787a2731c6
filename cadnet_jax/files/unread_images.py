"""Pictures of a folder that are not read: of folders inside it, or other formats."""

import pathlib
from collections.abc import Sequence

from cadnet_jax.files.images import list_images

# What cameras, telephones and scanners write beside the formats that are read.
_SUFFIXES = (
    *('.heic', '.heif', '.avif', '.gif', '.jfif', '.jp2', '.pgm', '.ppm', '.pdf'),
    *('.dng', '.raw', '.cr2', '.cr3', '.nef', '.arw', '.orf', '.rw2', '.raf'),
)
_MOST_NAMES = 3


def describe_unread(folder: pathlib.Path) -> str:
    """Which pictures `list_images` passes over, and the remedy; '' if there is none.

    Such as 'folders inside it are not searched: monday (8 images); move the images up,
    or list them in a CSV file'. Formats are known by the endings of names.
    """
    paths = sorted(p for p in folder.iterdir() if not p.name.startswith('.'))
    counts = {p.name: _count_images(p) for p in paths if p.is_dir()}
    inside = [
        f'{name} ({count} image{"s" if count > 1 else ""})'
        for name, count in counts.items()
        if count
    ]
    others = [p.name for p in paths if p.suffix.lower() in _SUFFIXES]
    texts = []
    if inside:
        texts.append(
            f'folders inside it are not searched: {_first(inside)}; move the images '
            'up, or list them in a CSV file'
        )
    if others:
        texts.append(
            f'files in a format that is not read: {_first(others)}; convert them to '
            'PNG or JPEG'
        )
    return '; '.join(texts)


def _count_images(folder: pathlib.Path) -> int:
    folders = [folder, *(path for path in folder.rglob('*') if path.is_dir())]
    return sum(len(list_images(path)) for path in folders)


def _first(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ', '.join(names[:_MOST_NAMES]) + (f' and {more} more' if more > 0 else '')
