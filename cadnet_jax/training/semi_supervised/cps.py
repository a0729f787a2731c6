"""CPS: two networks of different initial weights learn each other's labels."""

from typing import Any

import jax

from cadnet_jax.training.semi_supervised.terms import (
    Forward,
    Labeled,
    Terms,
    consistency_weight,
    pseudo_labels,
    supervised,
)


def cps(
    forward: Forward,
    variables: tuple[Any, Any],
    labeled: Labeled,
    unlabeled: jax.Array,
    key: jax.Array,
    step: Any,
    *,
    masks: jax.Array,
) -> tuple[jax.Array, tuple[Terms, tuple[Any, Any]]]:
    """Each network's labels of all images, labeled ones too, teach the other one.

    Pixels that are ignored get no label. `variables` are those of both networks.
    Arguments and result are otherwise those of `dct.dct`.

    Args:
        masks: of the unlabeled images, integers `[B, H, W]`: 255 for padding.
    """
    known, new, updated = [], [], []
    for own, own_key in zip(variables, jax.random.split(key), strict=True):
        keys = jax.random.split(own_key)
        (logits,), changed = forward(own, labeled.images, keys[0])
        known.append(logits)
        (logits,), changed = forward(changed, unlabeled, keys[1])
        new.append(logits)
        updated.append(changed)
    crossed = sum(
        supervised(logits[k], pseudo_labels(logits[1 - k], given))
        for logits, given in ((known, labeled.masks), (new, masks))
        for k in range(2)
    )
    terms: Terms = {
        'supervised': supervised(known[0], labeled.masks)
        + supervised(known[1], labeled.masks),
        'consistency': consistency_weight(step) * crossed,
    }
    loss = terms['supervised'] + terms['consistency']
    return loss, (terms, (updated[0], updated[1]))
