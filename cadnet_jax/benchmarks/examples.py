"""Example parts, inspected by the network and by plain differencing."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.evaluation.detection import count_detections
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


class Inspected(NamedTuple):
    """An example, what the inspection says, and what differencing marks of it."""

    example: Example
    inspection: Inspection
    network: Found
    differencing: Found


class Differencing(NamedTuple):
    """An opening in pixels, and a threshold in gray levels."""

    opening: int
    threshold: float


def inspect_examples(
    predictor: Predictor, examples: Sequence[Example]
) -> tuple[list[Inspected], Differencing]:
    """Inspects all; differencing has the same registration.

    Returns:
        The parts, and the opening and threshold with which differencing makes fewest
        errors on them.
    """
    inspections = [_inspect(predictor, example) for example in examples]
    options = [
        Differencing(opening, level) for opening in OPENINGS for level in GRAY_LEVELS
    ]
    counts = [
        [_difference(example, inspection, option) for option in options]
        for example, inspection in zip(examples, inspections, strict=True)
    ]
    errors = [sum(part[k].errors for part in counts) for k in range(len(options))]
    best = int(np.argmin(errors))
    parts = [
        Inspected(example, inspection, _count_network(example, inspection), part[best])
        for example, inspection, part in zip(examples, inspections, counts, strict=True)
    ]
    return parts, options[best]


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


def _count_network(example: Example, inspection: Inspection) -> Found:
    if inspection.score is None:
        return _nothing(example)
    return _count(example, inspection, inspection.score, THRESHOLD)


def _difference(
    example: Example, inspection: Inspection, option: Differencing
) -> Found:
    if inspection.score is None or inspection.image is None:
        return _nothing(example)
    score = difference_score(inspection.image, example.reference, option.opening)
    return _count(example, inspection, score, option.threshold)


def _count(
    example: Example, inspection: Inspection, score: np.ndarray, threshold: float
) -> Found:
    counts = count_detections(
        label_over_reference(example, inspection), score, [threshold]
    )
    hits = int(counts.hits[0])
    return Found(hits, counts.defects - hits, int(counts.false_regions[0]))


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


def _nothing(example: Example) -> Found:
    """Of a part that is INVALID nothing is found."""
    counts = count_detections(
        example.mask, np.zeros(example.mask.shape, np.float32), [1]
    )
    return Found(0, counts.defects, 0)
