"""The flags of the settings: made from them, in groups for --help, and read again."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags

from cadnet_jax.config import Config, fields_of
from cadnet_jax.path_flags import define_path

_AUGMENTATION = (
    'scale_min',
    'scale_max',
    'paint_defects',
    'reference_shift',
    'flip',
    'rotate',
    'brightness',
    'contrast',
    'saturation',
    'photometric_probability',
)
_DEFINE: Mapping[Any, Callable[..., Any]] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}

# --help lists a flag under the script that asks for it, not under this module.
flags.disclaim_key_flags()


def define_flags(*sections: str) -> None:
    """Defines a flag for each field of the named sections (all, if none is named)."""
    for section in dataclasses.fields(Config):
        if sections and section.name not in sections:
            continue
        for field in fields_of(section):
            name, text = field.name, field.metadata['help']
            if values := field.metadata['range']:
                text = f'{text} It must be {values}.'
            default: Any = field.default
            choices: Any = field.metadata['choices']
            if field.metadata['is_path']:
                define_path(name, default, text)
            elif choices:
                flags.DEFINE_enum(name, default, choices, text)
            else:
                _DEFINE[field.type](name, default, text)


def flag_groups() -> dict[str, tuple[str, ...]]:
    """The names of all settings, in groups for --help: title -> names."""
    names = {
        section.name: tuple(field.name for field in fields_of(section))
        for section in dataclasses.fields(Config)
    }
    return {
        'Data': tuple(name for name in names['data'] if name not in _AUGMENTATION),
        'Augmentation': _AUGMENTATION,
        'Network': names['model'],
        'Loss': names['loss'],
        'Optimization': names['optim'],
        'Run': names['train'],
    }


def from_flags(values: flags.FlagValues = flags.FLAGS) -> Config:
    """The configuration that the parsed flags say; the rest keeps its defaults."""
    sections = {}
    for section in dataclasses.fields(Config):
        default = getattr(Config(), section.name)
        given = {
            field.name: values[field.name].value
            for field in dataclasses.fields(default)
            if field.name in values
        }
        sections[section.name] = dataclasses.replace(default, **given)
    return Config(**sections)
