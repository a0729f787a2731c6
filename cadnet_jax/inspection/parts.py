"""Parts to be inspected, found in files: one image, or several views, of each."""

import contextlib
import itertools
import os
import pathlib
import re
import signal
import sys
import threading
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from cadnet_jax.files.csv_files import read_rows
from cadnet_jax.files.images import SUFFIXES, list_images
from cadnet_jax.files.unread_images import describe_unread
from cadnet_jax.inference.pair_files import unique_names

_Path = str | os.PathLike[str]
_Names = Mapping[pathlib.Path, str]


class Part(NamedTuple):
    """A part to be inspected.

    Attributes:
        name: its own among all parts; files about it are named by it.
        images: file of each view, by the view's name; of a part with one image ''.
    """

    name: str
    images: dict[str, pathlib.Path]


class _Image(NamedTuple):
    """A file; the view is '' if it is not said."""

    path: pathlib.Path
    part: str
    view: str


def list_parts(
    image: _Path,
    *,
    pattern: str = '',
    views: Sequence[str] = ('',),
    known: _Names | None = None,
) -> list[Part]:
    """The parts of a folder of images, of a CSV file, or one.

    A line on stderr says which pictures of the folder are not read.

    Args:
        image: a folder, an image, or a CSV file with the column image, and perhaps
            part and view.
        pattern: see `Recipe.part_pattern`.
        views: the names that a view can have.
        known: name of the part of images that were inspected before; in a folder, they
            keep it.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: there is no image, the CSV file has a fault, a name does not fit
            the pattern, a view is unknown, or there are two images of one.
    """
    path = pathlib.Path(image)
    if path.is_dir():
        images = _from_files(list_images(path), pattern, _names_in(path, known))
    elif path.suffix.lower() == '.csv':
        images = _from_csv(path, pattern)
    elif path.exists():
        images = _from_files([path], pattern, _names_in(path.parent, known))
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
    known: _Names | None = None,
    idle: float = 0.0,
    interval: float = 1.0,
) -> Iterator[list[Part]]:
    """Yields the parts of a folder as they arrive, until an interrupt (Ctrl-C).

    A file has arrived if it did not change for an interval; a part, if all its views
    have. A part is yielded again if one of its files is rewritten. The last batch has
    the parts of which a view is still missing. An image whose name does not fit, whose
    view is unknown, or which is the second of a view is left out, with a warning.

    Args:
        folder: of images; other files are ignored.
        pattern: see `list_parts`.
        views: see `list_parts`.
        known: see `list_parts`.
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
    names = _names_in(path, known)
    before: dict[pathlib.Path, tuple[int, int]] = {}
    arrived: dict[pathlib.Path, tuple[int, int]] = {}
    parts: dict[str, Part] = {}
    part_of: dict[pathlib.Path, Part] = {}
    waiting: dict[str, Part] = {}
    last = time.monotonic()
    with _until_interrupt() as stopped:
        while not stopped.is_set():
            now = {file: _state(file) for file in list_images(path)}
            new = [f for f in now if before.get(f) == now[f] != arrived.get(f)]
            names = _name_files(new, names)
            for file in new:
                if file in arrived:
                    continue
                try:
                    image = _from_name(file, pattern, names[file])
                    part_of[file] = _add(parts, image, views)
                except ValueError as error:
                    print(f'warning: not inspected: {error}', file=sys.stderr)
            arrived |= {file: now[file] for file in new}
            waiting |= {part_of[f].name: part_of[f] for f in new if f in part_of}
            complete = [p for p in waiting.values() if len(p.images) == len(views)]
            if complete:
                yield complete
                for part in complete:
                    del waiting[part.name]
            if new:
                last = time.monotonic()
            elif idle and now == before and time.monotonic() - last > idle:
                break
            before = now
            stopped.wait(interval)
        if waiting:
            yield list(waiting.values())


def _state(file: pathlib.Path) -> tuple[int, int]:
    """Size and time of a file, which is perhaps still being written."""
    try:
        stat = file.stat()
    except FileNotFoundError:  # it was renamed
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


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
    parts: dict[str, Part] = {}
    for image in images:
        _add(parts, image, views)
    return list(parts.values())


def _add(parts: dict[str, Part], image: _Image, views: Sequence[str]) -> Part:
    """Puts an image into its part, and returns that.

    Raises:
        ValueError: the view is unknown, or the part has an image of it.
    """
    if image.view not in views:
        raise ValueError(
            f'{image.path}: view {image.view!r} is not in the recipe, which has: '
            f'{", ".join(map(repr, views))}.'
        )
    own = _as_file_name(image.part)
    part = parts.setdefault(own, Part(own, {}))
    if image.view in part.images:
        raise ValueError(
            f'{image.path}: part {own} already has {part.images[image.view]}; a '
            'part has one image of each view.'
        )
    part.images[image.view] = image.path
    return part


def _as_file_name(name: str) -> str:
    """Names of parts become names of files."""
    return re.sub(r'[^\w.-]', '_', name)


def _names_in(folder: pathlib.Path, known: _Names | None) -> dict[pathlib.Path, str]:
    """Those of files of the folder: another folder's parts may have equal names."""
    here = folder.absolute()
    return {
        folder / file.name: name
        for file, name in (known or {}).items()
        if file.absolute().parent == here
    }


def _name_files(
    files: Iterable[pathlib.Path], names: _Names
) -> dict[pathlib.Path, str]:
    """The names, and one for each file without: none changes because others arrive."""
    found = dict(names)
    # Some file systems do not tell upper from lower case.
    taken = {name.lower() for name in names.values()}
    for file in files:
        if file not in found:
            found[file] = _free_name(file, taken)
            taken.add(found[file].lower())
    return found


def _free_name(file: pathlib.Path, taken: Container[str]) -> str:
    """Its stem; if another file has this name, such as 0001-jpg or 0001-jpg-2."""
    stem, longer = map(_as_file_name, (file.stem, f'{file.stem}-{file.suffix[1:]}'))
    numbered = (f'{longer}-{number}' for number in itertools.count(2))
    names = itertools.chain([stem, longer], numbered)
    return next(name for name in names if name.lower() not in taken)


def _from_files(
    files: Sequence[pathlib.Path], pattern: str, names: _Names
) -> list[_Image]:
    names = _name_files(files, names)
    return [_from_name(file, pattern, names[file]) for file in files]


def _from_name(path: pathlib.Path, pattern: str, name: str) -> _Image:
    """What the pattern finds in the name of the file; without one, part `name`."""
    if not pattern:
        return _Image(path, name, '')
    match = re.fullmatch(pattern, path.stem)
    if not match:
        raise ValueError(
            f'{path}: its name does not match part_pattern, {pattern!r}; move it away, '
            'or change the pattern.'
        )
    groups = match.groupdict()
    return _Image(path, groups['part'] or name, groups.get('view') or '')


def _from_csv(path: pathlib.Path, pattern: str) -> list[_Image]:
    rows = [row for _, row in read_rows(path, required=['image'], others=True)]
    files = [path.parent / row['image'] for row in rows]
    return [
        _Image(file, row.get('part') or name, row.get('view', ''))
        if 'part' in row or 'view' in row
        else _from_name(file, pattern, name)
        for file, row, name in zip(files, rows, unique_names(files), strict=True)
    ]
