"""Which changes can be told from noise and from what good parts differ in.

A change counts where its contrast times the root of its area exceeds six sigma of the
noise, where it stands out of what is drawn anew for each part, and where it is deeper
than contours move of themselves. What is fainter is ignored.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data import painting
from cadnet_jax.datasets.synthetic_pairs import nuisance
from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels

LEAST_AREA = 4  # pixels
_SIGMAS = 6.0  # of the noise: contrast times the root of the area of a visible change
_LEAST_CONTRAST = 8.0  # gray levels
_TEXTURE_GRAIN = 12.0  # pixels that vary together where a texture is drawn anew
_TEXTURE_SIGMAS = 2.5
_EDGE_SHARE = 0.4  # of a change's pixels on contours: it is judged by its depth


class Change(NamedTuple):
    """What differs between a part before and after."""

    kind: str
    side: int  # 0: the image, 1: the reference
    support: NDArray[np.bool_]  # where it shows in the canvas, [C, C]


def is_visible(
    change: Change,
    good: list[Pixels],
    before: list[Pixels],
    after: list[Pixels],
    views: list[nuisance.View],
    tolerance: NDArray[np.uint8],
    severity: nuisance.Severity,
) -> bool:
    """Whether a change can be told from noise and from what good parts differ in."""
    view = views[change.side]
    support = nuisance.warp_label(change.support, view)
    area = int(support.sum())
    if area < LEAST_AREA:
        return False
    pictures = before[change.side], after[change.side]
    contrast = float(painting.largest_difference(*pictures)[support].mean())
    levels = [nuisance.noise_level(view) for view in views]
    noise = float(np.hypot(levels[0], levels[1]))
    if contrast < _LEAST_CONTRAST or contrast * np.sqrt(area) < _SIGMAS * noise:
        return False
    around = cv2.dilate(change.support.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    texture = float(tolerance[around].mean()) if around.any() else 0.0
    grains = max(1.0, area / _TEXTURE_GRAIN)
    if contrast * np.sqrt(grains) < _TEXTURE_SIGMAS * texture:
        return False
    return _is_deep(change, good[change.side], severity)


def _is_deep(change: Change, good: Pixels, severity: nuisance.Severity) -> bool:
    """Whether a change at a contour is deeper than contours move of themselves."""
    gray = cv2.cvtColor(good, cv2.COLOR_RGB2GRAY)
    gradient = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    if float((gradient[change.support] > 60).mean()) < _EDGE_SHARE:
        return True
    padded = np.pad(change.support.astype(np.uint8), 1)
    depth = 2 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max())
    moves = 1.2 * severity.wave + severity.spread
    return depth > 1.5 + moves
