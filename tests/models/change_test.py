"""Norm of eq. 14, by its three kinds of limits, against NumPy."""

from typing import Any

import jax
import numpy as np
import pytest

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.change import MinMaxNorm

DISTANCES = np.random.default_rng(0).random((3, 4, 5, 1), np.float32)
AXES = 1, 2, 3


def scaled(x: np.ndarray, low: Any, high: Any) -> np.ndarray:
    return np.asarray((x - low) / (high - low))


def of_each(x: np.ndarray) -> np.ndarray:
    return scaled(x, x.min(axis=AXES, keepdims=True), x.max(axis=AXES, keepdims=True))


def normalize(norm: MinMaxNorm, x: np.ndarray, **options: Any) -> tuple[Any, Any]:
    """What it says, and its running limits, which start at 0 and 1."""
    start = {'low': np.zeros(1, np.float32), 'high': np.ones(1, np.float32)}
    return norm.apply({'batch_stats': start}, x, mutable=['batch_stats'], **options)


@pytest.mark.parametrize('train', [False, True])
def test_limits_of_a_sample_are_its_own(train: bool) -> None:
    actual, _ = normalize(MinMaxNorm(), DISTANCES, train=train)
    np.testing.assert_allclose(actual, of_each(DISTANCES), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('limits', ['batch', 'running'])
def test_limits_of_a_batch_are_those_of_all_its_samples(limits: str) -> None:
    actual, _ = normalize(MinMaxNorm(limits), DISTANCES, train=True)
    expected = scaled(DISTANCES, DISTANCES.min(), DISTANCES.max())
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_a_batch_reaches_over_all_devices() -> None:
    norm = MinMaxNorm('batch', axis_name='data')
    actual = jax.vmap(lambda x: normalize(norm, x, train=True)[0], axis_name='data')(
        DISTANCES[:, None]
    )
    expected = scaled(DISTANCES, DISTANCES.min(), DISTANCES.max())
    np.testing.assert_allclose(actual[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_limits_of_a_batch_do_not_reach_into_predictions() -> None:
    actual, _ = normalize(MinMaxNorm('batch'), DISTANCES, train=False)
    np.testing.assert_allclose(actual, of_each(DISTANCES), rtol=1e-5, atol=1e-6)


def test_running_limits_follow_the_batches_as_statistics_of_batchnorm_do() -> None:
    _, updated = normalize(MinMaxNorm('running'), DISTANCES, train=True)
    limits = updated['batch_stats']
    np.testing.assert_allclose(limits['low'], [0.1 * DISTANCES.min()], rtol=1e-5)
    np.testing.assert_allclose(limits['high'], [0.9 + 0.1 * DISTANCES.max()], rtol=1e-5)


def test_an_unchanged_pair_is_not_stretched_by_running_limits() -> None:
    """Small distances stay small, and large ones end at 1, whatever else is there."""
    faint = 0.01 * DISTANCES
    actual, _ = normalize(MinMaxNorm('running'), faint, train=False)
    np.testing.assert_array_equal(actual, faint)
    assert of_each(faint).max() == 1
    strong, _ = normalize(MinMaxNorm('running'), 3 * DISTANCES, train=False)
    np.testing.assert_array_equal(strong, np.minimum(3 * DISTANCES, 1))


def test_limits_of_a_larger_map_hold_for_its_tiles() -> None:
    """But for running limits, which hold for every map."""
    given = np.array([[-1, 1], [0, 2], [0, 4]], np.float32)
    low, high = (given[:, i].reshape(-1, 1, 1, 1) for i in (0, 1))
    for limits in ('sample', 'batch'):
        actual, _ = normalize(MinMaxNorm(limits), DISTANCES, given=given, train=False)
        np.testing.assert_allclose(
            actual, scaled(DISTANCES, low, high), rtol=1e-5, atol=1e-6
        )
    actual, _ = normalize(MinMaxNorm('running'), DISTANCES, given=given, train=False)
    np.testing.assert_array_equal(actual, DISTANCES)


@pytest.mark.parametrize(
    ('head', 'limits', 'expected'),
    [
        ('ooc', 'sample', True),
        ('ooc', 'batch', True),
        ('ooc', 'running', False),
        ('cad', 'sample', False),
    ],
)
def test_only_limits_of_an_image_ask_for_its_range(
    head: str, limits: str, expected: bool
) -> None:
    assert ModelConfig(head=head, norm_limits=limits).scales_distance == expected
