"""How large a network is, and how many multiply-adds a pair costs.

CADNet and SegFormer are counted from the layers' shapes: as the paper writes the
network, with the fusion convolution at stride 4, or as it is computed here, which is
less; see `decoder`. Other networks are counted from their programs.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import CADNet, build_model
from cadnet_jax.models.decoder import CHANNELS
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.models.mix_transformer import (
    MLP_RATIO,
    PATCHES,
    REDUCTIONS,
    STRIDES,
    VARIANTS,
)
from cadnet_jax.models.program_counts import ProgramCounts, count_program


class MultiplyAdds(NamedTuple):
    """Multiply-adds of one pair in 1e9, by what a count leaves out.

    Attributes:
        convolutions: convolutions and 1x1 products; of a network that is counted from
            its program also attention's projections, which look the same there.
        projections: attention's four projections; 0 where they are counted above.
        attention: its two matrix products.
    """

    convolutions: float
    projections: float
    attention: float


def count_parameters(variables: Mapping[str, Any]) -> int:
    """The number of learned parameters; BatchNorm's running statistics are none."""
    return sum(leaf.size for leaf in jax.tree.leaves(variables['params']))


def multiply_adds(
    config: ModelConfig,
    num_classes: int,
    height: int,
    width: int,
    *,
    as_computed: bool = False,
    cached_reference: bool = False,
) -> MultiplyAdds:
    """Counts one pair of `height` x `width` pixels (one image, if the head
    sees no reference).

    Args:
        config: of the network.
        num_classes: with the background.
        height: of the image, in pixels.
        width: of the image, in pixels.
        as_computed: the decoder's products at each stage's own resolution. Without
            effect on a network that is counted from its program.
        cached_reference: the reference is encoded already.
    """
    if HEADS[config.head].counted == 'program':
        model = build_model(config, num_classes)
        counts = _program(model, height, width, cached_reference)
        return MultiplyAdds(counts.convolutions / 1e9, 0.0, counts.attention / 1e9)
    encoder = _encoder(config.variant, height, width)
    both = HEADS[config.head].sees_reference and not cached_reference
    images = 2 if both else 1
    sums = [images * sum(values) for values in zip(*encoder, strict=True)]
    sums[0] += _decoder(config, num_classes, height, width, as_computed)
    return MultiplyAdds(*(value / 1e9 for value in sums))


def gmacs(config: ModelConfig, num_classes: int, height: int, width: int) -> float:
    """What the paper calls GFLOPs: 8.21 for a pair of 512 x 512 pixels.

    That is the count of mmcv's `get_model_complexity_info`: convolutions, with one for
    each bias that is added, two for each value of a LayerNorm, one for each of a ReLU
    and of a pooling's input. It does not see attention, nor BatchNorm across devices.

    Args:
        config: of the network.
        num_classes: with the background.
        height: of the image, in pixels.
        width: of the image, in pixels.
    """
    if HEADS[config.head].counted == 'program':
        counts = _program(build_model(config, num_classes), height, width, False)
        return (sum(counts) - counts.attention) / 1e9
    images = 2 if HEADS[config.head].sees_reference else 1
    elementwise = images * _encoder_elementwise(config.variant, height, width)
    elementwise += _decoder_elementwise(config, num_classes, height, width)
    products = multiply_adds(config, num_classes, height, width).convolutions
    return products + elementwise / 1e9


@functools.cache
def _program(
    model: CADNet, height: int, width: int, cached_reference: bool
) -> ProgramCounts:
    """Counts of one pair; tracing takes a few seconds."""
    variables = parameter_shapes(model)
    image = jax.ShapeDtypeStruct((1, height, width, 3), np.float32)
    if not cached_reference:
        return count_program(model.apply, variables, image, image)
    encode = functools.partial(model.apply, method='encode')

    def compare(variables: Any, image: Any, features: Any) -> Any:
        encoded = encode(variables, image)
        return model.apply(variables, encoded, features, method='compare')

    features = jax.eval_shape(encode, variables, image)
    return count_program(compare, variables, image, features)


def _stage_pixels(height: int, width: int) -> list[tuple[int, int]]:
    sizes = []
    for stride in STRIDES:
        height, width = math.ceil(height / stride), math.ceil(width / stride)
        sizes.append((height, width))
    return sizes


def _encoder(variant: str, height: int, width: int) -> list[tuple[int, int, int]]:
    """(convolutions, projections, attention) of one image for each stage."""
    channels, blocks = VARIANTS[variant]
    stages = []
    inputs = 3
    for stage, (h, w) in enumerate(_stage_pixels(height, width)):
        c, r, tokens = channels[stage], REDUCTIONS[stage], h * w
        reduced = (h // r) * (w // r)
        mlp = tokens * (2 * MLP_RATIO * c * c + 9 * MLP_RATIO * c)
        reduction = reduced * r * r * c * c if r > 1 else 0
        patches = tokens * PATCHES[stage] ** 2 * inputs * c
        stages.append(
            (
                patches + blocks[stage] * (mlp + reduction),
                blocks[stage] * 2 * (tokens + reduced) * c * c,
                blocks[stage] * 2 * tokens * reduced * c,
            )
        )
        inputs = c
    return stages


def _encoder_elementwise(variant: str, height: int, width: int) -> int:
    channels, blocks = VARIANTS[variant]
    total = 0
    for stage, (h, w) in enumerate(_stage_pixels(height, width)):
        c, r, tokens = channels[stage], REDUCTIONS[stage], h * w
        reduced = (h // r) * (w // r) if r > 1 else 0
        norms = 2 * tokens + blocks[stage] * (2 * tokens + reduced)
        biases = tokens + blocks[stage] * ((2 * MLP_RATIO + 1) * tokens + reduced)
        total += c * (2 * norms + biases)
    return total


def _decoder_elementwise(
    config: ModelConfig, num_classes: int, height: int, width: int
) -> int:
    head, sizes = HEADS[config.head], _stage_pixels(height, width)
    h, w = sizes[0]
    relus = CHANNELS * (h * w + sum(rows * columns for rows, columns in sizes))
    total = relus + h * w * head.outputs(num_classes)
    if head.attention:  # mean and maximum of each fused channel
        total += 2 * h * w * len(sizes) * CHANNELS
    if (
        head.attention == 'intra_class'
    ):  # means along rows and columns; biases of its gates
        total += 2 * h * w * CHANNELS + (h + w) * (CHANNELS // 4 + CHANNELS)
    return total


def _decoder(
    config: ModelConfig, num_classes: int, height: int, width: int, as_computed: bool
) -> int:
    head, sizes = HEADS[config.head], _stage_pixels(height, width)
    stages = VARIANTS[config.variant].channels
    h, w = sizes[0]
    fused = len(stages) * CHANNELS
    total = h * w * CHANNELS * head.outputs(num_classes)
    for (rows, columns), c in zip(sizes, stages, strict=True):
        total += rows * columns * c * CHANNELS
    if as_computed:
        total += sum(rows * columns for rows, columns in sizes) * CHANNELS**2
        if (
            head.attention == 'intra_class'
        ):  # coordinate attention's output, at stride 4
            total += h * w * CHANNELS**2
    else:
        total += h * w * fused * CHANNELS
    if head.attention:  # two pooled vectors through fused -> 1/16
        total += 2 * 2 * fused * (fused // 16)
    if head.attention == 'intra_class':  # h + w lines through 256 -> 64 -> 256
        total += 2 * (h + w) * CHANNELS * (CHANNELS // 4)
    return total
