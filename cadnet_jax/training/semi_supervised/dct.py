"""DCT: one network, whose answers turn with the image, by quarter turns."""

import functools
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

    Each step draws one number of quarter turns, from 0 to 3, for all images. The
    gradient goes through both. Crops must be square.

    Args:
        forward: of the network.
        variables: its parameters and statistics.
        labeled: images and masks.
        unlabeled: images `[B, H, W, C]`, C as in `Labeled`.
        key: of the turn, and of dropout.
        step: number of the update, for the weight of the consistency.

    Returns:
        The loss, its terms by name, and the variables with updated statistics.
    """
    *keys, turn_key = jax.random.split(key, 4)
    turns = jax.random.randint(turn_key, (), 0, 4)

    def turned(x: jax.Array) -> jax.Array:
        branches = [functools.partial(jnp.rot90, k=k, axes=(1, 2)) for k in range(4)]
        rotated: jax.Array = jax.lax.switch(turns, branches, x)
        return rotated

    (known,), variables = forward(variables, labeled.images, keys[0])
    (logits,), variables = forward(variables, unlabeled, keys[1])
    (seen,), variables = forward(variables, turned(unlabeled), keys[2])
    difference = jax.nn.softmax(seen) - turned(jax.nn.softmax(logits))
    terms = {
        'supervised': supervised(known, labeled.masks),
        'consistency': consistency_weight(step) * jnp.mean(difference**2),
    }
    return terms['supervised'] + terms['consistency'], (terms, variables)
