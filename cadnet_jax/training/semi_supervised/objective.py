"""A method, a network and a batch with unlabeled pairs -> the loss of a step.

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
from cadnet_jax.training.semi_supervised.dct import dct
from cadnet_jax.training.semi_supervised.pairs import pairs
from cadnet_jax.training.semi_supervised.terms import Forward, Labeled, Terms
from cadnet_jax.training.semi_supervised.uamt import uamt


def semi_supervised_loss(
    method: str,
    model: Any,
    variables: Mapping[str, Any],
    batch: Mapping[str, Any],
    key: jax.Array,
    step: Any,
    *,
    teacher: Mapping[str, Any] | None,
) -> tuple[jax.Array, tuple[Terms, Any]]:
    """The loss, its terms by name, and the variables with updated statistics.

    Args:
        method: dct, uamt or pairs.
        model: of a head that tells classes.
        variables: parameters and statistics of the student.
        batch: that of `train_step`, and `unlabeled_image`, `unlabeled_reference` and
            `unlabeled_mask`, of painted changes alone.
        key: of all random draws.
        step: number of the update.
        teacher: averaged parameters, and statistics; of uamt and pairs.
    """
    labeled = Labeled(
        _stacked(batch['image'], batch['reference']), batch['mask'].astype(jnp.int32)
    )
    unlabeled = _stacked(batch['unlabeled_image'], batch['unlabeled_reference'])
    arguments = _forward_of(model), variables, labeled, unlabeled, key, step
    if method == 'dct':
        return dct(*arguments)
    if method == 'uamt':
        return uamt(*arguments, teacher=teacher)
    painted = batch['unlabeled_mask'].astype(jnp.int32)
    return pairs(*arguments, teacher=teacher, painted=painted)


def _stacked(image: jax.Array, reference: jax.Array) -> jax.Array:
    return jnp.concatenate([normalize(image), normalize(reference)], axis=-1)


def _forward_of(model: Any) -> Forward:
    def forward(
        variables: Any, images: jax.Array, key: jax.Array
    ) -> tuple[list[jax.Array], Any]:
        image, reference = jnp.split(images, 2, axis=-1)
        drop_path, dropout = jax.random.split(key)
        outputs, updates = model.apply(
            variables,
            image,
            reference,
            train=True,
            rngs={'drop_path': drop_path, 'dropout': dropout},
            mutable=['batch_stats'],
        )
        logits = resize_bilinear(outputs.logits, images.shape[1:3])
        return [logits], {**variables, **updates}

    return forward
