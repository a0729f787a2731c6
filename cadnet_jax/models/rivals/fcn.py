"""FCN's decoder, which is the auxiliary head of other networks as well.

Long et al., Fully Convolutional Networks for Semantic Segmentation, 2015; as
mmsegmentation's `FCNHead` and, with dilation 6, its `fcn_d6`.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.rivals.layers import Classifier, ConvNorm


class FCNDecoder(nn.Module):
    """Convolutions on the last feature map, and a classifier.

    Attributes:
        num_classes: with the background.
        channels: of each convolution.
        convs: how many there are ahead of the joining one.
        joins_input: their result is joined with the feature map, and goes through
            one more.
        kernel_size: of the convolutions; the joining one is 3x3.
        dilation: of the convolutions but for the joining one.
        dropout: probability of dropping a channel ahead of the classifier.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    num_classes: int
    channels: int = 512
    convs: int = 2
    joins_input: bool = True
    kernel_size: int = 3
    dilation: int = 1
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
        for number in range(1, self.convs + 1):
            x = conv(
                self.channels,
                self.kernel_size,
                dilation=self.dilation,
                name=f'conv_{number}',
            )(x, train=train)
        if self.joins_input:
            x = jnp.concatenate([features[-1].astype(x.dtype), x], axis=-1)
            x = conv(self.channels, name='fusion')(x, train=train)
        classifier = Classifier(
            self.num_classes, self.dropout, self.dtype, name='classifier'
        )
        return (classifier(x, train=train),)
