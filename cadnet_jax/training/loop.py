"""The schedule of a run: train, log, save, evaluate; stop, and resume exactly.

Steps are numbered from 1. At a step its line of metrics.jsonl is written first, then
the checkpoint, then the evaluation: what is cut short is done again on resuming.
"""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import optax
from tqdm import tqdm

from cadnet_jax.config import Config
from cadnet_jax.data.batches import evaluation_batches, training_batches
from cadnet_jax.data.sampling import num_unchanged
from cadnet_jax.data.split_contents import LabeledSubset, read_labeled_subset
from cadnet_jax.devices import AXIS, replicate, shard, unreplicate
from cadnet_jax.evaluation.evaluate import evaluate
from cadnet_jax.files.disk import full_disk_explained
from cadnet_jax.inference.predictor import make_predictor
from cadnet_jax.models.cadnet import CADNet, build_model
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.models.peers import NO_PEERS, PEERS, Peers, without_peers
from cadnet_jax.pictures.overlays import panel
from cadnet_jax.runs.checkpoint import Checkpoints, kept_steps, load_variables
from cadnet_jax.runs.learned import keep_learned_images
from cadnet_jax.runs.lock import locked
from cadnet_jax.runs.scores import Metrics
from cadnet_jax.runs.state import TrainState, initial_state
from cadnet_jax.runs.workdir import (
    Inputs,
    TrainingData,
    learned_file,
    write_inputs,
)
from cadnet_jax.training.checks import (
    check_inputs,
    check_processes_agree,
    warn_of_origin,
)
from cadnet_jax.training.compiled_programs import keep_what_can_be_loaded
from cadnet_jax.training.log import RecentMetrics, TrainingLog, not_finite
from cadnet_jax.training.memory import keep_freed_memory
from cadnet_jax.training.norm_statistics import make_norm_statistics
from cadnet_jax.training.optim import learning_rate_schedule, make_optimizer
from cadnet_jax.training.step import Step, make_train_step
from cadnet_jax.training.stop_signal import StopSignal
from cadnet_jax.weights.initial import describe, describe_origin, init_from

_ROOM = 'make room; the same command resumes at the last whole checkpoint'
_PANELS = 4  # pairs of the evaluated split that TensorBoard shows


def every(step: int, n: int) -> bool:
    """Whether what is done each `n` steps is due at `step`."""
    return step % n == 0


def train(
    config: Config,
    workdir: str | pathlib.Path,
    *,
    resume_from: int | None = None,
) -> bool:
    """Trains to the last step, from where the work directory stands.

    SIGTERM, and Ctrl-C once, ends the run after the step that is under way and saves
    it. Where several processes train together each one calls this, with the same
    arguments; the first one writes. From here on the process keeps the memory that it
    frees (`training.memory`).

    Args:
        config: all settings; on a second start in the same `workdir`, the same. With
            a constant rate `steps` and `cooldown_steps` may differ until the cool-down.
        workdir: made where it is not there.
        resume_from: step of the checkpoint to go on from; those of later steps are
            removed. None: the latest.

    Returns:
        Whether it came to its end; False where it was asked to stop.

    Raises:
        FileNotFoundError: the data, the weights to start from, or the checkpoint of
            step `resume_from` are not there.
        ValueError: settings that cannot be or differ between processes, a work
            directory of other settings or other data, or that another process writes
            to, a damaged checkpoint, or a loss that is no longer finite.
    """
    keep_freed_memory()
    keep_what_can_be_loaded(config.model.head)
    workdir = pathlib.Path(workdir)
    schedule = learning_rate_schedule(config.optim, config.train.steps)
    batches = training_batches(
        config.data,
        seed=config.train.seed,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        unlabeled=config.loss.learns_unlabeled,
    )
    subset = None
    if config.data.takes_a_part:
        subset = read_labeled_subset(config.data, seed=config.train.seed)
    data = check_inputs(config, subset, workdir, resume_from)
    check_processes_agree(config, data, resume_from)
    model = build_model(config.model, len(data.class_names), axis_name=AXIS)
    shapes = parameter_shapes(model, _peers(config))
    optimizer = make_optimizer(config.optim, config.train.steps, shapes['params'])
    saved, origin = _first_state(config, model, optimizer, workdir)
    train_step = make_step(config, model, optimizer, data)
    with_new_statistics = make_norm_statistics(config, len(data.class_names))
    first = jax.process_index() == 0
    is_done = False
    with contextlib.ExitStack() as stack:
        stack.enter_context(full_disk_explained(workdir, remedy=_ROOM))
        if first:
            stack.enter_context(locked(workdir))
            _write_inputs(workdir, Inputs(config, data), subset, origin)
        stop = stack.enter_context(StopSignal())
        checkpoints = stack.enter_context(
            Checkpoints(workdir, keep=config.train.keep_checkpoints)
        )
        start, recent = 0, RecentMetrics()
        if checkpoints.latest_step is not None or resume_from is not None:
            saved, recent.pending = checkpoints.restore(saved, batches, resume_from)
            start = int(saved.step)
            # Also where somebody removed the latest ones: the best may be a later one.
            checkpoints.remove_after(start)
        step = start
        log = stack.enter_context(TrainingLog(workdir, step=start, enabled=first))

        def evaluation_due(step: int) -> bool:
            due = every(step, config.train.eval_every) or step == config.train.steps
            return due and step > 0 and not log.evaluated(step)

        def evaluate_weights(step: int, variables: Mapping[str, Any]) -> None:
            with stop.interrupting():
                metrics, panels = evaluate_with_panels(
                    config, data, variables, workdir, step
                )
            score, best = _score(metrics), checkpoints.best_score
            if best is None or (score is not None and score >= best):
                checkpoints.save_best(step, variables, score)
            log.evaluation(step, metrics, panels)

        if evaluation_due(start):
            evaluate_weights(start, load_variables(workdir, start)[0])
        if start == config.train.steps:
            if first:
                print(f'{workdir}: all of the {start} steps are done.')
            return True
        progress = stack.enter_context(_progress_bar(config, start, shown=first))
        state = replicate(saved)
        timer = time.monotonic(), start
        for step in range(start + 1, config.train.steps + 1):
            state, metrics = train_step(state, shard(next(batches)))
            recent.add(step, metrics)
            progress.set_postfix({'step': step, 'loss': recent.loss}, refresh=False)
            progress.update(config.data.batch_size)
            if every(step, config.train.log_every) or step == config.train.steps:
                values = recent.means() | {'learning_rate': float(schedule(step - 1))}
                speed = (step - timer[1]) / (time.monotonic() - timer[0])
                log.training(step, values, speed=speed * config.data.batch_size)
                timer = time.monotonic(), step
            stopping = stop.should_stop(step, config.train.log_every)
            if (
                stopping
                or every(step, config.train.checkpoint_every)
                or evaluation_due(step)
            ):
                recent.fetch()
                saved = unreplicate(state)
                _check_finite(saved, step)
                variables = saved.variables
                if config.train.norm_batches and evaluation_due(step):
                    variables = with_new_statistics(variables)
                checkpoints.save(step, saved, batches, recent.pending, variables)
            if stopping:
                if first:
                    progress.write(_stopped_at(step))
                return False
            if evaluation_due(step):
                evaluate_weights(step, variables)
                timer = time.monotonic(), step
        is_done = True
    if first and is_done:
        print(f'{workdir}: all of the {config.train.steps} steps are done.')
    elif first:  # It was asked to stop in an evaluation, which left the block.
        print(_stopped_at(step))
    # It may also have been asked in the writing of what was saved.
    return is_done and not stop.requested


def _stopped_at(step: int) -> str:
    return f'Stopped at step {step}; the same command goes on.'


def _first_state(
    config: Config,
    model: CADNet,
    optimizer: optax.GradientTransformation,
    workdir: pathlib.Path,
) -> tuple[TrainState, dict[str, Any] | None]:
    """The state before the first step, and what started_from.json says of it.

    A run that has checkpoints takes their state instead, so it reads no other weights.
    """
    state = jax.device_get(
        initial_state(model, optimizer, seed=config.train.seed, peers=_peers(config))
    )
    origin = None
    if config.train.init_from and not kept_steps(workdir)['latest']:
        state, left_out, spread = init_from(state, config.train.init_from)
        taken = {'left_out': left_out, 'spread': spread}
        origin = describe_origin(config.train.init_from) | taken
    if config.optim.ema_decay:
        network = without_peers(state.params)
        state = state.replace(ema_params=jax.tree.map(np.array, network))
    return state, origin


def _peers(config: Config) -> Peers:
    return PEERS.get(config.loss.semi_supervised, NO_PEERS)


def make_step(
    config: Config,
    model: CADNet,
    optimizer: optax.GradientTransformation,
    data: TrainingData,
) -> Step:
    """The step that a run of these settings takes.

    Args:
        config: of the run.
        model: the network, built with `axis_name=AXIS`.
        optimizer: of the run.
        data: that it learns from.
    """
    return make_train_step(
        model,
        optimizer,
        dataclasses.replace(
            config.loss, ramp_steps=config.loss.ramp_steps or config.train.steps
        ),
        # With one class of defects its balance is 1, however many pixels are painted.
        np.maximum(data.class_pixels, int(_paints_the_class(config, data))).tolist(),
        seed=config.train.seed,
        ema_decay=config.optim.ema_decay,
        num_unchanged=num_unchanged(config.data) // jax.device_count(),
        hard_candidates=config.data.hard_candidates,
    )


def _paints_the_class(config: Config, data: TrainingData) -> bool:
    """Whether painted changes are of the one class of defects that there is."""
    return config.data.paint_defects and len(data.class_names) == 2


def _write_inputs(
    workdir: pathlib.Path,
    inputs: Inputs,
    subset: LabeledSubset | None,
    origin: dict[str, Any] | None,
) -> None:
    """Writes what the run learns from, and prints where its weights come from."""
    resumes = bool(kept_steps(workdir)['latest'])
    write_inputs(workdir, inputs, subset=subset, origin=origin, resumes=resumes)
    if not (resumes and learned_file(workdir).exists()):
        keep_learned_images(inputs.config, workdir)
    if origin:
        print(describe(origin))
        warn_of_origin(inputs.config)


def _progress_bar(config: Config, start: int, *, shown: bool) -> tqdm:
    """With a note that lasts until the first step is done, which may be minutes."""
    batch_size = config.data.batch_size
    return tqdm(
        desc='train',
        postfix='the first step compiles, a minute or more',
        total=config.train.steps * batch_size,
        initial=start * batch_size,
        unit='pairs',
        disable=not shown,
    )


def _check_finite(state: TrainState, step: int) -> None:
    """Refuses to save a state that only a lost run can have."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if not np.isfinite(leaf).all():
            raise not_finite(step, jax.tree_util.keystr(path))


def evaluate_with_panels(
    config: Config,
    data: TrainingData,
    variables: Mapping[str, Any],
    workdir: pathlib.Path,
    step: int,
) -> tuple[Metrics, list[np.ndarray]]:
    """Metrics of the evaluated split, and pictures of its first pairs."""
    predictor = make_predictor(
        config, data.class_names, variables, workdir=workdir, step=step
    )
    batch_size = config.data.eval_batch_size
    source = config.data.data_dir, config.data.eval_split
    painted = _paints_the_class(config, data)
    metrics = evaluate(
        predictor, *source, batch_size=batch_size, painted=painted, by_group=False
    )
    batch = next(evaluation_batches(*source, batch_size=batch_size, painted=painted))
    maps = predictor.predict_batch(batch['image'], batch['reference'])
    panels = [
        panel(
            batch['image'][i],
            batch['reference'][i],
            batch['mask'][i],
            maps.mask[i],
            None if maps.distance is None else maps.distance[i],
        )
        for i in np.flatnonzero(batch['valid'])[:_PANELS]
    ]
    return metrics, panels


def _score(metrics: Metrics) -> float | None:
    """What the best checkpoint is best in: mIoU, or else the defects' common IoU.

    None where no pixel is labeled as a defect: then IoU is 0 or undefined, whatever the
    weights are.
    """
    classes = metrics['classes']
    if not any(classes[name]['pixels'] for name in classes if name != 'background'):
        return None
    values = metrics['miou'], metrics['defect_iou']
    return next((value for value in values if value is not None), None)
