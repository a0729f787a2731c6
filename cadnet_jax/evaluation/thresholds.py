"""Thresholds from the scores of parts, with bounds that are counted in parts.

The score of a part is the smallest threshold at which it is not NG. A part is rejected
if its score is above the threshold.

The threshold is an order statistic of the good parts' scores, so the bound is that of
Clopper and Pearson (1934) and of Wilks (1941) at once: over draws of good parts it
holds with the confidence asked for, whatever their distribution.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.special

Scores = Sequence[float] | np.ndarray
"""Score of each part."""

ESCAPES = (0.001, 0.0025, 0.005, 0.01)  # escape rates for which review is reported


class Threshold(NamedTuple):
    """A threshold and what it does with the good parts that it was chosen on.

    Attributes:
        threshold: parts with a higher score are rejected.
        false_rejects: good parts with a higher score.
        good_parts: all of them.
        bound: upper bound of the false-reject rate.
    """

    threshold: float
    false_rejects: int
    good_parts: int
    bound: float


class Errors(NamedTuple):
    """Counts of parts at a threshold, or at those of several folds."""

    false_rejects: int
    good_parts: int
    escapes: int
    bad_parts: int


class Review(NamedTuple):
    """What a limit saves, under which parts pass without review.

    Attributes:
        escapes: share of bad parts that may pass.
        limit: parts with a lower score pass, all others are reviewed.
        passed: share of good parts that pass.
        escaped: share of bad parts that pass.
    """

    escapes: float
    limit: float
    passed: float
    escaped: float


def upper_bound(events: int, parts: int, confidence: float = 0.95) -> float:
    """Clopper-Pearson upper bound of a rate, one-sided."""
    if events >= parts:
        return 1.0
    return float(scipy.special.betaincinv(events + 1, parts - events, confidence))


def parts_needed(target: float, confidence: float = 0.95) -> int:
    """Good parts without a false reject that show a rate of at most `target`."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - target))


def choose_threshold(
    good: Scores, target: float, confidence: float = 0.95
) -> Threshold:
    """The lowest threshold whose bound of the false-reject rate is within the target.

    Args:
        good: score of each good part.
        target: false-reject rate, above 0 and below 1.
        confidence: of the bound.

    Raises:
        ValueError: there are too few parts to show such a rate, however high the
            threshold.
    """
    parts = len(good)
    if upper_bound(0, parts, confidence) > target:
        raise ValueError(
            f'{parts} good parts cannot show less than '
            f'{percent(upper_bound(0, parts, confidence))} false rejects; '
            f'{parts_needed(target, confidence)} are needed for {percent(target)}.'
        )
    allowed = 0
    while allowed + 1 < parts and upper_bound(allowed + 1, parts, confidence) <= target:
        allowed += 1
    threshold = _rejecting(good, allowed)
    rejected = int(np.sum(np.asarray(good) > threshold))
    bound = upper_bound(allowed, parts, confidence)
    return Threshold(threshold, rejected, parts, bound)


def count_errors(good: Scores, bad: Scores, threshold: float) -> Errors:
    """False rejects and escapes at a threshold."""
    rejected = int(np.sum(np.asarray(good) > threshold))
    escaped = int(np.sum(np.asarray(bad) <= threshold))
    return Errors(rejected, len(good), escaped, len(bad))


def cross_validate(
    good: Scores, bad: Scores, threshold: Threshold, folds: int = 5
) -> Errors:
    """Errors on parts that did not choose the threshold.

    Each fold's threshold rejects the same share of the other folds' good parts as the
    given one. Parts are dealt to the folds in turn.
    """
    share = threshold.false_rejects / threshold.good_parts
    total = np.zeros(4, int)
    good_folds, bad_folds = (_in_turn(scores, folds) for scores in (good, bad))
    for fold in range(folds):
        others, own = _split(good, good_folds, fold)
        if not len(others):
            continue
        limit = _rejecting(others, math.floor(share * len(others)))
        total += count_errors(own, _split(bad, bad_folds, fold)[1], limit)
    return Errors(*total.tolist())


def review(good: Scores, bad: Scores, escapes: float) -> Review:
    """The highest limit under which at most so large a share of bad parts passes."""
    limit = _passing(bad, escapes)
    return Review(escapes, limit, _below(good, limit), _below(bad, limit))


def cross_validate_review(
    good: Scores,
    bad: Scores,
    escapes: float,
    folds: int = 5,
    *,
    images: tuple[Sequence[int], Sequence[int]] | None = None,
) -> Review:
    """The same on parts that did not choose the limit; `limit` is the folds' mean.

    Args:
        good: score of each good part.
        bad: score of each bad part.
        escapes: share of bad parts that may pass.
        folds: number of folds that the parts are dealt to.
        images: number of the image that each good and each bad part is cut from; parts
            of one image are in one fold. None: parts are dealt in turn.

    Raises:
        ValueError: all bad parts are of one image.
    """
    good_folds, bad_folds = (_in_turn(scores, folds) for scores in (good, bad))
    if images:
        good_folds, bad_folds = _deal_images(*images, folds)
    limits, passed, escaped = [], 0.0, 0.0
    for fold in range(folds):
        others, own = _split(bad, bad_folds, fold)
        limits.append(_passing(others, escapes))
        own_good = _split(good, good_folds, fold)[1]
        passed += _below(own_good, limits[-1]) * len(own_good) / len(good)
        escaped += _below(own, limits[-1]) * len(own) / len(bad)
    return Review(escapes, float(np.mean(limits)), passed, escaped)


def percent(rate: float) -> str:
    """Such as '9.5 %'."""
    return f'{100 * rate:.3g} %'


def _rejecting(scores: Scores, number: int) -> float:
    """The lowest threshold that rejects so many at most."""
    return float(np.sort(scores)[::-1][number])


def _passing(bad: Scores, share: float) -> float:
    """The highest limit below which at most this share is."""
    return float(np.sort(bad)[math.floor(share * len(bad))])


def _below(scores: Scores, limit: float) -> float:
    return float(np.mean(np.asarray(scores) < limit)) if len(scores) else 0.0


def _in_turn(scores: Scores, folds: int) -> np.ndarray:
    """The fold of each score."""
    return np.arange(len(scores)) % folds


def _deal_images(
    good: Sequence[int], bad: Sequence[int], folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """The fold of each good and each bad part, by the numbers of their images.

    Images with a bad part are dealt first, so that two folds or more have some.
    """
    with_bad = sorted(set(bad))
    if len(with_bad) < 2:
        raise ValueError('all bad parts are of one image, so none can be held out.')
    ordered = [*with_bad, *sorted(set(good) - set(with_bad))]
    fold_of = {image: rank % folds for rank, image in enumerate(ordered)}
    of_good = np.array([fold_of[image] for image in good], int)
    return of_good, np.array([fold_of[image] for image in bad], int)


def _split(
    scores: Scores, fold_of: np.ndarray, fold: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the other folds, and of this one."""
    own = fold_of == fold
    values = np.asarray(scores)
    return values[~own], values[own]
