"""Runs that are done, as their own files tell of them.

`workdir` has the names of these files. Nothing is read out of the names of folders;
checkpoints are not looked at.

Many runs fit in one file of JSON lines, RUNS.jsonl, without curves and images. A line
is a run: `run` (its name), `settings` (those that differ from the defaults), `data`,
`origin` and `evaluations` (one metrics.json each). `RUNS.jsonl/NAME` stands for the
work directory of a run in it. Scores of each pair are only in the
metrics.json of work directories.
"""

import dataclasses
import functools
import json
import os
import pathlib
import shlex
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.files.atomic import write_text
from cadnet_jax.files.text import read_text
from cadnet_jax.runs.scores import Metrics
from cadnet_jax.runs.workdir import (
    METRICS_FILE,
    TrainingData,
    as_training_data,
    config_file,
    evaluation_folder,
    evaluations,
    read_config,
    read_curves,
    read_dataset_info,
    read_json,
    read_origin,
)

_SCORES = ('miou', 'macc', 'mfscore', 'defect_iou', 'defect_accuracy')
_METRICS = ('dataset', 'split', 'step', 'classes', *_SCORES, 'parameters')
_OF_PARTS = ('group_scores', 'pair_scores')
_T = TypeVar('_T')


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """A run on one split of a data set.

    Attributes:
        workdir: of the run, as it was given.
        config: of the run.
        data: what it learned from.
        origin: what started_from.json holds, see `weights.initial.describe_origin`;
            empty where there is none.
        directory: of the evaluation.
        metrics: what metrics.json holds.
    """

    workdir: str
    config: Config
    data: TrainingData
    origin: dict[str, Any]
    directory: pathlib.Path
    metrics: Metrics

    @property
    def tested_on(self) -> str:
        """Name of the data set."""
        return str(self.metrics['dataset'])

    @property
    def split(self) -> str:
        return str(self.metrics['split'])

    @functools.cached_property
    def curves(self) -> dict[str, Any]:
        """`classes` of curves.json; empty where there is none."""
        return read_curves(self.directory)

    @functools.cached_property
    def settings(self) -> Config:
        """The settings by which runs are told apart: equal for those of a mean.

        The seed is none of them, nor what stands in `config.MAY_CHANGE`; of a path
        counts only the version of the data, and whether weights were given at all.
        """
        defaults = {
            field.name: field.default
            for section in dataclasses.fields(Config)
            for field in configs.fields_of(section)
        }
        same: dict[str, Any] = {name: defaults[name] for name in configs.MAY_CHANGE}
        same['data_dir'] = pathlib.PurePath(self.config.data.data_dir).name
        same['init_from'] = 'given' if self.config.train.init_from else ''
        return configs.replace(self.config, seed=0, **same)


class RunRecord(NamedTuple):
    """A run as its files tell of it; see `Result`.

    Attributes:
        evaluations: the folder of each, and what its metrics.json holds.
    """

    workdir: str
    config: Config
    data: TrainingData
    origin: dict[str, Any]
    evaluations: list[tuple[pathlib.Path, Metrics]]


def read_results(paths: Sequence[str]) -> list[Result]:
    """Every evaluation of some runs, in the order given.

    Args:
        paths: work directories, and files that `write_records` wrote.

    Raises:
        FileNotFoundError: one is neither, or none has an evaluation.
        ValueError: a file is damaged or of another version, a run is given twice, or
            the folder of several runs is given.
    """
    seen: dict[pathlib.Path, str] = {}
    results = []
    for given in paths:
        path = pathlib.Path(given).resolve()
        if path in seen:
            raise ValueError(
                f'{given} is given twice, first as {seen[path]}: a mean would count '
                'it twice. Name it once.'
            )
        seen[path] = given
        if not config_file(path).exists() and any(path.glob('*/config.json')):
            raise ValueError(
                f'{given}: not a run, but a folder of runs; give {given}/*'
            )
        records = _read_lines(given) if path.is_file() else [read_record(given)]
        results += [
            Result(*record[:4], directory, metrics)
            for record in records
            for directory, metrics in record.evaluations
        ]
    if paths and not results:
        command = f'--workdir={shlex.quote(paths[0])}'
        raise FileNotFoundError(
            f'{paths[0]}: no evaluation/*/metrics.json, so there is nothing to '
            f'report. Evaluate the run first: python experiments/evaluate.py {command}'
        )
    return results


def read_record(workdir: str) -> RunRecord:
    """Reads a work directory, or RUNS.jsonl/NAME.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: a file is damaged or of another version.
    """
    folder = pathlib.Path(workdir)
    if folder.parent.is_file():
        for record in _read_lines(str(folder.parent)):
            if pathlib.Path(record.workdir) == folder:
                return record
        raise FileNotFoundError(f'{folder.parent}: has no run {folder.name}.')
    evaluated = [
        (path, read_metrics(path / METRICS_FILE)) for path in evaluations(folder)
    ]
    return RunRecord(
        workdir,
        read_config(folder),
        read_dataset_info(folder),
        read_origin(folder),
        evaluated,
    )


def write_records(results: Sequence[Result], path: pathlib.Path) -> None:
    """Writes runs and their evaluations as JSON lines, which `read_results` reads."""
    lines = []
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.workdir, []).append(result)
    folders = [os.path.abspath(result.workdir) for result in results]
    parent = os.path.commonpath([os.path.dirname(folder) for folder in folders])
    for group in groups.values():
        first = group[0]
        changed = configs.differences(Config(), first.config)
        values = {
            'run': pathlib.Path(os.path.relpath(first.workdir, parent)).as_posix(),
            'settings': {name: value for name, (_, value) in changed.items()},
            'data': first.data._asdict(),
            'origin': first.origin,
            'evaluations': [_without_parts(result.metrics) for result in group],
        }
        lines.append(json.dumps(values, allow_nan=False) + '\n')
    write_text(path, ''.join(lines))


def _without_parts(metrics: Metrics) -> dict[str, Any]:
    """Without the scores of each group and pair, which would be most of a line.

    Earlier versions kept them below `boxes`.
    """
    values = {name: x for name, x in metrics.items() if name not in _OF_PARTS}
    if 'boxes' in metrics:
        boxes = metrics['boxes'].items()
        values['boxes'] = {k: x for k, x in boxes if k not in ('groups', 'pairs')}
    return values


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
                'weights on the same pairs, perhaps with two sizes of tiles '
                'or thresholds. Delete one.'
            )
        if other is None or other.metrics['step'] < result.metrics['step']:
            best[key] = result
    return list(best.values())


def _read_lines(path: str) -> list[RunRecord]:
    records = []
    text = read_text(path)
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            records.append(_parse_line(path, json.loads(line)))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f'{path}: line {number} holds no run ({error!r}). Give work '
                'directories, or the runs.jsonl of a report.'
            ) from None
    return records


def _parse_line(path: str, values: dict[str, Any]) -> RunRecord:
    workdir = f'{path}/{values["run"]}'
    evaluated = []
    for number, metrics in enumerate(values['evaluations'], start=1):
        directory = evaluation_folder(workdir, str(number))
        evaluated.append((directory, _check_metrics(metrics, directory)))
    return RunRecord(
        workdir,
        configs.replace(Config(), **values['settings']),
        as_training_data(values['data']),
        values['origin'],
        evaluated,
    )


def read_metrics(path: pathlib.Path) -> Metrics:
    """A metrics.json, which has all that tables are made of.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    return _check_metrics(read_json(path, _METRICS), path)


def _check_metrics(metrics: dict[str, Any], path: pathlib.Path) -> Metrics:
    try:
        float(metrics['classes']['background']['pixels'])
        numbers = [metrics[name] for name in ('step', *_SCORES, 'parameters')]
        [float(number) for number in numbers if number is not None]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{path}: damaged ({error!r}). Evaluate the run again with '
            'experiments/evaluate.py.'
        ) from None
    return cast(Metrics, metrics)
