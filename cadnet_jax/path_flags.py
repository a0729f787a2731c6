"""Flags that name a file or a folder: `~` is the user's home, and empty is no path."""

import os
from typing import Any

from absl import flags

# --help lists a flag under the script that asks for it, not under this module.
flags.disclaim_key_flags()


class _PathParser(flags.ArgumentParser[str]):
    """Expands `~`, which no shell does behind '='."""

    def __init__(self, *, may_be_empty: bool, is_file: bool = False) -> None:
        super().__init__()
        self._may_be_empty, self._is_file = may_be_empty, is_file

    def parse(self, argument: str) -> str:
        if not (argument or self._may_be_empty):
            # An unset variable of a shell: its path would be the current folder.
            raise ValueError(
                'it is empty; name the directory or file, or leave it out.'
            )
        path = os.path.expanduser(argument)
        if self._is_file and os.path.isdir(path):
            raise ValueError('it is a directory; name a file in it.')
        return path

    def flag_type(self) -> str:
        return 'path'


def define_path(
    name: str, default: str | None, help: str, *, is_file: bool = False, **options: Any
) -> flags.FlagHolder[str]:
    """Defines a flag whose value is a path; see `absl.flags.DEFINE`.

    Args:
        name: of the flag.
        default: None: there is no path; '': there may be none, and empty is allowed.
        help: as --help shows it.
        is_file: refuse a directory, before the work whose result it could not take.
        **options: of absl, such as `required`.

    Returns:
        What holds the parsed value, a string in which `~` is expanded.
    """
    parser = _PathParser(may_be_empty=default == '', is_file=is_file)
    serializer = flags.ArgumentSerializer[str]()
    holder: flags.FlagHolder[str] = flags.DEFINE(
        parser, name, default, help, serializer=serializer, **options
    )
    return holder


def define_paths(name: str, help: str, **options: Any) -> flags.FlagHolder[list[str]]:
    """Defines a flag for a path that may be repeated; without it the list is empty.

    See `define_path` for the arguments.
    """
    holder: flags.FlagHolder[list[str]] = flags.DEFINE_multi(
        _PathParser(may_be_empty=False),
        flags.ArgumentSerializer[str](),
        name,
        [],
        help,
        **options,
    )
    return holder
