"""OCRNet's decoder: each pixel looks at the mean features of each class.

Yuan et al., Object-Contextual Representations for Semantic Segmentation, 2020; as
mmsegmentation's cascade of `FCNHead` and `OCRHead`.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.kernels.operations import attention, resize_bilinear
from cadnet_jax.models.rivals.fcn import FCNDecoder
from cadnet_jax.models.rivals.layers import Classifier, ConvNorm


class ObjectContext(nn.Module):
    """Attention of pixels `[B, H, W, C]` to the regions `[B, K, 1, C]` of K classes.

    `[B, H, W, C]` -> `[B, H, W, C]`.

    Attributes:
        channels: of queries, keys and values.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    channels: int = 256
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, regions: jax.Array, *, train: bool) -> jax.Array:
        conv = functools.partial(
            ConvNorm, kernel_size=1, axis_name=self.axis_name, dtype=self.dtype
        )

        def project(y: jax.Array, *names: str) -> jax.Array:
            for name in names:
                y = conv(self.channels, name=name)(y, train=train)
            return y.reshape(len(y), -1, 1, self.channels)

        mixed = attention(
            project(x, 'query_1', 'query_2'),
            project(regions, 'key_1', 'key_2'),
            project(regions, 'value'),
        ).reshape(*x.shape[:3], self.channels)
        context = conv(x.shape[-1], name='out')(mixed, train=train)
        joined = jnp.concatenate([context, x], axis=-1)
        return conv(x.shape[-1], name='bottleneck')(joined, train=train)


class OCRRefinement(nn.Module):
    """The second head: feature maps and the first head's logits to logits.

    Attributes:
        num_classes: with the background.
        channels: of the pixels' features.
        key_channels: see `ObjectContext`.
        dropout: probability of dropping a channel ahead of the classifier.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    num_classes: int
    channels: int = 512
    key_channels: int = 256
    dropout: float = 0.0
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, coarse: jax.Array, *, train: bool) -> jax.Array:
        shared: dict[str, Any] = {'axis_name': self.axis_name, 'dtype': self.dtype}
        x = ConvNorm(self.channels, name='bottleneck', **shared)(x, train=train)
        shares = nn.softmax(coarse, axis=(1, 2)).astype(x.dtype)  # of a class's mean
        regions = jnp.einsum('bhwk,bhwc->bkc', shares, x)[:, :, None]
        context = ObjectContext(self.key_channels, name='context', **shared)
        x = context(x, regions, train=train)
        classifier = Classifier(
            self.num_classes, self.dropout, self.dtype, name='classifier'
        )
        return classifier(x, train=train)


class OCRDecoder(nn.Module):
    """Two heads on all feature maps, joined at the resolution of the first.

    See `OCRRefinement` for the attributes.
    """

    num_classes: int
    channels: int = 512
    key_channels: int = 256
    dropout: float = 0.0
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, features: Sequence[jax.Array], *, train: bool
    ) -> tuple[jax.Array, ...]:
        """Returns the second head's logits, and the first head's."""
        shared: dict[str, Any] = {
            'dropout': self.dropout,
            'axis_name': self.axis_name,
            'dtype': self.dtype,
        }
        size = features[0].shape[1:3]
        x = jnp.concatenate([resize_bilinear(y, size) for y in features], axis=-1)
        (coarse,) = FCNDecoder(
            self.num_classes,
            channels=x.shape[-1],
            convs=1,
            joins_input=False,
            kernel_size=1,
            name='coarse',
            **shared,
        )([x], train=train)
        refinement = OCRRefinement(
            self.num_classes, self.channels, self.key_channels, name='fine', **shared
        )
        return refinement(x, coarse, train=train), coarse
