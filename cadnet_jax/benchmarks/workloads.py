"""What `benchmark` times of this project: network, training, prediction and files.

Each function makes a job ready from the settings, with random weights, and with random
images where no data set is read. `WORKLOADS` names them.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from cadnet_jax.benchmarks.benchmark import Job, Settings, Workload
from cadnet_jax.benchmarks.workloads_files import FILE_GROUPS, FILE_WORKLOADS
from cadnet_jax.benchmarks.workloads_network import (
    CLASS_NAMES,
    cached_forward,
    forward,
    random_batch,
)
from cadnet_jax.benchmarks.workloads_torch import TORCH_WORKLOADS, check_installed
from cadnet_jax.config import Config
from cadnet_jax.data.batches import training_batches
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data.sampling import check_sampling, num_unchanged
from cadnet_jax.devices import AXIS, replicate, shard
from cadnet_jax.inference.predictor import Predictor, make_predictor
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize, parameter_shapes
from cadnet_jax.runs.state import initial_state
from cadnet_jax.runs.workdir import TrainingData, training_data
from cadnet_jax.training.loop import make_step
from cadnet_jax.training.memory import keep_freed_memory
from cadnet_jax.training.optim import make_optimizer
from cadnet_jax.training.step import Batch


def training_step(settings: Settings) -> Job:
    """A batch in host memory to updated parameters, over all devices."""
    keep_freed_memory()  # before JAX starts, as training does
    config = settings.config
    update = _Training(config, TrainingData('', CLASS_NAMES, (9, 1, 1)))
    names = ('image', 'reference', 'mask')
    # As `training_batches` has it: with the candidates of which the step takes some.
    extra = num_unchanged(config.data) * (config.data.hard_candidates - 1)
    drawn = random_batch(config, count=config.data.batch_size + extra)
    batch = dict(zip(names, drawn, strict=True))
    step: Any = update.step
    lowered = step.func.lower(*step.args, update.state, shard(batch))
    cost = lowered.compile().cost_analysis()
    return Job(lambda: update(batch), config.data.batch_size, cost=cost)


def pipeline(settings: Settings) -> Job:
    """Training on a prepared data set: decoding, augmentation, transfer, step."""
    keep_freed_memory()
    config = settings.config
    data = training_data(read_info(config.data.data_dir), config.data.train_split)
    batches = training_batches(config.data, seed=0)
    update = _Training(config, data)
    waited = [0.0]

    def run() -> None:
        start = time.perf_counter()
        batch = next(batches)
        waited[0] = time.perf_counter() - start
        update(batch)

    return Job(run, config.data.batch_size, waited=lambda: waited[0])


def prediction(settings: Settings) -> Job:
    """Pairs of the image size to masks, both in host memory."""
    predictor, images, references = _predictor(settings)
    return Job(lambda: predictor.predict_batch(images, references), len(images))


def cached_prediction(settings: Settings) -> Job:
    """`prediction` against one reference that is encoded already."""
    predictor, images, references = _predictor(settings)
    fixed = predictor.with_reference(references[0])
    return Job(lambda: fixed.predict_batch(images), len(images))


_OWN = (
    forward,
    cached_forward,
    training_step,
    pipeline,
    prediction,
    cached_prediction,
)
WORKLOADS: dict[str, Callable[[Settings], Job]] = {
    **{function.__name__: function for function in _OWN},
    **FILE_WORKLOADS,
    **TORCH_WORKLOADS,
}


def interleaved(
    names: Sequence[str], settings: Sequence[Settings]
) -> list[list[Workload]]:
    """The workloads of `names` in the groups that are timed in turn.

    With one entry of `settings` that is one group of all; with two (A, B) each workload
    makes a group with itself. 'files' stands for those of `FILE_GROUPS`.

    Raises:
        FileNotFoundError: 'pipeline' is named, and the settings' `data_dir` is not
            there or not prepared.
        ValueError: 'pipeline' is named, and its split or a batch cannot be, or
            'training_step', and a batch cannot be; or a workload of PyTorch, which is
            not installed.
    """
    if set(names) & set(TORCH_WORKLOADS):
        check_installed()
    if 'training_step' in names:
        for each in settings:
            check_sampling(each.config.data, process_count=1)
    if 'pipeline' in names:
        for each in settings:
            training_batches(each.config.data, seed=0)
    groups = [tuple(name for name in names if name != 'files')]
    if 'files' in names:
        groups += FILE_GROUPS
    groups = [group for group in groups if group]
    if len(settings) == 1:
        return [
            [Workload(name, WORKLOADS[name], settings[0]) for name in group]
            for group in groups
        ]
    return [
        [
            Workload(f'{name} {letter}', WORKLOADS[name], each)
            for letter, each in zip('AB', settings, strict=True)
        ]
        for group in groups
        for name in group
    ]


class _Training:
    """A run's state; a call is one step."""

    def __init__(self, config: Config, data: TrainingData) -> None:
        model = build_model(config.model, len(data.class_names), axis_name=AXIS)
        optimizer = make_optimizer(
            config.optim, config.train.steps, parameter_shapes(model)['params']
        )
        state = initial_state(model, optimizer, seed=0)
        if config.optim.ema_decay:
            state = state.replace(ema_params=jax.tree.map(np.array, state.params))
        self.state = replicate(state)
        self.step = make_step(config, model, optimizer, data)

    def __call__(self, batch: Batch) -> None:
        self.state, metrics = self.step(self.state, shard(batch))
        jax.block_until_ready((self.state, metrics))


def _predictor(settings: Settings) -> tuple[Predictor, np.ndarray, np.ndarray]:
    config = settings.config
    variables = initialize(build_model(config.model, len(CLASS_NAMES)), seed=0)
    predictor = make_predictor(config, CLASS_NAMES, variables, workdir='', step=0)
    images, references, _ = random_batch(config, settings.image_size)
    return predictor, images, references
