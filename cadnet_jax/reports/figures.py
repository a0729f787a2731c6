"""The paper's figures 7 to 12, made of the runs in the report's tables.

Pictures and curves are those that the evaluations wrote; runs without them are left
out, and so is a figure that no run is left of.
"""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cadnet_jax.files.images import read_image
from cadnet_jax.pictures.overlays import HIT, MISS, count_errors
from cadnet_jax.pictures.plots import picture_grid, plot_curves
from cadnet_jax.reports.grouping import group_by
from cadnet_jax.reports.rows import Row, Table
from cadnet_jax.reports.transfer_tables import pairing
from cadnet_jax.runs.finished_runs import Result
from cadnet_jax.runs.workdir import DISTANCE, OVERLAYS, PAIRS, PROBABILITY

_MOST_PAIRS = 4
_PICTURES = {
    OVERLAYS: 'prediction (hits white, misses green, false alarms red; Err: both)',
    PROBABILITY: 'probability of any defect (out of class: change score)',
    DISTANCE: 'DistMap',
}


class Figure(NamedTuple):
    """A figure; `key` is its name in JSON and of its file, `picture` uint8 RGB."""

    key: str
    title: str
    picture: np.ndarray


class _Labeled(NamedTuple):
    """A result and the name that it has in a figure."""

    label: str
    result: Result


def make_figures(tables: Sequence[Table]) -> list[Figure]:
    """All figures that the runs in the tables have the files for."""
    rows = {table.key: table.rows for table in tables}
    comparison, ablation = rows.get('table_3', ()), rows.get('table_7', ())
    crossed = _of_each_pairing(rows.get('figure_6', ()))
    transfer = _of_each_pairing(rows.get('figure_6_transfer', ()))
    return [
        *_grids('figure_7', 'Figure 7: ablation', _one_of_each(ablation)),
        *_curves([*comparison, *ablation]),
        *_grids('figure_9', 'Figure 9: comparison', _one_of_each(comparison)),
        *_grids(
            'figure_10', 'Figure 10: MVTec AD', _one_of_each(rows.get('table_5', ()))
        ),
        *_grids('figure_11', 'Figure 11: PKU', _one_of_each(rows.get('table_4', ()))),
        *_grids('figure_12', 'Figure 12: in and out of class', crossed),
        *_grids('figure_12_transfer', 'Transfer: as figure 12', transfer),
    ]


def _of_each_pairing(rows: Sequence[Row]) -> list[_Labeled]:
    return [
        _labeled(f'{pairing(group[0])}: {row.label}', group)
        for row in rows
        for group in group_by(row.results, pairing)
    ]


def _one_of_each(rows: Sequence[Row]) -> list[_Labeled]:
    return [_labeled(row.label, row.results) for row in rows]


def _labeled(label: str, results: Sequence[Result]) -> _Labeled:
    """The result with the smallest seed, of those with pictures where there are any."""
    first = min(results, key=lambda r: (not _pictures(r), r.config.train.seed))
    return _Labeled(f'{label}, seed {first.config.train.seed}', first)


def _pictures(result: Result) -> set[str]:
    """File names of the pairs that all pictures are there of."""
    folders = (PAIRS, OVERLAYS, PROBABILITY)
    return set.intersection(
        *({path.name for path in (result.directory / f).glob('*.png')} for f in folders)
    )


def _curves(rows: Sequence[Row]) -> list[Figure]:
    """Figure 8: one for each class, with a line for each run."""
    runs: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for row in rows:
        for result in row.results:
            if not result.curves or id(result) in seen:
                continue
            seen.add(id(result))
            label = f'{row.label}, seed {result.config.train.seed}'
            if label in runs:
                label += f' ({result.workdir})'
            runs[label] = result.curves
    names = list(dict.fromkeys(name for curves in runs.values() for name in curves))
    return [
        Figure(
            f'figure_8_{number}',
            f'Figure 8: precision, recall and F-score, {name}',
            plot_curves(runs, name),
        )
        for number, name in enumerate(names, start=1)
    ]


def _grids(key: str, title: str, labeled: Sequence[_Labeled]) -> list[Figure]:
    """Pairs in rows, runs in columns; for each data set, and each kind of picture."""
    figures: list[Figure] = []
    with_pictures = [entry for entry in labeled if _pictures(entry.result)]
    for group in group_by(
        with_pictures, lambda entry: (entry.result.tested_on, entry.result.split)
    ):
        names = set.intersection(*(_pictures(entry.result) for entry in group))
        first = group[0].result
        shown = _defects_first(first.directory, names)[:_MOST_PAIRS]
        for folder, what in _PICTURES.items():
            columns = [
                entry
                for entry in group
                if all((entry.result.directory / folder / n).exists() for n in shown)
            ]
            if not shown or not columns:
                continue
            rows = [
                [
                    _pair(first.directory, name),
                    *(read_image(c.result.directory / folder / name) for c in columns),
                ]
                for name in shown
            ]
            titles = ['image, reference, label', *(c.label for c in columns)]
            figures.append(
                Figure(
                    f'{key}_{len(figures) + 1}',
                    f'{title}, {first.tested_on} {first.split}: {what}',
                    picture_grid(titles, rows, _captions(folder, rows)),
                )
            )
    return figures


def _captions(folder: str, rows: Sequence[Sequence[np.ndarray]]) -> list[list[str]]:
    """The wrong pixels of each prediction, as in the paper's figures."""
    if folder != OVERLAYS:
        return []
    return [
        ['', *(f'Err {count_errors(picture):,}' for picture in predictions)]
        for _, *predictions in rows
    ]


def _defects_first(directory: pathlib.Path, names: set[str]) -> list[str]:
    """Pairs with a labeled defect, then the others: hits and misses tell."""

    def is_clean(name: str) -> bool:
        overlay = read_image(directory / OVERLAYS / name)
        return not any((overlay == c).all(axis=-1).any() for c in (HIT, MISS))

    return sorted(names, key=lambda name: (is_clean(name), name))


def _pair(directory: pathlib.Path, name: str) -> np.ndarray:
    """Image, reference and label, without the titles above them."""
    height = len(read_image(directory / OVERLAYS / name))
    return read_image(directory / PAIRS / name)[-height:]
