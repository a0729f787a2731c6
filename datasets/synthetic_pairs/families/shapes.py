"""Shapes with edges between pixels: discs, polygons, strokes, outlines.

Points are (x, y) in pixels, arrays [N, 2]. Everything draws into uint8 [H, W] or
[H, W, 3] in place.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Color = tuple[float, ...]
Points = NDArray[np.float64]  # [N, 2]
Canvas = NDArray[Any]  # uint8

_SHIFT = 4  # OpenCV's fixed point: a sixteenth of a pixel


def _fixed(points: ArrayLike) -> NDArray[np.int32]:
    return np.asarray(np.rint(np.asarray(points) * (1 << _SHIFT)), np.int32)


def disc(canvas: Canvas, center: ArrayLike, radius: float, color: Color) -> None:
    x, y = _fixed(center).tolist()
    radius = max(1, round(radius * (1 << _SHIFT)))
    cv2.circle(canvas, (x, y), radius, color, -1, cv2.LINE_AA, _SHIFT)


def polygons(canvas: Canvas, outlines: Sequence[Points], color: Color) -> None:
    """Fills outlines by the even-odd rule: an outline in another one is a hole."""
    cv2.fillPoly(canvas, [_fixed(o) for o in outlines], color, cv2.LINE_AA, _SHIFT)


def stroke(
    canvas: Canvas, points: Points, color: Color, width: float, closed: bool = False
) -> None:
    """A line; its width is rounded to whole pixels."""
    cv2.polylines(
        canvas,
        [_fixed(points)],
        closed,
        color,
        max(1, round(width)),
        cv2.LINE_AA,
        _SHIFT,
    )


def circle(center: ArrayLike, radius: float, corners: int = 40) -> Points:
    angles = np.arange(corners) * (2 * np.pi / corners)
    unit = np.stack([np.cos(angles), np.sin(angles)], -1)
    return np.asarray(center) + radius * unit


def box(center: ArrayLike, width: float, height: float, radius: float = 0) -> Points:
    """A rectangle whose corners have `radius`, clockwise from the top right."""
    half = np.array([width, height]) / 2
    radius = min(radius, *half)
    if radius < 0.5:
        corners = half * [[1, -1], [1, 1], [-1, 1], [-1, -1]]
        return np.asarray(center) + corners
    angles = np.linspace(0, np.pi / 2, 6)
    arc = np.stack([np.sin(angles), -np.cos(angles)], -1) * radius
    inner = half - radius
    quarters = [
        turned(arc, quarter * np.pi / 2) + inner * sign
        for quarter, sign in enumerate(([1, -1], [1, 1], [-1, 1], [-1, -1]))
    ]
    return np.asarray(center) + np.concatenate(quarters)


def turned(points: ArrayLike, angle: float, center: ArrayLike = (0, 0)) -> Points:
    """`points` turned clockwise on the screen by `angle` in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    middle = np.asarray(center)
    turn = np.array([[cos, sin], [-sin, cos]])
    return np.asarray((np.asarray(points) - middle) @ turn + middle)


def gear(
    center: ArrayLike, radius: float, teeth: int, depth: float, lost: Sequence[int] = ()
) -> Points:
    """The outline of a gear; the teeth with the numbers in `lost` are not there."""
    steps = np.array([0.0, 0.28, 0.42, 0.72])  # of a tooth's pitch
    angles = (np.arange(teeth)[:, None] + steps) * (2 * np.pi / teeth)
    radii = np.tile([radius, radius, radius - depth, radius - depth], (teeth, 1))
    radii[list(lost)] = radius - depth
    unit = np.stack([np.cos(angles), np.sin(angles)], -1)
    points = (radii[..., None] * unit).reshape(-1, 2)
    return np.asarray(np.asarray(center) + points)


def scaled(color: ArrayLike, factor: float) -> Color:
    """`color` times `factor`, in 0 to 255."""
    return tuple(np.clip(np.asarray(color) * factor, 0, 255).astype(int).tolist())


def chip(center: ArrayLike, radius: float, rng: np.random.Generator) -> Points:
    """A ragged outline, such as a piece that broke off leaves."""
    angles = np.arange(11) * (2 * np.pi / 11)
    radii = radius * rng.uniform(0.7, 1.2, 11)
    unit = np.stack([np.cos(angles), np.sin(angles)], -1)
    return np.asarray(np.asarray(center) + radii[:, None] * unit)
