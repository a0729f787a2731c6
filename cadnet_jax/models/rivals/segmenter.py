"""Networks of an encoder, a decoder and auxiliary heads that look at the image alone.

The paper's rivals, in the configurations of mmsegmentation 0.30 whose parameters and
multiply-adds the paper's tables have: `fcn_d6_r50-d16`, `pspnet_r18-d8`,
`deeplabv3plus_r50-d8`, `danet_r50-d8` and `ocrnet_hr18`.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import Features, Outputs
from cadnet_jax.models.rivals.danet import DADecoder
from cadnet_jax.models.rivals.deeplab import DeepLabDecoder
from cadnet_jax.models.rivals.fcn import FCNDecoder
from cadnet_jax.models.rivals.hrnet import HRNet
from cadnet_jax.models.rivals.ocrnet import OCRDecoder
from cadnet_jax.models.rivals.pspnet import PSPDecoder
from cadnet_jax.models.rivals.resnet import (
    RESNET_18_D8,
    RESNET_50_D8,
    RESNET_50_D16,
    ResNet,
)

_SMALLEST_SIDE = 32
_AUXILIARY_STAGE = 3  # of the encoder


class Design(NamedTuple):
    """The parts of a network; each still wants its number of classes, and so on.

    Attributes:
        encoder: images to feature maps.
        decoder: feature maps to logits, and those of its own auxiliary heads.
        auxiliary: a head on the encoder's third stage, in training alone; None: none.
        drops_channels: whether `--dropout` holds for it.
    """

    encoder: Callable[..., nn.Module]
    decoder: Callable[..., nn.Module]
    auxiliary: Callable[..., nn.Module] | None = None
    drops_channels: bool = True


_auxiliary = functools.partial(FCNDecoder, channels=256, convs=1, joins_input=False)

DESIGNS = {
    'fcn': Design(
        functools.partial(ResNet, RESNET_50_D16),
        functools.partial(FCNDecoder, dilation=6),
        functools.partial(_auxiliary, dilation=6),
    ),
    'pspnet': Design(
        functools.partial(ResNet, RESNET_18_D8),
        PSPDecoder,
        functools.partial(_auxiliary, channels=64),
    ),
    'deeplabv3plus': Design(
        functools.partial(ResNet, RESNET_50_D8), DeepLabDecoder, _auxiliary
    ),
    'danet': Design(functools.partial(ResNet, RESNET_50_D8), DADecoder, _auxiliary),
    'ocrnet': Design(HRNet, OCRDecoder, drops_channels=False),
}


class Segmenter(nn.Module):
    """A network of `DESIGNS`, with the methods of `CADNet`.

    Attributes:
        config: rates and format; its head is a name of `DESIGNS`.
        num_classes: with the background.
        design: its parts.
        axis_name: device axis over which BatchNorm takes its statistics.
    """

    config: ModelConfig
    num_classes: int
    design: Design
    axis_name: str | None = None

    def setup(self) -> None:
        config, design = self.config, self.design
        shared: dict[str, Any] = {
            'axis_name': self.axis_name,
            'dtype': jnp.dtype(config.dtype),
        }
        dropout = config.dropout if design.drops_channels else 0.0
        heads = {'num_classes': self.num_classes, 'dropout': dropout, **shared}
        self.encoder = design.encoder(**shared)
        self.decoder = design.decoder(**heads)
        self.auxiliary = design.auxiliary(**heads) if design.auxiliary else None

    @property
    def smallest_side(self) -> int:
        """Pixels of the smallest height and width that it takes."""
        return _SMALLEST_SIDE

    def __call__(
        self,
        image: jax.Array,
        reference: jax.Array,
        *,
        train: bool = False,
        distance_limits: jax.Array | None = None,
    ) -> Outputs:
        """Logits of normalized images `[B, H, W, 3]`; see `CADNet.__call__`."""
        del reference, distance_limits
        return self.compare(self.encode(image, train=train), (), train=train)

    def encode(self, image: jax.Array, *, train: bool = False) -> Features:
        """Features of normalized images `[B, H, W, 3]` after each stage."""
        features: Features = self.encoder(image, train=train)
        return features

    def compare(
        self,
        image: Features,
        reference: Features,
        *,
        train: bool = False,
        distance_limits: jax.Array | None = None,
    ) -> Outputs:
        """What `__call__` says of the images that were encoded."""
        del reference, distance_limits
        logits, *auxiliary = self.decoder(image, train=train)
        if self.auxiliary is not None and (train or self.is_initializing()):
            auxiliary += self.auxiliary(image[:_AUXILIARY_STAGE], train=train)
        return Outputs(logits, None, (), tuple(auxiliary))
