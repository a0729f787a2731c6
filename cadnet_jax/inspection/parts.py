"""Parts to be inspected, found in files: one image, or several views, of each."""

import contextlib
import os
import pathlib
import re
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cadnet_jax.files.csv_files import read_rows
from cadnet_jax.files.images import SUFFIXES, list_images
from cadnet_jax.files.unread_images import describe_unread
from cadnet_jax.inference.pair_files import unique_names

_Path = str | os.PathLike[str]


class Part(NamedTuple):
    """A part to be inspected.

    Attributes:
        name: its own among all parts; files about it are named by it.
        images: file of each view, by the view's name; of a part with one image ''.
    """

    name: str
    images: dict[str, pathlib.Path]


class _Image(NamedTuple):
    """A file; part and view are '' if they are not said."""

    path: pathlib.Path
    part: str
    view: str


def list_parts(
    image: _Path, *, pattern: str = '', views: Sequence[str] = ('',)
) -> list[Part]:
    """The parts of a folder of images, of a CSV file, or one.

    A line on stderr says which pictures of the folder are not read.

    Args:
        image: a folder, an image, or a CSV file with the column image, and perhaps
            part and view.
        pattern: see `Recipe.part_pattern`.
        views: the names that a view can have.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: there is no image, the CSV file has a fault, a name does not fit
            the pattern, a view is unknown, or there are two images of one.
    """
    path = pathlib.Path(image)
    if path.is_dir():
        images = [_from_name(file, pattern) for file in list_images(path)]
    elif path.suffix.lower() == '.csv':
        images = list(_from_csv(path, pattern))
    elif path.exists():
        images = [_from_name(path, pattern)]
    else:
        raise FileNotFoundError(f'{path}: no such file or folder; check the path.')
    unread = describe_unread(path) if path.is_dir() else ''
    if not images:
        raise ValueError(
            f'{path}: no image; there must be files that end in {", ".join(SUFFIXES)}, '
            f'or lines in the CSV file. {unread}'.rstrip()
        )
    if unread:
        print(f'warning: {path}: {unread}.', file=sys.stderr)
    return group_views(images, views)


def arriving(
    folder: _Path,
    *,
    pattern: str = '',
    views: Sequence[str] = ('',),
    idle: float = 0.0,
    interval: float = 1.0,
) -> Iterator[list[Part]]:
    """Yields the parts of a folder as they arrive, until an interrupt (Ctrl-C).

    A file has arrived if it did not change for an interval; a part, if all its views
    have.

    Args:
        folder: of images; other files and names that do not fit are ignored.
        pattern: see `list_parts`.
        views: see `list_parts`.
        idle: end once nothing arrived for so many seconds; 0: do not.
        interval: seconds between looks.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    path = pathlib.Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f'{path}: no such folder; watching needs one.')
    if unread := describe_unread(path):
        print(f'warning: {path}: {unread}.', file=sys.stderr)
    before: dict[pathlib.Path, tuple[int, int]] = {}
    yielded: set[str] = set()
    last = time.monotonic()
    with _until_interrupt() as stopped:
        while not stopped.is_set():
            now = {file: _state(file) for file in list_images(path)}
            still = [file for file in now if before.get(file) == now[file]]
            parts = _complete_parts(still, pattern, views)
            if new := [part for part in parts if part.name not in yielded]:
                yielded.update(part.name for part in new)
                yield new
                last = time.monotonic()
            elif idle and now == before and time.monotonic() - last > idle:
                return
            before = now
            stopped.wait(interval)


def _state(file: pathlib.Path) -> tuple[int, int]:
    """Size and time of a file, which is perhaps still being written."""
    try:
        stat = file.stat()
    except FileNotFoundError:  # it was renamed
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _complete_parts(
    files: Iterable[pathlib.Path], pattern: str, views: Sequence[str]
) -> list[Part]:
    fitting = [f for f in files if not pattern or re.fullmatch(pattern, f.stem)]
    parts = group_views([_from_name(file, pattern) for file in fitting], views)
    return [part for part in parts if len(part.images) == len(views)]


@contextlib.contextmanager
def _until_interrupt() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, in place of ending the program."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    kept = [signal.signal(number, lambda *_: stopped.set()) for number in signals]
    try:
        yield stopped
    finally:
        for number, handler in zip(signals, kept, strict=True):
            signal.signal(number, handler)


def group_views(images: Iterable[_Image], views: Sequence[str]) -> list[Part]:
    """Images of one part together; see `list_parts`."""
    images = list(images)
    names = unique_names([image.path for image in images])
    parts: dict[str, Part] = {}
    for name, image in zip(names, images, strict=True):
        if image.view not in views:
            raise ValueError(
                f'{image.path}: view {image.view!r} is not in the recipe, which has: '
                f'{", ".join(map(repr, views))}.'
            )
        # Names of parts become names of files.
        own = re.sub(r'[^\w.-]', '_', image.part or name)
        part = parts.setdefault(own, Part(own, {}))
        if image.view in part.images:
            raise ValueError(
                f'{image.path}: part {own} already has {part.images[image.view]}; a '
                'part has one image of each view.'
            )
        part.images[image.view] = image.path
    return list(parts.values())


def _from_name(path: pathlib.Path, pattern: str) -> _Image:
    if not pattern:
        return _Image(path, '', '')
    match = re.fullmatch(pattern, path.stem)
    if not match:
        raise ValueError(
            f'{path}: its name does not match part_pattern, {pattern!r}; move it away, '
            'or change the pattern.'
        )
    groups = match.groupdict()
    return _Image(path, groups['part'] or '', groups.get('view') or '')


def _from_csv(path: pathlib.Path, pattern: str) -> Iterator[_Image]:
    for _, row in read_rows(path, required=['image'], others=True):
        file = path.parent / row['image']
        if 'part' in row or 'view' in row:
            yield _Image(file, row.get('part', ''), row.get('view', ''))
        else:
            yield _from_name(file, pattern)
