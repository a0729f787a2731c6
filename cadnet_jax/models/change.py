"""Change between two feature pyramids: DistMap and the attentions that use it.

Notation: `f_i` the features of stage i; `d` the distance; arrays `[B, H, W, C]`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.models.kernels.operations import gate, mean, resized_square
from cadnet_jax.models.layers import BatchNorm, Dense

# Added to each difference before it is squared, as in the published code (PyTorch's
# pairwise_distance), so that the gradient at zero difference is finite.
DISTANCE_EPSILON = 1e-6


def distance_map(differences: Sequence[jax.Array]) -> jax.Array:
    """DistMap (eq. 7): the L2 norm over the channels of all stages.

    Args:
        differences: image minus reference, `[B, H_i, W_i, C_i]` for each stage.

    Returns:
        float32 `[B, H_1, W_1, 1]`, never below sqrt(sum C_i) * 1e-6. Resizing is
        linear, so that the resized difference is the difference of the resized.
    """
    size = differences[0].shape[1:3]
    squares = [
        resized_square(difference.astype(jnp.float32), size, DISTANCE_EPSILON)
        for difference in differences
    ]
    return jnp.sqrt(sum(squares[1:], start=squares[0]))


def min_max_normalize(
    distance: jax.Array, limits: jax.Array | None = None
) -> jax.Array:
    """Norm of eq. 14: `[B, H, W, 1]` to 0..1 over each sample's own map.

    The published code takes the limits over the batch, so that a prediction depends on
    its neighbors; this does not.

    Args:
        distance: `[B, H, W, 1]`.
        limits: `[B, 2]`, smallest and largest distance, where `distance` is a part
            (tile) of a larger map.
    """
    if limits is None:
        low = jnp.min(distance, axis=(1, 2, 3), keepdims=True)
        high = jnp.max(distance, axis=(1, 2, 3), keepdims=True)
    else:
        low = limits[:, 0].reshape(-1, 1, 1, 1)
        high = limits[:, 1].reshape(-1, 1, 1, 1)
    return (distance - low) / jnp.maximum(high - low, 1e-12)


class ChannelAttention(nn.Module):
    """CA of CBAM: one factor for each sample and channel, in 0..1.

    A shared two-layer perceptron without biases on the average- and the max-pooled
    input, summed, sigmoid. `[B, C]`, `[B, C]` -> `[B, C]`.
    """

    reduction: int = 16
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, average: jax.Array, maximum: jax.Array) -> jax.Array:
        channels = average.shape[-1]
        squeeze = Dense(
            channels // self.reduction, use_bias=False, dtype=self.dtype, name='squeeze'
        )
        excite = Dense(channels, use_bias=False, dtype=self.dtype, name='excite')
        pooled = jnp.stack([average, maximum])
        return nn.sigmoid(jnp.sum(excite(nn.relu(squeeze(pooled))), axis=0))


class CoordinateAttention(nn.Module):
    """CoordAttention: gates along each axis. `[B, H, W, C]` -> `[B, H, W, C]`.

    Row and column means go through one reduction (1x1 convolution, BatchNorm, h-swish)
    together, then through one 1x1 convolution and a sigmoid each.
    """

    reduction: int = 4
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        height, channels = x.shape[1], x.shape[-1]
        lines = jnp.concatenate([mean(x, 2), mean(x, 1)], axis=1)
        lines = Dense(channels // self.reduction, dtype=self.dtype, name='reduce')(
            lines
        )
        lines = BatchNorm(self.axis_name, dtype=self.dtype, name='norm')(
            lines, train=train
        )
        lines = nn.hard_swish(lines)
        rows = Dense(channels, dtype=self.dtype, name='gate_height')(lines[:, :height])
        columns = Dense(channels, dtype=self.dtype, name='gate_width')(
            lines[:, height:]
        )
        return gate(x, nn.sigmoid(rows), nn.sigmoid(columns))
