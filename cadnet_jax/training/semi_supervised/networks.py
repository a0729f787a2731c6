"""A network in training, as the semi-supervised methods call it.

The methods look at arrays of channels: a pair goes through them as one array
`[B, H, W, 6]`, image and reference one after the other, so that each works for
networks that compare as for those that do not.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from cadnet_jax.data.transforms import normalize
from cadnet_jax.models.kernels.operations import resize_bilinear
from cadnet_jax.training.semi_supervised.terms import Forward


def stacked(image: jax.Array, reference: jax.Array) -> jax.Array:
    """Images uint8 `[B, H, W, 3]` -> normalized pairs `[B, H, W, 6]`."""
    return jnp.concatenate([normalize(image), normalize(reference)], axis=-1)


def apply_network(
    model: Any,
    variables: Mapping[str, Any],
    key: jax.Array,
    *arguments: Any,
    method: str = '__call__',
) -> tuple[Any, dict[str, Any]]:
    """What a method of `model` says in training, and the updated variables."""
    drop_path, dropout = jax.random.split(key)
    outputs, updates = model.apply(
        variables,
        *arguments,
        train=True,
        method=method,
        rngs={'drop_path': drop_path, 'dropout': dropout},
        mutable=['batch_stats'],
    )
    return outputs, {**variables, **updates}


def network_forward(model: Any) -> Forward:
    """The logits of one network, of pairs `[B, H, W, 6]`."""

    def forward(
        variables: Any, images: jax.Array, key: jax.Array
    ) -> tuple[list[jax.Array], Any]:
        pair = jnp.split(images, 2, axis=-1)
        outputs, variables = apply_network(model, variables, key, *pair)
        return [resize_bilinear(outputs.logits, images.shape[1:3])], variables

    return forward
