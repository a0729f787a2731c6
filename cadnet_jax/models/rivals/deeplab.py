"""DeepLabV3+'s decoder: dilated separable convolutions, and the first stage's detail.

Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image
Segmentation, 2018; as mmsegmentation's `DepthwiseSeparableASPPHead`.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.kernels.operations import resize_bilinear
from cadnet_jax.models.rivals.layers import (
    Classifier,
    ConvNorm,
    SeparableConvNorm,
    average_pool,
)

_DILATIONS = (12, 24, 36)


class DeepLabDecoder(nn.Module):
    """Atrous spatial pyramid pooling (ASPP), then two convolutions at stride 4.

    Attributes:
        num_classes: with the background.
        channels: of each convolution.
        detail_channels: of the first stage's.
        dropout: probability of dropping a channel ahead of the classifier.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    num_classes: int
    channels: int = 512
    detail_channels: int = 48
    dropout: float = 0.0
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, features: Sequence[jax.Array], *, train: bool
    ) -> tuple[jax.Array, ...]:
        """Returns logits at the resolution of the first of `features`."""
        shared: dict[str, Any] = {'axis_name': self.axis_name, 'dtype': self.dtype}
        separable = functools.partial(SeparableConvNorm, self.channels, **shared)
        detail = ConvNorm(self.detail_channels, 1, name='detail', **shared)(
            features[0], train=train
        )
        x = self._pyramid(features[-1], train)
        x = ConvNorm(self.channels, name='bottleneck', **shared)(x, train=train)
        x = resize_bilinear(x, detail.shape[1:3])
        x = jnp.concatenate([x, detail], axis=-1)
        x = separable(name='refine_1')(x, train=train)
        x = separable(name='refine_2')(x, train=train)
        classifier = Classifier(
            self.num_classes, self.dropout, self.dtype, name='classifier'
        )
        return (classifier(x, train=train),)

    def _pyramid(self, x: jax.Array, train: bool) -> jax.Array:
        """ASPP: the mean of the image, a 1x1 and three dilated convolutions."""
        shared: dict[str, Any] = {'axis_name': self.axis_name, 'dtype': self.dtype}
        conv = functools.partial(ConvNorm, self.channels, 1, **shared)
        mean = conv(name='image_pool')(average_pool(x, 1), train=train)
        maps = [
            resize_bilinear(mean, x.shape[1:3]),
            conv(name='pyramid_1')(x, train=train),
        ]
        for number, dilation in enumerate(_DILATIONS, start=2):
            name = f'pyramid_{number}'
            branch = SeparableConvNorm(self.channels, dilation, name=name, **shared)
            maps.append(branch(x, train=train))
        return jnp.concatenate(maps, axis=-1)
