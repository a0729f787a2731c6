"""A state of training that takes no network, and what a run reads beside it."""

from typing import Any

import grain
import jax
import numpy as np

from cadnet_jax.runs.state import TrainState
from cadnet_jax.training.optim import make_optimizer
from cadnet_jax.training_config import OptimConfig


def small_params(value: float) -> dict[str, Any]:
    return {
        'encoder': {'norm': {'scale': np.full(5, value, np.float32)}},
        'decoder': {'classifier': {'kernel': np.full((7, 3), value, np.float32)}},
    }


def small_state(value: float) -> TrainState:
    """A small state of which every number depends on `value`."""
    params = small_params(value)
    optimizer = make_optimizer(OptimConfig(warmup_steps=0), 10, params)
    opt_state = jax.tree.map(
        lambda leaf: np.asarray(leaf + value, leaf.dtype),
        jax.device_get(optimizer.init(params)),
    )
    stats = {'decoder': {'norm': {'mean': np.full(7, -value, np.float32)}}}
    return TrainState(np.asarray(int(value), np.int32), params, stats, opt_state)


def number_batches() -> grain.DatasetIterator:
    return iter(grain.MapDataset.range(1000).seed(0).shuffle().to_iter_dataset())


def assert_equal(found: Any, expected: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, found, expected)
