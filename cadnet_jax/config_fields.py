"""How a setting is declared, and checked: default, range, choices and meaning."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

from cadnet_jax.ranges import Range

# What a field's value may be; a whole number is a real one.
_KINDS: Mapping[Any, Any] = {bool: bool, int: int, float: int | float, str: str}
_KIND_NAMES: Mapping[Any, str] = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    str: 'a text',
}


def setting(
    default: Any,
    help: str,
    choices: Collection[str] | None = None,
    *,
    range: Range | None = None,
    is_path: bool = False,
) -> Any:
    """A field of a section of the settings; its flag has the field's name.

    Args:
        default: of the type of the field.
        help: as --help shows it.
        choices: the values that it can have; None: all.
        range: of a number.
        is_path: whether the value names a file or a folder.
    """
    metadata = {'help': help, 'choices': choices, 'range': range, 'is_path': is_path}
    return dataclasses.field(default=default, metadata=metadata)


def _is_of_kind(value: object, kind: Any) -> bool:
    """Whether a field of the type `kind` can hold `value`; infinity is out of range."""
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    infinite = isinstance(value, float) and not math.isfinite(value)
    return isinstance(value, _KINDS[kind]) or (infinite and kind is int)


def check_settings(section: Any) -> None:
    """Refuses a value that is of another type, no choice, or out of its range.

    Args:
        section: such as a `DataConfig`.

    Raises:
        ValueError: names the flag, the value and what it can be.
    """
    for field in dataclasses.fields(section):
        value, metadata = getattr(section, field.name), field.metadata
        if not _is_of_kind(value, field.type):
            raise ValueError(
                f'--{field.name} is {value!r}; it must be {_KIND_NAMES[field.type]}.'
            )
        if metadata['choices'] and value not in metadata['choices']:
            choices = ', '.join(metadata['choices'])
            raise ValueError(f'--{field.name} is {value!r}; it can be: {choices}.')
        if metadata['range'] and value not in metadata['range']:
            raise ValueError(
                f'--{field.name} is {value!r}; it must be {metadata["range"]}.'
            )
