"""UAPS: four decoders on one encoder, whose mean labels what is not labeled."""

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

_PERIOD = 80  # steps


def uaps(
    forward: Forward,
    variables: Any,
    labeled: Labeled,
    unlabeled: jax.Array,
    key: jax.Array,
    step: Any,
    *,
    masks: jax.Array,
) -> tuple[jax.Array, tuple[Terms, Any]]:
    """Decoders learn the argmax of their randomly weighted mean, where they agree.

    The weights are drawn from Dirichlet(1, ..., 1). What a decoder learns is multiplied
    by the mean of exp(-KL) over all pixels, KL the divergence of its answer from the
    plain mean, which is itself made small. Arguments and result are otherwise those
    of `dct.dct`; `forward` gives the logits of each decoder.

    Args:
        masks: of the unlabeled images, integers `[B, H, W]`: 255 for padding, which
            gets no label.
    """
    *keys, mix_key = jax.random.split(key, 3)
    known, variables = forward(variables, labeled.images, keys[0])
    new, variables = forward(variables, unlabeled, keys[1])
    probabilities = jax.nn.softmax(jnp.stack(new))
    shares = jax.random.dirichlet(mix_key, jnp.ones(len(new)))
    labels = pseudo_labels(jnp.tensordot(shares, probabilities, axes=1), masks)
    mean = probabilities.mean(axis=0)
    apart = [divergence(logits, mean) for logits in new]
    learned = [
        supervised(logits, labels) * jnp.exp(-distance).mean()
        for logits, distance in zip(new, apart, strict=True)
    ]
    weight = consistency_weight(step, period=_PERIOD)
    terms = {
        'supervised': _mean([supervised(logits, labeled.masks) for logits in known]),
        'pseudo_labels': weight * _mean(learned),
        'agreement': weight * _mean([distance.mean() for distance in apart]),
    }
    return sum(terms.values(), jnp.zeros(())), (terms, variables)


def _mean(values: list[jax.Array]) -> jax.Array:
    return jnp.stack(values).mean()
