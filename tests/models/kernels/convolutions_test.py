"""Each form of a convolution against XLA's, in value and in gradient."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cadnet_jax.models.kernels import convolutions
from cadnet_jax.models.kernels.backend import plain_forms
from tests.support.gradients import assert_same_with_gradients

pytestmark = pytest.mark.slow

# (kernel, stride, padding) of the encoder's convolutions: patches and reductions.
CONVOLUTIONS = ((7, 4, 3), (3, 2, 1), (8, 8, 0), (4, 4, 0), (2, 2, 0))
SIZES = ((32, 32), (37, 53), (33, 47))


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
        return convolutions.convolution_by_patches(x, kernel, stride, pad)

    assert_same_with_gradients(ours, plain, x, kernel)


@pytest.mark.parametrize(('channels', 'convolutions_of_a_step'), [(64, 3), (65, 1)])
def test_at_stride_1_xla_convolves_and_makes_the_gradients_of_few_channels(
    channels: int, convolutions_of_a_step: int
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 9, 7, channels), np.float32)
    kernel = rng.standard_normal((3, 3, channels, 5), np.float32)

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return convolutions.plain_convolution(x, kernel, 1, 1)

    def ours(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return convolutions.convolution(x, kernel, 1, 1)

    assert_same_with_gradients(ours, plain, x, kernel)
    assert _count_convolutions(ours, x, kernel) == 1
    gradients = jax.grad(lambda *arrays: jnp.sum(ours(*arrays)), (0, 1))
    assert _count_convolutions(gradients, x, kernel) == convolutions_of_a_step


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

    ours = convolutions.depthwise_convolution_by_shifts
    assert_same_with_gradients(ours, plain, x, kernel)


@pytest.mark.parametrize(
    ('dilation', 'groups', 'size'),
    [(2, 1, (13, 11)), (6, 1, (1, 5)), (2, 5, (12, 6)), (12, 5, (13, 11))],
)
def test_a_dilated_convolution_by_grids_is_the_convolution(
    dilation: int, groups: int, size: tuple[int, int]
) -> None:
    """Also where most taps lie outside, and for each channel by itself."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, *size, 5), np.float32)
    kernel = rng.standard_normal((3, 3, 5 // groups, 5), np.float32)

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x,
            kernel,
            (1, 1),
            [(dilation, dilation)] * 2,
            rhs_dilation=(dilation, dilation),
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
            feature_group_count=groups,
        )

    def ours(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return convolutions.dilated_convolution_by_grids(x, kernel, dilation)

    assert_same_with_gradients(ours, plain, x, kernel)
    arrays = jnp.asarray(x), jnp.asarray(kernel)
    default = convolutions.plain_dilated_convolution(*arrays, dilation)
    np.testing.assert_array_equal(default, plain(*arrays))


def test_the_plain_form_is_traced_where_it_is_asked_for() -> None:
    x, kernel = jnp.zeros((1, 9, 9, 4)), jnp.zeros((3, 3, 4, 2))

    def program() -> str:
        return str(
            jax.make_jaxpr(lambda x: convolutions.convolution(x, kernel, 2, 1))(x)
        )

    with plain_forms():
        assert 'conv_general_dilated' in program()
    assert 'conv_general_dilated' not in program()


def test_the_form_is_chosen_by_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other backends get XLA's convolution, of the same values."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 9, 9, 4), np.float32)
    kernel = jnp.asarray(rng.standard_normal((3, 3, 4, 2), np.float32))
    depthwise = rng.standard_normal((3, 3, 1, 4), np.float32)
    programs = []
    values = []
    for backend in ('cpu', 'gpu'):
        monkeypatch.setattr(jax, 'default_backend', lambda backend=backend: backend)

        def both(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            return (
                convolutions.convolution(x, kernel, 2, 1),
                convolutions.depthwise_convolution(x, depthwise),
            )

        programs.append(str(jax.make_jaxpr(both)(x)).count('conv_general_dilated'))
        values.append(both(jnp.asarray(x)))
    assert programs == [0, 2]
    for ours, plain in zip(*values, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=0, atol=1e-4)


def _count_convolutions(function: Callable[..., Any], *arrays: np.ndarray) -> int:
    return str(jax.make_jaxpr(function)(*arrays)).count('conv_general_dilated[')
