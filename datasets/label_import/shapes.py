"""Polygons and boxes of labeled defects, and the pixels that they cover.

Coordinates are in pixels, x to the right and y down; the top left corner of the image
is (0, 0), and the center of its first pixel (0.5, 0.5).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.datasets.box_masks import (
    Box,
    ignored_boxes,
    mask_from_boxes,
    mask_from_photo_boxes,
)

Points = NDArray[np.float64]
_CIRCLE = 64  # corners of the polygon that stands for a circle or an ellipse


class Shape(NamedTuple):
    """One labeled defect.

    Attributes:
        name: of its class.
        points: corners (x, y), [N, 2]; of a box, two opposite ones.
        is_box: whether it is a box, in which the defect's pixels are not known.
    """

    name: str
    points: Points
    is_box: bool = False


class LabeledImage(NamedTuple):
    """What a file of labels says of one image.

    Attributes:
        name: of the image's file, as the labels give it.
        shapes: its defects; none where the image is labeled as free of them.
        size: width and height in pixels, where the labels state them.
        relative: whether coordinates are shares of the width and of the height.
    """

    name: str
    shapes: list[Shape]
    size: tuple[int, int] | None = None
    relative: bool = False


class PaintedMask(NamedTuple):
    """The mask of an image, and the boxes in which no defect could be told."""

    pixels: NDArray[np.uint8]  # class ids, [H, W]; 255 is ignored
    untold: int


def box(name: str, x_min: float, y_min: float, x_max: float, y_max: float) -> Shape:
    """A box as a shape."""
    return Shape(name, np.array([[x_min, y_min], [x_max, y_max]], np.float64), True)


def ellipse(
    name: str,
    center: Sequence[float],
    radii: Sequence[float],
    *,
    rotation: float = 0.0,
) -> Shape:
    """An ellipse as a polygon.

    Args:
        name: of its class.
        center: (x, y).
        radii: along x and y, before it is turned.
        rotation: degrees by which it is turned around its center, clockwise.
    """
    angles = np.arange(_CIRCLE) * (2 * math.pi / _CIRCLE)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * np.asarray(radii)
    sin, cos = math.sin(math.radians(rotation)), math.cos(math.radians(rotation))
    turned = points @ np.array([[cos, sin], [-sin, cos]])  # y points down
    return Shape(name, np.asarray(center) + turned)


def paint(
    labels: LabeledImage,
    class_ids: dict[str, int],
    image: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    *,
    binary: bool,
) -> PaintedMask:
    """The mask that `labels` describe.

    Polygons are filled: a pixel belongs to a polygon if its center does. In a box the
    pixels that changed are the defect, by the rule of `box_masks`; in a box of what is
    ignored all pixels are, but for defects of other boxes. Polygons lie above boxes,
    and small shapes above large ones.

    Args:
        labels: of the image.
        class_ids: name of a class -> its id, or 255 for what is ignored.
        image: RGB, [H, W, 3].
        reference: RGB, [H, W, 3], aligned.
        binary: whether the pair is black and white, with contours that may be off by
            some pixels; otherwise it is a pair of photographs, exactly aligned.

    Raises:
        ValueError: the labels are of an image of another size, or a shape lies outside
            of the image, or has no area.
    """
    height, width = image.shape[:2]
    if labels.size and labels.size != (width, height):
        raise ValueError(
            f'{labels.name}: labeled at {labels.size[0]} x {labels.size[1]} pixels, '
            f'but the image has {width} x {height}; export the labels of this image '
            '(was it turned or resized since?).'
        )
    scale = (width, height) if labels.relative else (1, 1)
    shapes = [shape._replace(points=shape.points * scale) for shape in labels.shapes]
    for shape in shapes:
        _check(labels.name, shape, width, height)
    boxes = [
        _pixel_box(s, class_ids[s.name], width, height) for s in shapes if s.is_box
    ]
    mask = np.zeros((height, width), np.uint8)
    untold = 0
    if boxes:
        if binary:
            grays = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (image, reference))
            gray, template = (np.asarray(x, np.uint8) for x in grays)
            mask = mask_from_boxes(gray, template, boxes)
        else:
            mask = mask_from_photo_boxes(image, reference, boxes)
        untold = len(ignored_boxes(mask, [b for b in boxes if b.class_id != IGNORED]))
        for inside in (mask[b.window] for b in boxes if b.class_id == IGNORED):
            inside[inside == 0] = IGNORED
    polygons = [shape for shape in shapes if not shape.is_box]
    for shape in sorted(polygons, key=lambda shape: -_area(shape.points)):
        mask[_inside(shape.points, height, width)] = class_ids[shape.name]
    return PaintedMask(mask, untold)


def _check(name: str, shape: Shape, width: int, height: int) -> None:
    if not np.isfinite(shape.points).all() or len(shape.points) < (3 - shape.is_box):
        raise ValueError(f'{name}: a shape of {shape.name!r} has no valid corners.')
    low, high = shape.points.min(axis=0), shape.points.max(axis=0)
    if (high <= low).any() or (high <= 0).any() or (low >= (width, height)).any():
        raise ValueError(
            f'{name}: a shape of {shape.name!r} from {tuple(low.round(1).tolist())} to '
            f'{tuple(high.round(1).tolist())} is empty or lies outside of the '
            f'{width} x {height} image.'
        )


def _pixel_box(shape: Shape, class_id: int, width: int, height: int) -> Box:
    """The pixels that the box touches, within the image."""
    low = np.floor(shape.points.min(axis=0)).astype(int).clip(0).tolist()
    high = np.ceil(shape.points.max(axis=0)).astype(int).tolist()
    return Box(low[0], low[1], min(high[0], width), min(high[1], height), class_id)


def _area(points: Points) -> float:
    return float(cv2.contourArea(points.astype(np.float32)))


def _inside(points: Points, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels whose centers are inside; those on the line, where there are none."""
    rows_columns = points[:, ::-1] - 0.5
    inside = np.asarray(polygon2mask((height, width), rows_columns), np.bool_)
    if not inside.any():
        line = np.zeros((height, width), np.uint8)
        corners = np.floor(points).clip(0, (width - 1, height - 1)).astype(np.int32)
        inside = cv2.polylines(line, [corners], True, 1).astype(np.bool_)
    return inside
