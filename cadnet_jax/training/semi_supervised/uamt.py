"""UAMT: a student follows its averaged teacher where the teacher is certain."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from cadnet_jax.training.semi_supervised.terms import (
    Forward,
    Labeled,
    Terms,
    consistency_weight,
    entropy,
    supervised,
)

_PERIOD = 80  # steps
_VIEWS = 8  # of the teacher, which measure its certainty


def uamt(
    forward: Forward,
    variables: Any,
    labeled: Labeled,
    unlabeled: jax.Array,
    key: jax.Array,
    step: Any,
    *,
    teacher: Any,
) -> tuple[jax.Array, tuple[Terms, Any]]:
    """Squared difference to the teacher where the entropy of eight views is low.

    A pixel counts if the entropy is below (0.75 + 2.5 w) ln 2, w the consistency
    weight. `teacher` has the averaged parameters and no gradient; its answers are those
    of training, with dropout. Arguments and result are otherwise those of `dct.dct`.
    """
    *student_keys, first_key, views_key = jax.random.split(key, 4)
    (known,), variables = forward(variables, labeled.images, student_keys[0])
    (logits,), variables = forward(variables, unlabeled, student_keys[1])
    teacher = jax.lax.stop_gradient(teacher)

    def taught(key: jax.Array) -> jax.Array:
        noise_key, dropout_key = jax.random.split(key)
        noise = 0.1 * jax.random.normal(noise_key, unlabeled.shape)
        (answer,), _ = forward(teacher, unlabeled + noise.clip(-0.2, 0.2), dropout_key)
        return jax.nn.softmax(answer)

    target = taught(first_key)
    views = jax.lax.map(taught, jax.random.split(views_key, _VIEWS))
    weight = consistency_weight(step, period=_PERIOD)
    certain = entropy(views.mean(axis=0)) < (0.75 + 2.5 * weight) * math.log(2)
    squares = (jax.nn.softmax(logits) - target) ** 2
    agreed = jnp.sum(jnp.where(certain[..., None], squares, 0))
    terms = {
        'supervised': supervised(known, labeled.masks),
        'consistency': weight * agreed / (2 * certain.sum() + 1e-16),
    }
    return terms['supervised'] + terms['consistency'], (terms, variables)
