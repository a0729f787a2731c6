"""The losses: cross entropy and the balanced contrastive loss (eqs. 8 to 10, 15, 16).

Notation: `mask` int `[B, H, W]`, 0 background, 1..K-1 defects, 254 a defect of unknown
class, 255 ignored; `distance` and scores `[B, H, W]` at the mask's size. Terms are maps
`[B, H, W]`, 0 where ignored; `total_loss` turns each into its mean over the valid
pixels of all devices.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.nn import logsumexp

from cadnet_jax.data.labels import ANY_DEFECT, IGNORED
from cadnet_jax.models.cadnet import Outputs
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.kernels.operations import resize_bilinear
from cadnet_jax.training_config import LossConfig


def cross_entropy(
    logits: jax.Array, mask: jax.Array, *, defect_weight: float = 1.0
) -> jax.Array:
    """CEL (eq. 15) of each pixel: `[B, H, W, K]`, `[B, H, W]` -> `[B, H, W]`.

    Pixels of defects count `defect_weight` times (paper: 1). Of a defect of unknown
    class the probability of all classes of defects together counts.
    """
    valid = mask != IGNORED
    labels = jnp.where(valid, mask, 0)
    if logits.shape[-1] == 2:  # The class of every defect is known.
        terms = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    else:
        unknown = labels == ANY_DEFECT
        terms = optax.softmax_cross_entropy_with_integer_labels(
            logits, jnp.where(unknown, 0, labels)
        )
        defects = logsumexp(logits, axis=-1) - logsumexp(logits[..., 1:], axis=-1)
        terms = jnp.where(unknown, defects, terms)
    terms = jnp.where(labels > 0, defect_weight * terms, terms)
    return jnp.where(valid, terms, 0.0)


def contrastive(
    distance: jax.Array,
    mask: jax.Array,
    class_weights: jax.Array | None = None,
    *,
    tau_ok: float = 0.3,
    tau_ng: float = 2.2,
) -> jax.Array:
    """CL (eq. 8), or BCL (eq. 10) with class weights, of each pixel: `[B, H, W]`.

    Background costs max(0, distance - tau_ok): eq. 8 has no max there, the published
    code does. A defect of class p costs B_p max(0, tau_ng - distance).

    Args:
        distance: DistMap or change score, `[B, H, W]`.
        mask: `[B, H, W]`.
        class_weights: B_p for each class, `[K]`; the background's entry is that of a
            defect of unknown class.
        tau_ok: distance below which background costs nothing.
        tau_ng: distance above which a defect costs nothing.
    """
    unchanged = jnp.maximum(distance - tau_ok, 0)
    changed = jnp.maximum(tau_ng - distance, 0)
    if class_weights is not None:
        is_class = mask < len(class_weights)
        changed *= class_weights[jnp.where(is_class, mask, 0)]
    terms = jnp.where(mask == 0, unchanged, changed)
    return jnp.where(mask == IGNORED, 0.0, terms)


def balance_factors(class_pixels: jax.Array | Sequence[int]) -> jax.Array:
    """B_p of eq. 9: all defect pixels over those of class p, `[K]` -> `[K]`.

    The background's entry is 1, as of all defects together; a class without a pixel
    gets 0, never an infinity.
    """
    pixels = jnp.asarray(class_pixels, jnp.float32).at[0].set(0)
    factors = jnp.where(pixels > 0, jnp.sum(pixels) / jnp.maximum(pixels, 1), 0)
    return factors.at[0].set(1)


def count_labels(mask: jax.Array, num_classes: int) -> jax.Array:
    """Pixels of each class, float32 `[K]`; ignored ones count nowhere."""
    classes = jnp.arange(num_classes)
    return jnp.stack([jnp.sum(mask == c, dtype=jnp.float32) for c in classes])


def _class_weights(
    mask: jax.Array,
    config: LossConfig,
    class_pixels: jax.Array | Sequence[int],
    axis_name: str | None,
) -> jax.Array | None:
    if config.balance == 'none':
        return None
    if config.balance == 'train':
        return balance_factors(class_pixels)
    pixels = count_labels(mask, len(class_pixels))
    if axis_name is not None:
        pixels = lax.psum(pixels, axis_name)
    return balance_factors(pixels)


def total_loss(
    outputs: Outputs,
    mask: jax.Array,
    config: LossConfig,
    *,
    head: str,
    class_pixels: jax.Array | Sequence[int],
    axis_name: str | None = None,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The loss (eq. 16) and its weighted terms by name, each a scalar.

    Each term is a sum over this device's pixels, divided by the mean number of valid
    pixels over the devices of `axis_name`: its mean over devices is the mean over all
    valid pixels, and so is that of its gradient.

    Args:
        outputs: what the network said.
        mask: integers `[B, H, W]`.
        config: weights and thresholds.
        head: a name in `HEADS`, whose row says which losses it has: the cross entropy
            of the logits, the contrastive loss of the distances ('contrastive') and of
            the change score ('contrastive_score'); and the weights of its auxiliary
            heads, whose cross entropies add up to the term 'auxiliary'.
        class_pixels: pixels of each class in the training split, `[K]`.
        axis_name: the device axis, None on a single device.
    """
    mask = mask.astype(jnp.int32)
    size = mask.shape[1:3]
    logits = resize_bilinear(outputs.logits, size)
    losses = HEADS[head].losses
    terms = {}
    entropy = functools.partial(
        cross_entropy, mask=mask, defect_weight=config.defect_weight
    )
    if 'cross_entropy' in losses:
        terms['cross_entropy'] = config.ce_weight * entropy(logits)
    if shares := HEADS[head].auxiliary_weights:
        weighted = [
            share * entropy(resize_bilinear(of_head, size))
            for share, of_head in zip(shares, outputs.auxiliary, strict=True)
        ]
        terms['auxiliary'] = config.ce_weight * sum(weighted[1:], start=weighted[0])
    maps = {}
    if 'contrastive' in losses and config.contrastive_weight:
        assert outputs.distance is not None
        maps['contrastive'] = resize_bilinear(outputs.distance[..., None], size)
    if 'contrastive_score' in losses and config.contrastive_weight:
        maps['contrastive_score'] = logits
    if maps:
        weights = _class_weights(mask, config, class_pixels, axis_name)
        if 'cross_entropy' not in losses:  # It could count defects more.
            equal = jnp.ones(len(class_pixels))
            weights = config.defect_weight * (equal if weights is None else weights)
        for name, values in maps.items():
            ratio = config.score_ratio if name == 'contrastive_score' else 1.0
            terms[name] = (
                ratio
                * config.contrastive_weight
                * contrastive(
                    values[..., 0],
                    mask,
                    weights,
                    tau_ok=config.tau_ok,
                    tau_ng=config.tau_ng,
                )
            )
    valid = jnp.sum(mask != IGNORED, dtype=jnp.float32)
    if axis_name is not None:
        valid = lax.pmean(valid, axis_name)
    means = {
        name: jnp.sum(term) / jnp.maximum(valid, 1) for name, term in terms.items()
    }
    return jnp.sum(jnp.stack(list(means.values()))), means
