"""generalization.html and .json: the lines of `generalization` for a reader."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.evaluation.bootstrap import FEWEST_GROUPS, Interval
from cadnet_jax.files.atomic import write_json, write_text
from cadnet_jax.files.pages import render_page
from cadnet_jax.reports.generalization import NEVER_TRAINED, OTHER, Line
from cadnet_jax.reports.generalization_plan import Plan, num_learned, runs_of
from cadnet_jax.reports.grouping import Mean, format_mean

_NAME = 'generalization'
_TITLES = {
    'hit_rate': 'Defects hit, %',
    'false_regions': 'False regions an image',
    'iou': 'IoU of any defect, %',
}
_PERCENT = {'hit_rate', 'iou'}


def write_report(plan: Plan, lines: Sequence[Line], folder: pathlib.Path) -> None:
    """Writes both files into the folder of the runs."""
    page = render_page(
        'cadnet_jax.reports',
        f'{_NAME}.html',
        plan=plan,
        lines=lines,
        answer=answer(plan, lines),
        weights=describe_weights(plan),
        learned=describe_learned(plan),
        titles=_TITLES,
        fewest=FEWEST_GROUPS,
        show=show_mean,
        show_interval=show_interval,
    )
    write_text(folder / f'{_NAME}.html', page)
    described = {
        'settings': {
            name: new
            for name, (_, new) in configs.differences(Config(), plan.base).items()
        },
        **{k: v for k, v in plan._asdict().items() if k != 'base'},
        'lines': [_as_dict(line) for line in lines],
    }
    write_json(folder / f'{_NAME}.json', described)


def answer(plan: Plan, lines: Sequence[Line]) -> list[str]:
    """Sentences that say what is found on products that were never seen.

    They are about the largest share of the labels.
    """
    fraction = max(plan.fractions)
    chosen = [line for line in lines if line.fraction == fraction]
    line = chosen[0]
    found = [
        f'With {100 * fraction:g} % of the labels, the network hits '
        f'{_of("hit_rate", line)} of the defects on {_products(line)} that it never '
        f'saw, with {_of("false_regions", line)} false regions an image; the IoU of '
        f'any defect is {_of("iou", line)}.'
    ]
    if line.seen:
        found.append(
            'Networks that learned from these products hit '
            f'{show_mean("hit_rate", line.seen)} %, with '
            f'{show_mean("false_regions", line.seen)} false regions an image.'
        )
    if line.differences:
        found.append(f'New minus seen: {_verdict(line)}.')
    found += [
        f'On {_products(other)} that only the test part has, it hits '
        f'{_of("hit_rate", other)}, with {_of("false_regions", other)} false regions '
        'an image.'
        for other in chosen[1:]
        if other.label == NEVER_TRAINED
    ]
    found += [
        f'On other data, {other.label.removeprefix(OTHER)}, it hits '
        f'{_of("hit_rate", other)}, with {_of("false_regions", other)} false regions '
        'an image.'
        for other in chosen
        if other.label.startswith(OTHER)
    ]
    return found


def describe_learned(plan: Plan) -> str:
    """How many pairs the networks learned from, by the share of the labels."""
    parts = []
    for fraction in plan.fractions:
        runs = [run for run in runs_of(plan) if run.fraction == fraction]
        least, most = (of(num_learned(run) for run in runs) for of in (min, max))
        range_of = f'{least} to {most}' if least < most else f'{most}'
        parts.append(f'{range_of} with {100 * fraction:g} % of the labels')
    fewer = (
        ' Networks that leave groups out learn from fewer pairs, which is part of each '
        'difference.'
        if plan.folds
        else ''
    )
    return f'Pairs learned from: {"; ".join(parts)}.{fewer}'


def describe_weights(plan: Plan) -> str:
    """A sentence on the first weights, which says whether this is transfer."""
    init_from, unknown = plan.base.train.init_from, ''
    if not plan.weights_are_new:
        unknown = ' It is not known whether they learned from what is left out.'
    if plan.transfer:
        return (
            f'Transfer: all runs start from {init_from}, whose training may have shown '
            "similar products and defects. These figures are not the paper's "
            f'cross-test.{unknown}'
        )
    if init_from:
        return f'All runs start from the weights in {init_from}.{unknown}'
    return 'All runs start from random weights.'


def format_lines(lines: Sequence[Line]) -> str:
    """The lines for the terminal: hits, false regions and IoU, seen and new."""
    width = max(len(line.label) for line in lines)
    shown = [
        f'{"":{width}}  {"labels":>7}  {"seen: hit %, false/image, IoU %":>41}  '
        f'{"new: hit %, false/image, IoU %":>41}'
    ]
    for line in lines:
        pairs = '  '.join(f'{_short(of):>41}' for of in (line.seen, line.new))
        shown.append(f'{line.label:{width}}  {100 * line.fraction:>6g}%  {pairs}')
    return '\n'.join(shown)


def show_mean(name: str, values: Mapping[str, Mean | None] | None) -> str:
    """A rate as 'mean ± deviation'; '' where it was not measured."""
    if values is None:
        return ''
    return format_mean(values[name], percent=name in _PERCENT, digits=_digits(name))


def show_interval(
    name: str, intervals: Mapping[str, Interval] | None, *, sign: str = ''
) -> str:
    """The ends of an interval as 'low to high'; '' where it was not measured.

    Args:
        name: of the rate.
        intervals: of each rate.
        sign: '+' for differences, which are shown with their value.
    """
    if not intervals or name not in intervals:
        return ''
    scale = 100 if name in _PERCENT else 1
    value, low, high = (
        f'{scale * number:{sign}.{_digits(name)}f}' for number in intervals[name][:3]
    )
    return f'{value} ({low} to {high})' if sign else f'{low} to {high}'


def _of(name: str, line: Line) -> str:
    """What is found on new products, with its interval if there are enough groups."""
    unit = ' %' if name in _PERCENT else ''
    interval = ''
    if line.intervals and name in line.intervals:
        enough = line.intervals[name].groups >= FEWEST_GROUPS
        interval = show_interval(name, line.intervals) if enough else ''
    text = f'{show_mean(name, line.new)}{unit}'
    return f'{text} (95 %: {interval})' if interval else text


def _products(line: Line) -> str:
    """'6 products', by the groups of a line."""
    return f'{line.groups} product{"" if line.groups == 1 else "s"}'


def _verdict(line: Line) -> str:
    """Whether hits and false regions differ, as far as the groups can show it."""
    parts = []
    for name, what in (('hit_rate', 'defects hit'), ('false_regions', 'false regions')):
        if not line.differences or name not in line.differences:
            continue
        _, low, high, groups = line.differences[name]
        more = 'more' if low > 0 else 'fewer' if high < 0 else ''
        said = f'{more} {what}' if more else f'no significant difference in {what}'
        if groups < FEWEST_GROUPS:
            said = f'too few groups to compare {what}'
        shown = show_interval(name, line.differences, sign='+')
        shown = shown.replace('(', '(95 %: ', 1).replace(')', f'; {groups} groups)')
        parts.append(f'{said}, {shown}')
    return '; '.join(parts)


def _digits(name: str) -> int:
    return 1 if name in _PERCENT else 2


def _as_dict(line: Line) -> dict[str, Any]:
    """A line with the names of all its parts."""

    def named(value: Any) -> Any:
        if isinstance(value, Mean | Interval):
            return value._asdict()
        if isinstance(value, Mapping):
            return {name: named(part) for name, part in value.items()}
        return value

    return {name: named(value) for name, value in line._asdict().items()}


def _short(values: Mapping[str, Mean | None] | None) -> str:
    parts = [show_mean(name, values) for name in _TITLES]
    return ', '.join(part for part in parts if part)
