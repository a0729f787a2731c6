"""Evaluates a network on a prepared split: metrics, curves, pictures, a page."""

import dataclasses
import math
import pathlib
import re
from typing import Any

import jax
from tqdm import tqdm

from cadnet_jax.data.prepared_set import DatasetInfo, read_info
from cadnet_jax.devices import sum_over_processes
from cadnet_jax.evaluation.box_evaluation import BoxEvaluation, format_boxes
from cadnet_jax.evaluation.boxes import BoxRule
from cadnet_jax.evaluation.curves import (
    count_scores,
    curve_names,
    no_histograms,
)
from cadnet_jax.evaluation.evaluation_files import (
    list_files,
    write_curves,
    write_pictures,
)
from cadnet_jax.evaluation.evaluation_page import PAGE_FILE, PairList, write_page
from cadnet_jax.evaluation.learned_groups import format_groups, group_metrics
from cadnet_jax.evaluation.metrics import count, no_counts, summarize
from cadnet_jax.evaluation.predictions import check_classes, predicted_pairs
from cadnet_jax.files.atomic import write_json
from cadnet_jax.inference.predictor import (
    OUT_OF_CLASS_NAMES,
    Predictor,
    default_rule,
    default_tile_size,
    score_scale,
)
from cadnet_jax.inference.results import begin_results, end_results, read_run
from cadnet_jax.models.complexity import count_parameters, gmacs
from cadnet_jax.runs.checkpoint_record import tree_digest
from cadnet_jax.runs.scores import Metrics
from cadnet_jax.runs.workdir import METRICS_FILE, evaluation_folder
from cadnet_jax.weights.released import is_released


def evaluate(
    predictor: Predictor,
    data_dir: str | pathlib.Path,
    split: str,
    *,
    batch_size: int,
    output_dir: str | pathlib.Path | None = None,
    num_pictures: int = 0,
    progress: bool = True,
    painted: bool = False,
    box_rule: BoxRule | None = None,
    by_group: bool = True,
    overwrite: bool = False,
) -> Metrics:
    """Scores a network on a split; each pair counts once, at the size of its mask.

    If the network has one class of defects only (always with head 'ooc'), all defect
    labels count as that class. If several processes take part, each predicts its share
    of the pairs; all return the scores of the whole split, and the first one writes.

    Args:
        predictor: the network.
        data_dir: prepared data set, with the classes that the network was trained on;
            with any classes, if the network has one class of defects only.
        split: such as 'test' or 'val[:10%]'.
        batch_size: pairs that go through the network together.
        output_dir: folder for metrics.json and the files that `evaluation_files` lists;
            files of an earlier evaluation of the same data are replaced. None: nothing
            is written.
        num_pictures: number of pairs whose pictures are written.
        progress: show a progress bar.
        painted: paint changes into each pair first, the same ones each time.
        box_rule: how boxes are made from scores; None: boxes are not evaluated.
        by_group: also score each group and each pair, and say how many of the groups
            the network learned from; this reads the split and the training data once
            more. If there are several processes, no pair or group has its own scores.
        overwrite: also replace an evaluation of other data, or by another `box_rule`.

    Returns:
        The contents of metrics.json: fractions, None if undefined. `gmacs` is for a
        pair of the size of the first one, or for a tile if that is smaller.

    Raises:
        FileExistsError: the folder has the evaluation of other data, or by another
            `box_rule`.
        FileNotFoundError: there is no prepared data set.
        ValueError: no such split, an empty split, other classes than the network's, a
            label outside the class map, or data without boxes although `box_rule` is
            given.
    """
    info = read_info(data_dir)
    check_classes(predictor, info, data_dir)
    if output_dir is not None and not overwrite:
        check_replaced(output_dir, info, box_rule)
    groups_tested = group_metrics(predictor, data_dir, split) if by_group else None
    counts = no_counts(len(predictor.class_names))
    has_classes = predictor.head.answer == 'classes'
    curves = curve_names(predictor.class_names, has_classes=has_classes)
    histograms = no_histograms(len(curves))
    boxes = BoxEvaluation(predictor, data_dir, box_rule) if box_rule else None
    size: tuple[int, ...] | None = None
    pair_list = PairList(predictor.class_names, pictured=output_dir is not None)
    with tqdm(
        desc=f'evaluate {split}',
        total=_num_pairs(info, split),
        unit='pairs',
        disable=not progress or jax.process_index() > 0,
    ) as bar:
        for pair in predicted_pairs(
            predictor,
            data_dir,
            split,
            batch_size,
            with_probabilities=output_dir is not None,
            painted=painted,
        ):
            size = size or pair.mask.shape
            pair_counts = count(pair.label, pair.prediction, len(predictor.class_names))
            counts += pair_counts
            pair_list.add(pair, pair_counts)
            if boxes:
                boxes.add(pair)
            if pair.scores.probabilities is not None:
                histograms += count_scores(
                    pair.label,
                    pair.scores.probabilities,
                    largest=end_of_curves(predictor),
                )
            bar.update()
    metrics: Metrics = {
        'dataset': info.name,
        'split': split,
        'step': predictor.step,
        'tile_size': predictor.tile_size,
        'orientations': predictor.orientations,
        'threshold': predictor.rule.threshold,
        'min_area': predictor.rule.min_area,
        **summarize(sum_over_processes(counts), predictor.class_names),
        'parameters': count_parameters(predictor.variables),
        'gmacs': _gmacs(predictor, size) if size else None,
    }
    if groups_tested:
        metrics['groups'] = groups_tested
    if boxes:
        metrics['boxes'] = boxes.summarize()
    if by_group and jax.process_count() == 1:  # or each process has a part of them
        groups, pairs = pair_list.group_scores(), pair_list.pair_scores()
        if boxes:
            boxes.add_scores(pairs, groups)
        metrics |= {'group_scores': groups, 'pair_scores': pairs}
    if output_dir is None:
        return metrics
    histograms = sum_over_processes(histograms)
    if jax.process_index() == 0:
        directory = pathlib.Path(output_dir)
        run = describe_run(predictor, data_dir, split)
        if box_rule:
            run['boxes'] = dataclasses.asdict(box_rule)
        has_distance = predictor.head.has_distance
        pictured = [line.id for line in pair_list.lines[:num_pictures]]
        files = [PAGE_FILE, *list_files(pictured, has_distance=has_distance)]
        begin_results(directory, run, files, overwrite=True)
        shown = predicted_pairs(predictor, data_dir, split, batch_size, painted=painted)
        for _, pair in zip(range(num_pictures), shown, strict=False):
            write_pictures(directory, pair, largest=score_scale(predictor.config))
        write_curves(directory, histograms, curves, largest=end_of_curves(predictor))
        write_page(directory, metrics, pair_list, pictured)
        write_json(directory / METRICS_FILE, metrics)
        end_results(directory, run, files)
    return metrics


def describe_run(
    predictor: Predictor, data_dir: str | pathlib.Path, split: str
) -> dict[str, Any]:
    """What results.json says of an evaluation: the weights and the data.

    Args:
        predictor: the network.
        data_dir: prepared data set.
        split: of it.

    Raises:
        FileNotFoundError: there is no prepared data set.
    """
    model = {
        'workdir': predictor.workdir,
        'step': predictor.step,
        'sha256': tree_digest(predictor.variables),
    }
    data = {'dir': str(data_dir), 'fingerprint': read_info(data_dir).fingerprint}
    return {'model': model, 'data': data, 'split': split}


def evaluated_data(folder: str | pathlib.Path) -> dict[str, Any]:
    """`data` of `describe_run` of the evaluation in a folder; {} if none is known."""
    data = read_run(folder).get('data')
    return data if isinstance(data, dict) else {}


def output_directory(
    predictor: Predictor, data_dir: str | pathlib.Path, split: str
) -> pathlib.Path:
    """Default folder of an evaluation: WORKDIR/evaluation/DATASET-SPLIT-STEP.

    What is not the default is added: -tileSIZE, -orientationsNUMBER, -thresholdSCORE,
    -areaPIXELS. For the released weights, the folder is
    evaluation/released-DATASET-SPLIT-STEP in the current directory. The name suits
    every file system and shell: 'test[:25%]' becomes test-first-25-percent.
    """
    name = default_name(read_info(data_dir), split, predictor.step)
    if predictor.tile_size != default_tile_size(predictor.config, predictor.workdir):
        name += f'-tile{predictor.tile_size}'
    if predictor.orientations > 1:
        name += f'-orientations{predictor.orientations}'
    if predictor.rule.threshold != default_rule(predictor.config).threshold:
        name += f'-threshold{predictor.rule.threshold:g}'
    if predictor.rule.min_area > 1:
        name += f'-area{predictor.rule.min_area}'
    if is_released(predictor.workdir):
        return pathlib.Path('evaluation') / f'{predictor.workdir}-{name}'
    return evaluation_folder(predictor.workdir, name)


def default_name(info: DatasetInfo, split: str, step: int) -> str:
    """Name of the folder of an evaluation with the default tiles and rule."""
    name = f'{info.name}-{_describe_split(split)}-{step}'
    return re.sub(r'[^\w.-]+', '-', name, flags=re.ASCII)


def check_replaced(
    folder: str | pathlib.Path, info: DatasetInfo, box_rule: BoxRule | None = None
) -> None:
    """Refuses to replace an evaluation that only has the same name.

    All data sets of a user's own pairs are named `paired_folder`, and the default
    folder of an evaluation does not name the rule of its boxes.

    Args:
        folder: that is written to; it need not be there.
        info: of the data that are evaluated.
        box_rule: how boxes are made; None: they are not evaluated.

    Raises:
        FileExistsError: it has the evaluation of other data, or by another `box_rule`.
    """
    data, boxes = evaluated_data(folder), read_run(folder).get('boxes')
    before = data.get('fingerprint')
    if before and info.fingerprint and before != info.fingerprint:
        what = (
            f'other data ({data.get("dir")}, fingerprint {before}, not '
            f'{info.fingerprint})'
        )
    elif box_rule and boxes and boxes != dataclasses.asdict(box_rule):
        what = 'boxes by another rule'
    else:
        return
    raise FileExistsError(
        f'{folder}: has the evaluation of {what}. Delete this folder, or give '
        'evaluate.py another one with --output_dir.'
    )


def class_note(predictor: Predictor, data_dir: str | pathlib.Path) -> str:
    """A line that says which classes are evaluated as one; '' if there are none."""
    names = read_info(data_dir).class_names
    if names == predictor.class_names or not predictor.has_one_class:
        return ''
    return (
        f'The network tells no classes apart: {", ".join(names[1:])} of {data_dir} are '
        f'evaluated as one class, {OUT_OF_CLASS_NAMES[1]}.\n'
    )


def format_table(metrics: Metrics) -> str:
    """The scores for the terminal, in percent."""
    width = max(len(name) for name in [*metrics['classes'], 'defect classes, mean'])
    header = ('IoU', 'accuracy', 'F-score', 'precision')
    lines = [
        f'{metrics["dataset"]}, {metrics["split"]}, step {metrics["step"]}; in percent',
        f'{"":{width}}' + ''.join(f'{title:>11}' for title in (*header, 'pixels')),
    ]
    for name, values in metrics['classes'].items():
        shown = (
            values['iou'],
            values['accuracy'],
            values['fscore'],
            values['precision'],
        )
        cells = ''.join(map(_percent_cell, shown))
        lines.append(f'{name:{width}}{cells}{values["pixels"]:>11}')
    averages = metrics['miou'], metrics['macc'], metrics['mfscore']
    means = ''.join(map(_percent_cell, averages))
    lines.append(f'{"defect classes, mean":{width}}{means}')
    false_regions = metrics['false_regions_per_image']
    lines += [
        f'{"any defect":{width}}{_percent_cell(metrics["defect_iou"])}'
        f'{_percent_cell(metrics["defect_accuracy"])}',
        f'{"defects hit":{width}}{_percent_cell(metrics["defect_hit_rate"])}',
        f'{"false regions/image":{width}}{_cell(false_regions)}',
    ]
    if 'boxes' in metrics:
        lines += format_boxes(metrics['boxes'])
    if 'groups' in metrics and (text := format_groups(metrics['groups'])):
        lines.append(text)
    return '\n'.join(lines)


def _num_pairs(info: DatasetInfo, split: str) -> int | None:
    """Number of pairs that this process evaluates; None: unknown, for a slice."""
    if split not in info.num_examples:
        return None
    others = info.num_examples[split] - jax.process_index()
    return math.ceil(others / int(jax.process_count()))


def end_of_curves(predictor: Predictor) -> float:
    """Highest threshold of the curves.

    1 for probabilities; for change scores (head 'ooc') four times the default
    threshold, since those of defects often exceed twice that threshold.
    """
    threshold = default_rule(predictor.config).threshold
    return 1.0 if threshold is None else 4 * threshold


def _gmacs(predictor: Predictor, size: tuple[int, ...]) -> float:
    """Multiply-adds in 1e9 of a pair of `size`, or of a tile if that is smaller."""
    least = predictor.model.smallest_side
    height, width = (max(least, min(side, predictor.tile_size)) for side in size)
    num_classes = len(predictor.class_names)
    return gmacs(predictor.config.model, num_classes, height, width)


def _describe_split(split: str) -> str:
    """A split in words: 'val[:10]+test' gives 'val-first-10-and-test'."""
    return '-and-'.join(_describe_part(part) for part in split.split('+'))


def _describe_part(part: str) -> str:
    """'test[25%:]' gives 'test-from-25-percent'."""
    name, bracket, bounds = part.strip().partition('[')
    if not bracket:
        return name
    bounds = bounds.rstrip(']').replace('%', '-percent')
    start, _, end = (re.sub('shard$', '-shards', x) for x in bounds.partition(':'))
    if start.startswith('-') and not end:
        return f'{name}-last{start}'
    if end and not start:
        return f'{name}-first-{end}'
    return f'{name}-from-{start}' + (f'-to-{end}' if end else '')


def _cell(value: float | None) -> str:
    """A cell of the table, 11 characters wide."""
    return f'{"-":>11}' if value is None else f'{value:>11.2f}'


def _percent_cell(value: float | None) -> str:
    return _cell(None if value is None else 100 * value)
