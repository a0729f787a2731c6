"""Runs of one kind together, and the mean over them."""

import statistics
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, TypeVar

_T = TypeVar('_T')


class Mean(NamedTuple):
    """The mean of `n` values and their sample standard deviation (None: n is 1)."""

    mean: float
    std: float | None
    n: int


def group_by(values: Iterable[_T], key: Callable[[_T], Hashable]) -> list[list[_T]]:
    """Values of one key together, in the order in which the keys appear."""
    groups: dict[Hashable, list[_T]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return list(groups.values())


def mean(values: Iterable[float | None]) -> Mean | None:
    """Mean and sample standard deviation of what is defined; None: nothing is."""
    defined = [value for value in values if value is not None]
    if not defined:
        return None
    std = statistics.stdev(defined) if len(defined) > 1 else None
    return Mean(statistics.fmean(defined), std, len(defined))
