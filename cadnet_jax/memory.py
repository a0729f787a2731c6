"""Peak memory of a training step and of predicting a large pair.

Each measurement runs in a process of its own, on random weights and images. The figure
is the largest resident set that the operating system saw, in GB (1e9 bytes).
"""

import concurrent.futures
import multiprocessing
import pathlib
from collections.abc import Callable

import jax
import numpy as np

from cadnet_jax import train_step as ts
from cadnet_jax.config import Config
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize, parameter_shapes
from cadnet_jax.optim import make_optimizer
from cadnet_jax.predict import make_predictor

CLASS_NAMES = ('background', 'line', 'point')


def training_peak(config: Config) -> float:
    """Of two training steps with the crop and batch size of `config`, in GB."""
    return _peak_of(_train, config, 0)


def prediction_peak(config: Config, side: int) -> float:
    """Of predicting one pair of `side` x `side` pixels, in GB."""
    return _peak_of(_predict, config, side)


def _peak_of(work: Callable[[Config, int], None], config: Config, side: int) -> float:
    spawn = multiprocessing.get_context('spawn')
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_measured, work, config, side).result()


def _measured(work: Callable[[Config, int], None], config: Config, side: int) -> float:
    work(config, side)
    # Not `getrusage`: its figure starts at that of the process that spawned this one.
    status = pathlib.Path('/proc/self/status').read_text()
    kibibytes = status.partition('VmHWM:')[2].split()[0]
    return int(kibibytes) * 1024 / 1e9


def _train(config: Config, _: int) -> None:
    model = build_model(config.model, len(CLASS_NAMES), axis_name=ts.AXIS)
    params = parameter_shapes(model)['params']
    optimizer = make_optimizer(config.optim, config.train.steps, params)
    state = ts.replicate(ts.initial_state(model, optimizer, seed=0))
    step = ts.make_train_step(model, optimizer, config.loss, (9, 1, 1), seed=0)
    shape = (config.data.batch_size, config.data.crop_size, config.data.crop_size)
    rng = np.random.default_rng(0)
    batch = {
        'image': rng.integers(0, 256, (*shape, 3), np.uint8),
        'reference': rng.integers(0, 256, (*shape, 3), np.uint8),
        'mask': rng.integers(0, len(CLASS_NAMES), shape, np.uint8),
    }
    for _ in range(2):
        state, metrics = step(state, ts.shard(batch))
        jax.block_until_ready(metrics)


def _predict(config: Config, side: int) -> None:
    model = build_model(config.model, len(CLASS_NAMES))
    predictor = make_predictor(
        config, CLASS_NAMES, initialize(model, seed=0), workdir='', step=0
    )
    rng = np.random.default_rng(0)
    image, reference = rng.integers(0, 256, (2, side, side, 3), np.uint8)
    predictor(image, reference)
