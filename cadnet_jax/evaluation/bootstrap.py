"""Intervals of a statistic over groups (products), by the percentile bootstrap.

Pairs of a group are alike, so groups are drawn, not pairs. A draw takes as many groups
as there are, with repetition. With few groups the interval is coarse, and rather too
narrow.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

DRAWS = 10_000


class Interval(NamedTuple):
    """A value on the groups as they are, and the ends of its interval."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[..., Any],
    data: Sequence[np.ndarray],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The statistic and its interval.

    Args:
        statistic: of the arrays in `data`, along `axis`.
        data: arrays [G], a number for each group; a draw takes the same groups of all.
        confidence: of the interval.
        seed: of the draws.
    """
    result = scipy.stats.bootstrap(
        data,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=DRAWS,
        confidence_level=confidence,
        method='percentile',
        rng=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return Interval(float(statistic(*data, axis=0)), float(low), float(high))
