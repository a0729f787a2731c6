"""Several decoders on one encoder: the network of UCC and UAPS.

Each further decoder sees the features disturbed in a way of its own. Sources: the
published code of UAPS (djene-mengistu/UAPS); Ouali et al., Semi-Supervised Semantic
Segmentation with Cross-Consistency Training, 2020.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.kernels.operations import resize_bilinear
from cadnet_jax.models.peers import each_network, put_back
from cadnet_jax.training.semi_supervised.networks import apply_network
from cadnet_jax.training.semi_supervised.terms import Forward

Disturbance = Callable[[jax.Array, jax.Array], jax.Array]
"""Features `[B, H, W, C]` of one level and a key -> as many."""

_NOISE = 0.3
_DROPOUT = 0.5
_THRESHOLDS = 0.7, 0.9


def unchanged(features: jax.Array, key: jax.Array) -> jax.Array:
    """As they are."""
    del key
    return features


def feature_noise(features: jax.Array, key: jax.Array) -> jax.Array:
    """Times 1 + U(-0.3, 0.3), drawn once for all images of the batch."""
    shape = (1, *features.shape[1:])
    return features * (
        1 + jax.random.uniform(key, shape, minval=-_NOISE, maxval=_NOISE)
    )


def dropout(features: jax.Array, key: jax.Array) -> jax.Array:
    """Half of the values are 0, the others twice as large."""
    kept = jax.random.bernoulli(key, 1 - _DROPOUT, features.shape)
    return jnp.where(kept, features / (1 - _DROPOUT), 0)


def feature_dropout(features: jax.Array, key: jax.Array) -> jax.Array:
    """0 where the mean over channels reaches U(0.7, 0.9) of its maximum."""
    means = features.mean(axis=-1, keepdims=True)
    share = jax.random.uniform(key, minval=_THRESHOLDS[0], maxval=_THRESHOLDS[1])
    highest = means.max(axis=(1, 2), keepdims=True)
    return jnp.where(means < share * highest, features, 0)


DISTURBANCES: dict[str, tuple[Disturbance, ...]] = {
    'ucc': (unchanged, feature_noise),
    'uaps': (unchanged, feature_noise, dropout, feature_dropout),
}


def decoders_forward(model: Any, disturbances: tuple[Disturbance, ...]) -> Forward:
    """The logits of each decoder, of pairs `[B, H, W, 6]`.

    Args:
        model: the network. If it compares, image and reference are disturbed by the
            same draws; `feature_dropout` has the same share of the maximum in both, but
            takes the strongest places of each.
        disturbances: for the network's decoder, and for each of its peers.
    """
    sees_reference = HEADS[model.config.head].sees_reference

    def forward(
        variables: Any, images: jax.Array, key: jax.Array
    ) -> tuple[list[jax.Array], Any]:
        encode_key, *keys = jax.random.split(key, 1 + len(disturbances))
        networks = each_network(variables)
        image, reference = jnp.split(images, 2, axis=-1)
        seen = jnp.concatenate([image, reference]) if sees_reference else image
        features, networks[0] = apply_network(
            model, networks[0], encode_key, seen, method='encode'
        )
        parts = [[x[: len(image)] for x in features], []]
        if sees_reference:
            parts[1] = [x[len(image) :] for x in features]
        logits = []
        for k, (disturb, own) in enumerate(zip(disturbances, keys, strict=True)):
            drop_key, *level_keys = jax.random.split(own, 1 + len(features))
            pair = [tuple(map(disturb, part, level_keys)) for part in parts]
            outputs, networks[k] = apply_network(
                model, networks[k], drop_key, *pair, method='compare'
            )
            logits.append(resize_bilinear(outputs.logits, images.shape[1:3]))
        return logits, put_back(variables, networks)

    return forward
