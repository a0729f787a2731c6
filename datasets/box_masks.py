"""Pixel masks from boxes, for sets whose defects are labeled by boxes alone.

A box says where a defect is and of what class; which of its pixels are the defect
follows from what changed between image and reference. The thresholds were chosen on
DeepPCB, where the rule leaves one of the 10,013 boxes empty. What cannot be told from
the contour, or in a photograph from noise, is ignored. Notation:

    changed  bool [H, W], pixels that differ between image and reference, binarized
    contour  bool [H, W], the band along the reference's own edges, where a pixel that
             differs may be no more than noise
    core     changed pixels that survive a 3x3 opening: thick enough to be a defect
    far      changed pixels off the contour: new, however thin
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data.labels import IGNORED

Bits = NDArray[np.bool_]


_SQUARE = np.ones((3, 3), np.uint8)
_NEIGHBORS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
_MAX_SHIFT = 4  # pixels; pairs of DeepPCB are off by less
_MIN_PART = 6  # pixels; smaller parts are noise
_MARGIN = 0.2  # of a box's side; what lies inside is its central 60 %


class Box(NamedTuple):
    """A labeled box in pixels, half-open: x_min <= x < x_max, y_min <= y < y_max."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int
    class_id: int

    @property
    def area(self) -> int:
        """Pixels in the box."""
        return (self.x_max - self.x_min) * (self.y_max - self.y_min)

    @property
    def window(self) -> tuple[slice, slice]:
        """The index that cuts the box out of an array [H, W, ...]."""
        return slice(self.y_min, self.y_max), slice(self.x_min, self.x_max)


def mask_from_boxes(
    image: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    boxes: Sequence[Box],
    *,
    threshold: int = 127,
) -> NDArray[np.uint8]:
    """The class of each pixel, 0 where there is no defect.

    Args:
        image: gray, [H, W]; a pixel is foreground where it exceeds `threshold`.
        reference: gray, [H, W], aligned with `image` to within 4 pixels.
        boxes: the image's labeled defects, inside the image.
        threshold: gray level, 0 to 254.

    Returns:
        Class ids, uint8 [H, W]; 255 in a box where nothing differs but the contour.
    """
    foreground, template = image > threshold, reference > threshold
    dy, dx = find_shift(foreground, template, boxes)
    template = shift(template, dy, dx)
    return paint_changes(foreground ^ template, contour_band(template), boxes)


def mask_from_photo_boxes(
    image: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    boxes: Sequence[Box],
    *,
    threshold: int = 18,
) -> NDArray[np.uint8]:
    """The class of each pixel of a photograph whose reference is exactly aligned.

    A pixel has changed where the largest difference of its three channels, averaged
    over 3x3 pixels, exceeds `threshold`. Edges are in the same place, so that there is
    no contour band. Where nothing has changed in a box its defect is too faint to be
    told from noise, and the box is ignored.

    Args:
        image: RGB, [H, W, 3].
        reference: RGB, [H, W, 3].
        boxes: the image's labeled defects, inside the image.
        threshold: gray levels, 0 to 254.

    Returns:
        Class ids, uint8 [H, W]; 255 in a box where nothing has changed.
    """
    channels = cv2.split(cv2.absdiff(image, reference))
    difference = cv2.max(cv2.max(channels[0], channels[1]), channels[2])
    changed = cv2.blur(difference, (3, 3)) > threshold
    return paint_changes(changed, np.zeros_like(changed), boxes)


def ignored_boxes(mask: NDArray[np.uint8], boxes: Sequence[Box]) -> list[Box]:
    """The boxes of which no pixel has their class, as nothing in them could be told.

    Args:
        mask: what one of the functions above made of `boxes`.
        boxes: the image's labeled defects.
    """
    return [
        box
        for box in boxes
        if IGNORED in (inside := mask[box.window]) and box.class_id not in inside
    ]


def find_shift(
    foreground: Bits, template: Bits, boxes: Sequence[Box]
) -> tuple[int, int]:
    """The (dy, dx) that best aligns `template` with `foreground` outside the boxes.

    Climbs from (0, 0) over the eight neighbors, up to 4 pixels along each axis, as
    long as fewer pixels differ. Both arrays are [H, W].
    """
    outside = np.ones(foreground.shape, np.bool_)
    for box in boxes:
        outside[box.window] = False
    inner = tuple(slice(_MAX_SHIFT, max(n - _MAX_SHIFT, 0)) for n in foreground.shape)

    def cost(at: tuple[int, int]) -> int:
        differs = foreground ^ shift(template, *at)
        return int(np.count_nonzero(differs[inner] & outside[inner]))

    best, best_cost = (0, 0), cost((0, 0))
    while True:
        y, x = best
        steps = [(y + dy, x + dx) for dy, dx in _NEIGHBORS]
        costs = {at: cost(at) for at in steps if max(map(abs, at)) <= _MAX_SHIFT}
        nearest = min(costs, key=lambda at: costs[at])
        if costs[nearest] >= best_cost:
            return best
        best, best_cost = nearest, costs[nearest]


def shift(bits: Bits, dy: int, dx: int) -> Bits:
    """`bits` [H, W] moved dy pixels down and dx right; edge pixels are repeated."""
    height, width = bits.shape
    rows = np.clip(np.arange(height) - dy, 0, height - 1)
    columns = np.clip(np.arange(width) - dx, 0, width - 1)
    return bits[rows[:, None], columns]


def contour_band(template: Bits) -> Bits:
    """The pixels on either side of an edge of `template`, [H, W]."""
    return _morphology(template, cv2.MORPH_GRADIENT)


def paint_changes(
    changed: Bits, contour: Bits, boxes: Sequence[Box]
) -> NDArray[np.uint8]:
    """The class id of what changed in each box; larger boxes are painted first.

    A box in which nothing changed, or the contour alone, is ignored (255), but for what
    belongs to other boxes.
    """
    core = _morphology(changed, cv2.MORPH_OPEN)
    far = changed & ~contour
    mask = np.zeros(changed.shape, np.uint8)
    empty = []
    for box in sorted(boxes, key=lambda box: -box.area):
        at = box.window
        defect = _defect(changed[at], core[at], far[at])
        if defect.any():
            mask[at][defect] = box.class_id
        else:
            empty.append(box)
    for box in empty:
        inside = mask[box.window]
        inside[inside == 0] = IGNORED
    return mask


def _defect(changed: Bits, core: Bits, far: Bits) -> Bits:
    """The defect's pixels in one box; all arrays are cut to it."""
    seed = core | far
    if core.any():
        # Growing each part by one pixel joins parts that at most two pixels separate.
        joined = _parts(_morphology(seed, cv2.MORPH_DILATE))
        seed &= np.isin(joined, joined[core])
    grown = _morphology(seed, cv2.MORPH_DILATE) & changed
    return _central_parts(grown)


def _central_parts(bits: Bits) -> Bits:
    """The parts that touch the central 60 %, or the largest one if none does."""
    parts = _parts(bits)
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    height, width = bits.shape
    top, left = int(_MARGIN * height), int(_MARGIN * width)
    center = np.unique(parts[top : height - top, left : width - left])
    kept = center[areas[center] >= _MIN_PART]
    if not kept.size:
        kept = np.array([areas.argmax()])
    return np.isin(parts, kept) & bits


def _morphology(bits: Bits, operation: int) -> Bits:
    return cv2.morphologyEx(bits.astype(np.uint8), operation, _SQUARE).astype(np.bool_)


def _parts(bits: Bits) -> NDArray[np.int32]:
    """Connected parts of `bits` numbered from 1; 0 elsewhere; [H, W]."""
    return np.asarray(cv2.connectedComponents(bits.astype(np.uint8))[1], np.int32)
