"""Layers that every part of the network shares.

Notation: B batch, H and W height and width, C channels; arrays are `[B, H, W, C]`.
Parameters are float32; `dtype` is the format of the computation.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.typing import DTypeLike

from cadnet_jax.models.initializers import FAN_IN, ONES, ZEROS, Initializer
from cadnet_jax.models.kernels.convolutions import (
    convolution,
    depthwise_convolution,
    dilated_convolution,
)
from cadnet_jax.models.kernels.operations import layer_norm, multiply


class Dense(nn.Dense):
    """Linen's, with initial values that `initialize` draws."""

    kernel_init: Initializer = FAN_IN
    bias_init: Initializer = ZEROS


class Conv(nn.Module):
    """A k x k convolution with a stride, zero padding and a bias.

    `[B, H, W, C]` -> `[B, (H + 2 pad - k) // stride + 1, ..., features]`. With
    `dilation` > 1 the size stays, whatever `stride` and `pad`.
    """

    features: int
    kernel_size: int
    stride: int = 1
    pad: int = 0
    dilation: int = 1
    use_bias: bool = True
    dtype: DTypeLike = jnp.float32
    kernel_init: Initializer = FAN_IN

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        k = self.kernel_size
        shape = k, k, x.shape[-1], self.features
        kernel = self.param('kernel', self.kernel_init, shape)
        x, taps = x.astype(self.dtype), kernel.astype(self.dtype)
        if self.dilation > 1:
            x = dilated_convolution(x, taps, self.dilation)
        else:
            x = convolution(x, taps, self.stride, self.pad)
        if not self.use_bias:
            return x
        bias = self.param('bias', ZEROS, (self.features,))
        return x + bias.astype(self.dtype).reshape(1, 1, 1, -1)


class Projection(nn.Module):
    """A product with a matrix at each position: `[B, H, W, C]` -> `[..., features]`."""

    features: int
    dtype: DTypeLike = jnp.float32
    kernel_init: Initializer = FAN_IN

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.param('kernel', self.kernel_init, (x.shape[-1], self.features))
        return multiply(x.astype(self.dtype), kernel[None])


class DepthwiseConv(nn.Module):
    """A 3x3 convolution of each channel by itself, zero padded: the shape stays."""

    dilation: int = 1
    use_bias: bool = True
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        # Each output has nine inputs, and each input nine outputs.
        kernel = self.param('kernel', FAN_IN, (3, 3, 1, channels))
        x, taps = x.astype(self.dtype), kernel.astype(self.dtype)
        if self.dilation > 1:
            x = dilated_convolution(x, taps, self.dilation)
        else:
            x = depthwise_convolution(x, taps)
        if not self.use_bias:
            return x
        bias = self.param('bias', ZEROS, (channels,))
        return x + bias.astype(self.dtype).reshape(1, 1, 1, -1)


class LayerNorm(nn.Module):
    """Each position to mean 0 and variance 1 over the channels, scale and bias."""

    epsilon: float = 1e-6
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (x.shape[-1],)
        scale = self.param('scale', ONES, shape)
        bias = self.param('bias', ZEROS, shape)
        leading = (1,) * (x.ndim - 1)
        scale, bias = scale.reshape(*leading, -1), bias.reshape(*leading, -1)
        return layer_norm(x.astype(self.dtype), scale, bias, self.epsilon)


class BatchNorm(nn.Module):
    """Batch normalization over all axes but the last, as PyTorch does it.

    Linen's own keeps the biased variance; PyTorch's running variance is the unbiased
    one, and so is this. With `axis_name`, statistics are those of all devices.
    """

    axis_name: str | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: DTypeLike = jnp.float32
    scale_init: Initializer = ONES

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        channels = x.shape[-1]
        shape = (channels,)
        scale = self.param('scale', self.scale_init, shape)
        bias = self.param('bias', ZEROS, shape)
        running_mean = self.variable('batch_stats', 'mean', ZEROS, None, shape)
        running_var = self.variable('batch_stats', 'var', ONES, None, shape)
        if train:
            mean, var, count = self._statistics(x.astype(jnp.float32))
            if not self.is_initializing():
                unbiased = var * (count / max(count - 1, 1))
                for running, new in ((running_mean, mean), (running_var, unbiased)):
                    running.value += (1 - self.momentum) * (new - running.value)
        else:
            mean, var = running_mean.value, running_var.value
        factor = scale * lax.rsqrt(var + self.epsilon)
        leading = (1,) * (x.ndim - 1)
        offset = bias - mean * factor
        factor, offset = (y.reshape(*leading, -1) for y in (factor, offset))
        return (x * factor + offset).astype(self.dtype)

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
