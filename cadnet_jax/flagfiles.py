"""Files of flags, as people edit them: in UTF-8, with or without a byte order mark.

A line is a flag; empty lines and those that begin with # or // are passed over.
"""

import os
import pathlib
from collections.abc import Iterator, Sequence

from cadnet_jax.files.text import read_text


def expand_flagfiles(
    arguments: Sequence[str], *, within: tuple[pathlib.Path, ...] = ()
) -> list[str]:
    """`arguments` with the lines of a file in place of each --flagfile=FILE.

    absl's own reader takes a byte order mark for a part of the first flag.

    Args:
        arguments: of a command; what follows `--` is left as it is.
        within: the flagfiles that are being read.

    Raises:
        OSError: there is no such file.
        ValueError: it is not in UTF-8, or names itself.
    """
    expanded: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name = argument.lstrip('-').partition('=')[0]
        if argument == '--':
            return [*expanded, argument, *rest]
        if not argument.startswith('-') or name != 'flagfile':
            expanded.append(argument)
        elif path := argument.partition('=')[2] or next(rest, ''):
            expanded += _read(pathlib.Path(os.path.expanduser(path.strip())), within)
    return expanded


def _read(path: pathlib.Path, within: tuple[pathlib.Path, ...]) -> list[str]:
    path = path.absolute()
    if path in within:
        raise ValueError(f'{path}: the flagfile names itself; remove the line.')
    return expand_flagfiles(list(_lines(path)), within=(*within, path))


def _lines(path: pathlib.Path) -> Iterator[str]:
    for line in read_text(path).splitlines():
        if line.strip() and not line.startswith(('#', '//')):
            yield line.strip()
