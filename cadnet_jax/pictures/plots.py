"""Figures of an evaluation and of a report: uint8 RGB arrays, no files.

They are drawn by matplotlib without its global state. Names come from folders and data
sets: they are shown as they are, never read as formulas.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_DPI = 100
_CELL = 2.0  # inches, the height of a picture
_STYLES = ('-', '--', ':', '-.')  # colors come again after ten lines
_TITLE_CHARACTERS = 30  # that fit above a square picture


def plot_curves(
    runs: Mapping[str, Mapping[str, Mapping[str, Any]]], class_name: str
) -> np.ndarray:
    """Precision over recall, and F-score over the threshold, of one class.

    Args:
        runs: label of each run -> its curves, `classes` of curves.json.
        class_name: name of a curve; runs without it are left out.

    Returns:
        uint8 [H, W, 3].
    """
    runs = {label: run for label, run in runs.items() if class_name in run}
    height = 4 + 0.2 * len(runs)  # inches; the legend stands below
    figure = Figure(figsize=(10, height), dpi=_DPI, layout='constrained')
    over_recall, over_threshold = figure.subplots(1, 2)
    for label, classes in runs.items():
        curve = {name: _floats(values) for name, values in classes[class_name].items()}
        average = classes[class_name]['average_precision']
        style = _STYLES[len(over_recall.get_lines()) // 10 % len(_STYLES)]
        (line,) = over_recall.plot(curve['recall'], curve['precision'], style)
        line.set_label(_label(label, 'AP', average))
        (line,) = over_threshold.plot(curve['threshold'], curve['fscore'], style)
        line.set_label(_label(label, 'best', classes[class_name]['best_fscore']))
    _finish(over_recall, class_name, 'recall', 'precision')
    _finish(over_threshold, class_name, 'threshold', 'F-score')
    over_recall.set_xlim(-0.02, 1.02)
    return _pixels(figure)


def plot_lines(
    lines: Mapping[str, Sequence[tuple[float, float]]], title: str, x: str, y: str
) -> np.ndarray:
    """Lines through points, with a legend.

    Args:
        lines: label of each -> its points (x, y).
        title: of the figure.
        x: name of the horizontal axis.
        y: name of the vertical axis.

    Returns:
        uint8 [H, W, 3].
    """
    height = 4 + 0.2 * len(lines)  # inches; the legend stands below
    figure = Figure(figsize=(6, height), dpi=_DPI, layout='constrained')
    axes = figure.subplots()
    for number, (label, points) in enumerate(lines.items()):
        style = _STYLES[number // 10 % len(_STYLES)]
        (line,) = axes.plot([p[0] for p in points], [p[1] for p in points], f'{style}o')
        line.set_label(f'\u200b{label}')
    highest = max((p[1] for points in lines.values() for p in points), default=1)
    _finish(axes, title, x, y)
    axes.set_ylim(0, 1.05 * highest)
    return _pixels(figure)


def picture_grid(
    titles: Sequence[str],
    rows: Sequence[Sequence[np.ndarray | None]],
    captions: Sequence[Sequence[str]] = (),
) -> np.ndarray:
    """Rows of pictures under the titles of their columns.

    Args:
        titles: one for each column.
        rows: uint8 [H, W, 3] or None (an empty place), one for each column; shown at
            one height.
        captions: text in the lower left corner of each picture, in yellow; none.

    Returns:
        uint8 [H, W, 3].
    """
    widths = [
        max((p.shape[1] / p.shape[0] for p in column if p is not None), default=1)
        for column in zip(*rows, strict=True)
    ]
    titles = [
        textwrap.fill(title, max(8, int(_TITLE_CHARACTERS * width)))
        for title, width in zip(titles, widths, strict=True)
    ]
    lines = max(title.count('\n') + 1 for title in titles)
    size = _CELL * sum(widths), _CELL * len(rows) + 0.16 * lines
    figure = Figure(figsize=size, dpi=_DPI, layout='constrained')
    axes = figure.subplots(len(rows), len(titles), squeeze=False, width_ratios=widths)
    for places, pictures in zip(axes, rows, strict=True):
        for place, picture in zip(places, pictures, strict=True):
            place.set_axis_off()
            if picture is not None:
                place.imshow(picture)
    for places, texts in zip(axes, captions, strict=False):
        for place, text in zip(places, texts, strict=True):
            at = {'x': 0.03, 'y': 0.03, 'transform': place.transAxes}
            place.text(s=text, fontsize=7, color='yellow', parse_math=False, **at)
    for place, title in zip(axes[0], titles, strict=True):
        place.set_title(title, fontsize=8, parse_math=False)
    return _pixels(figure)


def _floats(values: Any) -> np.ndarray:
    """With NaN, which is not drawn, for None."""
    return np.array(values, np.float64)


def _label(run: str, score: str, value: float | None) -> str:
    # A label that starts with an underscore would not be shown.
    return f'\u200b{run}: {score} ' + ('-' if value is None else f'{value:.3f}')


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, parse_math=False)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)
    if axes.get_lines():
        below = axes.legend(
            fontsize=8, loc='upper center', bbox_to_anchor=(0.5, -0.15), frameon=False
        )
        for text in below.get_texts():
            text.set_parse_math(False)


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
