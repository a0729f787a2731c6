"""Windows of images as parts: defects found, false alarms, and review removed.

An image is cut into windows that do not overlap. A good one shows no label, a bad one
shows a defect as a whole; those that show a part of one alone count as neither. The
score of a window is that of its highest pixel, and so is the score of a defect: where
it is above a threshold, there is an alarm.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cadnet_jax.data.labels import is_defect
from cadnet_jax.evaluation.thresholds import ESCAPES, cross_validate_review, review
from cadnet_jax.runs.scores import ReviewScores, WindowScores

SIDE = 320  # pixels
FALSE_SHARES = (0.01, 0.05, 0.1)  # of good windows, for which found defects are counted


@dataclasses.dataclass
class Windows:
    """Scores of the windows and defects of several images.

    Attributes:
        good: score of each good window.
        bad: score of each bad window.
        defects: score of each labeled defect (a connected region of any class).
        good_images: number of the image of each good window; by default, each window,
            good or bad, has an image of its own.
        bad_images: number of the image of each bad window.
    """

    good: list[float] = dataclasses.field(default_factory=list)
    bad: list[float] = dataclasses.field(default_factory=list)
    defects: list[float] = dataclasses.field(default_factory=list)
    good_images: list[int] = dataclasses.field(default_factory=list)
    bad_images: list[int] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        """Numbers the images of windows that are given."""
        self.good_images = self.good_images or [*range(len(self.good))]
        first = len(self.good)
        self.bad_images = self.bad_images or [*range(first, first + len(self.bad))]
        self._images = max([-1, *self.good_images, *self.bad_images]) + 1

    def add(self, mask: NDArray[np.uint8], score: NDArray[np.float32]) -> None:
        """Adds an image: labels and score of any defect, [H, W]."""
        self.defects += _highest(is_defect(mask), score)
        height, width = mask.shape
        image = self._images
        self._images += 1
        for y in range(0, height - SIDE + 1, SIDE):
            for x in range(0, width - SIDE + 1, SIDE):
                window = slice(y, y + SIDE), slice(x, x + SIDE)
                if not mask[window].any():
                    self.good.append(float(score[window].max()))
                    self.good_images.append(image)
                elif shows_whole_region(mask[window]):
                    self.bad.append(float(score[window].max()))
                    self.bad_images.append(image)

    def summarize(self) -> WindowScores:
        """What metrics.json holds of them."""
        return {
            'side': SIDE,
            'good': len(self.good),
            'bad': len(self.bad),
            'found_at': {
                str(share): found_at(self.good, self.defects, share)
                for share in FALSE_SHARES
            },
            'review': self._reviews(),
        }

    def _reviews(self) -> list[ReviewScores]:
        """For each share of escapes; none where a kind of window is missing."""
        if not self.good or len(self.bad) < 2:
            return []
        images = self.good_images, self.bad_images
        rows: list[ReviewScores] = []
        for escapes in ESCAPES:
            held_out = None
            if len(set(self.bad_images)) > 1:
                held_out = cross_validate_review(
                    self.good, self.bad, escapes, images=images
                )
            rows.append(
                {
                    'escapes': escapes,
                    'passed': review(self.good, self.bad, escapes).passed,
                    'held_out_passed': held_out.passed if held_out else None,
                    'held_out_escaped': held_out.escaped if held_out else None,
                }
            )
        return rows


def shows_whole_region(mask: NDArray[np.uint8]) -> bool:
    """Whether a connected defect lies inside `mask` [H, W], off its borders."""
    _, labels = cv2.connectedComponents(is_defect(mask).astype(np.uint8))
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return bool(np.setdiff1d(labels, edges).any())


def found_at(
    good: Sequence[float], defects: Sequence[float], share: float
) -> float | None:
    """Share of the defects found with alarms in `share` of the good windows at most.

    Args:
        good: score of each good window.
        defects: score of each defect, above which it is found.
        share: 0 to 1.

    Returns:
        None without a good window or a defect.
    """
    if not (good and defects):
        return None
    allowed = int(share * len(good))
    ranked = np.sort(good)[::-1]
    threshold = ranked[allowed] if allowed < len(good) else -np.inf
    return float(np.mean(np.asarray(defects) > threshold))


def _highest(defect: NDArray[np.bool_], score: NDArray[np.float32]) -> list[float]:
    """The highest score in each connected region of `defect` [H, W]."""
    count, labels = cv2.connectedComponents(defect.astype(np.uint8), connectivity=8)
    return [float(x) for x in scipy.ndimage.maximum(score, labels, range(1, count))]
