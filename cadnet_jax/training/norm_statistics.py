"""BatchNorm statistics computed again for given weights.

The running statistics are those of the weights that the steps have changed. Averaged
weights have others, which only data can tell.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from cadnet_jax.config import Config
from cadnet_jax.data.batches import training_batches
from cadnet_jax.data.transforms import normalize
from cadnet_jax.devices import AXIS, replicate, shard, unreplicate
from cadnet_jax.models.cadnet import CADNet, build_model
from cadnet_jax.models.layers import BatchNorm
from cadnet_jax.training.step import Batch

_STREAM = 1  # the training batches are stream 0


def make_norm_statistics(
    config: Config, num_classes: int
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A function that gives the variables of a network new BatchNorm statistics.

    They are the mean over `norm_batches` batches of each batch's mean and (unbiased)
    variance. The batches are always the same: a stream of the run's seed that is not
    the one trained on. No path or channel is dropped, as in prediction.
    """
    model = build_model(
        dataclasses.replace(config.model, drop_path=0.0, dropout=0.0),
        num_classes,
        axis_name=AXIS,
    )
    add_batch = jax.pmap(
        functools.partial(_add_batch, model=model), axis_name=AXIS, donate_argnums=0
    )
    # Decoded pairs are not kept: this reads each one once. No crop is left out.
    data = dataclasses.replace(config.data, cache_gb=0.0, hard_candidates=1)
    count = config.train.norm_batches

    def with_new_statistics(variables: Mapping[str, Any]) -> dict[str, Any]:
        batches = training_batches(
            data,
            seed=config.train.seed,
            stream=_STREAM,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        params = replicate(variables['params'])
        total = replicate(jax.tree.map(np.zeros_like, variables['batch_stats']))
        for batch in itertools.islice(batches, count):
            total = add_batch(total, params, shard(batch))
        mean = jax.tree.map(lambda x: x / np.float32(count), unreplicate(total))
        return {'params': variables['params'], 'batch_stats': mean}

    return with_new_statistics


def _add_batch(total: Any, params: Any, batch: Batch, *, model: CADNet) -> Any:
    """`total` with the statistics of one more batch, over all devices."""
    zero = jax.tree.map(lambda x: 0.0 * x, total)
    _, updates = model.apply(
        {'params': params, 'batch_stats': zero},
        normalize(batch['image']),
        normalize(batch['reference']),
        train=True,
        mutable=['batch_stats'],
    )
    # Running statistics that start at 0 are this share of the batch's.
    share = 1 - BatchNorm.momentum
    return jax.tree.map(lambda x, new: x + new / share, total, updates['batch_stats'])
