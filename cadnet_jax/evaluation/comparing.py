"""Two evaluations of the same pairs: differences of scores, with intervals.

Both evaluations have the same groups (products) in each draw of the bootstrap.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cadnet_jax.evaluation.bootstrap import FEWEST_GROUPS, bootstrap
from cadnet_jax.files.text import read_object
from cadnet_jax.runs.scores import PairScores

_OF_PIXELS = 'defect_iou', 'hit_rate', 'false_regions'
SCORES = ('ap33', 'f33', *_OF_PIXELS)


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
    found = bootstrap(_mean_difference, data, confidence=confidence, seed=seed)
    pairs = sum(counts.values())
    return Difference(found.value, found.low, found.high, pairs, found.groups)


def compare_files(
    first: str | os.PathLike[str], second: str | os.PathLike[str]
) -> dict[str, Difference | None]:
    """The differences of all scores that two metrics.json have of each pair.

    Scores of boxes are left out if only one of the two has any, or if only one takes
    all defects as one class.

    Raises:
        FileNotFoundError: one is not there.
        ValueError: one has no scores of pairs, or they are of other pairs.
    """
    (ours, of_ours), (theirs, of_theirs) = map(_read_pairs, (first, second))
    names = _OF_PIXELS if of_ours is None or of_ours != of_theirs else SCORES
    if ours.keys() != theirs.keys():
        raise ValueError(
            f'{second}: not of the same pairs as {first}; evaluate the same split.'
        )
    for id, pair in ours.items():
        other = theirs[id]
        if (pair['group'], pair['defects']) != (other['group'], other['defects']):
            raise ValueError(
                f'{second}: pair {id!r} is not the same as in {first}: '
                f'{other["defects"]} defects of {other["group"]}, not '
                f'{pair["defects"]} of {pair["group"]}. Evaluate the same data.'
            )
    groups = {id: pair['group'] for id, pair in ours.items()}
    return {
        name: compare(
            {id: pair_score(pair, name) for id, pair in ours.items()},
            {id: pair_score(pair, name) for id, pair in theirs.items()},
            groups,
        )
        for name in names
    }


def pair_score(pair: PairScores, name: str) -> float | None:
    """One of `SCORES` of a pair; None where it is undefined."""
    if name == 'hit_rate':
        return pair['hits'] / pair['defects'] if pair['defects'] else None
    values: dict[str, Any] = {**pair.get('boxes', {}), **pair}
    value: float | None = values[name]
    return value


def format_differences(differences: Mapping[str, Difference | None]) -> str:
    """A line for each score; all but false regions (an image) in percent.

    A last line warns of few groups.
    """
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
    groups = min((found.groups for found in differences.values() if found), default=0)
    if 0 < groups < FEWEST_GROUPS:
        lines.append(
            f'warning: {groups} groups (products) are few: with fewer than '
            f'{FEWEST_GROUPS}, an interval is too narrow.'
        )
    return '\n'.join(lines)


def _mean_difference(sums: Any, counts: Any, axis: int = -1) -> Any:
    return np.sum(sums, axis=axis) / np.sum(counts, axis=axis)


def _read_pairs(
    path: str | os.PathLike[str],
) -> tuple[dict[str, PairScores], bool | None]:
    """Scores of each pair, and whether boxes have one class; None: no boxes."""
    remedy = (
        'Evaluate again with experiments/evaluate.py, in one process; scores of boxes '
        'need --boxes.'
    )
    values = read_object(path, remedy=remedy)
    if 'pair_scores' not in values and 'boxes' not in values:
        raise ValueError(f'{path}: has no scores of pairs. {remedy}')
    has_boxes = 'boxes' in values
    try:
        pairs: dict[str, PairScores] = (
            values['pair_scores']
            if 'pair_scores' in values
            else values['boxes']['pairs']  # of an earlier version
        )
        one_class = bool(values['boxes'].get('one_class')) if has_boxes else None
        names = SCORES if has_boxes else _OF_PIXELS
        intact = all(_is_intact(pair, names) for pair in pairs.values())
    except (KeyError, TypeError, AttributeError):
        intact = False
    if not intact:
        raise ValueError(f'{path}: its scores of pairs are damaged. {remedy}')
    return pairs, one_class


def _is_intact(pair: PairScores, names: Sequence[str]) -> bool:
    values = [pair_score(pair, name) for name in names]
    numbers = all(isinstance(value, int | float | None) for value in values)
    return numbers and isinstance(pair['group'], str)
