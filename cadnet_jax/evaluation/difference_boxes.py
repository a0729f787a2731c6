"""Boxes of plain differencing, fitted and evaluated as those of a network are.

They say how much of a score comes from the pairs themselves.
"""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.data.split_contents import image_digests
from cadnet_jax.evaluation.box_fit import choose_rule, shared_test, widen_all
from cadnet_jax.evaluation.box_scores import (
    PairBoxes,
    box_scores,
    script_average_precision,
)
from cadnet_jax.evaluation.boxes import (
    Boxes,
    BoxRule,
    labeled_boxes,
    region_boxes,
    require_boxes,
)
from cadnet_jax.evaluation.measuring import OPENINGS, difference_score
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.runs.scores import BoxScores

THRESHOLDS = (0.1, 0.25, 0.5, 0.75)  # of the largest difference, 255


class Differencing(NamedTuple):
    """How differencing was fitted, and its scores.

    Attributes:
        opening: side of the square structuring element, in pixels.
        rule: `threshold` is a share of 255, `min_score` an area in pixels.
        scores: of the evaluated split; all defects are one class.
    """

    opening: int
    rule: BoxRule
    scores: BoxScores


def measure_differencing(
    data_dir: str | pathlib.Path, fit_split: str, split: str, *, progress: bool = True
) -> Differencing:
    """Fits opening, threshold and margin on one split and evaluates another.

    Boxes are ranked by their area: in binarized images a difference is all or nothing.

    Args:
        data_dir: prepared data set with labeled boxes.
        fit_split: of it, a training part.
        split: of it, that is evaluated.
        progress: show progress bars.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: there is no such split, the two have a pair in common or are parts
            of one split that is not a training part, the data have no boxes, or nothing
            is found.
    """
    common = image_digests(data_dir, fit_split).keys() & image_digests(data_dir, split)
    if common:
        raise ValueError(
            f'--fit_split={fit_split}: has {len(common)} of the pairs of {split!r}; '
            'fit on a training part.'
        )
    if shared := shared_test(fit_split, split):
        raise ValueError(
            f'--fit_split={fit_split}: a part of {shared!r}, as is {split!r}; fit on '
            'a training part (train or val).'
        )
    best: tuple[float, int, BoxRule] | None = None
    for opening in OPENINGS:
        regions, sizes = _regions(data_dir, fit_split, opening, THRESHOLDS, progress)
        if chosen := choose_rule(regions, sizes, fit_split):
            average = script_average_precision(chosen[1]) or 0.0
            if not best or average > best[0]:
                best = average, opening, chosen[0]
    if not best:
        raise ValueError(
            f'{fit_split!r} of {data_dir}: nothing differs in any labeled box; name '
            'another split.'
        )
    _, opening, rule = best
    regions, sizes = _regions(data_dir, split, opening, (rule.threshold,), progress)
    found = widen_all(regions[rule.threshold], rule, sizes)
    return Differencing(opening, rule, box_scores(found, rule.min_score))


def _regions(
    data_dir: str | pathlib.Path,
    split: str,
    opening: int,
    thresholds: tuple[float, ...],
    progress: bool,
) -> tuple[dict[float, list[PairBoxes]], list[tuple[int, ...]]]:
    """Boxes without a margin at each threshold, and the sizes of the pairs."""
    regions: dict[float, list[PairBoxes]] = {x: [] for x in thresholds}
    sizes: list[tuple[int, ...]] = []
    title = f'{split}, opened by {opening}'
    pairs = tqdm(_pairs(data_dir, split), desc=title, disable=not progress)
    for image, reference, labels in pairs:
        difference = difference_score(image, reference, opening) / np.float32(255)
        sizes.append(difference.shape)
        for threshold, of in regions.items():
            of.append(PairBoxes(labels, _by_area(difference, threshold)))
    return regions, sizes


def _by_area(difference: NDArray[np.float32], threshold: float) -> Boxes:
    one_class = np.ones(difference.shape, np.uint8)
    scores = PixelScores(difference, one_class, difference, None, None)
    found = region_boxes(scores, ('background', 'defect'), threshold)
    areas = np.prod(found.coordinates[:, 2:] - found.coordinates[:, :2], axis=1)
    order = np.argsort(-areas, kind='stable')
    return dataclasses.replace(found.of(order), scores=areas[order])


def _pairs(
    data_dir: str | pathlib.Path, split: str
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8], Boxes]]:
    for batch in evaluation_batches(data_dir, split, batch_size=1):
        stored = batch['boxes'][0] if 'boxes' in batch else None
        labels = None if stored is None else labeled_boxes(stored, one_class=True)
        yield batch['image'][0], batch['reference'][0], require_boxes(labels, data_dir)
