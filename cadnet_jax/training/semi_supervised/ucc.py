"""UCC: two decoders on one encoder; each learns the other's labels of a weak view."""

from typing import Any

import jax
import jax.numpy as jnp

from cadnet_jax.training.semi_supervised.terms import (
    Forward,
    Labeled,
    Terms,
    consistency_weight,
    divergence,
    pseudo_labels,
    supervised,
)


def ucc(
    forward: Forward,
    variables: Any,
    labeled: Labeled,
    unlabeled: jax.Array,
    key: jax.Array,
    step: Any,
    *,
    strong: jax.Array,
    masks: jax.Array,
    mixed_labeled: float = 0.2,
    mixed_unlabeled: float = 0.3,
) -> tuple[jax.Array, tuple[Terms, Any]]:
    """A decoder's answer to the strong view learns the other's labels of the weak one.

    What it learns is multiplied by the mean of exp(-KL), KL the divergence of the two
    decoders on different views, which is itself made small. Arguments and result are
    otherwise those of `dct.dct`; `forward` gives two arrays of logits.

    Args:
        unlabeled: the weak view.
        strong: the strong view of the same pixels.
        masks: of the unlabeled images, integers `[B, H, W]`: 255 for padding, which
            gets no label.
        mixed_labeled: share of labeled images with a part of another one.
        mixed_unlabeled: share of unlabeled images with a part of a labeled one.
    """
    *keys, labeled_key, unlabeled_key = jax.random.split(key, 5)
    labeled = mix_labeled(labeled, labeled_key, mixed_labeled)
    weak, strong = mix_into(
        [unlabeled, strong], labeled.images, unlabeled_key, mixed_unlabeled
    )
    (mixed,) = mix_into(
        [masks[..., None]], labeled.masks[..., None], unlabeled_key, mixed_unlabeled
    )
    masks = mixed[..., 0]
    known, variables = forward(variables, labeled.images, keys[0])
    (weak_1, weak_2), variables = forward(variables, weak, keys[1])
    (strong_1, strong_2), variables = forward(variables, strong, keys[2])
    apart_1 = divergence(weak_1, jax.nn.softmax(strong_2))
    apart_2 = divergence(strong_1, jax.nn.softmax(weak_2))
    learned_1 = supervised(strong_1, pseudo_labels(weak_2, masks))
    learned_2 = supervised(strong_2, pseudo_labels(weak_1, masks))
    weight = consistency_weight(step)
    terms = {
        'supervised': supervised(known[0], labeled.masks)
        + supervised(known[1], labeled.masks),
        'pseudo_labels': weight
        * (learned_1 * jnp.exp(-apart_1).mean() + learned_2 * jnp.exp(-apart_2).mean()),
        'agreement': weight * (apart_1.mean() + apart_2.mean()),
    }
    return sum(terms.values(), jnp.zeros(())), (terms, variables)


def mix_labeled(labeled: Labeled, key: jax.Array, share: float) -> Labeled:
    """A share of the images gets a rectangle of the next one, labels too (CutMix)."""
    kept = _kept(key, labeled.masks.shape, share)
    images, masks = (jnp.roll(x, -1, axis=0) for x in labeled)
    return Labeled(
        jnp.where(kept[..., None], labeled.images, images),
        jnp.where(kept, labeled.masks, masks),
    )


def mix_into(
    views: list[jax.Array], labeled: jax.Array, key: jax.Array, share: float
) -> list[jax.Array]:
    """A share of the images gets a part of a labeled one, the same in all views.

    With the same key the same part, whatever the channels.
    """
    kept = _kept(key, views[0].shape[:3], share)[..., None]
    count = len(views[0])
    filling = labeled[jnp.arange(count) % len(labeled)]
    return [jnp.where(kept, view, filling) for view in views]


def _kept(key: jax.Array, shape: tuple[int, ...], share: float) -> jax.Array:
    """Which pixels stay, bool `[B, H, W]`: half the area goes, a rectangle, or none."""
    count, height, width = shape
    keys = jax.random.split(key, 4)
    # A width from half of the image on, so that the height fits in.
    widths = jax.random.randint(keys[0], (count,), width // 2 + 1, width)
    heights = jnp.round(height * width / 2 / widths).astype(int)
    left = jnp.floor(jax.random.uniform(keys[1], (count,)) * (width - widths + 1))
    top = jnp.floor(jax.random.uniform(keys[2], (count,)) * (height - heights + 1))
    mixed = jax.random.uniform(keys[3], (count,)) < share
    y, x = jnp.arange(height)[None, :, None], jnp.arange(width)[None, None]
    left, top, widths, heights, mixed = (
        values[:, None, None] for values in (left, top, widths, heights, mixed)
    )
    inside = (x >= left) & (x < left + widths) & (y >= top) & (y < top + heights)
    return ~(inside & mixed)
