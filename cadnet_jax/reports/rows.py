"""A table of runs: its columns, and its rows, which are runs of equal settings."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.models.heads import HEADS
from cadnet_jax.reports.grouping import Mean, group_by
from cadnet_jax.runs.finished_runs import Result


class Column(NamedTuple):
    """A column; `percent`: its values are fractions, which are shown in percent."""

    name: str
    percent: bool = False


class Row(NamedTuple):
    """A row.

    Attributes:
        label: the method, and the settings by which it differs from others like it.
        cells: name of a column -> its value; None where nothing is known.
        results: what the values were computed from.
    """

    label: str
    cells: Mapping[str, Mean | str | None]
    results: tuple[Result, ...]


class Table(NamedTuple):
    """A table; `key` is its name in JSON."""

    key: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


class Method(NamedTuple):
    """A kind of runs that a table has rows of."""

    name: str
    includes: Callable[[Result], bool]


def by_head(*heads: str) -> list[Method]:
    """The networks of these heads, each by its title."""
    return [
        Method(HEADS[head].title, functools.partial(_has_head, head)) for head in heads
    ]


def label_groups(
    methods: Sequence[Method],
    results: Sequence[Result],
    settings: Callable[[Result], Config] = lambda result: result.settings,
) -> list[tuple[str, list[Result]]]:
    """Groups of equal settings and split, by method, with a label each.

    Where a method has several groups, the settings that differ stand in the label, and
    the step where it is not the last one.
    """
    labeled = []
    for method in methods:
        included = [result for result in results if method.includes(result)]
        groups = group_by(
            included,
            lambda result: (settings(result), result.split, _early_step(result)),
        )
        kinds = [settings(group[0]) for group in groups]
        differing = {
            name for kind in kinds for name in configs.differences(kinds[0], kind)
        }
        for kind, group in zip(kinds, groups, strict=True):
            parts = [method.name, *_values(kind, differing)]
            if group[0].split != 'test':
                parts.append(f'on {group[0].split}')
            if (step := _early_step(group[0])) is not None:
                parts.append(f'at step {step}')
            labeled.append((', '.join(parts), group))
    return labeled


def _has_head(head: str, result: Result) -> bool:
    return result.config.model.head == head


def _early_step(result: Result) -> int | None:
    """The evaluated step; None for the last one."""
    step = result.metrics['step']
    return None if step == result.config.train.steps else step


def _values(config: Config, names: set[str]) -> list[str]:
    """`name=value` of the named fields, or `no name`, in the order of the settings."""
    return [
        f'no {name}' if value == '' else f'{name}={value}'
        for section in dataclasses.asdict(config).values()
        for name, value in section.items()
        if name in names
    ]
