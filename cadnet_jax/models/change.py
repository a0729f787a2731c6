"""Change between two feature pyramids: DistMap and the attentions that use it.

Notation: `f_i` the features of stage i; `d` the distance; arrays `[B, H, W, C]`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jax.typing import DTypeLike

from cadnet_jax.models.initializers import ONES, ZEROS
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


class MinMaxNorm(nn.Module):
    """Norm of eq. 14: distances `[B, H, W, 1]` to 0..1 between their limits.

    Attributes:
        limits: 'sample', those of each map; 'batch', in training those of all maps of
            the batch, as in the published code, whose predictions depend on their
            neighbors; these do not; 'running', the same in training, and in prediction
            the mean of the last batches' limits, whatever the map.
        axis_name: device axis over which a batch reaches.
        momentum: of the running limits.
    """

    limits: str = 'sample'
    axis_name: str | None = None
    momentum: float = BatchNorm.momentum

    @nn.compact
    def __call__(
        self, distance: jax.Array, given: jax.Array | None = None, *, train: bool
    ) -> jax.Array:
        """Normalizes `distance`; `given`, `[B, 2]`, are limits from elsewhere.

        They are those of the larger map that each distance is a part (tile) of.
        """
        low, high = self._limits(distance, train=train)
        if given is not None and self.limits != 'running':
            low, high = (x.reshape(-1, 1, 1, 1) for x in jnp.split(given, 2, axis=1))
        normalized = (distance - low) / jnp.maximum(high - low, 1e-12)
        return jnp.clip(normalized, 0, 1) if self.limits == 'running' else normalized

    def _limits(self, x: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        """Smallest and largest distance, `[B or 1, 1, 1, 1]`."""
        running: tuple[nn.Variable[jax.Array], ...] = ()
        if self.limits == 'running':
            running = tuple(
                self.variable('batch_stats', name, initial, None, (1,))
                for name, initial in (('low', ZEROS), ('high', ONES))
            )
            if not train:
                low, high = (limit.value for limit in running)
                return low.reshape(1, 1, 1, 1), high.reshape(1, 1, 1, 1)
        axes = (1, 2, 3) if self.limits == 'sample' or not train else None
        low = jnp.min(x, axis=axes, keepdims=True)
        high = jnp.max(x, axis=axes, keepdims=True)
        if self.is_initializing() or axes is not None:
            return low, high
        if self.axis_name is not None:
            low = lax.pmin(low, self.axis_name)
            high = lax.pmax(high, self.axis_name)
        for limit, new in zip(running, (low, high), strict=False):
            limit.value += (1 - self.momentum) * (new.reshape(1) - limit.value)
        return low, high


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
