"""Checkpoints of a run, and what is read from them.

    WORKDIR/checkpoints/latest/<step>  variables, raw (if they are others), optimizer,
                                       data, pending: to resume
    WORKDIR/checkpoints/best/<step>    variables, about: the best evaluated weights

`variables` are the parameters and batch statistics as plain arrays, so that they are
read on any number of devices and without the optimiser. They are what evaluation,
prediction and `--init_from` use: with `ema_decay` the averaged parameters, and at the
steps that were evaluated with `norm_batches` the statistics that fit them. If these
are not what the steps change, `latest` also has `raw`: those parameters and statistics,
to resume. A checkpoint is written under
a temporary name and renamed: one that is cut short is not there at all.
"""

import pathlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import grain
import numpy as np
import orbax.checkpoint as ocp

from cadnet_jax import released
from cadnet_jax.train_step import TrainState
from cadnet_jax.workdir import Kind, checkpoints_folder

Step = int | Kind


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
        """
        step = self._best.latest_step()
        if step is None:
            return None
        items = self._best.restore(
            step, args=ocp.args.Composite(about=ocp.args.JsonRestore())
        )
        score: float | None = items.about['score']
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
        raw = {}
        if any(variables[name] is not values for name, values in _raw(state).items()):
            raw['raw'] = ocp.args.StandardSave(_raw(state))
        self._latest.save(
            step,
            args=ocp.args.Composite(
                variables=ocp.args.StandardSave(variables),
                optimizer=ocp.args.StandardSave(state.opt_state),
                data=grain.checkpoint.CheckpointSave(batches),
                # A copy: it is written in the background while the run goes on.
                pending=ocp.args.JsonSave(list(pending)),
                **raw,
            ),
        )

    def save_best(
        self, step: int, variables: Mapping[str, Any], score: float | None
    ) -> None:
        """Writes the weights in place of the best so far, and waits for it.

        Those of one step are written once: a run that was killed after it evaluates
        them again.

        The latest checkpoint is complete before: the best is never ahead of it.
        """
        if step == self._best.latest_step():
            return
        self._latest.wait_until_finished()
        self._best.save(
            step,
            args=ocp.args.Composite(
                variables=ocp.args.StandardSave(variables),
                about=ocp.args.JsonSave({'score': score}),
            ),
        )
        self._best.wait_until_finished()

    def restore(
        self, state: TrainState, batches: grain.DatasetIterator
    ) -> tuple[TrainState, list[dict[str, float]]]:
        """Reads the latest checkpoint; sets `batches` to where it was.

        Args:
            state: of the same structure and shapes; its values are not used.
                Averages start anew where the checkpoint has none.
            batches: an iterator over the same data.

        Returns:
            The state, of NumPy arrays, and the pending metrics.
        """
        self._latest.wait_until_finished()
        step = self.latest_step
        raw = {}
        if (self._latest.directory / str(step) / 'raw').is_dir():
            raw['raw'] = ocp.args.StandardRestore(_raw(state))
        items = self._latest.restore(
            step,
            args=ocp.args.Composite(
                variables=ocp.args.StandardRestore(state.variables),
                optimizer=ocp.args.StandardRestore(state.opt_state),
                data=grain.checkpoint.CheckpointRestore(batches),
                pending=ocp.args.JsonRestore(),
                **raw,
            ),
        )
        if state.ema_params is not None:
            state = state.replace(ema_params=items.variables['params'])
        state = state.replace(
            step=np.asarray(step, np.int32),
            opt_state=items.optimizer,
            **(items.raw if raw else items.variables),
        )
        return state, items.pending

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
        workdir: work directory of a run, or what `save_variables` wrote; 'released':
            the weights that come with the package.
        step: 'best', 'latest', or the number of a step that was kept.

    Returns:
        {'params': ..., 'batch_stats': ...} of NumPy arrays, and the step.

    Raises:
        FileNotFoundError: there are no checkpoints, or none of that step.
        ValueError: the released weights are damaged.
    """
    if released.is_released(workdir):
        return _released_variables(step)
    kept = kept_steps(pathlib.Path(workdir))
    if not any(kept.values()):
        raise FileNotFoundError(
            f'{workdir}: no checkpoints. Is this the work directory of a training run '
            'that got as far as its first checkpoint, or what import_weights.py wrote?'
        )
    for kind, steps in kept.items():
        number = max(steps, default=None) if step == kind else step
        if number in steps:
            checkpoint = checkpoints_folder(workdir, kind).absolute()
            with ocp.StandardCheckpointer() as reader:
                variables = reader.restore(checkpoint / str(number) / 'variables')
            return variables, int(number)
    there = '; '.join(
        f'{kind}: {", ".join(map(str, steps)) or "none"}'
        for kind, steps in kept.items()
    )
    raise FileNotFoundError(f'{workdir}: no checkpoint {step!r}. There are: {there}.')


def _released_variables(step: Step) -> tuple[dict[str, Any], int]:
    weights = released.read()
    if step not in ('best', 'latest', weights.step):
        raise FileNotFoundError(
            f'{released.NAME}: no checkpoint {step!r}. There is: {weights.step}.'
        )
    return weights.variables, weights.step


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
    """
    directory = pathlib.Path(directory)
    if any(kept_steps(directory).values()):
        raise FileExistsError(
            f'{directory}: there are checkpoints already. Name another directory.'
        )
    with _manager(directory, 'best', keep=1) as manager:
        manager.save(
            0,
            args=ocp.args.Composite(
                variables=ocp.args.StandardSave(
                    {
                        'params': variables['params'],
                        'batch_stats': variables.get('batch_stats', {}),
                    }
                ),
                about=ocp.args.JsonSave(dict(metadata)),
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
