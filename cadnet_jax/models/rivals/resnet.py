"""ResNet-18 and -50 V1c: a stem of three convolutions, dilated stages.

He et al., Deep Residual Learning for Image Recognition, 2016; variant "c" of He et al.,
Bag of Tricks, 2019; dilations as mmsegmentation's `ResNetV1c` has them.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.initializers import ONES, ZEROS
from cadnet_jax.models.rivals.layers import ConvNorm, max_pool

_EXPANSION = 4  # of a bottleneck's channels


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a residual; `[B, H, W, C]` -> `[..., width]`.

    Attributes:
        width: channels.
        stride: of the first convolution.
        dilation: of the first convolution.
        starts_as_identity: the last norm's scale begins at 0.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    width: int
    stride: int = 1
    dilation: int = 1
    starts_as_identity: bool = False
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        conv = functools.partial(ConvNorm, axis_name=self.axis_name, dtype=self.dtype)
        y = conv(self.width, stride=self.stride, dilation=self.dilation, name='conv_1')(
            x, train=train
        )
        scale = ZEROS if self.starts_as_identity else ONES
        y = conv(self.width, relu=False, scale_init=scale, name='conv_2')(
            y, train=train
        )
        if self.stride > 1 or x.shape[-1] != self.width:
            x = conv(self.width, 1, self.stride, relu=False, name='projection')(
                x, train=train
            )
        return nn.relu(x + y)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a residual; -> `[..., 4 width]`.

    Stride and dilation are those of the 3x3. See `BasicBlock` for the attributes.
    """

    width: int
    stride: int = 1
    dilation: int = 1
    starts_as_identity: bool = False
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        conv = functools.partial(ConvNorm, axis_name=self.axis_name, dtype=self.dtype)
        y = conv(self.width, 1, name='conv_1')(x, train=train)
        y = conv(self.width, stride=self.stride, dilation=self.dilation, name='conv_2')(
            y, train=train
        )
        channels = _EXPANSION * self.width
        scale = ZEROS if self.starts_as_identity else ONES
        y = conv(channels, 1, relu=False, scale_init=scale, name='conv_3')(
            y, train=train
        )
        if self.stride > 1 or x.shape[-1] != channels:
            x = conv(channels, 1, self.stride, relu=False, name='projection')(
                x, train=train
            )
        return nn.relu(x + y)


class Variant(NamedTuple):
    """What tells the ResNets apart; one entry a stage.

    Attributes:
        block: `BasicBlock` or `Bottleneck`.
        blocks: how many.
        strides: of a stage's first block.
        dilations: of a stage; its first block has half of it.
        widths: see the blocks.
    """

    block: type[BasicBlock] | type[Bottleneck]
    blocks: tuple[int, ...]
    strides: tuple[int, ...] = (1, 2, 1, 1)
    dilations: tuple[int, ...] = (1, 1, 2, 4)
    widths: tuple[int, ...] = (64, 128, 256, 512)


RESNET_18_D8 = Variant(BasicBlock, (2, 2, 2, 2))
RESNET_50_D8 = Variant(Bottleneck, (3, 4, 6, 3))
RESNET_50_D16 = RESNET_50_D8._replace(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))


class ResNet(nn.Module):
    """`[B, H, W, 3]` -> the four stages' feature maps; the first has stride 4.

    Attributes:
        variant: which ResNet.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    variant: Variant
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> tuple[jax.Array, ...]:
        shared: dict[str, Any] = {'axis_name': self.axis_name, 'dtype': self.dtype}
        half = self.variant.widths[0] // 2
        x = ConvNorm(half, stride=2, name='stem_1', **shared)(x, train=train)
        x = ConvNorm(half, name='stem_2', **shared)(x, train=train)
        x = ConvNorm(2 * half, name='stem_3', **shared)(x, train=train)
        x = max_pool(x)
        features = []
        for stage, (blocks, stride, dilation, width) in enumerate(
            zip(*self.variant[1:], strict=True), start=1
        ):
            for block in range(1, blocks + 1):
                first = block == 1
                x = self.variant.block(
                    width,
                    stride if first else 1,
                    max(dilation // 2, 1) if first else dilation,
                    starts_as_identity=True,
                    name=f'stage_{stage}_block_{block}',
                    **shared,
                )(x, train=train)
            features.append(x)
        return tuple(features)
