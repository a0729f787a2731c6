"""Every network of the table of heads with few channels, so that it compiles fast."""

import functools
from collections.abc import Callable

import pytest

from cadnet_jax.models.heads import HEADS, Head
from cadnet_jax.models.mix_transformer import VARIANTS, Variant
from cadnet_jax.models.rivals import hrnet, resnet
from cadnet_jax.models.rivals.danet import DADecoder
from cadnet_jax.models.rivals.deeplab import DeepLabDecoder
from cadnet_jax.models.rivals.fcn import FCNDecoder
from cadnet_jax.models.rivals.hrnet import HRNet
from cadnet_jax.models.rivals.ocrnet import OCRDecoder
from cadnet_jax.models.rivals.pspnet import PSPDecoder
from cadnet_jax.models.rivals.resnet import ResNet
from cadnet_jax.models.rivals.segmenter import DESIGNS, Design
from cadnet_jax.models.rivals.unet import LEVELS, UNet

TINY = Variant((8, 16, 20, 32), (1, 1, 1, 1))  # the Mix Transformer 'tiny'

_partial = functools.partial


def _resnet(variant: resnet.Variant) -> Callable[..., ResNet]:
    """A ResNet of few channels with the strides and dilations of `variant`."""
    small = variant._replace(blocks=(1, 1, 1, 1), widths=(4, 4, 6, 8))
    return functools.partial(ResNet, small)


_auxiliary = _partial(FCNDecoder, channels=4, convs=1, joins_input=False)

TINY_DESIGNS = {
    'fcn': Design(
        _resnet(resnet.RESNET_50_D16),
        _partial(FCNDecoder, channels=8, dilation=6),
        _partial(_auxiliary, dilation=6),
    ),
    'pspnet': Design(
        _resnet(resnet.RESNET_18_D8),
        _partial(PSPDecoder, channels=8),
        _auxiliary,
    ),
    'deeplabv3plus': Design(
        _resnet(resnet.RESNET_50_D8),
        _partial(DeepLabDecoder, channels=8, detail_channels=4),
        _auxiliary,
    ),
    'danet': Design(
        _resnet(resnet.RESNET_50_D8),
        _partial(DADecoder, channels=16),
        _auxiliary,
    ),
    'ocrnet': Design(
        _partial(HRNet, hrnet.Variant((4, 6, 8, 10), (1, 1, 1), blocks=1, stem=8)),
        _partial(OCRDecoder, channels=8, key_channels=4),
        drops_channels=False,
    ),
}


def _unets(*channels: int) -> dict[str, Head]:
    """The heads unet and fc_siam_diff with some channels, on as many levels."""
    levels = tuple(
        (width, rate) for width, (_, rate) in zip(channels, LEVELS, strict=False)
    )
    return {
        head: HEADS[head]._replace(build=_partial(UNet, levels=levels))
        for head in ('unet', 'fc_siam_diff')
    }


TINY_UNETS = _unets(4, 4, 6, 6, 8)
SHALLOW_UNETS = _unets(4, 6)


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Adds the variant 'tiny', and makes the rivals tiny."""
    patch.setitem(VARIANTS, 'tiny', TINY)
    for head, design in TINY_DESIGNS.items():
        patch.setitem(DESIGNS, head, design)
