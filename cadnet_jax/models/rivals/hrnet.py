"""HRNet: branches of several resolutions side by side, which exchange features.

Wang et al., Deep High-Resolution Representation Learning for Visual Recognition, 2020;
the sizes of W18 as mmsegmentation's `hrnetv2_w18` has them.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.kernels.operations import resize_bilinear
from cadnet_jax.models.rivals.layers import ConvNorm
from cadnet_jax.models.rivals.resnet import BasicBlock, Bottleneck

Maps = list[jax.Array]


class Variant(NamedTuple):
    """How large an HRNet is.

    Attributes:
        channels: of each branch; stage s has the first s.
        modules: of stages 2, 3 and 4.
        blocks: of each branch of a module, and of stage 1.
        stem: channels of the stem, and the width of stage 1.
    """

    channels: tuple[int, ...] = (18, 36, 72, 144)
    modules: tuple[int, ...] = (1, 4, 3)
    blocks: int = 4
    stem: int = 64


HRNET_W18 = Variant()


class Exchange(nn.Module):
    """Blocks on each branch, then each branch becomes the sum over all of them.

    Attributes:
        blocks: residual blocks of a branch.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    blocks: int
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, maps: Maps, *, train: bool) -> Maps:
        shared: dict[str, Any] = {'axis_name': self.axis_name, 'dtype': self.dtype}
        branches = []
        for branch, x in enumerate(maps, start=1):
            for block in range(1, self.blocks + 1):
                name = f'branch_{branch}_block_{block}'
                x = BasicBlock(x.shape[-1], name=name, **shared)(x, train=train)
            branches.append(x)
        fused = []
        for target in range(len(branches)):
            terms = [
                self._to_branch(branches, source, target, train)
                for source in range(len(branches))
            ]
            fused.append(nn.relu(sum(terms[1:], start=terms[0])))
        return fused

    def _to_branch(
        self, maps: Sequence[jax.Array], source: int, target: int, train: bool
    ) -> jax.Array:
        """One branch at the resolution and with the channels of another."""
        conv = functools.partial(ConvNorm, axis_name=self.axis_name, dtype=self.dtype)
        x, channels = maps[source], maps[target].shape[-1]
        name = f'fuse_{target + 1}_{source + 1}'
        if source > target:
            x = conv(channels, 1, relu=False, name=name)(x, train=train)
            return resize_bilinear(x, maps[target].shape[1:3])
        for step in range(1, target - source + 1):
            last = step == target - source
            x = conv(
                channels if last else x.shape[-1],
                stride=2,
                relu=not last,
                name=f'{name}_{step}',
            )(x, train=train)
        return x


class HRNet(nn.Module):
    """`[B, H, W, 3]` -> feature maps of strides 4, 8, 16 and 32.

    Attributes:
        variant: its sizes.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    variant: Variant = HRNET_W18
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> tuple[jax.Array, ...]:
        shared: dict[str, Any] = {'axis_name': self.axis_name, 'dtype': self.dtype}
        variant = self.variant
        for number in (1, 2):
            name = f'conv_{number}'
            x = ConvNorm(variant.stem, stride=2, name=name, **shared)(x, train=train)
        for block in range(1, variant.blocks + 1):
            name = f'stage_1_block_{block}'
            x = Bottleneck(variant.stem, name=name, **shared)(x, train=train)
        maps = [x]
        for stage, modules in enumerate(variant.modules, start=2):
            maps = self._transition(maps, stage, train)
            for module in range(1, modules + 1):
                name = f'stage_{stage}_module_{module}'
                maps = Exchange(variant.blocks, name=name, **shared)(maps, train=train)
        return tuple(maps)

    def _transition(self, maps: Maps, stage: int, train: bool) -> Maps:
        """The branches of a stage: those before it, and one of half the resolution."""
        conv = functools.partial(ConvNorm, axis_name=self.axis_name, dtype=self.dtype)
        name = f'transition_{stage - 1}'
        *kept, added = self.variant.channels[:stage]
        branches = [
            x
            if x.shape[-1] == channels
            else conv(channels, name=f'{name}_{branch}')(x, train=train)
            for branch, (x, channels) in enumerate(zip(maps, kept, strict=True), 1)
        ]
        new = conv(added, stride=2, name=f'{name}_{stage}_1')(maps[-1], train=train)
        return [*branches, new]
