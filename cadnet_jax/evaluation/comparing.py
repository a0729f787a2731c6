"""Two evaluations of the same pairs: differences of scores, with intervals.

Both evaluations have the same groups (products) in each draw of the bootstrap.
"""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cadnet_jax.evaluation.bootstrap import bootstrap
from cadnet_jax.files.text import read_object
from cadnet_jax.runs.scores import BoxMetrics, PairScores

_OF_BOXES = 'ap33', 'f33'
SCORES = (*_OF_BOXES, 'defect_iou', 'hit_rate', 'false_regions')


class Difference(NamedTuple):
    """Mean difference over pairs, of the second evaluation less the first.

    Attributes:
        value: on the pairs as they are.
        low, high: ends of the interval.
        pairs, groups: that have the score in both.
    """

    value: float
    low: float
    high: float
    pairs: int
    groups: int


def compare(
    first: Mapping[str, float | None],
    second: Mapping[str, float | None],
    groups: Mapping[str, str],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference | None:
    """The mean difference over pairs, with an interval over groups.

    Args:
        first: score of each pair; None where it is undefined.
        second: of the same pairs.
        groups: group of each pair.
        confidence: of the interval.
        seed: of the draws.

    Returns:
        None with fewer than two groups.

    Raises:
        ValueError: the pairs differ.
    """
    if first.keys() != second.keys():
        raise ValueError('the two evaluations have different pairs.')
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for id, value in first.items():
        other = second[id]
        if value is not None and other is not None:
            sums[groups[id]] = sums.get(groups[id], 0.0) + other - value
            counts[groups[id]] = counts.get(groups[id], 0) + 1
    if len(sums) < 2:
        return None
    data = np.array(list(sums.values())), np.array([counts[name] for name in sums])
    interval = bootstrap(_mean_difference, data, confidence=confidence, seed=seed)
    return Difference(*interval, pairs=sum(counts.values()), groups=len(sums))


def compare_files(
    first: str | os.PathLike[str], second: str | os.PathLike[str]
) -> dict[str, Difference | None]:
    """The differences of all scores of two metrics.json.

    Scores of boxes are left out if only one of the two takes all defects as one class.

    Raises:
        FileNotFoundError: one is not there.
        ValueError: one has no scores of pairs, or they are of other pairs.
    """
    our_boxes, their_boxes = _read_boxes(first), _read_boxes(second)
    ours, theirs = our_boxes['pairs'], their_boxes['pairs']
    alike = our_boxes.get('one_class') == their_boxes.get('one_class')
    if ours.keys() != theirs.keys():
        raise ValueError(
            f'{second}: not of the same pairs as {first}; evaluate the same split.'
        )
    groups = {id: pair['group'] for id, pair in ours.items()}
    return {
        name: compare(
            {id: pair_score(pair, name) for id, pair in ours.items()},
            {id: pair_score(pair, name) for id, pair in theirs.items()},
            groups,
        )
        for name in SCORES
        if alike or name not in _OF_BOXES
    }


def pair_score(pair: PairScores, name: str) -> float | None:
    """One of `SCORES` of a pair; None where it is undefined."""
    if name == 'hit_rate':
        return pair['hits'] / pair['defects'] if pair['defects'] else None
    values: dict[str, Any] = {**pair['boxes'], **pair}
    value: float | None = values[name]
    return value


def format_differences(differences: Mapping[str, Difference | None]) -> str:
    """A line for each score; all but false regions (an image) in percent."""
    lines = []
    for name, found in differences.items():
        if found is None:
            lines.append(f'{name}: fewer than two groups, so there is no interval')
            continue
        scale = 1 if name == 'false_regions' else 100
        value, low, high = (scale * number for number in found[:3])
        lines.append(
            f'{name}: {value:+.2f} (95 %: {low:+.2f} to {high:+.2f}; '
            f'{found.pairs} pairs of {found.groups} groups)'
        )
    return '\n'.join(lines)


def _mean_difference(sums: Any, counts: Any, axis: int = -1) -> Any:
    return np.sum(sums, axis=axis) / np.sum(counts, axis=axis)


def _read_boxes(path: str | os.PathLike[str]) -> BoxMetrics:
    remedy = 'Name the metrics.json of evaluate.py --boxes.'
    values = read_object(path, remedy=remedy)
    if 'boxes' not in values:
        raise ValueError(f'{path}: has no scores of pairs. {remedy}')
    try:
        boxes: BoxMetrics = values['boxes']
        intact = all(map(_is_intact, boxes['pairs'].values()))
    except (KeyError, TypeError, AttributeError):
        intact = False
    if not intact:
        raise ValueError(f'{path}: its scores of pairs are damaged. {remedy}')
    return boxes


def _is_intact(pair: PairScores) -> bool:
    values = [pair_score(pair, name) for name in SCORES]
    numbers = all(isinstance(value, int | float | None) for value in values)
    return numbers and isinstance(pair['group'], str)
