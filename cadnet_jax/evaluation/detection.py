"""Defects found against false regions, over all thresholds of a score.

Counts of disjoint sets of images add up, as those of `metrics` do. The definitions are
theirs as well: a defect is hit when at least half of its pixels are marked, a marked
region is false when it touches neither a labeled defect nor an ignored pixel. False
regions below `SMALLEST_REGION` pixels are not counted.
"""

import dataclasses
from collections.abc import Sequence
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data.labels import IGNORED, is_defect

SMALLEST_REGION = 12  # pixels
_MOST_MARKED = 0.1  # share of the background


@dataclasses.dataclass(frozen=True)
class DetectionCounts:
    """What is counted at each of T thresholds; a pixel above a threshold is marked.

    Attributes:
        thresholds: float32 [T], ascending.
        hits: int64 [T], defects of which at least half is marked.
        false_regions: int64 [T].
        false_regions_good: int64 [T], those in images without a labeled defect.
        true_positives: int64 [T], defect pixels that are marked.
        false_positives: int64 [T], background pixels that are marked.
        defects: labeled defects.
        defect_pixels: their pixels.
        pixels: that are not ignored.
        images: all images.
        good_images: those without a labeled defect.
    """

    thresholds: NDArray[np.float32]
    hits: NDArray[np.int64]
    false_regions: NDArray[np.int64]
    false_regions_good: NDArray[np.int64]
    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    defects: int = 0
    defect_pixels: int = 0
    pixels: int = 0
    images: int = 0
    good_images: int = 0

    def __add__(self, other: Self) -> Self:
        """The counts of both.

        Raises:
            ValueError: the thresholds differ.
        """
        if not np.array_equal(self.thresholds, other.thresholds):
            raise ValueError('counts at other thresholds cannot be added')
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in dataclasses.fields(self)
            if field.name != 'thresholds'
        }
        return dataclasses.replace(self, **sums)

    @property
    def false_per_megapixel(self) -> NDArray[np.float64]:
        """False regions a megapixel at each threshold, [T]."""
        return np.asarray(self.false_regions / max(self.pixels, 1) * 1e6)

    @property
    def hit_rate(self) -> NDArray[np.float64]:
        """Share of the defects that are hit at each threshold, [T]."""
        return np.asarray(self.hits / max(self.defects, 1))

    @property
    def iou(self) -> NDArray[np.float64]:
        """IoU of any defect at each threshold, [T]."""
        union = self.defect_pixels + self.false_positives
        return np.asarray(self.true_positives / np.maximum(union, 1))

    @property
    def marks_too_much(self) -> NDArray[np.bool_]:
        """Whether a tenth of the background is marked at each threshold, [T].

        An image that is marked as a whole is one region, which is not false as it
        touches each defect.
        """
        background = self.pixels - self.defect_pixels
        return np.asarray(self.false_positives > _MOST_MARKED * background)

    def hit_rate_at(self, false_per_megapixel: float) -> float | None:
        """The best hit rate with so many false regions a megapixel at most.

        Thresholds that mark too much are left out. None if there is no defect; 0 if no
        threshold is left.
        """
        if not self.defects:
            return None
        allowed = self.false_per_megapixel <= false_per_megapixel
        allowed &= ~self.marks_too_much
        return float(self.hit_rate[allowed].max()) if allowed.any() else 0.0


def no_detections(thresholds: Sequence[float]) -> DetectionCounts:
    """The counts of no image at all."""
    zeros = np.zeros(len(thresholds), np.int64)
    levels = np.asarray(thresholds, np.float32)
    if (np.diff(levels) <= 0).any():
        raise ValueError('thresholds must ascend')
    return DetectionCounts(levels, zeros, zeros, zeros, zeros, zeros)


def count_detections(
    mask: NDArray[np.uint8], score: NDArray[np.float32], thresholds: Sequence[float]
) -> DetectionCounts:
    """The counts of one image.

    Args:
        mask: uint8 [H, W], labels: 0 background, 255 ignored, all else defects.
        score: float32 [H, W], higher where a defect is more likely.
        thresholds: ascending.
    """
    counts = no_detections(thresholds)
    levels = counts.thresholds
    defect, background = is_defect(mask), mask == 0
    needed = _scores_needed(defect, score)
    true_positives = _above(score[defect], levels)
    false_regions = _false_regions(mask, score, levels)
    good = not defect.any()
    return dataclasses.replace(
        counts,
        hits=_above(needed, levels),
        false_regions=false_regions,
        false_regions_good=false_regions * good,
        true_positives=true_positives,
        false_positives=_above(score[background], levels),
        defects=len(needed),
        defect_pixels=int(defect.sum()),
        pixels=int((mask != IGNORED).sum()),
        images=1,
        good_images=int(good),
    )


def _scores_needed(
    defect: NDArray[np.bool_], score: NDArray[np.float32]
) -> NDArray[np.float32]:
    """For each connected defect the score that half of its pixels reach."""
    count, labels = cv2.connectedComponents(defect.astype(np.uint8), connectivity=8)
    ids, values = labels[defect], score[defect]
    order = np.lexsort((-values, ids))
    areas = np.bincount(ids, minlength=count)[1:]
    starts = np.concatenate([[0], np.cumsum(areas)[:-1]]).astype(np.int64)
    return np.asarray(values[order][starts + (areas + 1) // 2 - 1], np.float32)


def _above(
    values: NDArray[np.float32], levels: NDArray[np.float32]
) -> NDArray[np.int64]:
    """How many of `values` are above each of `levels`, [T]."""
    below = np.searchsorted(levels, values, side='left')  # levels below a value
    counts = np.bincount(below, minlength=len(levels) + 1)
    return np.asarray(counts[::-1].cumsum()[::-1][1:], np.int64)


def _false_regions(
    mask: NDArray[np.uint8],
    score: NDArray[np.float32],
    levels: NDArray[np.float32],
) -> NDArray[np.int64]:
    """False regions at each threshold, [T]."""
    labeled = mask != 0
    result = np.zeros(len(levels), np.int64)
    for number, level in enumerate(levels):
        marked = score > level
        if not marked.any():
            break  # nor at any higher threshold
        _, regions, statistics, _ = cv2.connectedComponentsWithStats(
            marked.astype(np.uint8), connectivity=8
        )
        false = statistics[:, cv2.CC_STAT_AREA] >= SMALLEST_REGION
        false[0] = False
        false[np.unique(regions[labeled])] = False
        result[number] = int(false.sum())
    return result
