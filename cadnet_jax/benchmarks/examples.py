"""Example parts, inspected by the network and by plain differencing."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.data.transforms import Pair
from cadnet_jax.evaluation.detection import DetectionCounts, count_detections
from cadnet_jax.evaluation.measuring import GRAY_LEVELS, OPENINGS, difference_score
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.inspection.inspector import Inspection, make_inspector
from cadnet_jax.inspection.recipe import Alignment, File, Recipe
from cadnet_jax.inspection.rules import Limits, Rules

MIN_AREA = 12  # pixels of a defect
THRESHOLD = 0.5  # that of the released weights


class Found(NamedTuple):
    """Defects that are found and missed, and regions that are marked falsely."""

    found: int
    missed: int
    false: int

    @property
    def errors(self) -> int:
        return self.missed + self.false


class Differencing(NamedTuple):
    """An opening in pixels, and a threshold in gray levels."""

    opening: int
    threshold: float


class Inspected(NamedTuple):
    """A part and its reference, the inspection, and what the two systems find.

    The label of `pair` lies over its image. `difference` is float32 [H, W] over the
    reference, in gray levels, opened; None if the part is INVALID: then nothing is
    found.
    """

    name: str
    pair: Pair
    inspection: Inspection
    difference: np.ndarray | None
    network: Found
    differencing: Found


def inspect_examples(
    predictor: Predictor, pairs: Mapping[str, Pair]
) -> tuple[list[Inspected], Differencing]:
    """Inspects all; differencing has the same registration.

    Args:
        predictor: the network.
        pairs: name of a part -> the part, its reference, and the label over the part.

    Returns:
        The parts, and the opening and threshold with which differencing makes fewest
        errors on them. Thresholds that mark a tenth of the background are left out.
    """
    registered = [(pair, _inspect(predictor, pair)) for pair in pairs.values()]
    of_opening = {
        opening: [_count_difference(*part, opening) for part in registered]
        for opening in OPENINGS
    }
    opening = min(of_opening, key=lambda k: _errors(of_opening[k]).min())
    level = int(_errors(of_opening[opening]).argmin())
    parts = [
        Inspected(
            name,
            *part,
            difference=_difference(*part, opening),
            network=_found(_count(*part, part[1].score, [THRESHOLD])),
            differencing=_found(counts, level),
        )
        for name, part, counts in zip(
            pairs, registered, of_opening[opening], strict=True
        )
    ]
    return parts, Differencing(opening, GRAY_LEVELS[level])


def total(found: Sequence[Found]) -> Found:
    """The counts of several parts."""
    return Found(*(sum(values) for values in zip(*found, strict=True)))


def _inspect(predictor: Predictor, pair: Pair) -> Inspection:
    recipe = Recipe(
        references=(File(),),
        registration=Alignment('affine'),
        rules=Rules(any=Limits(threshold=THRESHOLD, min_area=MIN_AREA)),
    )
    return make_inspector(recipe, predictor, [pair.reference])(pair.image)


def _difference(pair: Pair, inspection: Inspection, opening: int) -> np.ndarray | None:
    if inspection.score is None or inspection.image is None:
        return None
    return difference_score(inspection.image, pair.reference, opening)


def _count_difference(
    pair: Pair, inspection: Inspection, opening: int
) -> DetectionCounts:
    difference = _difference(pair, inspection, opening)
    return _count(pair, inspection, difference, GRAY_LEVELS)


def _count(
    pair: Pair,
    inspection: Inspection,
    score: np.ndarray | None,
    thresholds: Sequence[float],
) -> DetectionCounts:
    if score is None:
        nothing = np.zeros(pair.mask.shape, np.float32)
        return count_detections(pair.mask, nothing, thresholds)
    label = label_over_reference(pair, inspection)
    return count_detections(label, score, thresholds)


def _errors(parts: Sequence[DetectionCounts]) -> np.ndarray:
    """Missed defects and false regions at each threshold, [T]."""
    counts = sum(parts[1:], start=parts[0])
    errors = counts.defects - counts.hits + counts.false_regions
    return np.where(counts.marks_too_much, np.inf, errors)


def _found(counts: DetectionCounts, index: int = 0) -> Found:
    hits = int(counts.hits[index])
    return Found(hits, counts.defects - hits, int(counts.false_regions[index]))


def label_over_reference(pair: Pair, inspection: Inspection) -> np.ndarray:
    """The label, registered as the image was; uint8 [H, W]."""
    assert inspection.registration is not None
    height, width = pair.reference.shape[:2]
    return np.asarray(
        cv2.warpAffine(
            pair.mask,
            inspection.registration.matrix[:2],
            (width, height),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderValue=IGNORED,
        )
    )
