"""DANet's decoder: attention over positions beside attention over channels.

Fu et al., Dual Attention Network for Scene Segmentation, 2019; as mmsegmentation's
`DAHead`.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.initializers import FAN_OUT, ZEROS
from cadnet_jax.models.kernels.operations import attention
from cadnet_jax.models.layers import Dense
from cadnet_jax.models.rivals.layers import Classifier, ConvNorm


class PositionAttention(nn.Module):
    """gamma softmax(Q K^T) V + x over all positions, without a scale.

    `[B, H, W, C]` -> `[B, H, W, C]`; gamma begins at 0.
    """

    reduction: int = 8  # of the channels of queries and keys
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        dense = functools.partial(Dense, dtype=self.dtype, kernel_init=FAN_OUT)

        def tokens(features: int, name: str) -> jax.Array:
            y: jax.Array = dense(features, name=name)(x)
            return y.reshape(len(x), -1, 1, features)

        size = channels // self.reduction
        query = math.sqrt(size) * tokens(size, 'query')  # `attention` divides by it
        mixed = attention(query, tokens(size, 'key'), tokens(channels, 'value'))
        gamma = self.param('gamma', ZEROS, (1,)).astype(self.dtype)
        return gamma.reshape(1, 1, 1, 1) * mixed.reshape(x.shape) + x


class ChannelMixing(nn.Module):
    """gamma softmax(max - G) X + x, G = X X^T the Gram matrix of the channels.

    `[B, H, W, C]` -> `[B, H, W, C]`; gamma begins at 0.
    """

    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        flat = x.reshape(len(x), -1, x.shape[-1])
        gram = jnp.einsum('bnc,bnd->bcd', flat, flat).astype(jnp.float32)
        weights = nn.softmax(jnp.max(gram, axis=-1, keepdims=True) - gram)
        mixed = jnp.einsum('bcd,bnd->bnc', weights.astype(x.dtype), flat)
        gamma = self.param('gamma', ZEROS, (1,)).astype(self.dtype)
        return gamma.reshape(1, 1, 1, 1) * mixed.reshape(x.shape) + x


class DADecoder(nn.Module):
    """The two attentions on the last feature map; their sum is classified.

    Attributes:
        num_classes: with the background.
        channels: of each convolution.
        dropout: probability of dropping a channel ahead of each classifier.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    num_classes: int
    channels: int = 512
    dropout: float = 0.0
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, features: Sequence[jax.Array], *, train: bool
    ) -> tuple[jax.Array, ...]:
        """Returns logits of the sum, of the positions' branch, of the channels'."""
        conv = functools.partial(
            ConvNorm, self.channels, axis_name=self.axis_name, dtype=self.dtype
        )
        classify = functools.partial(
            Classifier, self.num_classes, self.dropout, self.dtype
        )
        x = features[-1]
        position = conv(name='position_in')(x, train=train)
        position = PositionAttention(dtype=self.dtype, name='position')(position)
        position = conv(name='position_out')(position, train=train)
        channel = conv(name='channel_in')(x, train=train)
        channel = ChannelMixing(dtype=self.dtype, name='channel')(channel)
        channel = conv(name='channel_out')(channel, train=train)
        return (
            classify(name='classifier')(position + channel, train=train),
            classify(name='position_classifier')(position, train=train),
            classify(name='channel_classifier')(channel, train=train),
        )
