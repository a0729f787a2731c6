"""The variation model of machine vision: mean and deviation of gray values at a pixel.

It is learned from good images of the product, without a reference. A pixel that is more
than a given number of deviations from the mean is a defect (as in MVTec HALCON's
`prepare_variation_model`). The model serves for comparison with networks.
"""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cadnet_jax.data.labels import is_defect
from cadnet_jax.data.pair_source import PairSource
from cadnet_jax.evaluation.detection import (
    DetectionCounts,
    count_detections,
    no_detections,
)
from cadnet_jax.evaluation.measuring import OPENINGS, best_threshold

LEAST_DEVIATION = 2.0  # gray levels; smaller ones are raised to it
THRESHOLDS = tuple(np.geomspace(0.5, 60, 43).tolist())  # deviations


class GrayVariation(NamedTuple):
    """Mean and deviation over the good images of one product.

    Attributes:
        mean: float32 [H, W, 3], gray levels.
        deviation: float32 [H, W, 3], `LEAST_DEVIATION` or more.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def score(self, image: NDArray[np.uint8], opening: int = 1) -> NDArray[np.float32]:
        """Number of deviations from the mean, largest of any channel, float32 [H, W].

        Args:
            image: RGB uint8 [H, W, 3].
            opening: side of the square structuring element in pixels; 1: none.
        """
        score = (np.abs(image - self.mean) / self.deviation).max(axis=-1)
        if opening > 1:
            element = np.ones((opening, opening), np.uint8)
            score = cv2.morphologyEx(score, cv2.MORPH_OPEN, element)
        return np.asarray(score, np.float32)


class Parts(NamedTuple):
    """What is measured together.

    Attributes:
        good: split whose pairs without a labeled defect teach the products; their
            references are not used.
        split: that is scored, of the same groups (products).
    """

    good: str
    split: str


@dataclasses.dataclass
class _Sums:
    """Over the good images of a product."""

    images: int
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    def variation(self) -> GrayVariation:
        mean = self.total / self.images
        variance = (self.squares - self.images * mean**2) / (self.images - 1)
        deviation = np.sqrt(np.maximum(variance, LEAST_DEVIATION**2))
        return GrayVariation(mean.astype(np.float32), deviation.astype(np.float32))


def learn_variation(
    data_dir: str | pathlib.Path, split: str, *, progress: bool = True
) -> dict[str, GrayVariation]:
    """The variation of each group with two good images or more, by its name.

    Args:
        data_dir: prepared data set, whose images of a group have one size.
        split: of it; only pairs without a labeled defect count.
        progress: show a bar.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: no such split, damaged data, or images of a group differ in size.
    """
    source = PairSource(data_dir, split)
    sums: dict[str, _Sums] = {}
    for index in tqdm(range(len(source)), desc=f'good {split}', disable=not progress):
        pair = source[index]
        if is_defect(pair['mask']).any():
            continue
        group, image = pair['group'], pair['image'].astype(np.float64)
        of_group = sums.setdefault(group, _Sums(0, 0 * image, 0 * image))
        if of_group.total.shape != image.shape:
            raise ValueError(
                f'{data_dir}: images of group {group!r} differ in size, such as '
                f'{pair["id"]!r}; a variation model needs images of one size.'
            )
        of_group.images += 1
        of_group.total += image
        of_group.squares += image**2
    return {name: x.variation() for name, x in sums.items() if x.images > 1}


def measure_variation(
    data_dir: str | pathlib.Path,
    choosing: Parts,
    tested: Parts,
    *,
    progress: bool = True,
) -> dict[str, Any]:
    """Scores of the model at the threshold and opening that other products choose.

    Args:
        data_dir: prepared data set.
        choosing: whose labels choose them, by the IoU of any defect.
        tested: what is measured; nothing is chosen by its labels.
        progress: show bars.

    Returns:
        `opening` in pixels, `threshold` in deviations, `iou` of any defect, `hit_rate`,
        `false_per_megapixel`, `best_iou` at the best threshold, `pairs`.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: see `learn_variation`; or a scored group has fewer than two good
            images.
    """
    chosen = _count(data_dir, choosing, OPENINGS, progress)
    best = {k: best_threshold({'': chosen[k]}, [''], None) for k in OPENINGS}
    opening = max(OPENINGS, key=lambda k: best[k][1])
    threshold = best[opening][0]
    counts = _count(data_dir, tested, (opening,), progress)[opening]
    at = int(np.abs(counts.thresholds - threshold).argmin())
    return {
        'opening': opening,
        'threshold': threshold,
        'iou': float(counts.iou[at]),
        'hit_rate': float(counts.hit_rate[at]),
        'false_per_megapixel': float(counts.false_per_megapixel[at]),
        'best_iou': float(counts.iou.max()),
        'pairs': counts.images,
    }


def _count(
    data_dir: str | pathlib.Path,
    parts: Parts,
    openings: tuple[int, ...],
    progress: bool,
) -> dict[int, DetectionCounts]:
    """The counts of each opening."""
    source = PairSource(data_dir, parts.split)
    groups = {source.read_group(index) for index in range(len(source))}
    models = learn_variation(data_dir, parts.good, progress=progress)
    if unknown := sorted(groups - models.keys()):
        raise ValueError(
            f'{data_dir}: group {unknown[0]!r} of {parts.split!r} has fewer than two '
            f'images without a labeled defect in {parts.good!r}. Name a larger split.'
        )
    found = {k: no_detections(THRESHOLDS) for k in openings}
    for index in tqdm(range(len(source)), desc=parts.split, disable=not progress):
        pair = source[index]
        for opening in openings:
            score = models[pair['group']].score(pair['image'], opening)
            found[opening] += count_detections(pair['mask'], score, THRESHOLDS)
    return found
