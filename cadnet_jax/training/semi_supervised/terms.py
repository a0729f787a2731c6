"""What the semi-supervised losses are made of: Dice, divergence, entropy, weights.

Logits and probabilities are `[B, H, W, K]`, masks integers `[B, H, W]` with 254 for a
defect of unknown class, and 255 where a pixel is ignored. Source: the published code of
UAPS (djene-mengistu/UAPS), which has all five methods.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cadnet_jax.data.labels import ANY_DEFECT, IGNORED
from cadnet_jax.training import losses

RAMP_STEPS = 30_000  # in which the weight of the consistency rises, of most methods

Terms = dict[str, jax.Array]
# Variables, images [B, H, W, C] and a key -> logits, an array for each decoder, and
# the variables with BatchNorm's running statistics updated.
Forward = Callable[[Any, jax.Array, jax.Array], tuple[list[jax.Array], Any]]


class Labeled(NamedTuple):
    """Normalized images float `[B, H, W, C]`, and their masks `[B, H, W]`.

    Runs have C = 6 for all heads: image and reference, see `networks.stacked`.
    """

    images: jax.Array
    masks: jax.Array


def supervised(logits: jax.Array, masks: jax.Array) -> jax.Array:
    """Half the sum of cross entropy and Dice loss, a scalar."""
    return (cross_entropy(logits, masks) + dice(logits, masks)) / 2


def cross_entropy(logits: jax.Array, masks: jax.Array) -> jax.Array:
    """Mean over the pixels that are not ignored; see `losses.cross_entropy`."""
    count = jnp.sum(masks != IGNORED)
    return jnp.sum(losses.cross_entropy(logits, masks)) / jnp.maximum(count, 1)


def dice(logits: jax.Array, masks: jax.Array) -> jax.Array:
    """1 - 2 sum(p t) / sum(p + t), sums over the batch, mean over all classes.

    It needs classes, so a defect of unknown class is left out.
    """
    known = (masks != IGNORED) & (masks != ANY_DEFECT)
    p = jnp.where(known[..., None], jax.nn.softmax(logits), 0)
    t = jax.nn.one_hot(masks, logits.shape[-1])  # all zeros where no class is known
    axes = (0, 1, 2)
    return 1 - jnp.mean(2 * jnp.sum(p * t, axes) / (jnp.sum(p + t, axes) + 1e-7))


def divergence(logits: jax.Array, mean: jax.Array) -> jax.Array:
    """KL(mean || softmax(logits)) of each pixel, `[B, H, W]`; `mean` sums to 1."""
    terms = mean * (jnp.log(jnp.maximum(mean, 1e-12)) - jax.nn.log_softmax(logits))
    return jnp.sum(terms, axis=-1)


def entropy(probabilities: jax.Array) -> jax.Array:
    """Of each pixel, in nats, `[B, H, W]`."""
    return -jnp.sum(probabilities * jnp.log(probabilities + 1e-6), axis=-1)


def pseudo_labels(probabilities: jax.Array, masks: jax.Array) -> jax.Array:
    """The most probable class of each pixel, without a gradient.

    255 where the `masks` of the same images are: padding, or a pixel to ignore.
    """
    labels = jax.lax.stop_gradient(jnp.argmax(probabilities, axis=-1))
    return jnp.where(masks == IGNORED, IGNORED, labels)


def consistency_weight(step: Any, *, period: int = 150) -> jax.Array:
    """w = 0.1 exp(-5 (1 - t / 200)^2), t = step // period, at most 200."""
    t = jnp.minimum(jnp.asarray(step) // period, 200) / 200
    return 0.1 * jnp.exp(-5 * (1 - t) ** 2)
