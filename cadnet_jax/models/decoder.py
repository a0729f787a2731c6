"""The all-MLP decoder, with the change-aware decoder (CAD) between its two halves.

Notation, after section 3.2.2: `f_i` the four projected features at their own stride,
`up` the bilinear resize to stride 4, `F` the concatenation of the `up(f_i)`, `d` the
sigmoid of DistMap without its gradient, `ca` the channel attention (one factor a sample
and channel), `S` the output of the coordinate attention, `W_i` the part of the fusion
convolution that meets stage i.

The published code builds `F` with its 1,024 channels at stride 4 and multiplies it with
the fusion convolution W. Resizing and W are both linear and `ca` is constant over the
map, so that

    W (ca * (F + tile(S, 4)))
        = sum_i up((W_i diag(ca_i)) f_i) + (sum_i W_i diag(ca_i)) S

which is how it is computed here: each product at its own stage's resolution.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.change import (
    ChannelAttention,
    CoordinateAttention,
    MinMaxNorm,
)
from cadnet_jax.models.heads import Attention
from cadnet_jax.models.initializers import FAN_IN, Initializer
from cadnet_jax.models.kernels.operations import maximum, multiply, resize_bilinear
from cadnet_jax.models.layers import BatchNorm, Dense, Projection

CHANNELS = 256
_CLASSIFIER = Initializer('normal', 0.01)  # as published


def pool(maps: Sequence[jax.Array]) -> tuple[jax.Array, jax.Array]:
    """Average and maximum over space of each `[B, H, W, C]`, joined to `[B, sum C]`."""
    averages = [jnp.mean(x, axis=(1, 2)) for x in maps]
    maxima = [maximum(x) for x in maps]
    return jnp.concatenate(averages, axis=-1), jnp.concatenate(maxima, axis=-1)


class Decoder(nn.Module):
    """Four feature maps and DistMap to logits at stride 4.

    `attention` is 'intra_class' (eqs. 11 and 12), 'out_of_class' (eqs. 13 and 14) or
    None (SegFormer's head); `norm_limits` see `MinMaxNorm`.
    """

    attention: Attention | None
    outputs: int
    dropout: float = 0.1
    norm_limits: str = 'sample'
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        features: Sequence[jax.Array],
        distance: jax.Array | None,
        *,
        train: bool,
        distance_limits: jax.Array | None = None,
    ) -> jax.Array:
        """Returns logits.

        Args:
            features: `[B, H_i, W_i, C_i]`, strides 4 to 32.
            distance: DistMap, `[B, H_1, W_1, 1]`; None only without attention.
            train: batch statistics and dropout.
            distance_limits: `[B, 2]`; see `MinMaxNorm`. For 'out_of_class'
                alone.

        Returns:
            float32 `[B, H_1, W_1, outputs]`.
        """
        projected = [
            self._project(x, stage, train=train)
            for stage, x in enumerate(features, start=1)
        ]
        shape = len(projected) * CHANNELS, CHANNELS
        kernel = self.param('fusion', FAN_IN, shape)
        if self.attention is None:
            x = self._fuse(projected, self._by_stage(kernel[None]))
        else:
            assert distance is not None
            d = nn.sigmoid(jax.lax.stop_gradient(distance))
            if self.attention == 'intra_class':
                x = self._intra_class(projected, d.astype(self.dtype), kernel, train)
            else:
                given = distance_limits
                norm = MinMaxNorm(self.norm_limits, self.axis_name, name='norm')(
                    d, None if given is None else nn.sigmoid(given), train=train
                )
                x = self._out_of_class(projected, norm.astype(self.dtype), kernel)
        x = self._norm('fusion_norm')(x, train=train)
        x = nn.relu(x)
        x = nn.Dropout(self.dropout, broadcast_dims=(1, 2))(x, deterministic=not train)
        x = Dense(
            self.outputs,
            dtype=self.dtype,
            kernel_init=_CLASSIFIER,
            name='classifier',
        )(x)
        return x.astype(jnp.float32)

    def _norm(self, name: str) -> BatchNorm:
        return BatchNorm(self.axis_name, dtype=self.dtype, name=name)

    def _project(self, x: jax.Array, stage: int, *, train: bool) -> jax.Array:
        name = f'project_{stage}'
        x = Projection(CHANNELS, dtype=self.dtype, name=name)(x)
        return nn.relu(self._norm(f'{name}_norm')(x, train=train))

    def _by_stage(self, kernel: jax.Array) -> list[jax.Array]:
        """`[B or 1, 1024, 256]` -> one `[B or 1, 256, 256]` for each stage."""
        return jnp.split(kernel.astype(self.dtype), kernel.shape[1] // CHANNELS, axis=1)

    def _fuse(
        self, projected: Sequence[jax.Array], kernels: Sequence[jax.Array]
    ) -> jax.Array:
        """sum_i up(W_i f_i): `[B, H_1, W_1, 256]`."""
        size = projected[0].shape[1:3]
        products = [
            resize_bilinear(multiply(x, w), size)
            for x, w in zip(projected, kernels, strict=True)
        ]
        return sum(products[1:], start=products[0])

    def _attended(
        self, kernel: jax.Array, maps: Sequence[jax.Array]
    ) -> list[jax.Array]:
        """W_i diag(ca_i), with CA on the `maps` at stride 4: `[B, 256, 256]` each."""
        ca = ChannelAttention(dtype=self.dtype, name='channel_attention')(*pool(maps))
        return self._by_stage(kernel[None] * ca[:, :, None])

    def _intra_class(
        self,
        projected: Sequence[jax.Array],
        d: jax.Array,
        kernel: jax.Array,
        train: bool,
    ) -> jax.Array:
        """W (CA(F + d) * (F + tile(S, 4))), S = CoordAttention(sum_i up(f_i) + d)."""
        size = projected[0].shape[1:3]
        upsampled = [resize_bilinear(x, size) for x in projected]
        kernels = self._attended(kernel, [x + d for x in upsampled])
        s = CoordinateAttention(
            axis_name=self.axis_name, dtype=self.dtype, name='coordinate_attention'
        )(sum(upsampled, start=d), train=train)
        shared = sum(kernels[1:], start=kernels[0])
        return self._fuse(projected, kernels) + multiply(s, shared)

    def _out_of_class(
        self, projected: Sequence[jax.Array], norm: jax.Array, kernel: jax.Array
    ) -> jax.Array:
        """W (Norm(d) * CA(F) * F): Norm(d) has one channel, so that it comes last."""
        size = projected[0].shape[1:3]
        kernels = self._attended(kernel, [resize_bilinear(x, size) for x in projected])
        return norm * self._fuse(projected, kernels)
