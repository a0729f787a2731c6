"""How far a few labels go: from the released weights, and from random ones.

For each share of the labels one run starts from given weights and one from random
ones; both take the same steps. With no labels, the given weights are tested as they
are.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.pair_source import training_source
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.evaluation.evaluate import describe_run, evaluate
from cadnet_jax.files.atomic import write_json, write_text
from cadnet_jax.files.images import write_png
from cadnet_jax.files.markdown import markdown_table
from cadnet_jax.files.text import read_object
from cadnet_jax.inference.restore import load_predictor
from cadnet_jax.inference.results import read_run
from cadnet_jax.pictures.plots import plot_lines
from cadnet_jax.reports.grouping import Mean, format_mean, mean
from cadnet_jax.runs import learned
from cadnet_jax.runs.workdir import METRICS_FILE, evaluation_folder
from cadnet_jax.training.log import read_log
from cadnet_jax.training.loop import train
from cadnet_jax.weights.initial import weights_at

SCORES = {
    'defect_iou': 'IoU of any defect, %',
    'miou': 'mIoU, %',
    'defect_hit_rate': 'defects hit, %',
    'false_regions_per_image': 'false regions an image',
}
"""Name of each score in metrics.json -> its title."""

_NAME = 'few_labels'
_NOT_PERCENT = 'false_regions_per_image'
_CURVE = 'defect_iou'
_REMEDY = 'Delete it: the same command evaluates again.'


class Run(NamedTuple):
    """A run on a share of the labels; `start` names its first weights, '' is random.

    With the share 0 nothing is trained.
    """

    name: str
    config: Config
    fraction: float
    start: str


class Line(NamedTuple):
    """Runs that differ in the seed alone.

    Attributes:
        fraction: of the labels.
        pairs: that were learned from.
        start: see `Run`.
        scores: name -> mean over the seeds; None of the mIoU where the network tells
            no classes apart, but the labels do.
        curve: steps and the mean of `defect_iou` on the evaluation split.
    """

    fraction: float
    pairs: int
    start: str
    scores: Mapping[str, Mean | None]
    curve: tuple[tuple[int, float], ...]


def runs_of(base: Config, fractions: Sequence[float], seeds: int) -> list[Run]:
    """All runs, those of seed 0 first; ahead of them the share 0, if it is asked for.

    Raises:
        ValueError: a setting is given that differs from run to run, or there are no
            weights to start from.
    """
    given = configs.differences(Config(), base)
    for name in ('seed', 'label_fraction'):
        if name in given:
            raise ValueError(f'--{name}: differs from run to run; leave it out.')
    if not base.train.init_from:
        raise ValueError(
            '--init_from is empty: name the weights that are compared with random ones.'
        )
    runs = []
    if 0 in fractions:
        runs.append(Run('0percent_weights', base, 0.0, base.train.init_from))
    for seed in range(seeds):
        for fraction in filter(None, dict.fromkeys(fractions)):
            for start in (base.train.init_from, ''):
                config = configs.replace(
                    base, seed=seed, label_fraction=fraction, init_from=start
                )
                kind = 'weights' if start else 'random'
                name = f'{100 * fraction:g}percent_{kind}_seed{seed}'
                runs.append(Run(name, config, fraction, start))
    return runs


def complete(run: Run, root: pathlib.Path, test_split: str) -> bool:
    """Trains what is left of a run, and evaluates its last weights if needed.

    Where nothing is trained, it evaluates the given weights.

    Returns:
        Whether it is complete; False where it was asked to stop.

    Raises:
        FileNotFoundError: the data or the weights are not there.
        ValueError: no such split, a pair of the test split is learned from, the folder
            holds a run of other settings, or a file is damaged.
    """
    workdir, data = root / run.name, run.config.data
    learned.check_will_be_new(run.config, data.data_dir, test_split)
    if run.fraction and not train(run.config, workdir):
        return False
    weights = (workdir, 'latest') if run.fraction else weights_at(run.start)
    predictor = load_predictor(*weights)
    folder, source = _evaluation(workdir), (data.data_dir, test_split)
    # Scores of other weights or other data may be there: the share 0 has no settings.
    is_same = read_run(folder) == describe_run(predictor, *source)
    if not (is_same and (folder / METRICS_FILE).exists()):
        evaluate(
            predictor,
            *source,
            batch_size=data.eval_batch_size,
            output_dir=folder,
            overwrite=True,
        )
        jax.clear_caches()  # the programs of many runs are more than a process can hold
    return True


def summarize(runs: Sequence[Run], root: pathlib.Path) -> list[Line]:
    """A line for each share and start.

    Raises:
        FileNotFoundError: a run is not complete.
        ValueError: a file is damaged.
    """
    lines = []
    for fraction, start in dict.fromkeys((run.fraction, run.start) for run in runs):
        ours = [run for run in runs if (run.fraction, run.start) == (fraction, start)]
        metrics = [_read_metrics(root / run.name) for run in ours]
        curve = _mean_curve([root / run.name for run in ours]) if fraction else ()
        scores = {name: mean(one[name] for one in metrics) for name in SCORES}
        labeled = read_info(ours[0].config.data.data_dir).class_names
        if len(metrics[0]['classes']) < len(labeled):
            scores['miou'] = None
        lines.append(Line(fraction, _pairs(ours[0]), start, scores, curve))
    return lines


def _pairs(run: Run) -> int:
    """How many pairs a run learns from."""
    config = run.config
    return len(training_source(config.data, config.train.seed)) if run.fraction else 0


def write_report(lines: Sequence[Line], root: pathlib.Path) -> None:
    """Writes few_labels.md, a table, few_labels.png, curves, and few_labels.json."""
    write_text(root / f'{_NAME}.md', format_table(lines) + '\n')
    write_json(root / f'{_NAME}.json', {'lines': [line._asdict() for line in lines]})
    curves = {f'{_share(x)}, {_start(x)}': x.curve for x in lines if x.curve}
    picture = plot_lines(curves, 'during training', 'steps', SCORES[_CURVE])
    write_png(root / f'{_NAME}.png', picture)


def format_table(lines: Sequence[Line]) -> str:
    """A table in Markdown."""
    return markdown_table(
        ['labels', 'from', *SCORES.values()],
        ([_share(x), _start(x), *(_show(x, name) for name in SCORES)] for x in lines),
    )


def _share(line: Line) -> str:
    return f'{100 * line.fraction:g} % ({line.pairs} pairs)'


def _start(line: Line) -> str:
    return line.start or 'random weights'


def _show(line: Line, name: str) -> str:
    percent = name != _NOT_PERCENT
    return format_mean(line.scores[name], percent=percent, digits=1 if percent else 2)


def _evaluation(workdir: pathlib.Path) -> pathlib.Path:
    return evaluation_folder(workdir, _NAME)


def _read_metrics(workdir: pathlib.Path) -> dict[str, Any]:
    path = _evaluation(workdir) / METRICS_FILE
    if not path.exists():
        raise FileNotFoundError(f'{path}: missing; run the same command to the end.')
    metrics = read_object(path, remedy=_REMEDY)
    for name in SCORES:
        if name not in metrics or not isinstance(metrics[name], int | float | None):
            raise ValueError(f'{path}: damaged: lacks {name}. {_REMEDY}')
    if not isinstance(metrics.get('classes'), dict):
        raise ValueError(f'{path}: damaged: lacks classes. {_REMEDY}')
    return metrics


def _mean_curve(workdirs: Sequence[pathlib.Path]) -> tuple[tuple[int, float], ...]:
    """In percent, over the steps that all runs have."""
    values: dict[int, list[float]] = {}
    for workdir in workdirs:
        for line in read_log(workdir):
            score = line.get('evaluation', {}).get(_CURVE)
            if score is not None:
                values.setdefault(line['step'], []).append(100 * score)
    number = len(workdirs)
    return tuple(
        (step, sum(of_step) / number)
        for step, of_step in sorted(values.items())
        if len(of_step) == number
    )
