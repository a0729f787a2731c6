"""What a network finds on data that it was not trained on, beside plain differencing.

One threshold is chosen on some sets, and both systems are measured on all: defects hit
at fixed rates of false regions, IoU at the chosen threshold and at the best one, and
false regions on good parts.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cadnet_jax.data import nuisance
from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.data.transforms import Pair
from cadnet_jax.evaluation.detection import (
    DetectionCounts,
    count_detections,
    no_detections,
)
from cadnet_jax.inference.predictor import Predictor, score_scale
from cadnet_jax.runs.learned import warn_of_learned

FALSE_RATES = (0.1, 0.3, 1.0)  # false regions a megapixel
REFERENCES = ('as_is', 'other', 'self', 'gray')
_SYSTEMS = ('network', 'differencing')
OPENINGS = (1, 3, 5)  # pixels, of differencing; 1: none

_ODDS = np.linspace(-5, 9, 43)
_PROBABILITIES = tuple((1 / (1 + np.exp(-_ODDS))).tolist())
GRAY_LEVELS = tuple(float(level) for level in range(4, 250, 7))

Image = NDArray[np.uint8]


class DataSet(NamedTuple):
    """A prepared set that is measured."""

    name: str
    data_dir: str
    split: str


@dataclasses.dataclass(frozen=True)
class Options:
    """How pairs are changed before they are measured, and how thresholds are chosen.

    Attributes:
        limit: pairs of each set; 0: all.
        reference: one of `REFERENCES`: that of the pair, of another pair, the image
            itself, or plain gray.
        nuisance: one of `nuisance.NAMES`, applied to the image alone; '': none.
        seed: of what is random in it.
        most_false: false regions in a good image, on average, that a threshold may have
            to be chosen; None: any.
    """

    limit: int = 0
    reference: str = 'as_is'
    nuisance: str = ''
    seed: int = 0
    most_false: float | None = None


def parse_data_set(text: str) -> DataSet:
    """Reads 'NAME=DIR:SPLIT'.

    Raises:
        ValueError: it is not of this form.
    """
    name, equals, rest = text.partition('=')
    directory, colon, split = rest.partition(':')
    if not (name and equals and directory and colon and split):
        raise ValueError(
            f'--data={text}: invalid; give NAME=DIR:SPLIT, such as '
            'boards=prepared/deep_pcb/1.1.0:test.'
        )
    return DataSet(name, os.path.expanduser(directory), split)


def read(path: str | pathlib.Path) -> dict[str, Any]:
    """What `measure` returned before, from a JSON file.

    Raises:
        ValueError: it is not such a file.
        FileNotFoundError: there is none.
    """
    try:
        report: dict[str, Any] = json.loads(pathlib.Path(path).read_text())
        for system in _SYSTEMS:
            float(report[system]['threshold'])
        int(report['differencing']['opening'])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{path}: not a measurement of measure_weights.py ({error!r}).'
        ) from None
    return report


def measure(
    predictor: Predictor,
    data_sets: Sequence[DataSet],
    options: Options,
    *,
    choose: Sequence[str] = (),
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Measures a network and differencing on prepared sets.

    Args:
        predictor: the network; a defect is any class but the background.
        data_sets: what is measured.
        options: how pairs are changed.
        choose: names of the sets that choose the thresholds and the opening: those with
            the highest mean IoU over these sets, as far as `options.most_false` allows.
        earlier: what this function returned before; its thresholds and opening are
            taken, and `choose` is not looked at.

    Returns:
        `network` and `differencing`, each with `threshold` and `sets` (name -> scores);
        `step` of the network, `chosen_on`, and `options`.

    Raises:
        ValueError: a set in `choose` is not among `data_sets`, two sets have one name,
            or nothing chooses.
        FileNotFoundError: a set is not there.
    """
    _check_choice(data_sets, choose, earlier)
    for data_set in data_sets:
        warn_of_learned(predictor.workdir, data_set.data_dir, data_set.split)
    network: dict[str, DetectionCounts] = {}
    differencing: dict[int, dict[str, DetectionCounts]] = {k: {} for k in OPENINGS}
    for data_set in data_sets:
        of_set = _measure_set(predictor, data_set, options)
        network[data_set.name] = of_set[0]
        for opening, counts in of_set[1].items():
            differencing[opening][data_set.name] = counts
    if earlier:
        thresholds = {name: earlier[name]['threshold'] for name in _SYSTEMS}
        opening = earlier['differencing']['opening']
    else:
        most = options.most_false
        best = {
            opening: best_threshold(differencing[opening], choose, most)
            for opening in OPENINGS
        }
        opening = max(OPENINGS, key=lambda k: best[k][1])
        thresholds = {
            'network': best_threshold(network, choose, most)[0],
            'differencing': best[opening][0],
        }
    return {
        'network': _summarize(network, thresholds['network']),
        'differencing': {
            'opening': opening,
            **_summarize(differencing[opening], thresholds['differencing']),
        },
        'step': predictor.step,
        'chosen_on': earlier['chosen_on'] if earlier else list(choose),
        'options': dataclasses.asdict(options),
    }


def _check_choice(
    data_sets: Sequence[DataSet],
    choose: Sequence[str],
    earlier: Mapping[str, Any] | None,
) -> None:
    names = [data_set.name for data_set in data_sets]
    if twice := sorted(name for name in set(names) if names.count(name) > 1):
        raise ValueError(
            f'--data={twice[0]}=...: given twice; give each set a name of its own.'
        )
    if unknown := sorted(set(choose) - set(names)):
        raise ValueError(
            f'--choose={",".join(unknown)}: no such set; there are {", ".join(names)}.'
        )
    if not choose and not earlier:
        raise ValueError(
            '--choose is missing: name the sets that choose the thresholds, or give '
            '--thresholds_of=weights.json, an earlier measurement.'
        )


def _measure_set(
    predictor: Predictor, data_set: DataSet, options: Options
) -> tuple[DetectionCounts, dict[int, DetectionCounts]]:
    """The counts of the network, and of differencing for each opening."""
    thresholds = network_thresholds(predictor)
    network = no_detections(thresholds)
    differencing = {k: no_detections(GRAY_LEVELS) for k in OPENINGS}
    for pair in tqdm(read_pairs(data_set, options), desc=data_set.name, unit=' pairs'):
        score = predictor.predict_batch(pair.image[None], pair.reference[None]).score[0]
        network += count_detections(pair.mask, score, thresholds)
        for opening in OPENINGS:
            difference = difference_score(pair.image, pair.reference, opening)
            differencing[opening] += count_detections(
                pair.mask, difference, GRAY_LEVELS
            )
    return network, differencing


def network_thresholds(predictor: Predictor) -> tuple[float, ...]:
    """Thresholds of the network's scores, denser near both ends."""
    scale = score_scale(predictor.config)
    return tuple(scale * probability for probability in _PROBABILITIES)


def difference_score(
    image: Image, reference: Image, opening: int
) -> NDArray[np.float32]:
    """Plain differencing: the largest absolute difference over the channels, opened.

    Thresholding the opened difference is the same as opening what is above a threshold.

    Args:
        image, reference: RGB uint8 [H, W, 3].
        opening: side of the square structuring element in pixels; 1: none.

    Returns:
        Gray levels, float32 [H, W].
    """
    difference = cv2.absdiff(image, reference).max(axis=-1)
    if opening > 1:
        element = np.ones((opening, opening), np.uint8)
        difference = cv2.morphologyEx(difference, cv2.MORPH_OPEN, element)
    return np.asarray(difference, np.float32)


def read_pairs(data_set: DataSet, options: Options) -> Iterator[Pair]:
    """The pairs of a set, changed as the options say.

    Records come in the order of a hash, so that the first ones are a fair sample.
    """
    batches = evaluation_batches(data_set.data_dir, data_set.split, batch_size=1)
    rng = np.random.default_rng(options.seed)
    previous: Image | None = None
    for number, batch in enumerate(batches):
        if options.limit and number >= options.limit:
            return
        image, reference, mask = (
            batch[name][0] for name in ('image', 'reference', 'mask')
        )
        paired = reference
        if options.reference == 'self':
            reference = image
        elif options.reference == 'gray':
            reference = np.full_like(image, 128)
        elif options.reference == 'other':
            if previous is None or previous.shape != image.shape:
                previous = paired
                continue
            reference = previous
        previous = paired
        if options.nuisance:
            image, mask = nuisance.disturb(options.nuisance, image, mask, rng)
        yield Pair(image, reference, mask)


def best_threshold(
    counts: Mapping[str, DetectionCounts], choose: Sequence[str], most: float | None
) -> tuple[float, float]:
    """The threshold with the highest mean IoU over the choosing sets, and that IoU.

    With `most`, of the thresholds with at most so many false regions in a good image;
    where none is that low, the highest threshold.
    """
    chosen = [counts[name] for name in choose]
    iou = np.mean([of.iou for of in chosen], axis=0)
    if most is not None:
        false = sum(of.false_regions_good for of in chosen)
        good = sum(of.good_images for of in chosen)
        iou = np.where(false <= most * good, iou, -1)
        iou[-1] = max(iou[-1], 0)
    best = int(iou.argmax())
    return float(chosen[0].thresholds[best]), float(iou[best])


def _summarize(
    counts: Mapping[str, DetectionCounts], threshold: float
) -> dict[str, Any]:
    return {
        'threshold': threshold,
        'sets': {
            name: _scores(of, int(np.abs(of.thresholds - threshold).argmin()))
            for name, of in counts.items()
        },
    }


def _scores(counts: DetectionCounts, chosen: int) -> dict[str, Any]:
    """What is reported of one set; None where undefined."""
    good = counts.good_images
    return {
        'pairs': counts.images,
        'defects': counts.defects,
        'megapixels': counts.pixels / 1e6,
        'hit_rate_at': {str(rate): counts.hit_rate_at(rate) for rate in FALSE_RATES},
        'iou': float(counts.iou[chosen]) if counts.defects else None,
        'best_iou': float(counts.iou.max()) if counts.defects else None,
        'hit_rate': float(counts.hit_rate[chosen]) if counts.defects else None,
        'false_per_megapixel': float(counts.false_per_megapixel[chosen]),
        'false_regions_per_good_image': (
            float(counts.false_regions_good[chosen] / good) if good else None
        ),
    }


def format_table(report: Mapping[str, Any]) -> str:
    """The scores for the terminal; a set has a line for each system."""
    columns = [f'hit@{rate}' for rate in FALSE_RATES]
    columns += ['IoU', 'best IoU', 'hit', 'false/MP', 'false/good']
    width = max(len(name) for name in report['network']['sets']) + 14
    lines = [' ' * width + ''.join(f'{column:>11}' for column in columns)]
    for name in report['network']['sets']:
        for system in _SYSTEMS:
            scores = report[system]['sets'][name]
            values = [
                *scores['hit_rate_at'].values(),
                *(scores[key] for key in _COLUMNS),
            ]
            cells = ''.join(
                f'{"-":>11}' if value is None else f'{value:>11.3f}' for value in values
            )
            lines.append(f'{name + ", " + system:<{width}}{cells}')
    chosen_on = ', '.join(report['chosen_on'])
    for system in _SYSTEMS:
        threshold = report[system]['threshold']
        lines.append(f'{system}: threshold {threshold:.4g}, chosen on {chosen_on}')
    return '\n'.join(lines)


_COLUMNS = (
    'iou',
    'best_iou',
    'hit_rate',
    'false_per_megapixel',
    'false_regions_per_good_image',
)
