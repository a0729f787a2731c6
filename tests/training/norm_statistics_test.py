"""BatchNorm statistics of given weights: means over a fixed stream of batches."""

import dataclasses
import itertools
from typing import Any

import jax
import numpy as np
import pytest

from cadnet_jax.config import Config
from cadnet_jax.data.batches import training_batches
from cadnet_jax.data.transforms import normalize
from cadnet_jax.data_config import DataConfig
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize
from cadnet_jax.training.norm_statistics import make_norm_statistics
from cadnet_jax.training_config import TrainConfig
from tests.support.tiny_data import prepare_tiny

COUNT = 3

pytestmark = [pytest.mark.usefixtures('small_b0'), pytest.mark.unoptimized]


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    data_dir = prepare_tiny(tmp_path_factory.mktemp('data'), sizes=[(32, 32)])
    return Config(
        data=DataConfig(data_dir=str(data_dir), batch_size=2, crop_size=32),
        train=TrainConfig(seed=5, norm_batches=COUNT),
    )


@pytest.fixture(scope='module')
def variables() -> Any:
    return jax.device_get(initialize(build_model(ModelConfig(), 3), seed=1))


@pytest.fixture(scope='module')
def fitted(config: Config, variables: dict[str, Any]) -> dict[str, Any]:
    return make_norm_statistics(config, 3)(variables)


@pytest.mark.slow
def test_statistics_are_the_mean_over_the_batches(
    config: Config, variables: dict[str, Any], fitted: dict[str, Any]
) -> None:
    """Oracle: the network without jit or pmap, in which nothing is dropped.

    Its running statistics start at 0 and move by a tenth toward those of a batch.
    """
    model = build_model(ModelConfig(drop_path=0, dropout=0), 3)
    zeros = jax.tree.map(np.zeros_like, variables['batch_stats'])
    batches = training_batches(config.data, seed=5, stream=1)
    found = [
        model.apply(
            {'params': variables['params'], 'batch_stats': zeros},
            normalize(batch['image']),
            normalize(batch['reference']),
            train=True,
            mutable=['batch_stats'],
        )[1]['batch_stats']
        for batch in itertools.islice(batches, COUNT)
    ]
    expected = jax.tree.map(lambda *x: 10 * np.mean(x, axis=0), *found)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        fitted['batch_stats'],
        expected,
    )
    jax.tree.map(np.testing.assert_array_equal, fitted['params'], variables['params'])


def test_the_statistics_before_do_not_count(
    config: Config, variables: dict[str, Any], fitted: dict[str, Any]
) -> None:
    """And the same weights get the same again, bit for bit."""
    again = make_norm_statistics(config, 3)(
        variables | {'batch_stats': jax.tree.map(np.ones_like, fitted['batch_stats'])}
    )
    jax.tree.map(np.testing.assert_array_equal, again, fitted)


def test_the_stream_is_not_the_one_that_is_trained_on(config: Config) -> None:
    """Its pairs are: a share of the labels stays the same one."""
    data = dataclasses.replace(config.data, label_fraction=0.25, scale_min=1.0)
    data = dataclasses.replace(
        data, scale_max=1.0, flip=False, rotate=False, photometric_probability=0.0
    )
    streams = [
        list(itertools.islice(training_batches(data, seed=5, stream=stream), 9))
        for stream in (0, 1)
    ]
    first, second = (
        [image.tobytes() for batch in stream for image in batch['image']]
        for stream in streams
    )
    assert first != second
    assert set(first) == set(second) and len(set(first)) == 3
