"""Checkpoints of a run, and what is read from them.

    WORKDIR/checkpoints/latest/<step>  variables, raw (if they are others), optimizer,
                                       data, pending: to resume; about
    WORKDIR/checkpoints/best/<step>    variables, about: the best evaluated weights

`variables` are the parameters and batch statistics as plain arrays, so that they are
read on any number of devices and without the optimizer. They are what evaluation,
prediction and `--init_from` use: with `ema_decay` the averaged parameters, and at the
steps that were evaluated with `norm_batches` the statistics that fit them. If these
are not what the steps change, `latest` also has `raw`: those parameters and statistics,
to resume. A checkpoint is written under
a temporary name and renamed: one that is cut short is not there at all. `about` has the
step and digests, see `checkpoint_record`; checkpoints of earlier versions have none.
"""

import contextlib
import functools
import logging
import pathlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Self

import grain
import numpy as np
import orbax.checkpoint as ocp

from cadnet_jax.files.text import read_object
from cadnet_jax.runs.checkpoint_record import check_record, make_record, not_finite
from cadnet_jax.runs.state import TrainState
from cadnet_jax.runs.workdir import Kind, Step, checkpoints_folder

_ABOUT = 'about/metadata'  # where Orbax puts the JSON of the item
_LONGEST_REASON = 200  # characters of what Orbax says
_ATTEMPTS = 3  # to read weights that a run replaces meanwhile
_TRAIN_ANEW = 'No older one is whole: train anew, in another --workdir.'


class Checkpoints:
    """Writes the checkpoints of a run while it goes on, and resumes from them.

    Keeps the `keep` latest checkpoints, and one more with the best weights.
    """

    def __init__(self, workdir: pathlib.Path, *, keep: int) -> None:
        self._latest = _manager(workdir, 'latest', keep=keep)
        self._best = _manager(workdir, 'best', keep=1)

    @property
    def latest_step(self) -> int | None:
        """The step to go on from; None where nothing was saved."""
        step: int | None = self._latest.latest_step()
        return step

    @property
    def best_score(self) -> float | None:
        """The score of the best checkpoint.

        None where there is no checkpoint, or its score is undefined.

        Raises:
            ValueError: its record is damaged.
        """
        step = self._best.latest_step()
        if step is None:
            return None
        folder = pathlib.Path(self._best.directory) / str(step)
        remedy = 'Delete this folder: the next evaluation writes it again.'
        with _damage_explained(folder, remedy):
            record = _read_record(folder)
            check_record(record, folder, {})
            score: float | None = record['score']
            return score

    def save(
        self,
        step: int,
        state: TrainState,
        batches: grain.DatasetIterator,
        pending: list[dict[str, float]],
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        """Starts writing all that is needed to go on exactly after `step`.

        Args:
            step: number of steps done.
            state: not replicated, of NumPy arrays that nobody changes.
            batches: the iterator, as far as it was read.
            pending: the metrics of the steps since the last line of metrics.jsonl.
            variables: what others read; None: `state.variables`.
        """
        variables = variables or state.variables
        items = {'variables': variables, 'optimizer': state.opt_state}
        if any(variables[name] is not values for name, values in _raw(state).items()):
            items['raw'] = _raw(state)
        # A copy: it is written in the background while the run goes on.
        others = {'data': batches.get_state(), 'pending': list(pending)}
        record = make_record(step, items | others)
        self._latest.save(
            step,
            args=ocp.args.Composite(
                data=grain.checkpoint.CheckpointSave(batches),
                pending=ocp.args.JsonSave(others['pending']),
                about=ocp.args.JsonSave(record),
                **{name: ocp.args.StandardSave(item) for name, item in items.items()},
            ),
        )

    def save_best(
        self, step: int, variables: Mapping[str, Any], score: float | None
    ) -> None:
        """Writes the weights in place of the best so far, and waits for it.

        Those of one step are written once: a run that was killed after it evaluates
        them again.

        The latest checkpoint is complete before: the best is never ahead of it.

        Raises:
            ValueError: there are best weights of a later step, so Orbax writes none.
        """
        if step == self._best.latest_step():
            return
        self._latest.wait_until_finished()
        is_written = self._best.save(
            step,
            args=ocp.args.Composite(
                variables=ocp.args.StandardSave(variables),
                about=ocp.args.JsonSave(
                    make_record(step, {'variables': variables}, score=score)
                ),
            ),
        )
        if not is_written:
            later = f'{self._best.directory}/{self._best.latest_step()}'
            raise ValueError(
                f'{later}: best weights of a later step than {step}. Delete this '
                'folder; the same command goes on.'
            )
        self._best.wait_until_finished()

    def restore(
        self,
        state: TrainState,
        batches: grain.DatasetIterator,
        step: int | None = None,
    ) -> tuple[TrainState, list[dict[str, float]]]:
        """Reads a checkpoint; sets `batches` to where it was.

        Args:
            state: of the same structure and shapes; its values are not used.
                Averages start anew where the checkpoint has none.
            batches: an iterator over the same data.
            step: of the checkpoint; None: the latest.

        Returns:
            The state, of NumPy arrays, and the pending metrics.

        Raises:
            FileNotFoundError: there is no checkpoint of this step.
            ValueError: it is damaged; the message names an older one that is whole.
        """
        self._latest.wait_until_finished()
        steps = sorted(self._latest.all_steps())
        if step is None:
            step = max(steps, default=0)
        if step not in steps:
            raise FileNotFoundError(
                f'{self._latest.directory}: no checkpoint of step {step}. There are: '
                f'{", ".join(map(str, steps)) or "none"}.'
            )
        try:
            return self._restore(state, batches, step)
        except ValueError as error:
            for older in reversed(steps[: steps.index(step)]):
                with contextlib.suppress(ValueError):
                    self._restore(state, batches, older)
                    remedy = f'Go on from the one before: --resume_from={older}'
                    break
            else:
                remedy = _TRAIN_ANEW
            raise ValueError(f'{error} {remedy}') from None

    def _restore(
        self, state: TrainState, batches: grain.DatasetIterator, step: int
    ) -> tuple[TrainState, list[dict[str, float]]]:
        folder = pathlib.Path(self._latest.directory) / str(step)
        trees = {'variables': state.variables, 'optimizer': state.opt_state}
        if (folder / 'raw').is_dir():
            trees['raw'] = _raw(state)
        arguments = {
            name: ocp.args.StandardRestore(tree) for name, tree in trees.items()
        }
        with _damage_explained(folder):
            items = self._latest.restore(
                step,
                args=ocp.args.Composite(
                    data=grain.checkpoint.CheckpointRestore(batches),
                    pending=ocp.args.JsonRestore(),
                    **arguments,
                ),
            )
            read = {name: items[name] for name in (*trees, 'pending')}
            read['data'] = batches.get_state()
            record = _read_record(folder)
            check_record(record, folder, read)
            # Without `raw` the averages would go on as if they were the weights.
            if missing := record.get('digests', {}).keys() - read.keys():
                raise ValueError(f'{min(missing)} is missing')
        if state.ema_params is not None:
            state = state.replace(ema_params=items.variables['params'])
        state = state.replace(
            step=np.asarray(step, np.int32),
            opt_state=items.optimizer,
            **(items.raw if 'raw' in trees else items.variables),
        )
        return state, items.pending

    def remove_after(self, step: int) -> None:
        """Removes the checkpoints of later steps, so that they are written again."""
        for manager in (self._best, self._latest):
            for later in manager.all_steps():
                if later > step:
                    manager.delete(later)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Waits until all is written, also where the run fails."""
        self._latest.close()
        self._best.close()


def kept_steps(workdir: pathlib.Path) -> dict[Kind, list[int]]:
    """The steps of the complete checkpoints: 'best' and 'latest', ascending."""
    kept: dict[Kind, list[int]] = {}
    kinds: tuple[Kind, Kind] = 'best', 'latest'
    for kind in kinds:
        directory = checkpoints_folder(workdir, kind)
        kept[kind] = (
            sorted(ocp.utils.checkpoint_steps(directory)) if directory.is_dir() else []
        )
    return kept


def load_variables(
    workdir: str | pathlib.Path, step: Step = 'best'
) -> tuple[dict[str, Any], int]:
    """Reads weights for inference, on any number of devices.

    Args:
        workdir: work directory of a run, or what `save_variables` wrote.
        step: 'best', 'latest', or the number of a step that was kept.

    Returns:
        {'params': ..., 'batch_stats': ...} of NumPy arrays, and the step.

    Raises:
        FileNotFoundError: there are no checkpoints, or none of that step.
        ValueError: the weights are damaged, or not all of them are finite.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        kept = kept_steps(pathlib.Path(workdir))
        kind, number = _find(workdir, kept, step)
        folder = checkpoints_folder(workdir, kind).absolute() / str(number)
        try:
            return read_variables(folder), number
        except ValueError as error:
            is_replaced = kept_steps(pathlib.Path(workdir)) != kept
            if not is_replaced or attempt == _ATTEMPTS:
                raise ValueError(f'{error} {_other_step(folder, kept)}') from None
    raise AssertionError  # the last attempt returns or raises


def _find(
    workdir: str | pathlib.Path, kept: Mapping[Kind, list[int]], step: Step
) -> tuple[Kind, int]:
    """Of which kind the checkpoint `step` is, and its number."""
    if not any(kept.values()):
        raise FileNotFoundError(
            f'{workdir}: no checkpoints. Is this the work directory of a training run '
            'that got as far as its first checkpoint, or what import_weights.py wrote?'
        )
    for kind, steps in kept.items():
        number = max(steps, default=None) if step == kind else step
        if number in steps:
            return kind, int(number)
    there = '; '.join(
        f'{kind}: {", ".join(map(str, steps)) or "none"}'
        for kind, steps in kept.items()
    )
    raise FileNotFoundError(f'{workdir}: no checkpoint {step!r}. There are: {there}.')


def read_variables(folder: pathlib.Path) -> dict[str, Any]:
    """Weights of a checkpoint, compared with its record; they are finite."""
    with _damage_explained(folder):
        with ocp.StandardCheckpointer() as reader:
            variables: dict[str, Any] = reader.restore(folder / 'variables')
        check_record(_read_record(folder), folder, {'variables': variables})
        if name := not_finite(variables):
            raise ValueError(f'{name} is not finite')
    return variables


def _other_step(folder: pathlib.Path, kept: Mapping[Kind, list[int]]) -> str:
    """What to read instead of a damaged checkpoint."""
    others = [
        (number, folder.parents[1] / kind / str(number))
        for kind, numbers in kept.items()
        for number in numbers
    ]
    for number, other in sorted(others, reverse=True):
        if other != folder and number != int(folder.name):
            with contextlib.suppress(ValueError):
                read_variables(other)
                return f'The checkpoint of step {number} is whole.'
    return 'No other checkpoint is whole.'


def _read_record(folder: pathlib.Path) -> dict[str, Any]:
    """What `about` holds; {} if the checkpoint has none."""
    path = folder / _ABOUT
    return read_object(path, remedy='') if (folder / 'about').is_dir() else {}


@contextlib.contextmanager
def _damage_explained(folder: pathlib.Path, remedy: str = '') -> Iterator[None]:
    """Turns what reading a damaged checkpoint raises into a ValueError of one line."""
    try:
        yield
    except (PermissionError, MemoryError):
        raise
    except Exception as error:  # Orbax, TensorStore and JSON raise much
        line = ' '.join(str(error).split()).removesuffix('.')[:_LONGEST_REASON]
        _silence_tasks()
        text = f'{folder}: damaged checkpoint: {line}. {remedy}'
        raise ValueError(text.rstrip()) from None


@functools.cache
def _silence_tasks() -> None:
    """Once a read has failed, those beside it print nothing.

    Orbax reads arrays in parallel, and closes the loop of their tasks at the first
    error; each of the others would then print a traceback, at any time.
    """
    logging.getLogger('asyncio').setLevel(logging.CRITICAL)
    others = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != 'Event loop is closed':
            others(unraisable)

    sys.unraisablehook = hook


def save_variables(
    directory: str | pathlib.Path,
    variables: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> None:
    """Writes weights from elsewhere, for `load_variables` and `train.py --init_from`.

    Args:
        directory: must not hold checkpoints yet.
        variables: {'params': ..., 'batch_stats': ...} of arrays; subtrees may be
            missing.
        metadata: what JSON can hold: where the weights come from.

    Raises:
        FileExistsError: there are checkpoints.
        ValueError: a weight is not finite.
    """
    directory = pathlib.Path(directory)
    if name := not_finite(variables):
        raise ValueError(f'{directory}: not written: {name} is not finite.')
    if any(kept_steps(directory).values()):
        raise FileExistsError(
            f'{directory} already has checkpoints. Name another directory.'
        )
    weights = {
        'params': variables['params'],
        'batch_stats': variables.get('batch_stats', {}),
    }
    with _manager(directory, 'best', keep=1) as manager:
        manager.save(
            0,
            args=ocp.args.Composite(
                variables=ocp.args.StandardSave(weights),
                about=ocp.args.JsonSave(
                    make_record(0, {'variables': weights}, **metadata)
                ),
            ),
        )
        manager.wait_until_finished()


def _manager(workdir: pathlib.Path, kind: Kind, *, keep: int) -> ocp.CheckpointManager:
    """Of one folder, which is made where it is not there."""
    return ocp.CheckpointManager(
        checkpoints_folder(workdir, kind).absolute(),
        options=ocp.CheckpointManagerOptions(
            max_to_keep=keep, cleanup_tmp_directories=True
        ),
    )


def _raw(state: TrainState) -> dict[str, Any]:
    """The parameters and statistics that the steps change."""
    return {'params': state.params, 'batch_stats': state.batch_stats}
