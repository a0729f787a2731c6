"""Comparison of two forms of a function, in value and in gradient."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def assert_same_with_gradients(
    ours: Callable[..., Any],
    plain: Callable[..., Any],
    *args: np.ndarray,
    tolerance: float = 3e-6,
) -> None:
    """Both of `args`, to `tolerance` of the largest value."""
    actual, backward = jax.vjp(ours, *args)
    expected, backward_plain = jax.vjp(plain, *args)
    assert actual.shape == expected.shape
    change = np.random.default_rng(1).standard_normal(actual.shape, np.float32)
    pairs = zip(
        (actual, *backward(change)), (expected, *backward_plain(change)), strict=True
    )
    for a, e in pairs:
        assert a.shape == e.shape
        scale = float(jnp.max(jnp.abs(e)))
        assert scale > 0
        np.testing.assert_allclose(a, e, rtol=0, atol=tolerance * scale)
