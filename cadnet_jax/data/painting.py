"""Changes painted into the image of a product: material that is added or missing.

A change is a `Paint`: an opacity and a fill within a box. It is drawn for one image and
can be laid over another, so that both images of a pair can get the same one. Builders
draw training pairs with it, and training paints a user's own good pairs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data import paint_fills, paint_shapes
from cadnet_jax.data.paint_shapes import Field

# OpenCV does not say in types which numbers it returns.
Pixels = NDArray[Any]  # uint8 RGB [H, W, 3]

SMALLEST, LARGEST = 2.5, 110.0  # pixels, diameter of a change
# Pixels, smallest and largest; small ones are drawn as often as large ones.
_SCRATCH_WIDTH = 1.0, 5.0
_LINE_WIDTH = 1.0, 16.0
_CHAIN_RADIUS = 0.8, 4.0  # of its dots
_BRIDGE_WIDTH = float(np.e), 14.0
_BITE_DIAMETER = 5.0, 26.0
_PINHOLE_DIAMETER = 3.0, 11.0
_FAINTEST = 0.12  # opacity
# Colors of the lines and points of a display whose drivers fail.
_PURE = tuple(np.array(color, np.float32) for color in np.ndindex(2, 2, 2))
_SUPPORT_SHARE = 0.25  # of the largest difference: where a change ends
_SUPPORT_LEVELS = 6  # gray levels that a change differs by at least


class Paint(NamedTuple):
    """Material to lay over an image.

    Attributes:
        kind: what it stands for, one of `KINDS`.
        top, left: of its box in the image, in pixels.
        opacity: float32 [h, w], 0 to 1.
        fill: float32 [h, w, 3], gray levels.
    """

    kind: str
    top: int
    left: int
    opacity: Field
    fill: NDArray[np.float32]


def apply(image: Pixels, paint: Paint) -> Pixels:
    """Lays `paint` over a copy of `image`, RGB uint8 [H, W, 3]."""
    height, width = paint.opacity.shape
    box = np.s_[paint.top : paint.top + height, paint.left : paint.left + width]
    painted = image.copy()
    under = painted[box].astype(np.float32)
    mixed = under + paint.opacity[..., None] * (paint.fill - under)
    painted[box] = mixed.clip(0, 255).round().astype(np.uint8)
    return painted


def support(before: Pixels, after: Pixels) -> NDArray[np.bool_]:
    """Where a change shows, bool [H, W].

    That is where the largest difference over the channels reaches a quarter of its
    maximum, and six gray levels.

    Args:
        before, after: RGB uint8 [H, W, 3].
    """
    difference = largest_difference(before, after)
    least = max(_SUPPORT_LEVELS, _SUPPORT_SHARE * float(difference.max()))
    return np.asarray(difference >= least)


def largest_difference(one: Pixels, other: Pixels) -> NDArray[np.uint8]:
    """The largest difference over the channels of two images, uint8 [H, W]."""
    red, green, blue = cv2.split(cv2.absdiff(one, other))
    return np.asarray(cv2.max(red, cv2.max(green, blue)), np.uint8)


def draw_paint(
    image: Pixels, rng: np.random.Generator, *, other: Pixels | None = None
) -> Paint:
    """Draws a change for `image`: its kind, place, size, shape and fill.

    Args:
        image: RGB uint8 [H, W, 3], at least 32 pixels a side.
        rng: all that is random comes from it.
        other: an image that a fill may come from, at least as large.
    """
    kind = str(rng.choice(KINDS, p=_SHARES))
    return _DRAW[kind](kind, image, rng, image if other is None else other)


def _spot(kind: str, image: Pixels, rng: np.random.Generator, other: Pixels) -> Paint:
    """A shape of any size with any fill: stains, missing print, exchanged parts."""
    height, width = image.shape[:2]
    diameter = _diameter(rng, min(height, width))
    aspect = np.exp(rng.normal(0, 0.35))
    h = int(np.clip(round(diameter * aspect), 2, height))
    w = int(np.clip(round(diameter / aspect), 2, width))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    shape = paint_shapes.SHAPES[int(rng.integers(len(paint_shapes.SHAPES)))](rng, h, w)
    if rng.random() < 0.3 and min(h, w) > 6:
        shape = paint_shapes.softened(shape, rng.uniform(0.5, min(h, w) / 6))
    fill = paint_fills.fill(image, other, (top, left, h, w), rng)
    return Paint(kind, top, left, shape * _opacity(rng), fill)


def _scratch(
    kind: str, image: Pixels, rng: np.random.Generator, other: Pixels
) -> Paint:
    """A thin line, straight or bent, bright or dark."""
    height, width = image.shape[:2]
    length = _log_uniform(rng, 8, 0.9 * min(height, width))
    angle, bend = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.6)
    t = np.linspace(0, 1, 12)
    headings = angle + bend * t
    steps = np.stack([np.cos(headings), np.sin(headings)], axis=-1) * length / 12
    points = rng.uniform(0, 1, 2) * [width, height] + steps.cumsum(axis=0)
    opacity, top, left = paint_shapes.stroke(points, _log_uniform(rng, *_SCRATCH_WIDTH))
    return _cut_to(image, kind, opacity * _opacity(rng), top, left, rng, other)


def _line(kind: str, image: Pixels, rng: np.random.Generator, other: Pixels) -> Paint:
    """A straight line across the whole image, mostly along an axis."""
    height, width = image.shape[:2]
    diagonal = float(np.hypot(height, width))
    angle = rng.choice([0, np.pi / 2]) + (
        rng.normal(0, 0.02) if rng.random() < 0.7 else rng.uniform(-1, 1)
    )
    middle = rng.uniform(0.05, 0.95, 2) * [width, height]
    reach = np.array([np.cos(angle), np.sin(angle)]) * diagonal
    points = np.stack([middle - reach, middle + reach])
    opacity, top, left = paint_shapes.stroke(points, _log_uniform(rng, *_LINE_WIDTH))
    opacity *= _opacity(rng)
    color = _pure_color(rng)
    return _cut_to(image, kind, opacity, top, left, rng, other, color=color)


def _chain(kind: str, image: Pixels, rng: np.random.Generator, other: Pixels) -> Paint:
    """Dots in a row, at even distances: points of a display, splashes, perforation."""
    radius = _log_uniform(rng, *_CHAIN_RADIUS)
    step = radius * rng.uniform(2.5, 9)
    count = int(rng.integers(3, 16))
    angle = rng.choice([0, np.pi / 2]) if rng.random() < 0.5 else rng.uniform(0, np.pi)
    headings = angle + rng.normal(0, 0.15) * np.arange(count)
    steps = np.stack([np.cos(headings), np.sin(headings)], axis=-1) * step
    start = rng.uniform(0, 1, 2) * image.shape[1::-1]
    opacity, top, left = paint_shapes.dots(start + steps.cumsum(axis=0), radius)
    opacity *= _opacity(rng)
    color = _pure_color(rng)
    return _cut_to(image, kind, opacity, top, left, rng, other, color=color)


def _at_edge(
    kind: str, image: Pixels, rng: np.random.Generator, other: Pixels
) -> Paint:
    """A bite, a spur, a cut or a bridge: one side of a contour grows into the other.

    In an image without contours it is a spot.
    """
    edge = _random_edge(image, rng)
    if edge is None:
        return _spot('spot', image, rng, other)
    (x, y), normal = edge
    color = _color_beside(image, x, y, normal, rng.uniform(2, 6))
    if kind == 'bridge':
        length = _log_uniform(rng, 6, 45)
        tilt = rng.normal(0, 0.3)
        turned = np.array(
            [
                normal[0] * np.cos(tilt) - normal[1] * np.sin(tilt),
                normal[0] * np.sin(tilt) + normal[1] * np.cos(tilt),
            ]
        )
        start = np.array([x, y]) - 3 * turned
        points = np.stack([start, start + turned * (length + 3)])
        opacity, top, left = paint_shapes.stroke(
            points, _log_uniform(rng, *_BRIDGE_WIDTH)
        )
    else:
        diameter = round(_log_uniform(rng, *_BITE_DIAMETER))
        opacity = paint_shapes.blob(rng, diameter, diameter)
        depth = rng.uniform(0, 0.5) * diameter
        top = round(y + normal[1] * depth - diameter / 2)
        left = round(x + normal[0] * depth - diameter / 2)
    return _cut_to(image, kind, opacity, top, left, rng, other, color=color)


def _pinhole(
    kind: str, image: Pixels, rng: np.random.Generator, other: Pixels
) -> Paint:
    """A small dot in the color that some contour has on its other side."""
    edge = _random_edge(image, rng)
    if edge is None:
        return _spot('spot', image, rng, other)
    (x, y), normal = edge
    color = _color_beside(image, x, y, normal, 4)
    reach = rng.uniform(6, 18)
    diameter = round(_log_uniform(rng, *_PINHOLE_DIAMETER))
    opacity = paint_shapes.blob(rng, diameter, diameter)
    top = round(y + normal[1] * reach - diameter / 2)
    left = round(x + normal[0] * reach - diameter / 2)
    return _cut_to(image, kind, opacity, top, left, rng, other, color=color)


def _dent(kind: str, image: Pixels, rng: np.random.Generator, other: Pixels) -> Paint:
    """A dent or bump: bright on one flank, dark on the other, color kept."""
    del other
    height, width = image.shape[:2]
    side = int(np.clip(_diameter(rng, min(height, width)) * 1.5, 8, min(height, width)))
    top, left = (int(rng.integers(s - side + 1)) for s in (height, width))
    y, x = paint_shapes.unit_grid(side, side)
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    bump = np.exp(-4.5 * (x * x + y * y)) * along
    under = image[top : top + side, left : left + side].astype(np.float32)
    strength = rng.uniform(30, 110) / 0.2
    return Paint(
        kind,
        top,
        left,
        np.ones((side, side), np.float32),
        under + (strength * bump)[..., None].astype(np.float32) * (0.3 + under / 365),
    )


_DRAW: dict[str, Callable[[str, Pixels, np.random.Generator, Pixels], Paint]] = {
    'spot': _spot,
    'scratch': _scratch,
    'line': _line,
    'bite': _at_edge,
    'bridge': _at_edge,
    'pinhole': _pinhole,
    'dent': _dent,
    'chain': _chain,
}
KINDS = tuple(_DRAW)
_SHARES = (0.32, 0.12, 0.1, 0.15, 0.1, 0.08, 0.05, 0.08)


def _cut_to(
    image: Pixels,
    kind: str,
    opacity: Field,
    top: int,
    left: int,
    rng: np.random.Generator,
    other: Pixels,
    *,
    color: NDArray[np.float32] | None = None,
) -> Paint:
    """A paint of what lies within `image`; one pixel of it at least."""
    height, width = image.shape[:2]
    first = min(max(top, 0), height - 1), min(max(left, 0), width - 1)
    last = (
        min(max(top + opacity.shape[0], first[0] + 1), height),
        min(max(left + opacity.shape[1], first[1] + 1), width),
    )
    inside = np.zeros((last[0] - first[0], last[1] - first[1]), np.float32)
    part = opacity[max(first[0] - top, 0) :, max(first[1] - left, 0) :]
    part = part[: inside.shape[0], : inside.shape[1]]
    inside[: part.shape[0], : part.shape[1]] = part
    if color is None:
        fill = paint_fills.fill(image, other, (*first, *inside.shape), rng)
    else:
        fill = np.broadcast_to(color, (*inside.shape, 3)).astype(np.float32)
    return Paint(kind, *first, inside, fill)


def _random_edge(
    image: Pixels, rng: np.random.Generator
) -> tuple[tuple[int, int], NDArray[np.float64]] | None:
    """A place (x, y) on a contour and a unit normal (x, y), its sign drawn.

    None if a sample of the image finds no contour.
    """
    height, width = image.shape[:2]
    ys, xs = rng.integers(3, height - 3, 400), rng.integers(3, width - 3, 400)

    def gray(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Field:
        return np.asarray(image[rows, columns].mean(axis=-1, dtype=np.float32))

    dx = gray(ys, xs + 2) - gray(ys, xs - 2)
    dy = gray(ys + 2, xs) - gray(ys - 2, xs)
    strength = np.hypot(dx, dy)
    strong = np.flatnonzero(strength > max(30.0, 0.5 * float(strength.max())))
    if not strong.size:
        return None
    k = int(rng.choice(strong))
    normal = np.array([dx[k], dy[k]], np.float64) / strength[k]
    return (int(xs[k]), int(ys[k])), normal * rng.choice([-1, 1])


def _color_beside(
    image: Pixels, x: int, y: int, normal: NDArray[np.float64], distance: float
) -> NDArray[np.float32]:
    """The color on the side of a contour that its normal points away from."""
    height, width = image.shape[:2]
    column = int(np.clip(round(x - normal[0] * distance), 0, width - 1))
    row = int(np.clip(round(y - normal[1] * distance), 0, height - 1))
    return np.array(image[row, column], np.float32)


def _diameter(rng: np.random.Generator, side: int) -> float:
    """Three decades of area, each as likely, pixels."""
    return _log_uniform(rng, SMALLEST, min(LARGEST, side / 2))


def _pure_color(rng: np.random.Generator) -> NDArray[np.float32] | None:
    """In half of the draws black, white, a primary color or a mixture of two."""
    if rng.random() < 0.5:
        return None
    return 255 * _PURE[int(rng.integers(len(_PURE)))]


def _opacity(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else float(rng.uniform(_FAINTEST, 1))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
