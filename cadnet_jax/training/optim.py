"""Learning rate, weight decay and the optimizer: SegFormer's recipe, AdamW or Muon.

Muon: Jordan et al., https://kellerjordan.github.io/posts/muon; the size of its updates:
Liu et al., Muon is Scalable for LLM Training, 2025.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cadnet_jax.models.cadnet import outside_encoder
from cadnet_jax.training_config import OptimConfig, check_schedule

_MUON_RMS = 0.2  # of an update: that of AdamW (Liu et al.)
_WARMUP_START = 1e-6  # of the peak rate (SegFormer's `warmup_ratio`)


def learning_rate_schedule(config: OptimConfig, steps: int) -> optax.Schedule:
    """The encoder's learning rate as a function of the steps done.

    It rises linearly from 1e-6 of its peak over `warmup_steps`, then falls to 0 at
    `steps`, linearly or along a half cosine; a constant one stays at its peak, and
    falls linearly over the last `cooldown_steps`.

    Raises:
        ValueError: there is no step, the warm-up does not end before `steps`, or the
            cool-down does not fit.
    """
    check_schedule(config, steps)
    peak, decay_steps = config.learning_rate, steps - config.warmup_steps
    if config.schedule == 'cosine':
        decay = optax.cosine_decay_schedule(peak, decay_steps)
    elif config.schedule == 'constant':
        decay = _constant_schedule(peak, decay_steps, config.cooldown_steps)
    else:
        decay = optax.linear_schedule(peak, 0.0, decay_steps)
    if config.warmup_steps == 0:
        return decay
    warmup = optax.linear_schedule(_WARMUP_START * peak, peak, config.warmup_steps)
    return optax.join_schedules([warmup, decay], [config.warmup_steps])


def _constant_schedule(peak: float, steps: int, cooldown_steps: int) -> optax.Schedule:
    """`peak`, then linear decay to 0 over the last `cooldown_steps` of `steps`.

    The rate depends on the step for any settings: a constant that the compiler sees
    might be multiplied in another order, and a branch would differ in the last bit.
    """

    def rate(step: Any) -> jax.Array:
        remaining = (steps - step) / max(cooldown_steps, 1)
        return peak * jnp.clip(remaining, 0.0, 1.0)

    return rate


def make_optimizer(
    config: OptimConfig, steps: int, params: Any
) -> optax.GradientTransformation:
    """AdamW or Muon for `params`, those of a `CADNet`.

    The encoder learns at the schedule's rate, all else at `decoder_rate_factor` times
    it. Weights decay; biases and the scales of norms (fewer than two axes) do not.

    Raises:
        ValueError: see `learning_rate_schedule`.
    """
    decayed = jax.tree.map(lambda leaf: np.ndim(leaf) >= 2, params)
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm > 0 else []
    return optax.chain(
        *clip,
        _direction(config, params),
        optax.add_decayed_weights(config.weight_decay, mask=decayed),
        optax.scale_by_learning_rate(learning_rate_schedule(config, steps)),
        optax.masked(optax.scale(config.decoder_rate_factor), outside_encoder(params)),
    )


def _direction(config: OptimConfig, params: Any) -> optax.GradientTransformation:
    """Gradients to updates, ahead of decay and rate."""
    if config.optimizer == 'adamw':
        return optax.scale_by_adam()
    matrices = optax.chain(
        optax.contrib.muon(
            1.0,
            consistent_rms=_MUON_RMS,
            muon_weight_dimension_numbers=lambda tree: jax.tree.map(_matrix_axes, tree),
        ),
        optax.scale(-1.0),  # Muon's updates point downhill
    )
    labels = jax.tree.map(
        lambda leaf: 'others' if _matrix_axes(leaf) is None else 'matrices', params
    )
    return optax.partition(
        {'matrices': matrices, 'others': optax.scale_by_adam()}, labels
    )


def _matrix_axes(leaf: Any) -> optax.contrib.MuonDimensionNumbers | None:
    """Axes of inputs and outputs; None: no matrix, such as a depthwise kernel."""
    shape = np.shape(leaf)
    if len(shape) < 2 or (len(shape) == 4 and shape[2] == 1):
        return None
    return optax.contrib.MuonDimensionNumbers(tuple(range(len(shape) - 1)), -1)
