"""Boxes of scores of pixels, for data sets that label defects by boxes.

A box is drawn around a region of pixels above a threshold, and widened by a margin:
people label a defect with some room around it. Threshold and margin are fitted on a
training part, by `box_fit`.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import skimage.measure
from numpy.typing import NDArray

from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.text import read_object
from cadnet_jax.inference.decision import PixelScores, Rule, decide
from cadnet_jax.inference.defects import find_defects


@dataclasses.dataclass(frozen=True, eq=False)
class Boxes:
    """The N boxes of one image, found or labeled.

    Attributes:
        coordinates: float64 [N, 4]: x_min, y_min, x_max, y_max in pixels.
        class_ids: int64 [N].
        scores: float64 [N], highest first; of labels 1.
    """

    coordinates: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    scores: NDArray[np.float64]

    def of(self, chosen: NDArray[Any]) -> 'Boxes':
        """The boxes with the given indices, or where a mask is true."""
        return Boxes(
            self.coordinates[chosen], self.class_ids[chosen], self.scores[chosen]
        )

    def __len__(self) -> int:
        return len(self.scores)


@dataclasses.dataclass(frozen=True)
class BoxRule:
    """How boxes are made of scores.

    Attributes:
        threshold: score of any defect above which a pixel belongs to a region.
        margin_before: pixels that are added on the left and above.
        margin_after: pixels that are added on the right and below. Authors differ in
            whether x_max is the last pixel of a box or the one behind it.
        min_score: score from which on a box is counted in the F-score. Average
            precision counts all.
        fitted_on: the split that chose all four.
        weights_sha256: of the network whose scores chose them; '' for differencing.
        tile_size: of the scores that chose them (see `Predictor`); 0 for differencing.
        orientations: of these scores; 0 for differencing.
    """

    threshold: float
    margin_before: float
    margin_after: float
    min_score: float
    fitted_on: str
    weights_sha256: str = ''
    tile_size: int = 0
    orientations: int = 0

    def describe(self) -> str:
        """A sentence for the terminal."""
        return (
            f'regions of pixels above {self.threshold:g}, {self.margin_before:g} px '
            f'more on the left and above, {self.margin_after:g} px on the right and '
            f'below; F-score of boxes from {self.min_score:.3f} on; fitted on '
            f'{self.fitted_on}'
        )


def read_rule(path: str | os.PathLike[str]) -> BoxRule:
    """Reads what `write_rule` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or something else.
    """
    remedy = 'Write it by experiments/fit_boxes.py.'
    values = read_object(path, remedy=remedy)
    rule: dict[str, Any] = {}
    for field in dataclasses.fields(BoxRule):
        rule[field.name] = values.get(field.name)
        kind = str if field.type is str else int | float
        if not isinstance(rule[field.name], kind):
            raise ValueError(f'{path}: not a rule: lacks {field.name}. {remedy}')
    return BoxRule(**rule)


def write_rule(path: str | os.PathLike[str], rule: BoxRule) -> None:
    """Writes a rule as JSON."""
    write_json(path, dataclasses.asdict(rule))


def labeled_boxes(values: NDArray[np.integer[Any]], one_class: bool) -> Boxes:
    """The boxes of a record.

    Args:
        values: int [N, 5]: x_min, y_min, x_max, y_max, class id.
        one_class: for a network that tells no classes apart: all have the class id 1.
    """
    class_ids = np.asarray(values[:, 4], np.int64)
    if one_class:
        class_ids = np.ones_like(class_ids)
    return Boxes(values[:, :4].astype(np.float64), class_ids, np.ones(len(values)))


def require_boxes(boxes: Boxes | None, data_dir: str | os.PathLike[str]) -> Boxes:
    """The labeled boxes of a pair.

    Raises:
        ValueError: the data have none.
    """
    if boxes is None:
        raise ValueError(
            f'{data_dir}: has no labeled boxes. Prepare it again with '
            'experiments/prepare_data.py; of the public sets deep_pcb has boxes, from '
            'version 1.1.0 on.'
        )
    return boxes


def find_boxes(scores: PixelScores, class_names: Sequence[str], rule: BoxRule) -> Boxes:
    """The boxes of one pair, inside the image.

    A region is 8-connected, whatever the classes in it; it has the class of most of its
    pixels. Its score is the mean over its pixels of the score of their class.

    Args:
        scores: of one pair, [H, W].
        class_names: name of each class.
        rule: threshold and margin.
    """
    regions = region_boxes(scores, class_names, rule.threshold)
    return widen(regions, rule, scores.score.shape)


def region_boxes(
    scores: PixelScores, class_names: Sequence[str], threshold: float
) -> Boxes:
    """The boxes around regions, without a margin; see `find_boxes`."""
    mask = decide(scores, Rule(threshold))
    labels = skimage.measure.label(mask != 0, connectivity=2)
    found = find_defects(mask, scores.class_score, scores.score, class_names, labels)
    found = tuple(sorted(found, key=lambda defect: -defect.score))
    return Boxes(
        np.array([defect.box for defect in found], np.float64).reshape(-1, 4),
        np.array([defect.class_id for defect in found], np.int64),
        np.array([defect.score for defect in found], np.float64),
    )


def widen(boxes: Boxes, rule: BoxRule, size: tuple[int, ...]) -> Boxes:
    """Boxes with the rule's margin, cut at the borders of an image of `size` (H, W)."""
    before, after = rule.margin_before, rule.margin_after
    wider = boxes.coordinates + np.array([-before, -before, after, after])
    height, width = size
    corners = np.array([width, height, width, height], np.float64)
    return dataclasses.replace(boxes, coordinates=np.clip(wider, 0.0, corners))


def intersections_over_unions(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """IoU of each of `first` [N, 4] with each of `second` [M, 4], as [N, M]."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=-1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (first, second)]
    unions = areas[0][:, None] + areas[1][None, :] - common
    return np.asarray(np.divide(common, unions, out=common * 0, where=unions > 0))
