"""Text files that people edit or that were damaged: read whole, or named with a remedy.

A byte order mark, which editors on Windows write, is no part of the text.
"""

import json
import os
import pathlib
from typing import Any

_MOST_BYTES = 2**28  # of a text file; a larger one is something else


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file in UTF-8.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is not in UTF-8.
    """
    path = pathlib.Path(path)
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f'{path}: too large for a text file.')
    try:
        return path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path}: not text in UTF-8 ({error.reason} at byte {error.start}); '
            'save it as UTF-8.'
        ) from None


def read_object(path: str | os.PathLike[str], *, remedy: str) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: of the file.
        remedy: a sentence for the user whose file is damaged.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is not in UTF-8, not JSON, or holds something else.
    """
    try:
        values = json.loads(read_text(path), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        line = str(error).removeprefix(f'{path}: ').rstrip('.')
        raise ValueError(
            f'{path}: damaged: not valid JSON ({line}). {remedy}'
        ) from None
    if not isinstance(values, dict):
        raise ValueError(f'{path}: damaged: not a JSON object. {remedy}')
    return values


def are_names(values: object) -> bool:
    """Whether `values` is a list of strings."""
    return isinstance(values, list) and all(isinstance(v, str) for v in values)


def are_counts(values: object) -> bool:
    """Whether `values` is a list of whole numbers from 0."""
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)


def _refuse(name: str) -> None:
    """For NaN and Infinity, which Python would read."""
    raise ValueError(f'{name} is no number in JSON')
