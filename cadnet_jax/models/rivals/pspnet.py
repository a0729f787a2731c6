"""PSPNet's decoder: pyramid pooling.

Zhao et al., Pyramid Scene Parsing Network, 2017; as mmsegmentation's `PSPHead`.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.kernels.operations import resize_bilinear
from cadnet_jax.models.rivals.layers import Classifier, ConvNorm, average_pool

_BINS = (1, 2, 3, 6)


class PSPDecoder(nn.Module):
    """The last feature map beside its means over areas of four sizes.

    Attributes:
        num_classes: with the background.
        channels: of each convolution.
        dropout: probability of dropping a channel ahead of the classifier.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    num_classes: int
    channels: int = 128
    dropout: float = 0.0
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, features: Sequence[jax.Array], *, train: bool
    ) -> tuple[jax.Array, ...]:
        """Returns logits at the resolution of the last of `features`."""
        conv = functools.partial(ConvNorm, axis_name=self.axis_name, dtype=self.dtype)
        x = features[-1]
        maps = [x]
        for number, bins in enumerate(_BINS, start=1):
            pooled = conv(self.channels, 1, name=f'pool_{number}')(
                average_pool(x, bins), train=train
            )
            maps.append(resize_bilinear(pooled, x.shape[1:3]))
        x = jnp.concatenate(maps, axis=-1)
        x = conv(self.channels, name='bottleneck')(x, train=train)
        classifier = Classifier(
            self.num_classes, self.dropout, self.dtype, name='classifier'
        )
        return (classifier(x, train=train),)
