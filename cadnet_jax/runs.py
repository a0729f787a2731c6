"""Runs that are done, as their own files tell of them.

    WORKDIR/config.json                    all settings
    WORKDIR/dataset.json                   what it learnt from
    WORKDIR/started_from.json              whose weights it started from, if any's
    WORKDIR/evaluation/*/metrics.json      what `evaluate` wrote, with curves.json and
                                           the folders of pictures where they are there

Nothing is read out of the names of folders; checkpoints are not looked at.
"""

import dataclasses
import functools
import json
import pathlib
import shlex
import statistics
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from cadnet_jax import config as configs
from cadnet_jax.checkpoint import TrainingData, read_dataset_info
from cadnet_jax.config import Config

_SCORES = ('miou', 'macc', 'mfscore', 'defect_iou', 'defect_accuracy')
_METRICS = ('dataset', 'split', 'step', 'classes', *_SCORES, 'parameters')
_T = TypeVar('_T')


class Mean(NamedTuple):
    """The mean of `n` values and their sample standard deviation (None: n is 1)."""

    mean: float
    std: float | None
    n: int


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """A run on one split of a data set.

    Attributes:
        workdir: of the run, as it was given.
        config: of the run.
        data: what it learnt from.
        origin: what started_from.json holds, see `checkpoint.read_origin`; empty where
            there is none.
        directory: of the evaluation.
        metrics: what metrics.json holds.
    """

    workdir: str
    config: Config
    data: TrainingData
    origin: dict[str, Any]
    directory: pathlib.Path
    metrics: dict[str, Any]

    @property
    def tested_on(self) -> str:
        """Name of the data set."""
        return self.metrics['dataset']

    @property
    def split(self) -> str:
        return self.metrics['split']

    @functools.cached_property
    def curves(self) -> dict[str, Any]:
        """`classes` of curves.json; empty where there is none."""
        path = self.directory / 'curves.json'
        return read_json(path, ('classes',))['classes'] if path.exists() else {}

    @functools.cached_property
    def settings(self) -> Config:
        """The settings by which runs are told apart: equal for those of a mean.

        The seed is none of them, nor what stands in `config.MAY_CHANGE`; of a path
        counts only the version of the data, and whether weights were given at all.
        """
        defaults = {
            field.name: field.default
            for section in dataclasses.fields(Config)
            for field in dataclasses.fields(section.type)  # type: ignore[arg-type]
        }
        same: dict[str, Any] = {name: defaults[name] for name in configs.MAY_CHANGE}
        same['data_dir'] = pathlib.PurePath(self.config.data.data_dir).name
        same['init_from'] = 'given' if self.config.train.init_from else ''
        return configs.replace(self.config, seed=0, **same)


def read_results(workdirs: Sequence[str]) -> list[Result]:
    """Every evaluation of some runs, in the order given.

    Raises:
        FileNotFoundError: one is no work directory, or none has an evaluation.
        ValueError: a file is damaged or of another version, a run is given twice, or
            the folder of several runs is given.
    """
    seen: dict[pathlib.Path, str] = {}
    results = []
    for workdir in workdirs:
        path = pathlib.Path(workdir).resolve()
        if path in seen:
            raise ValueError(
                f'{workdir} is given twice, first as {seen[path]}: a mean would count '
                'it double. Name it once.'
            )
        seen[path] = workdir
        if not (path / 'config.json').exists() and any(path.glob('*/config.json')):
            raise ValueError(f'{workdir}: no run, but a folder of runs: {workdir}/*')
        results += _read_run(workdir)
    if workdirs and not results:
        command = f'--workdir={shlex.quote(workdirs[0])}'
        raise FileNotFoundError(
            f'{workdirs[0]}: no evaluation/*/metrics.json, so that there is nothing to '
            f'report. Evaluate the run first: python experiments/evaluate.py {command}'
        )
    return results


def last_evaluations(results: Iterable[Result]) -> list[Result]:
    """Of several evaluations of a run on one split, the one after the most steps.

    Raises:
        ValueError: there are two after as many.
    """
    best: dict[Hashable, Result] = {}
    for result in results:
        key = result.workdir, result.tested_on, result.split
        other = best.get(key)
        if other and other.metrics['step'] == result.metrics['step']:
            raise ValueError(
                f'{other.directory} and {result.directory} are evaluations of the same '
                'weights on the same pairs, perhaps in tiles of two sizes. Delete one.'
            )
        if other is None or other.metrics['step'] < result.metrics['step']:
            best[key] = result
    return list(best.values())


def group_by(values: Iterable[_T], key: Callable[[_T], Hashable]) -> list[list[_T]]:
    """Values of one key together, in the order in which the keys appear."""
    groups: dict[Hashable, list[_T]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return list(groups.values())


def mean(values: Iterable[float | None]) -> Mean | None:
    """Mean and sample standard deviation of what is defined; None: nothing is."""
    defined = [value for value in values if value is not None]
    if not defined:
        return None
    std = statistics.stdev(defined) if len(defined) > 1 else None
    return Mean(statistics.fmean(defined), std, len(defined))


def _read_run(workdir: str) -> list[Result]:
    folder = pathlib.Path(workdir)
    config = configs.load(folder / 'config.json')
    data = read_dataset_info(folder)
    origin = folder / 'started_from.json'
    started_from = read_json(origin, ('dataset',)) if origin.exists() else {}
    return [
        Result(workdir, config, data, started_from, path.parent, read_metrics(path))
        for path in sorted(folder.glob('evaluation/*/metrics.json'))
    ]


def read_metrics(path: pathlib.Path) -> dict[str, Any]:
    """A metrics.json, which has all that tables are made of.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    metrics = read_json(path, _METRICS)
    try:
        float(metrics['classes']['background']['pixels'])
        numbers = [metrics[name] for name in ('step', *_SCORES, 'parameters')]
        [float(number) for number in numbers if number is not None]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{path}: damaged ({error!r}). Evaluate the run again with '
            'experiments/evaluate.py.'
        ) from None
    return metrics


def read_json(path: pathlib.Path, names: Sequence[str]) -> dict[str, Any]:
    """A JSON object that has some names at least."""
    try:
        values = json.loads(path.read_text())
        missing = [name for name in names if name not in values]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f'{path}: damaged ({error}). Evaluate the run again with '
            'experiments/evaluate.py.'
        ) from None
    if missing or not isinstance(values, dict):
        raise ValueError(
            f'{path}: lacks {", ".join(missing) or "all names"}: damaged, or of '
            'another version. Evaluate the run again with experiments/evaluate.py.'
        )
    return values
