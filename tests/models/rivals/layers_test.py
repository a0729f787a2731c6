"""Pooling, resizing and attention of the rivals against sums written out."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cadnet_jax.models.rivals.danet import ChannelMixing, PositionAttention
from cadnet_jax.models.rivals.layers import average_pool, max_pool
from cadnet_jax.models.rivals.ocrnet import OCRRefinement
from cadnet_jax.models.rivals.unet import resize_aligned


@pytest.mark.parametrize(
    ('height', 'width', 'bins'), [(7, 10, 3), (2, 5, 6), (8, 8, 1)]
)
def test_average_pool_has_the_areas_of_pytorch(
    height: int, width: int, bins: int
) -> None:
    """Overlapping ones, if a side is no multiple; more areas than pixels, too."""
    x = np.random.default_rng(0).normal(size=(2, height, width, 3)).astype(np.float32)
    actual = average_pool(jnp.asarray(x), bins)
    for i in range(bins):
        for j in range(bins):
            area = x[
                :,
                math.floor(i * height / bins) : math.ceil((i + 1) * height / bins),
                math.floor(j * width / bins) : math.ceil((j + 1) * width / bins),
            ]
            np.testing.assert_allclose(actual[:, i, j], area.mean((1, 2)), atol=1e-6)


def test_max_pool_looks_at_3x3_around_every_second_pixel() -> None:
    x = -1 - np.random.default_rng(0).uniform(size=(1, 5, 6, 2)).astype(np.float32)
    actual = max_pool(jnp.asarray(x))
    assert actual.shape == (1, 3, 3, 2)
    for i in range(3):
        for j in range(3):
            rows, columns = (slice(max(2 * k - 1, 0), 2 * k + 2) for k in (i, j))
            expected = x[:, rows, columns].max((1, 2))
            np.testing.assert_array_equal(actual[:, i, j], expected)


def test_an_aligned_resize_keeps_the_corners_and_is_linear_between() -> None:
    rows, columns = np.mgrid[:3, :4].astype(np.float32)
    x = np.stack([rows, columns], axis=-1)[None]
    actual = resize_aligned(jnp.asarray(x), (6, 8))
    expected = np.meshgrid(np.linspace(0, 2, 6), np.linspace(0, 3, 8), indexing='ij')
    np.testing.assert_allclose(actual[0], np.stack(expected, axis=-1), atol=1e-6)
    one = resize_aligned(jnp.full((1, 1, 1, 2), 5.0), (4, 4))
    np.testing.assert_array_equal(one, 5.0)


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    shares = np.exp(x - x.max(axis, keepdims=True))
    return np.asarray(shares / shares.sum(axis, keepdims=True))


def random_variables(module: nn.Module, *inputs: np.ndarray, **options: Any) -> Any:
    """Positive everywhere, as running variances must be."""
    rng = np.random.default_rng(1)
    init = functools.partial(module.init, **options)
    shapes = nn.meta.unbox(jax.eval_shape(init, jax.random.key(0), *inputs))
    return jax.tree.map(
        lambda x: rng.uniform(0.1, 1, x.shape).astype(np.float32), shapes
    )


def test_position_attention_is_a_softmax_over_all_positions_without_a_scale() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 16)).astype(np.float32)
    module = PositionAttention()
    variables = random_variables(module, x)
    actual: Any = module.apply(variables, x)
    params = variables['params']
    flat = x.reshape(2, 12, 16)

    def dense(name: str) -> np.ndarray:
        return np.asarray(flat @ params[name]['kernel'] + params[name]['bias'])

    weights = softmax(np.einsum('bnc,bmc->bnm', dense('query'), dense('key')))
    mixed = np.einsum('bnm,bmc->bnc', weights, dense('value'))
    expected = params['gamma'] * mixed.reshape(x.shape) + x
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_channel_mixing_prefers_channels_that_are_unlike() -> None:
    """softmax(max - G): the most alike gets the least weight."""
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    actual: Any = ChannelMixing().apply({'params': {'gamma': np.array([0.7])}}, x)
    flat = x.reshape(2, 12, 5)
    gram = np.einsum('bnc,bnd->bcd', flat, flat)
    weights = softmax(gram.max(-1, keepdims=True) - gram)
    mixed = np.einsum('bcd,bnd->bnc', weights, flat).reshape(x.shape)
    np.testing.assert_allclose(actual, 0.7 * mixed + x, rtol=1e-4, atol=1e-4)


def test_attentions_begin_as_the_identity() -> None:
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 8)).astype(np.float32)
    actual: Any = ChannelMixing().apply({'params': {'gamma': np.zeros(1)}}, x)
    np.testing.assert_array_equal(actual, x)


def test_a_region_that_no_pixel_belongs_to_changes_little() -> None:
    """Region vectors are means over pixels, weighted by the first head's shares."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 4, 4, 6)).astype(np.float32)
    coarse = rng.normal(size=(1, 4, 4, 3)).astype(np.float32)
    module = OCRRefinement(num_classes=3, channels=8, key_channels=4)
    variables = random_variables(module, x, coarse, train=False)
    apply = jax.jit(functools.partial(module.apply, train=False))
    logits = apply(variables, x, coarse)
    # A softmax over pixels does not see what is added to a whole map.
    shifted = apply(variables, x, coarse + np.array([5.0, -3.0, 0.0], np.float32))
    np.testing.assert_allclose(logits, shifted, rtol=1e-4, atol=1e-4)
    # The order of the classes is that of keys and values: it does not matter.
    swapped = apply(variables, x, coarse[..., ::-1])
    np.testing.assert_allclose(logits, swapped, rtol=1e-4, atol=1e-4)
    moved = coarse.copy()
    moved[:, 0, 0, 1] += 5
    assert np.abs(apply(variables, x, moved) - logits).max() > 1e-5
