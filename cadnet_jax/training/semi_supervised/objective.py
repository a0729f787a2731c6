"""A method, a network and a batch -> the loss of a step."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from cadnet_jax.models.peers import each_network, put_back
from cadnet_jax.training.semi_supervised.cps import cps
from cadnet_jax.training.semi_supervised.dct import dct
from cadnet_jax.training.semi_supervised.decoders import DISTURBANCES, decoders_forward
from cadnet_jax.training.semi_supervised.networks import network_forward, stacked
from cadnet_jax.training.semi_supervised.pairs import pairs, strong_view
from cadnet_jax.training.semi_supervised.terms import (
    RAMP_STEPS,
    Forward,
    Labeled,
    Terms,
    supervised,
)
from cadnet_jax.training.semi_supervised.uamt import uamt
from cadnet_jax.training.semi_supervised.uaps import uaps
from cadnet_jax.training.semi_supervised.ucc import ucc
from cadnet_jax.training_config import LossConfig

Result = tuple[jax.Array, tuple[Terms, Any]]


def semi_supervised_loss(
    config: LossConfig,
    model: Any,
    variables: Mapping[str, Any],
    batch: Mapping[str, Any],
    key: jax.Array,
    step: Any,
    *,
    teacher: Mapping[str, Any],
) -> Result:
    """The loss, its terms by name, and the variables with updated statistics.

    Args:
        config: names the method, and the steps of its ramp, which are not 0 here.
        model: of a head that tells classes.
        variables: parameters and statistics of the student, with the method's peers.
        batch: that of `train_step`, and `unlabeled_image`, `unlabeled_reference` and
            `unlabeled_mask`, which knows painted changes and padding alone;
            'labeled' needs none.
        key: of all random draws.
        step: number of the update.
        teacher: averaged parameters, and statistics; of 'uamt' and 'pairs'.
    """
    method = config.semi_supervised
    labeled = Labeled(
        stacked(batch['image'], batch['reference']), batch['mask'].astype(jnp.int32)
    )
    forward = network_forward(model)
    if method == 'labeled':
        return _labeled_alone(forward, variables, labeled, key)
    unlabeled = stacked(batch['unlabeled_image'], batch['unlabeled_reference'])
    masks = batch['unlabeled_mask'].astype(jnp.int32)
    # The methods have their published ramp, in steps of a run of its length.
    step = step * (RAMP_STEPS / config.ramp_steps)
    others = labeled, unlabeled, key, step
    match method:
        case 'dct':
            return dct(forward, variables, *others)
        case 'uamt':
            return uamt(forward, variables, *others, teacher=teacher)
        case 'pairs':
            return pairs(forward, variables, *others, teacher=teacher, painted=masks)
        case 'cps':
            first, second = each_network(variables)
            loss, (terms, networks) = cps(
                forward, (first, second), *others, masks=masks
            )
            return loss, (terms, put_back(variables, networks))
    forward = decoders_forward(model, DISTURBANCES[method])
    if method == 'uaps':
        return uaps(forward, variables, *others, masks=masks)
    strong = strong_view(unlabeled, jax.random.fold_in(key, 1))
    return ucc(forward, variables, *others, strong=strong, masks=masks)


def _labeled_alone(
    forward: Forward, variables: Any, labeled: Labeled, key: jax.Array
) -> Result:
    (logits,), variables = forward(variables, labeled.images, key)
    loss = supervised(logits, labeled.masks)
    return loss, ({'supervised': loss}, variables)
