"""Precision, recall and F-score of a class at every threshold of its probability.

The probabilities of an evaluation are counted in bins, so that these counts add up over
batches and processes and stay small. A curve is one of a class against all others:
its pixels are labeled or not, and predicted where the score is at or above a
threshold. With head 'ooc' the score is the change score, with classes a probability.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from cadnet_jax.data.labels import IGNORED, is_defect

BINS = 1000
ANY_DEFECT = 'any defect'


@dataclasses.dataclass(frozen=True)
class ScoreHistograms:
    """How often each score occurs; `+` merges the counts of disjoint sets of images.

    Attributes:
        labeled: int64 [C, BINS], pixels of the class by their score, for each of C
            curves.
        unlabeled: int64 [C, BINS], pixels of all other classes. Ignored pixels are in
            neither.
    """

    labeled: np.ndarray
    unlabeled: np.ndarray

    def __add__(self, other: Self) -> Self:
        """The counts of both."""
        return dataclasses.replace(
            self,
            labeled=self.labeled + other.labeled,
            unlabeled=self.unlabeled + other.unlabeled,
        )


def curve_names(class_names: Sequence[str], *, has_classes: bool) -> tuple[str, ...]:
    """What there is a curve of: each defect class, and any defect.

    Where the network tells no classes apart (head 'ooc'), its one class of defects.
    """
    return (*class_names[1:], ANY_DEFECT) if has_classes else tuple(class_names[1:])


def no_histograms(num_curves: int) -> ScoreHistograms:
    """The counts of no image at all."""
    counts = np.zeros((num_curves, BINS), np.int64)
    return ScoreHistograms(labeled=counts, unlabeled=counts)


def count_scores(
    mask: np.ndarray, probabilities: np.ndarray, *, largest: float = 1.0
) -> ScoreHistograms:
    """The counts of one image.

    Args:
        mask: uint8 [H, W], labels 0 to K - 1, or 255 where a pixel is ignored.
        probabilities: float [H, W, K] of each class, background first: gives K curves,
            as `curve_names` lists them. Or the change score, float [H, W, 1]: gives
            one.
        largest: upper end of the last bin; the first one starts at 0. Scores outside
            (change scores alone can be) are counted at the ends.
    """
    valid = mask != IGNORED
    labels, scores = mask[valid], probabilities[valid]
    any_defect = is_defect(labels)
    if scores.shape[1] == 1:
        curves = [(any_defect, scores[:, 0])]
    else:
        curves = [(labels == k, scores[:, k]) for k in range(1, scores.shape[1])]
        curves.append((any_defect, 1 - scores[:, 0]))
    counts = np.array([_count(*curve, largest) for curve in curves])
    return ScoreHistograms(labeled=counts[:, 1], unlabeled=counts[:, 0])


def curves(
    histograms: ScoreHistograms, names: Sequence[str], *, largest: float = 1.0
) -> dict[str, dict[str, Any]]:
    """The curves that the counts give.

    Args:
        histograms: of all images.
        names: of the C curves.
        largest: as for `count_scores`.

    Returns:
        For each name `threshold`, `precision`, `recall` and `fscore`, BINS values each,
        thresholds ascending from 0; `average_precision`, the area below precision over
        recall (each step of recall times the precision at its end); `best_fscore` and
        `best_threshold`. Fractions; None where undefined: precision above the highest
        score, and all but precision for a class without a labeled pixel.
    """
    return {
        name: _curve(labeled, unlabeled, largest)
        for name, labeled, unlabeled in zip(
            names, histograms.labeled, histograms.unlabeled, strict=True
        )
    }


def _count(labeled: np.ndarray, scores: np.ndarray, largest: float) -> np.ndarray:
    """Pixels by label and bin, int64 [2, BINS]."""
    bins = np.clip(scores * np.float32(BINS / largest), 0, BINS - 1).astype(np.int64)
    return np.bincount(labeled * BINS + bins, minlength=2 * BINS).reshape(2, BINS)


def _curve(
    labeled: np.ndarray, unlabeled: np.ndarray, largest: float
) -> dict[str, Any]:
    hits = np.cumsum(labeled[::-1])[::-1]  # at or above the threshold of each bin
    predicted = hits + np.cumsum(unlabeled[::-1])[::-1]
    total = hits[0]
    thresholds = np.arange(BINS) * (largest / BINS)
    precision = _ratios(hits, predicted)
    recall = _ratios(hits, np.full(BINS, total))
    fscore = _ratios(2 * hits, np.where(total, total + predicted, 0))
    best = int(np.argmax(np.nan_to_num(fscore, nan=-1)))
    average = np.nansum(labeled * precision) / total if total else np.nan
    return {
        'threshold': _as_json(thresholds),
        'precision': _as_json(precision),
        'recall': _as_json(recall),
        'fscore': _as_json(fscore),
        'average_precision': _as_json(np.array([average]))[0],
        'best_fscore': _as_json(fscore)[best],
        'best_threshold': _as_json(thresholds)[best] if total else None,
    }


def _ratios(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """`parts` over `wholes`; NaN where the whole is 0."""
    ratios = np.full(len(parts), np.nan)
    np.divide(parts, wholes, out=ratios, where=wholes > 0)
    return ratios


def _as_json(values: np.ndarray) -> list[float | None]:
    """To six digits, as the counts of bins do not say more."""
    return [None if np.isnan(value) else round(float(value), 6) for value in values]
