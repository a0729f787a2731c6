"""Each operation against an independent form of it, in value and in gradient."""

import math
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cadnet_jax.models.kernels import operations
from cadnet_jax.models.kernels.operations import gelu, resize_bilinear
from tests.support.gradients import assert_same_with_gradients

pytestmark = pytest.mark.slow


def interpolate(x: np.ndarray, size: int) -> np.ndarray:
    """Half-pixel linear interpolation of the first axis, in float64, one by one."""
    length = len(x)
    rows = []
    for i in range(size):
        position = min(max((i + 0.5) * length / size - 0.5, 0), length - 1)
        low = math.floor(position)
        share = position - low
        rows.append((1 - share) * x[low] + share * x[min(low + 1, length - 1)])
    return np.stack(rows)


@pytest.mark.parametrize(
    ('shape', 'size'),
    [
        ((5, 7), (5, 7)),
        ((3, 5), (12, 20)),  # to stride 4
        ((1, 1), (8, 8)),  # from stride 32
        ((2, 3), (16, 12)),  # other factors for the sides
        ((5, 7), (13, 20)),  # sides that are no multiples
        ((5, 7), (10, 20)),  # one of them is
        ((13, 11), (5, 4)),  # smaller: no anti-aliasing
    ],
)
def test_resize_is_half_pixel_bilinear(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    x = np.random.default_rng(0).standard_normal((2, *shape, 3))
    columns = interpolate(x.transpose(2, 0, 1, 3), size[1])  # [W', B, H, C]
    expected = interpolate(columns.transpose(2, 1, 0, 3), size[0]).transpose(1, 0, 2, 3)
    actual = resize_bilinear(jnp.asarray(x, jnp.float32), size)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6)


def test_gelu_is_the_exact_one() -> None:
    x = np.linspace(-6, 6, 101)
    expected = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x]
    actual = gelu(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@pytest.mark.parametrize('channels', [3, 9])
@pytest.mark.parametrize('axis', [1, 2])
def test_the_gradient_of_an_enlargement_is_that_of_its_shifts(
    axis: int, channels: int
) -> None:
    """With fewer channels than positions, and with more."""

    def ours(x: jax.Array) -> jax.Array:
        return operations.enlarge_on_cpu(x, axis, 4)

    def plain(x: jax.Array) -> jax.Array:
        return operations.plain_enlarge(x, axis, 4)

    assert_same_with_gradients(ours, plain, normal(2, 5, 7, channels))


@pytest.mark.parametrize('kernels', [1, 2])
def test_multiply_is_a_product_at_each_position(kernels: int) -> None:
    """With one matrix for all, and with one for each sample."""

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        kernel = jnp.broadcast_to(kernel, (2, *kernel.shape[1:]))
        return jnp.einsum('bhwc,bcd->bhwd', x, kernel)

    x, kernel = normal(2, 5, 3, 4), normal(kernels, 4, 6, seed=1)
    assert_same_with_gradients(operations.multiply, plain, x, kernel)


@pytest.mark.parametrize('scale', [1, 30])
def test_attention_is_a_softmax_of_products(scale: float) -> None:
    """Also where one key takes nearly all of the weight."""

    def plain(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
        logits = jnp.einsum('bqhd,bkhd->bhqk', query, key) / math.sqrt(8)
        return jnp.einsum('bhqk,bkhd->bqhd', nn.softmax(logits), value)

    query = scale * normal(2, 11, 3, 8)
    key, value = normal(2, 5, 3, 8, seed=1), normal(2, 5, 3, 8, seed=2)
    assert_same_with_gradients(
        operations.attention, plain, query, key, value, tolerance=1e-5
    )


def test_attention_in_bfloat16_comes_near() -> None:
    args = [normal(2, 11, 3, 8, seed=seed) for seed in range(3)]
    expected = operations.attention(*map(jnp.asarray, args))
    actual = operations.attention(*(jnp.asarray(x, jnp.bfloat16) for x in args))
    assert actual.dtype == jnp.bfloat16
    np.testing.assert_allclose(actual.astype(jnp.float32), expected, rtol=0, atol=0.03)


def test_layer_norm_is_linens() -> None:
    norm = nn.LayerNorm(epsilon=1e-6)

    def plain(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
        params = {'scale': scale.reshape(-1), 'bias': bias.reshape(-1)}
        return cast(jax.Array, norm.apply({'params': params}, x))

    def ours(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
        return operations.layer_norm(x, scale, bias, 1e-6)

    scale, bias = (normal(1, 1, 1, 6, seed=seed) for seed in (1, 2))
    x = 2 + normal(2, 5, 3, 6)
    assert_same_with_gradients(ours, plain, x, scale, bias, tolerance=1e-5)


def test_a_gate_is_a_product() -> None:
    def plain(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
        return x * rows[:, :, None] * columns[:, None]

    x, rows, columns = normal(2, 5, 3, 4), normal(2, 5, 4, seed=1), normal(2, 3, 4)
    assert_same_with_gradients(operations.gate, plain, x, rows, columns)


@pytest.mark.parametrize('axis', [1, 2])
def test_a_mean_by_a_product_is_the_mean(axis: int) -> None:
    def ours(x: jax.Array) -> jax.Array:
        return operations.mean_by_product(x, axis)

    def plain(x: jax.Array) -> jax.Array:
        return jnp.mean(x, axis=axis)

    assert_same_with_gradients(ours, plain, normal(2, 5, 3, 4))
    half = jnp.asarray(normal(2, 5, 3, 4), jnp.bfloat16)
    assert operations.mean_by_product(half, axis).dtype == jnp.bfloat16


def test_the_gradient_of_gelu_is_its_derivative() -> None:
    def plain(x: jax.Array) -> jax.Array:
        return nn.gelu(x, approximate=False)

    assert_same_with_gradients(gelu, plain, np.linspace(-6, 6, 101, dtype=np.float32))


def test_the_maximum_and_its_gradient_are_those_of_the_map() -> None:
    def plain(x: jax.Array) -> jax.Array:
        return jnp.max(x, axis=(1, 2))

    assert_same_with_gradients(operations.maximum, plain, normal(2, 5, 7, 3))


def test_of_equal_maxima_the_first_has_the_gradient() -> None:
    x = jnp.zeros((1, 3, 4, 2)).at[0, 1, 2:, 0].set(1).at[0, 2, 0, 0].set(1)
    gradient = jax.grad(lambda x: operations.maximum(x).sum())(x)
    assert np.argwhere(gradient).tolist() == [[0, 0, 0, 1], [0, 1, 2, 0]]


@pytest.mark.parametrize('size', [(3, 5), (12, 20), (7, 11)])
def test_the_resized_square_is_that_of_the_larger_map(size: tuple[int, int]) -> None:
    def ours(x: jax.Array) -> jax.Array:
        return operations.resized_square(x, size, 0.5)

    def plain(x: jax.Array) -> jax.Array:
        square = jnp.square(resize_bilinear(x, size) + 0.5)
        return jnp.sum(square, axis=-1, keepdims=True)

    assert_same_with_gradients(ours, plain, normal(2, 3, 5, 4))
