"""Layers that every part of the network shares.

Notation: B batch, H and W height and width, C channels; arrays are `[B, H, W, C]`.
Parameters are float32; `dtype` is the format of the computation.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax


def resize_bilinear(x: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Resizes `[B, H, W, C]` to `[B, *size, C]` bilinearly with half-pixel centres.

    The same as PyTorch's `interpolate(mode='bilinear', align_corners=False)`.
    """
    height, width = x.shape[1:3]
    if size[0] % height or size[1] % width:
        shape = (x.shape[0], *size, x.shape[3])
        return jax.image.resize(x, shape, 'bilinear', antialias=False)
    x = _enlarge(x, axis=2, factor=size[1] // width)
    return _enlarge(x, axis=1, factor=size[0] // height)


def _enlarge(x: jax.Array, *, axis: int, factor: int) -> jax.Array:
    """Linear interpolation to an integer multiple of one axis' length.

    Every position in a cell has the same two weights in all cells: a few shifted
    multiply-adds, where `jax.image.resize` multiplies with a dense matrix.
    """
    if factor == 1:
        return x
    length = x.shape[axis]
    first, last = (lax.slice_in_dim(x, i, i + 1, axis=axis) for i in (0, length - 1))
    before = jnp.concatenate(
        [first, lax.slice_in_dim(x, 0, length - 1, axis=axis)], axis=axis
    )
    after = jnp.concatenate([lax.slice_in_dim(x, 1, length, axis=axis), last], axis=axis)
    phases = []
    for phase in range(factor):
        offset = (phase + 0.5) / factor - 0.5
        other = before if offset < 0 else after
        phases.append((1 - abs(offset)) * x + abs(offset) * other)
    shape = (*x.shape[:axis], length * factor, *x.shape[axis + 1 :])
    return jnp.stack(phases, axis=axis + 1).reshape(shape)


def gelu(x: jax.Array) -> jax.Array:
    """The exact GELU. Linen's is written with erfc, which is slower than erf."""
    return 0.5 * x * (1 + lax.erf(x * math.sqrt(0.5)))


def _convolution(x: jax.Array, kernel: jax.Array, stride: int, pad: int) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        ((pad, pad), (pad, pad)),
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    )


def _convolution_by_patches(
    x: jax.Array, kernel: jax.Array, stride: int, pad: int
) -> jax.Array:
    """The same values as `_convolution`: patches are gathered, then multiplied once.

    Rows and columns are first split into cells of the stride's size. For each row of
    the kernel, its taps then lie side by side in one cell and the next ones.
    """
    batch, height, width, channels = x.shape
    taps = kernel.shape[0]
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
        patches = x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, -1)
    else:
        x = x.reshape(batch, rows, stride, columns, stride * channels)
        cells = [(cell, min(stride, taps - cell * stride)) for cell in range(reach)]
        slices = [
            x[:, i // stride :, i % stride, cell:, : count * channels][:, :out_h, :out_w]
            for i in range(taps)
            for cell, count in cells
        ]
        patches = jnp.concatenate(slices, axis=-1)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


def _depthwise_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
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


def _weighted_shifts(x: jax.Array, kernel: jax.Array) -> jax.Array:
    height, width = x.shape[1:3]
    x = _pad_by_one(x)
    terms = [
        x[:, i : i + height, j : j + width] * kernel[i, j].reshape(1, 1, 1, -1)
        for i, j in _TAPS
    ]
    return sum(terms[1:], start=terms[0])


@jax.custom_vjp
def _depthwise_convolution_by_shifts(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The same values as `_depthwise_convolution`, as nine multiply-adds.

    The gradient for `x` is the same sum with the kernel turned by 180 degrees; the
    gradient for the kernel is nine inner products, gathered row by row: XLA's
    reductions of a product over rows and columns take seven times as long.
    """
    return _weighted_shifts(x, kernel)


def _depthwise_forward(
    x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _weighted_shifts(x, kernel), (x, kernel)


def _depthwise_backward(
    residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    batch, height, width, channels = x.shape
    padded = _pad_by_one(x)

    def add_row(row: jax.Array, sums: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        rows = lax.dynamic_slice_in_dim(padded, row, 3, axis=1)
        change = lax.dynamic_index_in_dim(gradient, row, axis=1, keepdims=False)
        return tuple(
            total + rows[:, i, j : j + width] * change
            for total, (i, j) in zip(sums, _TAPS, strict=True)
        )

    zeros = (jnp.zeros((batch, width, channels), x.dtype),) * len(_TAPS)
    sums = lax.fori_loop(0, height, add_row, zeros)
    kernel_gradient = jnp.stack([jnp.sum(total, axis=(0, 1)) for total in sums])
    return (
        _weighted_shifts(gradient, kernel[::-1, ::-1]),
        kernel_gradient.reshape(kernel.shape),
    )


_depthwise_convolution_by_shifts.defvjp(_depthwise_forward, _depthwise_backward)


def _by_backend(*, cpu: Callable, default: Callable) -> Callable:
    """XLA's convolutions are slow on the CPU: there, `cpu` stands in for `default`."""

    @functools.wraps(default)
    def choose(*args: jax.Array | int) -> jax.Array:
        return (cpu if jax.default_backend() == 'cpu' else default)(*args)

    return choose


convolution = _by_backend(cpu=_convolution_by_patches, default=_convolution)
depthwise_convolution = _by_backend(
    cpu=_depthwise_convolution_by_shifts, default=_depthwise_convolution
)


class Conv(nn.Module):
    """A k x k convolution with a stride, zero padding and a bias.

    `[B, H, W, C]` -> `[B, (H + 2 pad - k) // stride + 1, ..., features]`.
    """

    features: int
    kernel_size: int
    stride: int
    pad: int = 0
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        k = self.kernel_size
        kernel = self.param(
            'kernel',
            nn.initializers.lecun_normal(),
            (k, k, x.shape[-1], self.features),
        )
        bias = self.param('bias', nn.initializers.zeros, (self.features,))
        x = convolution(
            x.astype(self.dtype), kernel.astype(self.dtype), self.stride, self.pad
        )
        return x + bias.astype(self.dtype).reshape(1, 1, 1, -1)


class DepthwiseConv(nn.Module):
    """A 3x3 convolution of each channel by itself, zero padded: the shape stays."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        kernel = self.param(
            'kernel', nn.initializers.lecun_normal(), (3, 3, 1, channels)
        )
        bias = self.param('bias', nn.initializers.zeros, (channels,))
        x = depthwise_convolution(x.astype(self.dtype), kernel.astype(self.dtype))
        return x + bias.astype(self.dtype).reshape(1, 1, 1, -1)


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last, as PyTorch does it.

    Linen's own keeps the biased variance; PyTorch's running variance is the unbiased
    one, and so is this. With `axis_name`, statistics are those of all devices.
    """

    axis_name: str | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        channels = x.shape[-1]
        scale = self.param('scale', nn.initializers.ones, (channels,))
        bias = self.param('bias', nn.initializers.zeros, (channels,))
        running_mean = self.variable('batch_stats', 'mean', jnp.zeros, (channels,))
        running_var = self.variable('batch_stats', 'var', jnp.ones, (channels,))
        if train:
            mean, var, count = self._statistics(x.astype(jnp.float32))
            if not self.is_initializing():
                unbiased = var * (count / max(count - 1, 1))
                for running, new in ((running_mean, mean), (running_var, unbiased)):
                    running.value += (1 - self.momentum) * (new - running.value)
        else:
            mean, var = running_mean.value, running_var.value
        factor = scale * lax.rsqrt(var + self.epsilon)
        shape = (1,) * (x.ndim - 1) + (channels,)
        offset = bias - mean * factor
        return (x * factor.reshape(shape) + offset.reshape(shape)).astype(self.dtype)

    def _statistics(self, x: jax.Array) -> tuple[jax.Array, jax.Array, int]:
        axes = tuple(range(x.ndim - 1))
        count = x.size // x.shape[-1]
        mean = jnp.mean(x, axes)
        square = jnp.mean(jnp.square(x), axes)
        if self.axis_name is not None and not self.is_initializing():
            mean, square = lax.pmean((mean, square), self.axis_name)
            count *= lax.axis_size(self.axis_name)
        return mean, jnp.maximum(square - jnp.square(mean), 0), count


class DropPath(nn.Module):
    """Drops a residual branch for a whole sample, and scales up the others.

    With `groups` > 1 the batch is that many stacked copies (image, reference) that
    share one draw.
    """

    rate: float
    groups: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        if not train or self.rate == 0:
            return x
        keep = 1 - self.rate
        draw = jax.random.bernoulli(
            self.make_rng('drop_path'), keep, (x.shape[0] // self.groups,)
        )
        draw = jnp.tile(draw, self.groups).reshape(-1, *(1,) * (x.ndim - 1))
        return jnp.where(draw, x / keep, jnp.zeros_like(x))
