"""Convolutions, in the form that is fast on the device.

Notation: B batch, H and W height and width, C channels; arrays are `[B, H, W, C]`.
On the CPU, XLA's convolutions are slow with a stride or a dilation, for each channel by
itself, and in the gradients of many channels.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from cadnet_jax.models.kernels.backend import by_backend
from cadnet_jax.models.kernels.operations import rematerialize_from

# Up to here, XLA's gradients at stride 1 are as fast as those of patches (measured).
_FEW_CHANNELS = 64


def plain_convolution(
    x: jax.Array, kernel: jax.Array, stride: int, pad: int
) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        ((pad, pad), (pad, pad)),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )


def _patches(x: jax.Array, taps: int, stride: int, pad: int) -> jax.Array:
    """What each position of a convolution reads: `[B, H', W', taps * taps * C]`.

    Rows and columns are first split into cells of the stride's size. For each row of
    the kernel, its taps then lie side by side in one cell and the next ones.
    """
    batch, height, width, channels = x.shape
    reach = -(-taps // stride)
    out_h = (height + 2 * pad - taps) // stride + 1
    out_w = (width + 2 * pad - taps) // stride + 1
    rows, columns = out_h + reach - 1, out_w + reach - 1
    edges = [
        (0, 0, 0),
        (pad, rows * stride - height - pad, 0),
        (pad, columns * stride - width - pad, 0),
        (0, 0, 0),
    ]
    x = lax.pad(x, jnp.zeros((), x.dtype), edges)
    if reach == 1:
        x = x.reshape(batch, rows, stride, columns, stride, channels)
        return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, -1)
    x = x.reshape(batch, rows, stride, columns, stride * channels)
    slices = []
    for i in range(taps):
        line = x[:, i // stride :, i % stride][:, :out_h]
        for cell in range(reach):
            count = min(stride, taps - cell * stride)
            slices.append(line[:, :, cell : cell + out_w, : count * channels])
    return jnp.concatenate(slices, axis=-1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolution_by_patches(
    x: jax.Array, kernel: jax.Array, stride: int, pad: int
) -> jax.Array:
    """The values of `plain_convolution`: patches are gathered, then multiplied once.

    For the gradient `x` is kept, and not the patches, which overlap.
    """
    patches = _patches(x, kernel.shape[0], stride, pad)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def _by_patches_forward(
    x: jax.Array, kernel: jax.Array, stride: int, pad: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolution_by_patches(x, kernel, stride, pad), (x, kernel)


def _by_patches_backward(
    stride: int,
    pad: int,
    residuals: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    patches, transpose = jax.vjp(
        lambda x: _patches(x, kernel.shape[0], stride, pad),
        rematerialize_from(x, gradient),
    )
    matrix = kernel.reshape(-1, kernel.shape[-1])
    flat = gradient.reshape(-1, gradient.shape[-1])
    kernel_gradient = patches.reshape(len(flat), -1).T @ flat
    (x_gradient,) = transpose(gradient @ matrix.T)
    return x_gradient, kernel_gradient.reshape(kernel.shape)


convolution_by_patches.defvjp(_by_patches_forward, _by_patches_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolution_with_patch_gradients(
    x: jax.Array, kernel: jax.Array, stride: int, pad: int
) -> jax.Array:
    """`plain_convolution` with the gradients of `convolution_by_patches`."""
    return plain_convolution(x, kernel, stride, pad)


def _with_patch_gradients_forward(
    x: jax.Array, kernel: jax.Array, stride: int, pad: int
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return plain_convolution(x, kernel, stride, pad), (x, kernel)


convolution_with_patch_gradients.defvjp(
    _with_patch_gradients_forward, _by_patches_backward
)


def convolution_on_cpu(
    x: jax.Array, kernel: jax.Array, stride: int, pad: int
) -> jax.Array:
    """`plain_convolution` in a form that is fast on a CPU (docs/performance.md).

    At stride 1, patches hold each place once for every tap: making them costs more than
    XLA's convolution. Its gradients are slow for many channels only.

    Args:
        x: `[B, H, W, C]`.
        kernel: `[taps, taps, C, C']`.
        stride: of the kernel, in pixels.
        pad: zeros on each side, in pixels.

    Returns:
        `[B, H', W', C']`.
    """
    if stride > 1 or kernel.shape[0] == 1:
        return convolution_by_patches(x, kernel, stride, pad)
    if kernel.shape[2] <= _FEW_CHANNELS:
        return plain_convolution(x, kernel, stride, pad)
    return convolution_with_patch_gradients(x, kernel, stride, pad)


def plain_depthwise_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        ((1, 1), (1, 1)),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=x.shape[-1],
    )


def _pad_by_one(x: jax.Array) -> jax.Array:
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


_TAPS = tuple((i, j) for i in range(3) for j in range(3))


def weighted_shifts(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`plain_depthwise_convolution` as nine multiply-adds, with automatic gradients."""
    height, width = x.shape[1:3]
    x = _pad_by_one(x)
    terms = [
        x[:, i : i + height, j : j + width] * kernel[i, j].reshape(1, 1, 1, -1)
        for i, j in _TAPS
    ]
    return sum(terms[1:], start=terms[0])


@jax.custom_vjp
def depthwise_convolution_by_shifts(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`weighted_shifts` with gradients of its own.

    The gradient for `x` is the same sum with the kernel turned by 180 degrees; the
    gradient for the kernel is nine inner products, gathered row by row: XLA's
    reductions of a product over rows and columns take seven times as long.
    """
    return weighted_shifts(x, kernel)


def _depthwise_forward(
    x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return weighted_shifts(x, kernel), (x, kernel)


def _depthwise_backward(
    residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    batch, height, width, channels = x.shape
    padded = _pad_by_one(x)

    # Sums over many rows lose their digits in bfloat16.
    def add_row(row: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        rows = lax.dynamic_slice_in_dim(padded, row, 3, axis=1)
        change = lax.dynamic_index_in_dim(gradient, row, axis=1, keepdims=False)
        return tuple(
            total + (rows[:, i, j : j + width] * change).astype(jnp.float32)
            for total, (i, j) in zip(sums, _TAPS, strict=True)
        )

    zeros = (jnp.zeros((batch, width, channels), jnp.float32),) * len(_TAPS)
    sums = lax.fori_loop(0, height, add_row, zeros)
    kernel_gradient = jnp.stack([jnp.sum(total, axis=(0, 1)) for total in sums])
    return (
        weighted_shifts(gradient, kernel[::-1, ::-1]),
        kernel_gradient.reshape(kernel.shape).astype(kernel.dtype),
    )


depthwise_convolution_by_shifts.defvjp(_depthwise_forward, _depthwise_backward)


convolution = by_backend(cpu=convolution_on_cpu, default=plain_convolution)
depthwise_convolution = by_backend(
    cpu=depthwise_convolution_by_shifts, default=plain_depthwise_convolution
)


def plain_dilated_convolution(
    x: jax.Array, kernel: jax.Array, dilation: int
) -> jax.Array:
    """A k x k convolution, k odd, whose taps lie `dilation` apart; the size stays.

    A kernel `[k, k, 1, C]` for C > 1 channels is that of a depthwise one.
    """
    pad = dilation * (kernel.shape[0] // 2)
    return lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        ((pad, pad), (pad, pad)),
        rhs_dilation=(dilation, dilation),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=x.shape[-1] // kernel.shape[2],
    )


def dilated_convolution_by_grids(
    x: jax.Array, kernel: jax.Array, dilation: int
) -> jax.Array:
    """The values of `plain_dilated_convolution`, from convolutions without dilation.

    Every `dilation`-th row and column make a grid, on which the taps lie side by side.
    """
    if kernel.shape[2] < x.shape[-1]:
        return _on_grids(lambda x: depthwise_convolution(x, kernel), x, dilation)
    pad = kernel.shape[0] // 2
    return _on_grids(lambda x: convolution(x, kernel, 1, pad), x, dilation)


def _on_grids(
    function: Callable[[jax.Array], jax.Array], x: jax.Array, dilation: int
) -> jax.Array:
    """`function`, which keeps height and width, of each of `dilation`^2 grids."""
    batch, height, width, channels = x.shape
    rows, columns = -(-height // dilation), -(-width // dilation)
    missing = rows * dilation - height, columns * dilation - width
    x = jnp.pad(x, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    x = x.reshape(batch, rows, dilation, columns, dilation, channels)
    x = x.transpose(0, 2, 4, 1, 3, 5)
    x = function(x.reshape(batch * dilation**2, rows, columns, channels))
    x = x.reshape(batch, dilation, dilation, rows, columns, -1)
    x = x.transpose(0, 3, 1, 4, 2, 5)
    x = x.reshape(batch, rows * dilation, columns * dilation, -1)
    return x[:, :height, :width]


dilated_convolution = by_backend(
    cpu=dilated_convolution_by_grids, default=plain_dilated_convolution
)
