"""DCT: one network, whose answers turn with the image (four quarter turns)."""

from typing import Any

import jax
import jax.numpy as jnp

from cadnet_jax.training.semi_supervised.terms import (
    Forward,
    Labeled,
    Terms,
    consistency_weight,
    supervised,
)


def dct(
    forward: Forward,
    variables: Any,
    labeled: Labeled,
    unlabeled: jax.Array,
    key: jax.Array,
    step: Any,
) -> tuple[jax.Array, tuple[Terms, Any]]:
    """Mean squared difference of softmax f(turned u) and turned softmax f(u).

    The gradient goes through both. Crops must be square.

    Args:
        forward: of the network.
        variables: its parameters and statistics.
        labeled: images and masks.
        unlabeled: images `[B, H, W, 3]`.
        key: of dropout.
        step: number of the update, for the weight of the consistency.

    Returns:
        The loss, its terms by name, and the variables with updated statistics.
    """
    keys = jax.random.split(key, 6)
    (known,), variables = forward(variables, labeled.images, keys[4])
    (logits,), variables = forward(variables, unlabeled, keys[5])
    plain = jax.nn.softmax(logits)
    terms = {'supervised': supervised(known, labeled.masks)}
    differences = []
    for turns in range(4):
        turned = jnp.rot90(unlabeled, turns, axes=(1, 2))
        (seen,), variables = forward(variables, turned, keys[turns])
        expected = jnp.rot90(plain, turns, axes=(1, 2))
        differences.append(jnp.mean((jax.nn.softmax(seen) - expected) ** 2))
    weight = consistency_weight(step)
    terms['consistency'] = weight * jnp.sum(jnp.stack(differences))
    return terms['supervised'] + terms['consistency'], (terms, variables)
