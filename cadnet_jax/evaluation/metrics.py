"""Mergeable counts of an evaluation, and the scores that are made from them.

K is the number of classes, background (id 0) included; 255 is an ignored pixel and
counted nowhere. Counts of disjoint sets of images add up, so that an evaluation over
batches and over processes is one sum and one division at its end.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np
import skimage.measure

from cadnet_jax.data.labels import IGNORED, is_defect
from cadnet_jax.runs.scores import ClassScores, Scores, Summary


class Regions(NamedTuple):
    """Counts of connected regions (8-connected, classes not told apart)."""

    hits: int
    defects: int
    false_regions: int


@dataclasses.dataclass(frozen=True)
class Counts:
    """What an evaluation counts; `+` merges the counts of disjoint sets of images.

    Attributes:
        confusion: int64 [K, K], pixels; rows: label, columns: prediction.
        hits: labeled defects of which at least half is predicted as any defect.
        defects: labeled defects.
        false_regions: predicted regions that touch no labeled defect.
        images: images counted.
    """

    confusion: np.ndarray
    hits: int = 0
    defects: int = 0
    false_regions: int = 0
    images: int = 0

    def __add__(self, other: Self) -> Self:
        """The counts of both."""
        return dataclasses.replace(
            self,
            confusion=self.confusion + other.confusion,
            hits=self.hits + other.hits,
            defects=self.defects + other.defects,
            false_regions=self.false_regions + other.false_regions,
            images=self.images + other.images,
        )


def no_counts(num_classes: int) -> Counts:
    """The counts of no image at all."""
    return Counts(confusion=np.zeros((num_classes, num_classes), np.int64))


def _check_mask(mask: np.ndarray, num_classes: int) -> None:
    """Raises a ValueError where `mask` has a value outside the class map."""
    values = np.flatnonzero(np.bincount(mask.ravel(), minlength=IGNORED + 1))
    unknown = [int(v) for v in values if v >= num_classes and v != IGNORED]
    if unknown:
        raise ValueError(
            f'the mask has the values {unknown}, but the class map goes from 0 to '
            f'{num_classes - 1} ({IGNORED}: ignored); correct one of them.'
        )


def confusion_matrix(
    mask: np.ndarray, prediction: np.ndarray, num_classes: int
) -> np.ndarray:
    """Counts label and predicted class of each pixel that is not ignored.

    Args:
        mask: uint8, any shape: labels 0 to K - 1, or 255.
        prediction: uint8, of that shape: predicted classes.
        num_classes: K.

    Returns:
        int64 [K, K]; rows: label, columns: prediction.

    Raises:
        ValueError: shapes differ, or a value is outside the class map.
    """
    if mask.shape != prediction.shape:
        raise ValueError(
            f'mask is {list(mask.shape)} and prediction {list(prediction.shape)}; '
            'both must be at the size of the mask.'
        )
    _check_mask(mask, num_classes)
    if prediction.size and prediction.max() >= num_classes:
        raise ValueError(
            f'the prediction has the class {prediction.max()}, but there are only '
            f'{num_classes}; evaluate with the classes of the checkpoint.'
        )
    valid = mask != IGNORED
    index = mask[valid].astype(np.int64) * num_classes + prediction[valid]
    counts = np.bincount(index, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def count_regions(mask: np.ndarray, prediction: np.ndarray) -> Regions:
    """Counts the defects that are hit, and the predicted regions that are false.

    A defect is a connected region of labeled defect pixels, of any class; it is hit
    when at least half of its pixels are predicted as any defect. A connected region of
    predicted pixels is false when none of them is labeled as a defect or ignored.

    Args:
        mask: uint8 [H, W], labels.
        prediction: uint8 [H, W], predicted classes.
    """
    predicted = prediction != 0
    labels, defects = skimage.measure.label(
        is_defect(mask), connectivity=2, return_num=True
    )
    areas = np.bincount(labels.ravel(), minlength=defects + 1)
    found = np.bincount(labels[predicted], minlength=defects + 1)
    regions, num_regions = skimage.measure.label(
        predicted, connectivity=2, return_num=True
    )
    touching = np.unique(regions[predicted & (mask != 0)])
    return Regions(
        hits=int(np.sum(2 * found[1:] >= areas[1:])),
        defects=defects,
        false_regions=num_regions - len(touching),
    )


def count(mask: np.ndarray, prediction: np.ndarray, num_classes: int) -> Counts:
    """The counts of one image: uint8 [H, W] labels and predicted classes.

    Raises:
        ValueError: as `confusion_matrix`.
    """
    confusion = confusion_matrix(mask, prediction, num_classes)
    return Counts(confusion, *count_regions(mask, prediction), images=1)


def _ratio(part: float, whole: float) -> float | None:
    return float(part) / float(whole) if whole else None


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is defined."""
    defined = [value for value in values if value is not None]
    return _ratio(sum(defined), len(defined))


def _class_scores(confusion: np.ndarray, index: int) -> ClassScores:
    hit = confusion[index, index]
    labeled = confusion[index].sum()
    predicted = confusion[:, index].sum()
    return {
        'iou': _ratio(hit, labeled + predicted - hit),
        'accuracy': _ratio(hit, labeled),
        'fscore': _ratio(2 * hit, labeled + predicted),
        'precision': _ratio(hit, predicted),
        'recall': _ratio(hit, labeled),
        'pixels': int(labeled),
    }


def scores(confusion: np.ndarray, class_names: Sequence[str]) -> Scores:
    """Scores per class, their averages over the defect classes, and any defect's.

    Args:
        confusion: int64 [K, K], of `confusion_matrix`.
        class_names: the K names, background first.

    Returns:
        `classes` (name -> iou, accuracy, fscore, precision, recall, pixels), `miou`,
        `macc`, `mfscore` (section 4.2: means over the defect classes), `defect_iou`
        and `defect_accuracy` (any defect class against background), as fractions.
        What is undefined, such as the IoU of a class with no pixel in label and
        prediction, is None and left out of the means.
    """
    classes = {
        name: _class_scores(confusion, index) for index, name in enumerate(class_names)
    }
    of_defects = [classes[name] for name in class_names[1:]]
    hit = confusion[1:, 1:].sum()
    return {
        'classes': classes,
        'miou': _mean(values['iou'] for values in of_defects),
        'macc': _mean(values['accuracy'] for values in of_defects),
        'mfscore': _mean(values['fscore'] for values in of_defects),
        'defect_iou': _ratio(hit, confusion.sum() - confusion[0, 0]),
        'defect_accuracy': _ratio(hit, confusion[1:].sum()),
    }


def summarize(counts: Counts, class_names: Sequence[str]) -> Summary:
    """`scores`, with `defect_hit_rate` and `false_regions_per_image`."""
    return {
        **scores(counts.confusion, class_names),
        'defect_hit_rate': _ratio(counts.hits, counts.defects),
        'false_regions_per_image': _ratio(counts.false_regions, counts.images),
    }
