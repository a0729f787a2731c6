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


def format_mean(value: Mean | None, *, percent: bool, digits: int) -> str:
    """The mean ± the deviation, such as '71.3 ± 0.4'; '-' where nothing is known."""
    if value is None:
        return '-'
    scale = 100 if percent else 1
    text = f'{scale * value.mean:.{digits}f}'
    return text if value.std is None else f'{text} ± {scale * value.std:.{digits}f}'


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
