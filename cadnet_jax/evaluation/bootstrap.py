"""Intervals of a statistic over groups (products): expanded percentile bootstrap.

Pairs of a group are alike, so groups are drawn, not pairs. A draw takes as many groups
as there are, with repetition. The plain percentiles are too narrow for few groups;
here they are wider, as a t-interval is wider than a normal one (Hesterberg, "What
Teachers Should Know About the Bootstrap", 2015). For normally distributed values, 95 %
intervals then cover the mean in 94 % of cases with 6 groups or more, in 88 % with 4.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

DRAWS = 10_000
FEWEST_GROUPS = 5  # with fewer, the interval is too narrow


class Interval(NamedTuple):
    """A value on the groups as they are, its interval, and the number of groups."""

    value: float
    low: float
    high: float
    groups: int


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
        data: arrays [G], a number for each group, G > 1; a draw takes the same groups
            of all.
        confidence: of the interval.
        seed: of the draws.
    """
    groups = len(data[0])
    t = scipy.stats.t.ppf((1 - confidence) / 2, groups - 1)
    tail = scipy.stats.norm.cdf(t * np.sqrt(groups / (groups - 1)))
    result = scipy.stats.bootstrap(
        data,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=DRAWS,
        method='percentile',
        rng=np.random.default_rng(seed),
    )
    low, high = np.quantile(result.bootstrap_distribution, [tail, 1 - tail])
    value = float(statistic(*data, axis=0))
    return Interval(value, float(low), float(high), groups)
