"""generalization.html and .json: the lines of `generalization` for a reader."""

import pathlib
from collections.abc import Mapping, Sequence

from cadnet_jax.files.atomic import write_json, write_text
from cadnet_jax.files.pages import render_page
from cadnet_jax.reports.generalization import Line
from cadnet_jax.reports.generalization_plan import Plan
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
        titles=_TITLES,
        show=show_mean,
        show_difference=show_difference,
    )
    write_text(folder / f'{_NAME}.html', page)
    write_json(folder / f'{_NAME}.json', {'lines': [line._asdict() for line in lines]})


def format_lines(lines: Sequence[Line]) -> str:
    """The lines for the terminal: hits and false regions, seen and new."""
    width = max(len(line.label) for line in lines)
    shown = [
        f'{"":{width}}  {"labels":>7}  {"seen: hit %, false/image":>28}  '
        f'{"new: hit %, false/image":>28}'
    ]
    for line in lines:
        pairs = '  '.join(f'{_short(of):>28}' for of in (line.seen, line.new))
        shown.append(f'{line.label:{width}}  {100 * line.fraction:>6g}%  {pairs}')
    return '\n'.join(shown)


def show_mean(name: str, values: Mapping[str, Mean | None] | None) -> str:
    """A rate as 'mean ± deviation'; '' where it was not measured."""
    if values is None:
        return ''
    percent = name in _PERCENT
    return format_mean(values[name], percent=percent, digits=1 if percent else 2)


def show_difference(name: str, line: Line) -> str:
    """New less seen as 'value (low to high)'; '' where it was not measured."""
    if line.differences is None:
        return ''
    scale, digits = (100, 1) if name in _PERCENT else (1, 2)
    value, low, high = (scale * number for number in line.differences[name])
    return f'{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})'


def _short(values: Mapping[str, Mean | None] | None) -> str:
    parts = [show_mean(name, values) for name in ('hit_rate', 'false_regions')]
    return ', '.join(part for part in parts if part)
