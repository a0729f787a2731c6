"""What a run says while it goes on: metrics.jsonl, and TensorBoard's events.

    {"step": 50, "loss": ..., "learning_rate": ..., ...}    means since the line before
    {"step": 2000, "evaluation": {...}}                     see evaluation/evaluate.py

metrics.jsonl holds nothing of the clock, so that a run that was stopped and resumed
writes the same file as one that was not.
"""

import codecs
import json
import math
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from cadnet_jax.runs.workdir import events_folder, log_file
from cadnet_jax.training.step import Metrics

_REMEDY = 'Take the line out; the curves then lack it.'


class TrainingLog:
    """Appends to the records of a run; drops what they say beyond the step resumed.

    Args:
        workdir: where metrics.jsonl and tensorboard/ stand.
        step: number of steps done, 0 for a new run.
        enabled: False on all processes but one: these write nothing.
    """

    def __init__(self, workdir: pathlib.Path, *, step: int, enabled: bool) -> None:
        from tensorboardX import SummaryWriter  # slow to import

        self._path = log_file(workdir)
        self._enabled = enabled
        kept = [line for line in read_log(workdir) if line['step'] <= step]
        self._evaluated = {line['step'] for line in kept if 'evaluation' in line}
        if enabled:
            _rewrite(self._path, kept)
        self._events = SummaryWriter(
            str(events_folder(workdir)), purge_step=step + 1, write_to_disk=enabled
        )

    def evaluated(self, step: int) -> bool:
        """Whether the evaluation at `step` has been recorded."""
        return step in self._evaluated

    def training(self, step: int, values: Mapping[str, float], *, speed: float) -> None:
        """Records `values` by name; `speed`, pairs per second, in TensorBoard alone."""
        self._append({'step': step, **values})
        for name, value in values.items():
            self._events.add_scalar(f'training/{name}', value, step)
        self._events.add_scalar('training/pairs_per_second', speed, step)

    def evaluation(
        self, step: int, metrics: Mapping[str, Any], panels: Sequence[np.ndarray]
    ) -> None:
        """Records an evaluation.

        Args:
            step: number of steps done.
            metrics: the contents of a metrics.json.
            panels: pictures, uint8 [H, W, 3], for TensorBoard.
        """
        for name, value in _scalars(metrics):
            self._events.add_scalar(f'evaluation/{name}', value, step)
        for index, panel in enumerate(panels):
            self._events.add_image(f'pair_{index}', panel, step, dataformats='HWC')
        self._events.flush()
        self._append({'step': step, 'evaluation': metrics})
        self._evaluated.add(step)

    def _append(self, line: Mapping[str, Any]) -> None:
        if self._enabled:
            with self._path.open('a') as file:
                file.write(json.dumps(line, allow_nan=False) + '\n')

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.close()


class RecentMetrics:
    """The metrics of the steps since the last line.

    Those of a step are fetched when the next one is under way, so that the device does
    not wait for the host.

    Attributes:
        pending: fetched metrics, a dictionary for each step.
    """

    def __init__(self) -> None:
        self.pending: list[dict[str, float]] = []
        self.loss: float | None = None  # the last one that was fetched
        self._in_flight: tuple[int, Metrics] | None = None

    def add(self, step: int, metrics: Metrics) -> None:
        """Takes the metrics of a step, [devices] each; fetches those of the one before.

        Raises:
            ValueError: see `fetch`.
        """
        self.fetch()
        self._in_flight = step, metrics

    def fetch(self) -> None:
        """Waits for the metrics under way.

        Raises:
            ValueError: the loss or the gradient norm is not finite: names the step.
        """
        if self._in_flight is None:
            return
        step, metrics = self._in_flight
        values = {
            name: float(np.asarray(value.addressable_data(0)).item())
            for name, value in metrics.items()
        }
        if not all(map(math.isfinite, values.values())):
            shown = ', '.join(f'{name} {value:.4g}' for name, value in values.items())
            raise not_finite(step, shown)
        self._in_flight = None
        self.loss = values['loss']
        self.pending.append(values)

    def means(self) -> dict[str, float]:
        """The means of all steps since the last call."""
        self.fetch()
        means = {
            name: sum(values[name] for values in self.pending) / len(self.pending)
            for name in self.pending[0]
        }
        self.pending = []
        return means


def not_finite(step: int, what: str) -> ValueError:
    """The error that ends a run at `step`; `what` is no longer finite."""
    return ValueError(
        f'Stopped at step {step}, which is no longer finite: {what}. The checkpoints '
        'before it are kept. Start anew in another --workdir with a lower '
        '--learning_rate or with --clip_norm=1; --init_from goes on from their weights.'
    )


def read_log(workdir: str | pathlib.Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl; none where there is no such file.

    A last line that was cut short when the run was killed is left out.

    Raises:
        ValueError: another line is not JSON, or not a record.
    """
    path = log_file(workdir)
    if not path.exists():
        return []
    # Bytes, since the last line may end within a letter.
    lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b'\n')[:-1]
    return [_parse(line, f'{path}: line {i}') for i, line in enumerate(lines, start=1)]


def _parse(line: bytes, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{where} is damaged: not JSON ({error}). {_REMEDY}') from None
    if not (isinstance(values, dict) and type(values.get('step')) is int):
        raise ValueError(f'{where} is damaged: not a record of a step. {_REMEDY}')
    return values


def _rewrite(path: pathlib.Path, lines: Sequence[Mapping[str, Any]]) -> None:
    temporary = path.with_name(f'.{path.name}.tmp')
    temporary.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    os.replace(temporary, path)


def _scalars(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The averages, and the IoU of each class, as far as they are defined."""
    for name, value in metrics.items():
        if isinstance(value, float):
            yield name, value
    for name, values in metrics['classes'].items():
        if values['iou'] is not None:
            yield f'iou/{name}', values['iou']
