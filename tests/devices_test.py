"""What is laid on each device, and what all processes agree on."""

import jax
import numpy as np
import optax
import pytest
from jax.experimental import multihost_utils

from cadnet_jax import devices
from cadnet_jax.evaluation.metrics import Counts
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.runs.state import initial_state


def _images(count: int) -> dict[str, np.ndarray]:
    return {'image': np.zeros((count, 8, 8, 3), np.uint8)}


def test_each_device_gets_its_part_of_each_kind_of_crops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a batch with 4 crops of one kind first, and 6 of another."""
    monkeypatch.setattr(jax, 'local_device_count', lambda: 2)
    parts = devices.shard({'image': np.arange(10), 'mask': np.arange(10)})
    assert [(part < 4).tolist() for part in parts['image']] == [
        [True] * 2 + [False] * 3
    ] * 2
    assert sorted(parts['mask'].ravel()) == list(range(10))


def test_a_batch_that_the_devices_cannot_share_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jax, 'local_device_count', lambda: 2)
    assert devices.shard(_images(4))['image'].shape == (2, 2, 8, 8, 3)
    with pytest.raises(ValueError, match=r'3 pairs .* over 2 devices'):
        devices.shard(_images(3))


def test_replicating_and_back_is_the_identity() -> None:
    model = build_model(ModelConfig(), 3)
    state = initial_state(model, optax.sgd(0.1), seed=0)
    again = devices.unreplicate(devices.replicate(state))
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_counts_of_processes_add_up_beyond_32_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """JAX has 32-bit integers by default: a large test set has more pixels."""
    mine = Counts(np.array([[5_000_000_000, 1], [2, 3]]), 4, 5, 6, 7)
    other = Counts(np.array([[1, 10], [20, 2**33]]), 1, 1, 0, 2)

    def allgather(values: np.ndarray) -> np.ndarray:
        theirs = [*other.confusion.ravel(), 1, 1, 0, 2]
        rows = np.stack([values, np.array(theirs, np.int64).view(values.dtype)])
        return np.asarray(jax.numpy.asarray(rows))

    monkeypatch.setattr(jax, 'process_count', lambda: 2)
    monkeypatch.setattr(multihost_utils, 'process_allgather', allgather)
    total = devices.sum_over_processes(mine)
    expected = mine + other
    np.testing.assert_array_equal(total.confusion, expected.confusion)
    assert (total.hits, total.defects) == (5, 6)
    assert (total.false_regions, total.images) == (6, 9)
