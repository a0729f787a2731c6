"""Scores of pixels -> their classes and defects, without the network.

The network says how probable each class is at each pixel, once; from which score on a
pixel is a defect, and how small a defect may be, is decided here, as often as wanted.
"""

import dataclasses
from typing import Any, NamedTuple, Self

import numpy as np
import skimage.measure

from cadnet_jax.inference.defects import Defect, find_defects


class PixelScores(NamedTuple):
    """What the network says of each pixel of a batch; of one pair without the B.

    Attributes:
        score: float32 [B, H, W], of any defect: 1 - P(background), or the change score
            of a network that tells no classes apart.
        defect_class: uint8 [B, H, W], the most probable class of defects.
        class_score: float32 [B, H, W], probability of that class, or the change score.
        likeliest: uint8 [B, H, W], the most probable class, background among them; None
            for change scores.
        distance: DistMap, float32 [B, H, W]; None if the network has none.
        probabilities: float32 [B, H, W, K], of each class; the change score as
            [B, H, W, 1]. None if they were not asked for.
    """

    score: Any
    defect_class: Any
    class_score: Any
    likeliest: Any | None
    distance: Any | None
    probabilities: Any | None = None


@dataclasses.dataclass(frozen=True)
class Rule:
    """What is taken for a defect.

    Attributes:
        threshold: `PixelScores.score` above which a pixel is a defect, of its most
            probable class of defects. None: a pixel has its most probable class,
            background among them.
        min_area: pixels of the smallest defect (a connected region of one class).
    """

    threshold: float | None = None
    min_area: int = 1

    def __post_init__(self) -> None:
        if self.threshold is not None and not self.threshold >= 0:
            raise ValueError(f'threshold is {self.threshold}; it must be 0 or more.')
        if self.min_area < 1:
            raise ValueError(f'min_area is {self.min_area}; it must be at least 1.')


def decide(scores: PixelScores, rule: Rule) -> np.ndarray:
    """The class of each pixel.

    Args:
        scores: of a batch or of one pair.
        rule: threshold and smallest area.

    Returns:
        uint8, of the shape of `scores.score`; 0 is the background.

    Raises:
        ValueError: there is no threshold for change scores.
    """
    if rule.threshold is not None:
        mask = np.where(scores.score > rule.threshold, scores.defect_class, np.uint8(0))
    elif scores.likeliest is not None:
        mask = scores.likeliest
    else:
        raise ValueError('threshold is None: change scores need a threshold.')
    if rule.min_area == 1:
        return mask
    images = mask.reshape(-1, *mask.shape[-2:])
    kept = [_without_small_regions(image, rule.min_area) for image in images]
    return np.stack(kept).reshape(mask.shape)


def _without_small_regions(mask: np.ndarray, min_area: int) -> np.ndarray:
    """`mask` [H, W] without the 8-connected regions of a class that are smaller."""
    regions = skimage.measure.label(mask, background=0, connectivity=2)
    small = np.bincount(regions.ravel()) < min_area
    return np.where(small[regions], np.uint8(0), mask)


class Prediction(NamedTuple):
    """What is predicted of a pair.

    Attributes:
        mask: uint8 [H, W], predicted classes; 0 is the background.
        defects: the connected regions of each class, from top to bottom.
        scores: what both follow from.
        class_names: name of each class.
        rule: what was taken for a defect.
    """

    mask: np.ndarray
    defects: tuple[Defect, ...]
    scores: PixelScores
    class_names: tuple[str, ...]
    rule: Rule

    @property
    def score(self) -> np.ndarray:
        """Score of any defect, float32 [H, W]."""
        score: np.ndarray = self.scores.score
        return score

    @property
    def distance(self) -> np.ndarray | None:
        """DistMap, float32 [H, W]."""
        return self.scores.distance

    def with_rule(self, **changes: Any) -> Self:
        """The prediction that another rule gives; the network does not run again.

        Args:
            changes: `threshold` and `min_area`, see `Rule`; one that is not given stays
                as it is.

        Raises:
            ValueError: a value is out of its range.
        """
        rule = dataclasses.replace(self.rule, **changes)
        return type(self)(*predict_pair(self.scores, self.class_names, rule))


def predict_pair(
    scores: PixelScores, class_names: tuple[str, ...], rule: Rule
) -> Prediction:
    """Classes and defects of one pair."""
    mask = decide(scores, rule)
    defects = find_defects(mask, scores.class_score, scores.score, class_names)
    return Prediction(mask, defects, scores, class_names, rule)
