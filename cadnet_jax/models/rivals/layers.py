"""What the rivals share: convolution with norm, classifier, pooling.

Notation: B batch, H and W height and width, C channels; arrays are `[B, H, W, C]`.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.initializers import (
    FAN_OUT,
    ONES,
    ZEROS,
    Initializer,
)
from cadnet_jax.models.kernels.operations import multiply
from cadnet_jax.models.layers import BatchNorm, Conv, DepthwiseConv, Projection

_CLASSIFIER = Initializer('normal', 0.01)  # as mmsegmentation


class ConvNorm(nn.Module):
    """A k x k convolution without bias, BatchNorm and ReLU.

    `[B, H, W, C]` -> `[B, ceil(H / stride), ceil(W / stride), features]`.

    Attributes:
        features: channels of the result.
        kernel_size: k, odd.
        stride: without a dilation.
        dilation: distance of the taps.
        relu: whether there is one.
        scale_init: how the scale of the norm begins.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    features: int
    kernel_size: int = 3
    stride: int = 1
    dilation: int = 1
    relu: bool = True
    scale_init: Initializer = ONES
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        settings: dict[str, Any] = {
            'dtype': self.dtype,
            'kernel_init': FAN_OUT,
            'name': 'conv',
        }
        if self.kernel_size == 1:
            x = x[:, :: self.stride, :: self.stride]
            x = Projection(self.features, **settings)(x)
        else:
            x = Conv(
                self.features,
                self.kernel_size,
                self.stride,
                pad=self.kernel_size // 2,
                dilation=self.dilation,
                use_bias=False,
                **settings,
            )(x)
        x = BatchNorm(
            self.axis_name, dtype=self.dtype, scale_init=self.scale_init, name='norm'
        )(x, train=train)
        return nn.relu(x) if self.relu else x


class SeparableConvNorm(nn.Module):
    """A 3x3 convolution of each channel, then one over the channels; each with norm.

    `[B, H, W, C]` -> `[B, H, W, features]`. See `ConvNorm` for the attributes.
    """

    features: int
    dilation: int = 1
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = DepthwiseConv(self.dilation, False, dtype=self.dtype, name='depthwise')(x)
        x = BatchNorm(self.axis_name, dtype=self.dtype, name='depthwise_norm')(
            x, train=train
        )
        return ConvNorm(
            self.features,
            kernel_size=1,
            axis_name=self.axis_name,
            dtype=self.dtype,
            name='pointwise',
        )(nn.relu(x), train=train)


class Classifier(nn.Module):
    """Dropout of whole channels, then a 1x1 convolution with bias, to float32."""

    num_classes: int
    dropout: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.Dropout(self.dropout, broadcast_dims=(1, 2))(x, deterministic=not train)
        shape = x.shape[-1], self.num_classes
        kernel = self.param('kernel', _CLASSIFIER, shape)
        bias = self.param('bias', ZEROS, shape[1:])
        logits = multiply(x.astype(self.dtype), kernel[None])
        return (logits + bias.astype(self.dtype).reshape(1, 1, 1, -1)).astype(
            jnp.float32
        )


def max_pool(x: jax.Array) -> jax.Array:
    """Maximum over 3x3 with stride 2: `[B, H, W, C]` -> `[B, ceil(H / 2), ...]`."""
    pooled: jax.Array = nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
    return pooled


@functools.partial(jax.jit, static_argnums=1)
def average_pool(x: jax.Array, bins: int) -> jax.Array:
    """Means over `bins` x `bins` areas: `[B, H, W, C]` -> `[B, bins, bins, C]`.

    The areas are those of PyTorch's `AdaptiveAvgPool2d`: area i begins at
    floor(i H / bins), ends at ceil((i + 1) H / bins), and may overlap its neighbors.
    """
    rows, columns = (
        jnp.asarray(_averages(size, bins), x.dtype) for size in x.shape[1:3]
    )
    return jnp.einsum('ih,bhwc,jw->bijc', rows, x, columns)


def _averages(size: int, bins: int) -> np.ndarray:
    """Weights `[bins, size]` of the mean over each area."""
    weights = np.zeros((bins, size))
    for i in range(bins):
        area = slice(i * size // bins, math.ceil((i + 1) * size / bins))
        weights[i, area] = 1 / (area.stop - area.start)
    return weights
