"""Predicted classes of pixels -> a list of defects."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import skimage.measure


class Defect(NamedTuple):
    """A region of predicted defects: connected and of one class, or as it is given.

    Attributes:
        class_name: its class, or that of most of its pixels.
        class_id: the same, as in the mask.
        score: mean over its pixels of the score of its class.
        defect_score: mean over its pixels of the score of any defect.
        box: (x_min, y_min, x_max, y_max) in pixels, the maxima exclusive.
        area: pixels.
        centroid: (x, y), mean of its pixel indices.
    """

    class_name: str
    class_id: int
    score: float
    defect_score: float
    box: tuple[int, int, int, int]
    area: int
    centroid: tuple[float, float]


def find_defects(
    mask: np.ndarray,
    class_score: np.ndarray,
    defect_score: np.ndarray,
    class_names: Sequence[str],
    labels: np.ndarray | None = None,
) -> tuple[Defect, ...]:
    """Lists the 8-connected regions of each class, from top to bottom.

    Args:
        mask: uint8 [H, W], predicted classes; 0 is the background.
        class_score: float32 [H, W], score of the predicted class of each pixel.
        defect_score: float32 [H, W], score of any defect.
        class_names: name of each class.
        labels: int [H, W], the region of each pixel of `mask`, from 1, where others are
            to be listed, in their order.
    """
    if labels is None:
        labels = skimage.measure.label(mask, background=0, connectivity=2)
    regions = skimage.measure.regionprops(labels, intensity_image=class_score)
    return tuple(_defect(region, mask, defect_score, class_names) for region in regions)


def _defect(
    region: Any, mask: np.ndarray, defect_score: np.ndarray, class_names: Sequence[str]
) -> Defect:
    y_min, x_min, y_max, x_max = region.bbox
    y, x = region.centroid
    class_id = int(np.bincount(mask[region.slice][region.image]).argmax())
    return Defect(
        class_name=class_names[class_id],
        class_id=class_id,
        score=float(region.intensity_mean),
        defect_score=float(defect_score[region.slice][region.image].mean()),
        box=(int(x_min), int(y_min), int(x_max), int(y_max)),
        area=int(region.area),
        centroid=(float(x), float(y)),
    )
