"""A table of runs: its columns, and its rows, which are runs of one kind."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cadnet_jax.config import Config
from cadnet_jax.inference.predictor import default_rule, default_tile_size
from cadnet_jax.models.heads import HEADS
from cadnet_jax.reports.grouping import Mean, group_by
from cadnet_jax.runs.finished_runs import Result
from cadnet_jax.runs.workdir import origins
from cadnet_jax.weights.released import is_released

# Of the run that the first weights are of: what is equal over the seeds of a study.
_ORIGIN = ('dataset', 'label_fraction', 'head', 'sha256')
_SYNTHETIC = 'synthetic_pairs'  # what the released weights learned from
_DIGITS = 12  # of a SHA-256, which is 64 hexadecimal digits long


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
    """Groups of one kind and split, by method, with a label each.

    Where a method has several groups, what differs in their kinds stands in the label,
    and the step where it is not the last one. Labels of transfer begin with it.
    """
    labeled = []
    for method in methods:
        included = [result for result in results if method.includes(result)]
        groups = group_by(
            included,
            lambda result: (
                *kind_of(result, settings(result)).items(),
                result.split,
                _early_step(result),
            ),
        )
        kinds = [kind_of(group[0], settings(group[0])) for group in groups]
        differing = {
            name
            for kind in kinds
            for name, value in kind.items()
            if value != kinds[0][name]
        } - {'transfer'}
        for kind, group in zip(kinds, groups, strict=True):
            title = f'Transfer: {method.name}' if kind['transfer'] else method.name
            parts = [title, *_values(kind, differing)]
            if group[0].split != 'test':
                parts.append(f'on {group[0].split}')
            if (step := _early_step(group[0])) is not None:
                parts.append(f'at step {step}')
            labeled.append((', '.join(parts), group))
    return labeled


def kind_of(result: Result, settings: Config) -> dict[str, Any]:
    """What is equal for the runs of a mean: name -> value.

    Args:
        result: of the run.
        settings: that count.

    Returns:
        The settings; how the run was evaluated; what `_ORIGIN` names of the run that
        its first weights come from, None where nothing is known; and whether it is
        `transfer`.
    """
    sections = dataclasses.asdict(settings).values()
    kind = {name: value for section in sections for name, value in section.items()}
    kind['ramp_steps'] = result.config.own_ramp
    kind |= evaluated_with(result.metrics, result.config, result.workdir)
    kind |= {f'init_from.{name}': result.origin.get(name) for name in _ORIGIN}
    if digest := kind['init_from.sha256']:
        kind['init_from.sha256'] = digest[:_DIGITS]
    kind['transfer'] = is_transfer(result)
    return kind


def is_transfer(result: Result) -> bool:
    """Whether its first weights learned from synthetic pairs, as the released ones did.

    The generator of these pairs paints lines and dots, so no kind of SynLCD's defects
    is new to them, however many runs lie between.
    """
    if is_released(result.config.train.init_from):
        return True
    return any(
        is_released(origin.get('init_from', '')) or origin.get('dataset') == _SYNTHETIC
        for origin in origins(result.origin)
    )


def evaluated_with(
    metrics: Mapping[str, Any], config: Config, workdir: str
) -> dict[str, Any]:
    """How a run was evaluated; what metrics.json lacks was the default.

    Args:
        metrics: what metrics.json holds; {}: how a run is evaluated by default.
        config: of the run.
        workdir: of the run.
    """
    rule = default_rule(config)
    defaults = {
        'tile_size': default_tile_size(config, workdir),
        'orientations': 1,
        'threshold': rule.threshold,
        'min_area': rule.min_area,
    }
    return {name: metrics.get(name, default) for name, default in defaults.items()}


def _has_head(head: str, result: Result) -> bool:
    return result.config.model.head == head


def _early_step(result: Result) -> int | None:
    """The evaluated step; None for the last one."""
    step = result.metrics['step']
    return None if step == result.config.train.steps else step


def _values(kind: Mapping[str, Any], names: set[str]) -> list[str]:
    """`name=value` of the named values, or `no name`, in the order of the kind."""
    return [
        f'no {name}' if value in ('', None) else f'{name}={value}'
        for name, value in kind.items()
        # First weights of no run, and random ones, have nothing to say of themselves.
        if name in names and not (name.startswith('init_from.') and value is None)
    ]
