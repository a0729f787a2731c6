"""Our own method: an averaged teacher labels pairs, and no pair is no defect.

The student sees a strong view: the two images of a pair are lit and disturbed each by
itself, which is no defect. It learns the teacher's labels of the weak view where the
teacher is sure (FixMatch: Sohn et al., 2020; mean teacher: Tarvainen and Valpola,
2017), the changes that were painted, and that a reference beside another view of itself
has no defect.
"""

from typing import Any

import jax
import jax.numpy as jnp

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.training.semi_supervised.terms import (
    Forward,
    Labeled,
    Terms,
    cross_entropy,
    supervised,
)

_SURE = 0.95  # probability from which a label of the teacher counts
_GAIN, _OFFSET, _NOISE = 0.2, 0.3, 0.1  # of normalized values


def pairs(
    forward: Forward,
    variables: Any,
    labeled: Labeled,
    unlabeled: jax.Array,
    key: jax.Array,
    step: Any,
    *,
    teacher: Any,
    painted: jax.Array,
) -> tuple[jax.Array, tuple[Terms, Any]]:
    """Cross entropy with the labels of a teacher, and with those of equal images.

    Arguments and result are otherwise those of `dct.dct`, with pairs for images: image
    and reference one after the other along the channels, `[B, H, W, 6]`.

    Args:
        teacher: averaged parameters, and statistics; it gets no gradient.
        painted: integers `[B, H, W]`: the class of a painted change, or 254 if it is
            unknown; 0 where none was painted, 255 where a pixel is ignored.
    """
    del step
    *keys, weak_key, view_key, free_key = jax.random.split(key, 6)
    (known,), variables = forward(variables, labeled.images, keys[0])
    (taught,), _ = forward(jax.lax.stop_gradient(teacher), unlabeled, weak_key)
    targets = teacher_labels(taught, painted)
    (seen,), variables = forward(variables, strong_view(unlabeled, view_key), keys[1])
    reference = jnp.split(unlabeled, 2, axis=-1)[1]
    equal = strong_view(jnp.concatenate([reference, reference], axis=-1), free_key)
    (free,), variables = forward(variables, equal, keys[2])
    terms = {
        'supervised': supervised(known, labeled.masks),
        'pseudo_labels': cross_entropy(seen, targets),
        'unchanged': cross_entropy(free, jnp.zeros_like(targets)),
    }
    return sum(terms.values(), jnp.zeros(())), (terms, variables)


def teacher_labels(logits: jax.Array, painted: jax.Array) -> jax.Array:
    """Labels `[B, H, W]`: what was painted, or else the sure ones; 255 elsewhere."""
    probabilities = jax.lax.stop_gradient(jax.nn.softmax(logits))
    sure = probabilities.max(axis=-1) > _SURE
    labels = jnp.where(sure, probabilities.argmax(axis=-1), IGNORED)
    return jnp.where(painted == 0, labels, painted)


def strong_view(images: jax.Array, key: jax.Array) -> jax.Array:
    """Pairs `[B, H, W, 6]` with gain, offset and noise of their own in each image."""
    batch = images.shape[0]
    keys = jax.random.split(key, 3)

    def drawn(key: jax.Array, limit: float) -> jax.Array:
        values = jax.random.uniform(key, (batch, 1, 1, 2), minval=-limit, maxval=limit)
        return jnp.repeat(values, images.shape[-1] // 2, axis=-1)

    noise = _NOISE * jax.random.normal(keys[2], images.shape)
    return images * (1 + drawn(keys[0], _GAIN)) + drawn(keys[1], _OFFSET) + noise
