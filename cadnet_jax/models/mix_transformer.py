"""The encoder: SegFormer's Mix Transformer, MiT-B0 to B5 (section 3.2.1).

Notation: `[B, H, W, C]` feature maps; attention works on their tokens `[B, N, C]`,
N = H W, with R the reduction of keys and values (eqs. 5 and 6) and h the heads.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.initializers import FAN_OUT, Initializer
from cadnet_jax.models.kernels.operations import attention, gelu
from cadnet_jax.models.layers import (
    Conv,
    Dense,
    DepthwiseConv,
    DropPath,
    LayerNorm,
)


class Variant(NamedTuple):
    """What tells B0 to B5 apart; one entry a stage."""

    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]


VARIANTS = {
    'b0': Variant((32, 64, 160, 256), (2, 2, 2, 2)),
    'b1': Variant((64, 128, 320, 512), (2, 2, 2, 2)),
    'b2': Variant((64, 128, 320, 512), (3, 4, 6, 3)),
    'b3': Variant((64, 128, 320, 512), (3, 4, 18, 3)),
    'b4': Variant((64, 128, 320, 512), (3, 8, 27, 3)),
    'b5': Variant((64, 128, 320, 512), (3, 6, 40, 3)),
}
ATTENTION_HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)
PATCHES = (7, 3, 3, 3)
STRIDES = (4, 2, 2, 2)
MLP_RATIO = 4
_ATTENTION = Initializer('truncated', 0.02)  # as NVlabs' SegFormer
# The first stage's keys need one whole patch of 8x8 tokens of stride 4.
SMALLEST_SIDE = 32


class Attention(nn.Module):
    """Multi-head attention whose keys and values are reduced R-fold along each side.

    softmax(Q K^T / sqrt(d)) V with d the dimension of a head (eq. 4 says d = N, a
    slip). `[B, H, W, C]` -> `[B, H, W, C]`.
    """

    heads: int
    reduction: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, height, width, channels = x.shape
        dense = functools.partial(Dense, dtype=self.dtype, kernel_init=_ATTENTION)
        reduced = x
        if self.reduction > 1:
            r = self.reduction
            reduced = Conv(
                channels,
                r,
                r,
                dtype=self.dtype,
                kernel_init=FAN_OUT,
                name='reduction',
            )(x)
            reduced = LayerNorm(dtype=self.dtype, name='reduction_norm')(reduced)
        size = channels // self.heads
        query = dense(channels, name='query')(x)
        query = query.reshape(batch, -1, self.heads, size)
        key_value = dense(2 * channels, name='key_value')(reduced)
        key_value = key_value.reshape(batch, -1, 2, self.heads, size)
        mixed = attention(query, key_value[:, :, 0], key_value[:, :, 1])
        mixed = mixed.reshape(batch, height, width, channels)
        return dense(channels, name='output')(mixed)


class MixMLP(nn.Module):
    """Expand, 3x3 depthwise convolution, exact GELU, contract: `[B, H, W, C]`."""

    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        dense = functools.partial(Dense, dtype=self.dtype, kernel_init=FAN_OUT)
        x = dense(MLP_RATIO * channels, name='expand')(x)
        x = DepthwiseConv(dtype=self.dtype, name='depthwise')(x)
        x = gelu(x)
        return dense(channels, name='contract')(x)


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm and beside a residual."""

    heads: int
    reduction: int
    drop_path: DropPath
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        norm = functools.partial(LayerNorm, dtype=self.dtype)
        attention = Attention(self.heads, self.reduction, self.dtype, name='attention')
        x += self.drop_path(attention(norm(name='norm_1')(x)), train=train)
        mlp = MixMLP(self.dtype, name='mlp')
        return x + self.drop_path(mlp(norm(name='norm_2')(x)), train=train)


class PatchEmbedding(nn.Module):
    """Overlapping patches: `[B, H, W, C]` -> `[B, ceil(H / stride), ..., channels]`."""

    channels: int
    patch: int
    stride: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Conv(
            self.channels,
            self.patch,
            self.stride,
            pad=self.patch // 2,
            dtype=self.dtype,
            kernel_init=FAN_OUT,
            name='projection',
        )(x)
        return LayerNorm(dtype=self.dtype, name='norm')(x)


class MixTransformer(nn.Module):
    """The hierarchical encoder.

    `[B, H, W, 3]` -> four feature maps of strides 4, 8, 16 and 32, each rounded up.
    With `shared_draws` = 2 the batch is two stacked halves that share their drop path.
    """

    variant: str = 'b0'
    drop_path: float = 0.1
    shared_draws: int = 1
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> tuple[jax.Array, ...]:
        if min(x.shape[1:3]) < SMALLEST_SIDE:
            raise ValueError(
                f'The image is {x.shape[1]} x {x.shape[2]} pixels; each side must be '
                f'at least {SMALLEST_SIDE}: enlarge or pad it.'
            )
        channels, blocks = VARIANTS[self.variant]
        last = max(sum(blocks) - 1, 1)
        rates = iter([self.drop_path * i / last for i in range(sum(blocks))])
        features = []
        for stage in range(4):
            scope = f'stage_{stage + 1}'
            x = PatchEmbedding(
                channels[stage],
                PATCHES[stage],
                STRIDES[stage],
                self.dtype,
                name=f'{scope}_patches',
            )(x)
            for block in range(blocks[stage]):
                x = Block(
                    ATTENTION_HEADS[stage],
                    REDUCTIONS[stage],
                    DropPath(next(rates), self.shared_draws, parent=None),
                    self.dtype,
                    name=f'{scope}_block_{block + 1}',
                )(x, train=train)
            x = LayerNorm(dtype=self.dtype, name=f'{scope}_norm')(x)
            features.append(x)
        return tuple(features)
