"""Folders of evaluated runs, made up: the files that a report reads, no checkpoints."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.evaluation.curves import count_scores, curves
from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.images import write_png
from cadnet_jax.pictures.overlays import side_by_side
from cadnet_jax.reports.grouping import Mean
from cadnet_jax.reports.rows import Table
from cadnet_jax.reports.tables import make_tables
from cadnet_jax.runs.finished_runs import read_results
from cadnet_jax.runs.workdir import TrainingData, write_dataset_info

CLASS_NAMES = ('background', 'line', 'abpt')


def write_evaluated_run(
    workdir: pathlib.Path, trained_on: str, tested_on: str, **settings: Any
) -> str:
    """Writes a run on SynLCD's config `trained_on`, without its evaluation."""
    root = workdir.parent / f'data_of_{workdir.name[:1]}'
    data_dir = str(root / 'synlcd' / trained_on / '3.0.0')
    names = ('iou', 'line', 'abpt', 'pixels')
    scores = {k: settings.pop(k) for k in names if k in settings}
    learned = settings.pop('learned', (900, 60, 40))
    origin = settings.pop('origin', None)
    config = configs.replace(Config(), data_dir=data_dir, **settings)
    write_json(workdir / 'config.json', dataclasses.asdict(config))
    data = TrainingData(f'synlcd/{trained_on}', CLASS_NAMES, learned)
    write_dataset_info(workdir, data)
    if origin:
        write_json(workdir / 'started_from.json', origin)
    write_evaluation(workdir, tested_on, step=config.train.steps, **scores)
    return str(workdir)


def write_evaluation(
    workdir: pathlib.Path,
    tested_on: str,
    *,
    split: str = 'test',
    step: int = 600,
    iou: float | None = 0.5,
    accuracy: float | None = 0.75,
    line: float | None = 0.6,
    abpt: float | None = 0.4,
    pixels: int = 100,
    **others: Any,
) -> pathlib.Path:
    """Adds metrics.json of an evaluation, with `others`; returns its folder."""
    folder = workdir / 'evaluation' / f'synlcd-{tested_on}-{split}-{step}'
    classes = {
        name: {'iou': value, 'pixels': pixels}
        for name, value in zip(CLASS_NAMES, (0.9, line, abpt), strict=True)
    }
    metrics = {
        'dataset': f'synlcd/{tested_on}',
        'split': split,
        'step': step,
        'classes': classes,
        'miou': None if line is None or abpt is None else (line + abpt) / 2,
        'macc': 0.8,
        'mfscore': 0.7,
        'defect_iou': iou,
        'defect_accuracy': accuracy,
        'parameters': 3_896_867,
        'gmacs': 0.1,
        **others,
    }
    write_json(folder / 'metrics.json', metrics)
    return folder


def write_public_run(
    workdir: pathlib.Path, dataset: str, ious: dict[str, float], **settings: Any
) -> str:
    """Writes a run that was trained and tested on a public set.

    Args:
        workdir: of the run.
        dataset: name of the set.
        ious: class of defects -> its IoU.
        settings: of the run.
    """
    names = ('background', *ious)
    config = configs.replace(Config(), data_dir=f'/data/{dataset}/1.0.0', **settings)
    write_json(workdir / 'config.json', dataclasses.asdict(config))
    pixels = tuple(range(100, 100 + len(names)))
    write_dataset_info(workdir, TrainingData(dataset, names, pixels))
    step, mean = config.train.steps, sum(ious.values()) / len(ious)
    metrics = {
        'dataset': dataset,
        'split': 'test',
        'step': step,
        'classes': {
            name: {'iou': iou, 'pixels': 100}
            for name, iou in {'background': 0.9, **ious}.items()
        },
        'miou': mean,
        'macc': 0.8,
        'mfscore': 0.7,
        'defect_iou': mean,
        'defect_accuracy': 0.75,
        'parameters': 3_896_867,
        'gmacs': 0.1,
    }
    folder = workdir / 'evaluation' / f'{dataset.replace("/", "-")}-test-{step}'
    write_json(folder / 'metrics.json', metrics)
    return str(workdir)


def write_fine_tuned_run(
    folder: pathlib.Path, fraction: float, iou: float, **settings: Any
) -> str:
    """Writes a run on a share of the lines, from a run of its head on points.

    `origin` among the settings changes what it started from.
    """
    head = settings.get('head', 'ooc')
    origin = {'dataset': 'synlcd/abpt', 'label_fraction': 1.0, 'head': head}
    return write_evaluated_run(
        folder,
        'line',
        'line',
        iou=iou,
        **{
            'head': head,
            'init_from': 'runs/abpt',
            'label_fraction': fraction,
            'steps': 50,
            'warmup_steps': 5,
            **settings,
            'origin': origin | settings.get('origin', {}),
        },
    )


def add_pictures(
    folder: pathlib.Path, names: Sequence[str], color: tuple[int, int, int]
) -> None:
    """Adds curves.json, and pictures of 40 x 40 pixels, predictions in one color."""
    plain = np.full((40, 40, 3), color, np.uint8)
    images = [np.full((40, 40, 3), level, np.uint8) for level in (60, 120, 180)]
    for name in names:
        pair = side_by_side(('image', 'reference', 'label'), images)
        write_png(folder / 'pairs' / f'{name}.png', pair)
        for kind in ('overlays', 'probability', 'distance'):
            write_png(folder / kind / f'{name}.png', plain)
    rng = np.random.default_rng(sum(color))
    scores = rng.dirichlet((1, 1, 1), size=(9, 9))
    counts = count_scores(rng.integers(3, size=(9, 9), dtype=np.uint8), scores)
    classes = curves(counts, ('line', 'abpt', 'any defect'))
    write_json(folder / 'curves.json', {'classes': classes})


def make_tables_of(*workdirs: str) -> dict[str, Table]:
    """Key -> table, of these runs."""
    return {table.key: table for table in make_tables(read_results(workdirs))}


def cells_of(table: Table, label: str) -> dict[str, Any]:
    """Of the one row with that label: the means alone."""
    (row,) = (row for row in table.rows if row.label == label)
    return {
        name: round(value.mean, 6) if isinstance(value, Mean) else value
        for name, value in row.cells.items()
    }
