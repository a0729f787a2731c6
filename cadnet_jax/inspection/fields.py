"""Fields of a recipe: each stands once, with default, range and meaning.

`recipe.json` is read into frozen dataclasses whose fields `setting` declares. A fault
is a ValueError of one line that begins with the field: 'rules.join is -1; it must ...'.
"""

import dataclasses
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from cadnet_jax.ranges import Range

_Section = TypeVar('_Section')
_NAMES = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    str: 'a text',
    tuple: 'a list',
    dict: 'an object',
    types.NoneType: 'null',
}


def setting(
    default: Any,
    help: str,
    *,
    range: Range | None = None,
    choices: Collection[str | int] = (),
) -> Any:
    """A field of one value. Sections have `dataclasses.field` with a help."""
    metadata = {'help': help, 'range': range, 'choices': choices}
    return dataclasses.field(default=default, metadata=metadata)


def check(section: Any) -> None:
    """Refuses a value that is not among the choices, or not in the range, of a field.

    Raises:
        ValueError: begins with the field's name and says what it can be.
    """
    for field in dataclasses.fields(section):
        value, metadata = getattr(section, field.name), field.metadata
        if value is None:
            continue
        if (choices := metadata.get('choices')) and value not in choices:
            raise ValueError(
                f'{field.name} is {value!r}; it can be: {", ".join(map(str, choices))}.'
            )
        if (range := metadata.get('range')) and value not in range:
            raise ValueError(f'{field.name} is {value!r}; it must be {range}.')


def from_json(kind: type[_Section], values: Any, where: str = '') -> _Section:
    """A dataclass of what JSON holds.

    Args:
        kind: its fields have the types bool, int, float, str, another dataclass,
            tuple[T, ...], dict[str, T], and these or None.
        values: of `json.loads`.
        where: the name of the whole, ahead of the fields' names: 'rules.'.

    Raises:
        ValueError: a field is unknown, of another type, or out of its range.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f'{where.rstrip(".") or "it"} must be an object, in braces.')
    hints = typing.get_type_hints(kind)
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - known):
        raise ValueError(
            f'{where}{unknown[0]} is unknown; there are: {", ".join(sorted(known))}.'
        )
    fields = {
        name: _value(hints[name], value, f'{where}{name}')
        for name, value in values.items()
    }
    try:
        return kind(**fields)
    except ValueError as error:
        raise ValueError(f'{where}{error}') from None
    except TypeError:
        missing = [
            field.name
            for field in dataclasses.fields(kind)  # type: ignore[arg-type]
            if field.name not in values
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ]
        raise ValueError(f'{where}{missing[0]} is missing; add it.') from None


def describe(kind: Any, where: str = '') -> Iterator[tuple[str, str]]:
    """The name of each field and what it means, sections within sections."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        yield f'{where}{field.name}', field.metadata['help']
        section, suffix = hints[field.name], ''
        if typing.get_origin(section) is tuple:
            section, suffix = typing.get_args(section)[0], '[]'
        elif typing.get_origin(section) is dict:
            section, suffix = typing.get_args(section)[1], '.CLASS'
        if dataclasses.is_dataclass(section):
            yield from describe(section, f'{where}{field.name}{suffix}.')


def _value(hint: Any, value: Any, where: str) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        origin = typing.get_origin(option) or option
        if dataclasses.is_dataclass(option):
            if value is not None or len(options) == 1:
                return from_json(option, value, f'{where}.')  # type: ignore[arg-type]
        elif origin is tuple and isinstance(value, list):
            item = typing.get_args(option)[0]
            return tuple(_value(item, v, f'{where}[{i}]') for i, v in enumerate(value))
        elif origin is dict and isinstance(value, dict):
            item = typing.get_args(option)[1]
            return {k: _value(item, v, f'{where}.{k}') for k, v in value.items()}
        elif option is float and type(value) in (int, float):
            return float(value)
        elif type(value) is option:
            return value
    kinds = ' or '.join(_NAMES[typing.get_origin(o) or o] for o in options)
    raise ValueError(f'{where} is {value!r}; it must be {kinds}.')
