"""Example parts, inspected by the network and by plain differencing.

The quickstart shows both. Differencing gets the opening and the threshold that suit
these very parts best, so the comparison favors it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from cadnet_jax.data.labels import IGNORED, is_defect
from cadnet_jax.data.transforms import Pair
from cadnet_jax.evaluation.detection import DetectionCounts, count_detections
from cadnet_jax.evaluation.measuring import GRAY_LEVELS, OPENINGS, difference_score
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inference.predictor import OUT_OF_CLASS_NAMES, Predictor
from cadnet_jax.inspection.inspector import Inspection, make_inspector
from cadnet_jax.inspection.recipe import Alignment, File, Recipe
from cadnet_jax.inspection.rules import (
    INVALID,
    NG,
    OK,
    Limits,
    Rules,
    decisive_score,
)

MIN_AREA = 12  # pixels of a defect
THRESHOLD = 0.5  # that of the released weights


class Found(NamedTuple):
    """Numbers of found defects, missed defects, and false regions."""

    found: int
    missed: int
    false: int

    @property
    def errors(self) -> int:
        """Missed defects and false regions."""
        return self.missed + self.false


class Differencing(NamedTuple):
    """Settings of plain differencing: opening in pixels, threshold in gray levels."""

    opening: int
    threshold: float


class Inspected(NamedTuple):
    """A part, its inspection, and what the two systems find.

    Attributes:
        name: of the part.
        pair: the part, its reference, and the label over the part.
        inspection: by the network.
        difference: opened difference over the reference, float32 [H, W] in gray levels;
            None if the part is INVALID, in which case nothing is found.
        network: what the network finds.
        differencing: what differencing finds.
        difference_verdict: verdict of differencing.
    """

    name: str
    pair: Pair
    inspection: Inspection
    difference: np.ndarray | None
    network: Found
    differencing: Found
    difference_verdict: str


def inspect_examples(
    predictor: Predictor, pairs: Mapping[str, Pair]
) -> tuple[list[Inspected], Differencing]:
    """Inspects example parts by both systems, with the same registration.

    Args:
        predictor: the network.
        pairs: name of a part -> the part, its reference, and the label over the part.

    Returns:
        The inspected parts, and the settings with which differencing gives the most
        parts the right verdict; among equal ones, those with the fewest errors.
        Thresholds that mark a tenth of the background are left out.
    """
    registered = [(pair, _inspect(predictor, pair)) for pair in pairs.values()]
    counts_by_opening = {
        opening: [_count_difference(*part, opening) for part in registered]
        for opening in OPENINGS
    }
    highest = {
        opening: [_highest_difference(*part, opening) for part in registered]
        for opening in OPENINGS
    }
    _, _, opening, level = min(
        (_count_wrong(pairs.values(), highest[k], level), float(errors), k, index)
        for k in OPENINGS
        for index, (level, errors) in enumerate(
            zip(GRAY_LEVELS, _count_errors(counts_by_opening[k]), strict=True)
        )
        if np.isfinite(errors)
    )
    parts = [
        Inspected(
            name,
            *part,
            difference=_difference(*part, opening),
            network=_found_at(_count(*part, part[1].score, [THRESHOLD])),
            differencing=_found_at(counts, level),
            difference_verdict=_verdict(most, GRAY_LEVELS[level]),
        )
        for name, part, counts, most in zip(
            pairs, registered, counts_by_opening[opening], highest[opening], strict=True
        )
    ]
    return parts, Differencing(opening, GRAY_LEVELS[level])


def total(found: Sequence[Found]) -> Found:
    """The sum of several counts."""
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


def _highest_difference(
    pair: Pair, inspection: Inspection, opening: int
) -> float | None:
    """The lowest gray level at which differencing gives OK; None: INVALID."""
    difference = _difference(pair, inspection, opening)
    if difference is None:
        return None
    assert inspection.registration is not None
    classes = np.ones(difference.shape, np.uint8)
    return decisive_score(
        PixelScores(difference, classes, difference, None, None),
        OUT_OF_CLASS_NAMES,
        Rules(any=Limits(min_area=MIN_AREA)),
        lowest=GRAY_LEVELS[0],
        shown=inspection.registration.valid,
    )


def _verdict(highest: float | None, threshold: float) -> str:
    """Verdict of differencing; `highest` is of `_highest_difference`."""
    if highest is None:
        return INVALID
    return NG if highest > threshold else OK


def _count_wrong(
    pairs: Iterable[Pair], highest: Sequence[float | None], threshold: float
) -> int:
    """Number of parts whose verdict by differencing differs from their label."""
    verdicts = [_verdict(most, threshold) for most in highest]
    truth = [NG if is_defect(pair.mask).any() else OK for pair in pairs]
    return sum(one != other for one, other in zip(verdicts, truth, strict=True))


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


def _count_errors(parts: Sequence[DetectionCounts]) -> np.ndarray:
    """Missed defects and false regions at each threshold, [T]."""
    counts = sum(parts[1:], start=parts[0])
    errors = counts.defects - counts.hits + counts.false_regions
    return np.where(counts.marks_too_much, np.inf, errors)


def _found_at(counts: DetectionCounts, index: int = 0) -> Found:
    """What is found at one of the thresholds."""
    hits = int(counts.hits[index])
    return Found(hits, counts.defects - hits, int(counts.false_regions[index]))


def label_over_reference(pair: Pair, inspection: Inspection) -> np.ndarray:
    """The label of a pair, moved over the reference like its image; uint8 [H, W]."""
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
