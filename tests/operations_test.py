"""Each operation against an independent form of it, in value and in gradient."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cadnet_jax.models import operations
from cadnet_jax.models.operations import gelu, resize_bilinear

# (kernel, stride, padding) of the encoder's convolutions: patches and reductions.
CONVOLUTIONS = ((7, 4, 3), (3, 2, 1), (8, 8, 0), (4, 4, 0), (2, 2, 0))
SIZES = ((32, 32), (37, 53), (33, 47))


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


def assert_same_with_gradients(
    ours: Callable, plain: Callable, x: np.ndarray, kernel: np.ndarray
) -> None:
    actual, backward = jax.vjp(ours, x, kernel)
    expected, backward_plain = jax.vjp(plain, x, kernel)
    assert actual.shape == expected.shape
    change = np.random.default_rng(1).standard_normal(actual.shape, np.float32)
    pairs = zip(
        (actual, *backward(change)), (expected, *backward_plain(change)), strict=True
    )
    for a, e in pairs:
        scale = float(jnp.max(jnp.abs(e)))
        np.testing.assert_allclose(a, e, rtol=0, atol=3e-6 * scale)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize(('taps', 'stride', 'pad'), CONVOLUTIONS)
def test_a_convolution_by_patches_is_the_convolution(
    taps: int, stride: int, pad: int, size: tuple[int, int]
) -> None:
    """Also where the last rows and columns meet no kernel."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *size, 3), np.float32)
    kernel = rng.standard_normal((taps, taps, 3, 5), np.float32)

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            [(pad, pad)] * 2,
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        )

    def ours(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return operations._convolution_by_patches(x, kernel, stride, pad)

    assert_same_with_gradients(ours, plain, x, kernel)


@pytest.mark.parametrize('size', [(1, 1), (1, 5), (7, 2), (13, 11)])
def test_a_depthwise_convolution_by_shifts_is_the_convolution(
    size: tuple[int, int],
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *size, 5), np.float32)
    kernel = rng.standard_normal((3, 3, 1, 5), np.float32)

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x,
            kernel,
            (1, 1),
            'SAME',
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
            feature_group_count=5,
        )

    ours = operations._depthwise_convolution_by_shifts
    assert_same_with_gradients(ours, plain, x, kernel)


def test_the_form_is_chosen_by_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other backends get XLA's convolution, of the same values."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 9, 9, 4), np.float32)
    kernel = rng.standard_normal((3, 3, 4, 2), np.float32)
    depthwise = rng.standard_normal((3, 3, 1, 4), np.float32)
    programs = []
    values = []
    for backend in ('cpu', 'gpu'):
        monkeypatch.setattr(jax, 'default_backend', lambda backend=backend: backend)

        def both(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            return (
                operations.convolution(x, kernel, 2, 1),
                operations.depthwise_convolution(x, depthwise),
            )

        programs.append(str(jax.make_jaxpr(both)(x)).count('conv_general_dilated'))
        values.append(both(jnp.asarray(x)))
    assert programs == [0, 2]
    for ours, plain in zip(*values, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-4)
