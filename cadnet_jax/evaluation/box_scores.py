"""Scores of boxes, by two definitions.

DeepPCB's own: `evaluation/script.py` of https://github.com/tangsanli5201/DeepPCB, which
is that of ICDAR 2015's text detection at an IoU above 0.33. In each image labels are
taken in their order, and each takes the first box whose IoU is high enough, whatever
its class; the two are gone then. The box is right if the classes are equal. All boxes
of all images and classes are ranked together: average precision is the sum of the
precision at each right box over the number of labels. Precision, recall and F-score are
those of all boxes that are handed in. (Its boxes that do not count, labeled '###', do
not occur in DeepPCB.)

COCO's: pycocotools' `COCOeval` for boxes of any size, 100 an image. In each class boxes
are taken from the highest score down, and each takes the label with the highest IoU
that is left. Precision is made to fall with recall and read at 101 recalls; classes
without a label are left out of the mean.

Boxes of equal score keep the order of the pairs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.evaluation.boxes import Boxes, intersections_over_unions
from cadnet_jax.runs.scores import BoxScores

SCRIPT_IOU = 0.33
COCO_IOUS = tuple((0.5 + 0.05 * np.arange(10)).round(2).tolist())
_RECALLS = np.linspace(0, 1, 101)
_MOST = 100  # boxes of a class in an image


class PairBoxes(NamedTuple):
    """The boxes of one pair; those found are ordered, the highest score first."""

    labels: Boxes
    found: Boxes


def box_scores(pairs: Sequence[PairBoxes], min_score: float) -> BoxScores:
    """All scores of a set of pairs, as fractions; None where there is no label.

    Args:
        pairs: what is labeled and found.
        min_score: from which on boxes count in precision, recall and F-score.
    """
    average = script_average_precision(pairs)
    precision, recall, fscore = script_fscore(pairs, min_score)
    by_coco = coco_average_precision(pairs, COCO_IOUS)
    return {
        'ap33': average,
        'f33': fscore,
        'precision33': precision,
        'recall33': recall,
        'ap50': _mean(by_coco[:, 0]),
        'ap50_95': _mean(by_coco),
        'ap85': _mean(by_coco[:, COCO_IOUS.index(0.85)]),
        'labels': sum(len(pair.labels) for pair in pairs),
        'found': sum(len(pair.found) for pair in pairs),
    }


def script_matches(pair: PairBoxes, min_iou: float = SCRIPT_IOU) -> NDArray[np.bool_]:
    """Which of the found boxes are right, by DeepPCB's script; bool [N]."""
    labels, found = pair
    near = intersections_over_unions(labels.coordinates, found.coordinates) > min_iou
    free = np.ones(len(found), bool)
    right = np.zeros(len(found), bool)
    for label, candidates in enumerate(near):
        (chosen,) = np.nonzero(candidates & free)
        if chosen.size:
            free[chosen[0]] = False
            same = found.class_ids[chosen[0]] == labels.class_ids[label]
            right[chosen[0]] = same
    return right


def script_average_precision(
    pairs: Sequence[PairBoxes], min_iou: float = SCRIPT_IOU
) -> float | None:
    """AP by DeepPCB's script; None where there is no label."""
    total = sum(len(pair.labels) for pair in pairs)
    if not total:
        return None
    right = np.concatenate([script_matches(pair, min_iou) for pair in pairs])
    scores = np.concatenate([pair.found.scores for pair in pairs])
    right = right[np.argsort(-scores, kind='stable')]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(precision[right].sum() / total)


def script_fscore(
    pairs: Sequence[PairBoxes], min_score: float
) -> tuple[float | None, float | None, float | None]:
    """Precision, recall and F-score by DeepPCB's script, of boxes from `min_score` on.

    Returns:
        None for what is undefined: precision without a box, the others without a label.
    """
    kept = [_from(pair, min_score) for pair in pairs]
    right = sum(int(script_matches(pair).sum()) for pair in kept)
    found = sum(len(pair.found) for pair in kept)
    total = sum(len(pair.labels) for pair in kept)
    return (
        right / found if found else None,
        right / total if total else None,
        2 * right / (found + total) if total else None,
    )


def coco_average_precision(
    pairs: Sequence[PairBoxes], ious: Sequence[float]
) -> NDArray[np.float64]:
    """AP by COCO's rule of each labeled class at each IoU, [C, T].

    Args:
        pairs: in the order in which boxes of equal score are taken.
        ious: T of them.
    """
    ids = [pair.labels.class_ids for pair in pairs]
    classes = np.unique(np.concatenate(ids)) if ids else np.zeros(0)
    result = np.zeros((len(classes), len(ious)))
    for row, class_id in enumerate(classes):
        of_class = [_class_pair(pair, class_id) for pair in pairs]
        scores = np.concatenate([pair.found.scores for pair in of_class])
        order = np.argsort(-scores, kind='stable')
        total = sum(len(pair.labels) for pair in of_class)
        right = np.concatenate([_coco_matches(pair, ious) for pair in of_class])
        for column, ranked in enumerate(right[order].T):
            result[row, column] = _interpolated(ranked, total)
    return result


def _from(pair: PairBoxes, min_score: float) -> PairBoxes:
    return pair._replace(found=pair.found.of(pair.found.scores >= min_score))


def _class_pair(pair: PairBoxes, class_id: int) -> PairBoxes:
    """The boxes of one class, as many as count."""
    found = pair.found.of(np.flatnonzero(pair.found.class_ids == class_id)[:_MOST])
    return PairBoxes(pair.labels.of(pair.labels.class_ids == class_id), found)


def _coco_matches(pair: PairBoxes, ious: Sequence[float]) -> NDArray[np.bool_]:
    """Which of the found boxes are right at each IoU; bool [N, T]."""
    labels, found = pair
    overlaps = intersections_over_unions(found.coordinates, labels.coordinates)
    right = np.zeros((len(found), len(ious)), bool)
    for column, needed in enumerate(ious):
        free = np.ones(len(labels), bool)
        for row, values in enumerate(np.where(overlaps >= needed, overlaps, -1.0)):
            values = np.where(free, values, -1.0)
            if len(labels) and values.max() >= 0:
                # Of equal ones the last, as in pycocotools.
                free[len(labels) - 1 - values[::-1].argmax()] = False
                right[row, column] = True
    return right


def _interpolated(right: NDArray[np.bool_], total: int) -> float:
    """The mean precision at 101 recalls of boxes that are ranked."""
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / total, _RECALLS, side='left')
    return float(np.append(precision, 0.0)[places].mean())


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None
