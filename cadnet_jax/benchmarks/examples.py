"""Example parts, inspected by the network and by plain differencing."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.evaluation.detection import DetectionCounts, count_detections
from cadnet_jax.evaluation.measuring import GRAY_LEVELS, OPENINGS, difference_score
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.inspection.inspector import Inspection, make_inspector
from cadnet_jax.inspection.recipe import Alignment, File, Recipe
from cadnet_jax.inspection.rules import Limits, Rules

MIN_AREA = 12  # pixels of a defect
THRESHOLD = 0.5  # that of the released weights

_Pixels = np.ndarray


class Example(NamedTuple):
    """A part: image and reference RGB uint8 [H, W, 3], label uint8 [H, W].

    The label lies over the image: 0 is background, `IGNORED` nothing, the rest defects.
    """

    name: str
    image: _Pixels
    reference: _Pixels
    mask: _Pixels


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
    """An example, its inspection, and what the two systems find.

    `difference` is float32 [H, W] over the reference, in gray levels, opened; None of a
    part that is INVALID, of which nothing is found.
    """

    example: Example
    inspection: Inspection
    difference: np.ndarray | None
    network: Found
    differencing: Found


def inspect_examples(
    predictor: Predictor, examples: Sequence[Example]
) -> tuple[list[Inspected], Differencing]:
    """Inspects all; differencing has the same registration.

    Returns:
        The parts, and the opening and threshold with which differencing makes fewest
        errors on them. Thresholds that mark a tenth of the background are left out.
    """
    inspections = [_inspect(predictor, example) for example in examples]
    registered = list(zip(examples, inspections, strict=True))
    of_opening = {
        opening: [_count_difference(*part, opening) for part in registered]
        for opening in OPENINGS
    }
    opening = min(of_opening, key=lambda k: _errors(of_opening[k]).min())
    level = int(_errors(of_opening[opening]).argmin())
    parts = [
        Inspected(
            *part,
            difference=_difference(*part, opening),
            network=_found(_count(*part, part[1].score, [THRESHOLD])),
            differencing=_found(counts, level),
        )
        for part, counts in zip(registered, of_opening[opening], strict=True)
    ]
    return parts, Differencing(opening, GRAY_LEVELS[level])


def total(found: Sequence[Found]) -> Found:
    """The counts of several parts."""
    return Found(*(sum(values) for values in zip(*found, strict=True)))


def _inspect(predictor: Predictor, example: Example) -> Inspection:
    recipe = Recipe(
        references=(File(),),
        registration=Alignment('affine'),
        rules=Rules(any=Limits(threshold=THRESHOLD, min_area=MIN_AREA)),
    )
    return make_inspector(recipe, predictor, [example.reference])(example.image)


def _difference(
    example: Example, inspection: Inspection, opening: int
) -> np.ndarray | None:
    if inspection.score is None or inspection.image is None:
        return None
    return difference_score(inspection.image, example.reference, opening)


def _count_difference(
    example: Example, inspection: Inspection, opening: int
) -> DetectionCounts:
    difference = _difference(example, inspection, opening)
    return _count(example, inspection, difference, GRAY_LEVELS)


def _count(
    example: Example,
    inspection: Inspection,
    score: np.ndarray | None,
    thresholds: Sequence[float],
) -> DetectionCounts:
    if score is None:
        nothing = np.zeros(example.mask.shape, np.float32)
        return count_detections(example.mask, nothing, thresholds)
    label = label_over_reference(example, inspection)
    return count_detections(label, score, thresholds)


def _errors(parts: Sequence[DetectionCounts]) -> np.ndarray:
    """Missed defects and false regions at each threshold, [T]."""
    counts = sum(parts[1:], start=parts[0])
    errors = counts.defects - counts.hits + counts.false_regions
    return np.where(counts.marks_too_much, np.inf, errors)


def _found(counts: DetectionCounts, index: int = 0) -> Found:
    hits = int(counts.hits[index])
    return Found(hits, counts.defects - hits, int(counts.false_regions[index]))


def label_over_reference(example: Example, inspection: Inspection) -> np.ndarray:
    """The label, registered as the image was; uint8 [H, W]."""
    assert inspection.registration is not None
    height, width = example.reference.shape[:2]
    return np.asarray(
        cv2.warpAffine(
            example.mask,
            inspection.registration.matrix[:2],
            (width, height),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderValue=IGNORED,
        )
    )
