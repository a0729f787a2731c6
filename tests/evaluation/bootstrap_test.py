"""Intervals over groups: how often they hold what they are of."""

from typing import Any

import numpy as np
import pytest

from cadnet_jax.evaluation import bootstrap


def mean(values: Any, axis: int = -1) -> Any:
    return np.mean(values, axis=axis)


def test_of_many_groups_it_is_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(size=400)
    value, low, high, groups = bootstrap.bootstrap(mean, [values])
    deviation = float(np.std(values)) / 20
    assert value == pytest.approx(np.mean(values)) and groups == 400
    ends = value - 1.96 * deviation, value + 1.96 * deviation
    assert (low, high) == pytest.approx(ends, abs=0.1 * deviation)


def test_of_few_groups_it_holds_the_mean_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Plain percentiles hold it in 86 % of cases."""
    monkeypatch.setattr(bootstrap, 'DRAWS', 2000)
    rng = np.random.default_rng(0)
    held = []
    for values in rng.normal(size=(400, 6)):
        _, low, high, _ = bootstrap.bootstrap(mean, [values])
        held.append(low <= 0 <= high)
    assert 0.91 < np.mean(held) < 0.97


def test_of_two_groups_it_goes_from_one_to_the_other() -> None:
    assert bootstrap.bootstrap(mean, [np.array([1.0, 3.0])]) == (2, 1, 3, 2)
