"""Collages: shapes, textures and photographs laid over each other; anything at all.

Two photographs in the public domain come with installed packages; a user can add some.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs import photographs
from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import materials, shapes
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Points

_MOST_OFFERED = 12

# Draws on the canvas: (canvas, the part's tolerance, whether it is defective).
Element = Callable[[Pixels, np.random.Generator, bool], None]
# Draws what lies below all shapes, anew for each part.
Ground = Callable[[np.random.Generator], Pixels]
# What draws a ground of some size, or an element for a canvas of it.
DrawGround = Callable[[np.random.Generator, int], Ground]
DrawElement = Callable[[np.random.Generator, int], Element]


def draw(rng: np.random.Generator, size: int, *, photos: Sequence[str] = ()) -> Drawing:
    """Some ten shapes on a ground; `photos` are paths of further photographs."""
    names = (*photographs.PACKAGED, *photos)
    photograph: DrawGround = functools.partial(_photograph, names=names)
    grounds = (*_DRAWN_GROUNDS, photograph)
    window: DrawElement = functools.partial(_window, grounds=grounds)
    kinds: tuple[DrawElement, ...] = (_shape, window, _curve)
    ground = grounds[int(rng.integers(len(grounds)))](rng, size)
    count = int(rng.integers(2, 16))
    chosen = rng.choice(3, count, p=[0.5, 0.35, 0.15]).tolist()
    elements = [kinds[kind](rng, size) for kind in chosen]
    offered = rng.permutation(count)[:_MOST_OFFERED].tolist()

    def render(part: int, altered: Mapping[int, int]) -> Pixels:
        canvas = ground(np.random.default_rng([part, 0]))
        defective = {offered[number] for number in altered}
        for number, element in enumerate(elements):
            own = np.random.default_rng([part, number + 1])
            element(canvas, own, number in defective)
        return canvas

    return Drawing(render, len(offered))


def _shape(rng: np.random.Generator, size: int) -> Element:
    """A shape. Defects: missing, moved, turned, or of another color."""
    reach = float(np.exp(rng.uniform(np.log(4), np.log(0.35 * size))))
    middle = rng.uniform(0, size, 2)
    outline = _outline(rng, reach)
    color, other = materials.random_color(rng), materials.random_color(rng)
    width = float(rng.choice([0, 0, 0, 1.5, 3, 6]))  # 0: filled
    fault = str(rng.choice(['missing', 'moved', 'turned', 'color']))
    far = rng.choice([-1, 1], 2) * (4 + rng.uniform(0.2, 0.8) * reach)
    shadow = bool(rng.random() < 0.2)

    def element(canvas: Pixels, own: np.random.Generator, altered: bool) -> None:
        off = own.uniform(-1, 1, 4)
        if altered and fault == 'missing':
            return
        shown = shapes.turned(outline, 0.02 * off[2])
        if altered and fault == 'turned':
            shown = shapes.turned(outline, 0.8)
        place = middle + 1.5 * off[:2]
        if altered and fault == 'moved':
            place = place + far
        tone = other if altered and fault == 'color' else color
        shade = shapes.scaled(tone, 1 + 0.03 * off[3])
        if shadow:
            shapes.polygons(canvas, [shown + place + 3], (20, 20, 20))
        if width:
            shapes.stroke(canvas, shown + place, shade, width, closed=True)
        else:
            shapes.polygons(canvas, [shown + place], shade)

    return element


def _window(
    rng: np.random.Generator, size: int, *, grounds: Sequence[DrawGround]
) -> Element:
    """A shape that shows a texture or a photograph. Defects: missing, moved, another.

    What it shows is drawn anew for each part, as a ground is.
    """
    reach = float(np.exp(rng.uniform(np.log(10), np.log(0.3 * size))))
    side = int(2 * reach) + 8
    outline = _outline(rng, reach) + side / 2
    corner = rng.uniform(-side / 2, size - side / 2, 2)
    kinds = rng.choice(len(grounds), 2, replace=False)
    fill, other = (grounds[kind](rng, side) for kind in kinds)
    fault = str(rng.choice(['missing', 'moved', 'other', 'other']))
    far = rng.choice([-1, 1], 2) * (4 + rng.uniform(0.2, 0.8) * reach)

    def element(canvas: Pixels, own: np.random.Generator, altered: bool) -> None:
        place = corner + 1.5 * own.uniform(-1, 1, 2)
        if altered and fault == 'missing':
            return
        if altered and fault == 'moved':
            place = place + far
        shown = (other if altered and fault == 'other' else fill)(own)
        left, top = np.floor(place).astype(int).tolist()
        mask = np.zeros((side, side), np.uint8)
        shapes.polygons(mask, [outline + place - [left, top]], (255,))
        _paste(canvas, shown, mask, top, left)

    return element


def _paste(
    canvas: Pixels, part: Pixels, mask: NDArray[np.uint8], top: int, left: int
) -> None:
    """Lays `part` on the canvas, as far as `mask` (0 to 255) covers it."""
    rows = slice(max(0, -top), max(0, canvas.shape[0] - top))
    columns = slice(max(0, -left), max(0, canvas.shape[1] - left))
    shown = part[rows, columns].astype(np.float32)
    under = canvas[max(0, top) :, max(0, left) :][: shown.shape[0], : shown.shape[1]]
    share = mask[rows, columns, None].astype(np.float32) / 255
    under[:] = (under + share * (shown - under)).astype(np.uint8)


def _curve(rng: np.random.Generator, size: int) -> Element:
    """A winding line. Defects: it is missing, cut, or of another color."""
    corners = rng.uniform(-0.1, 1.1, (int(rng.integers(3, 7)), 2)) * size
    ends = np.linspace(0, 1, len(corners))
    along = np.linspace(0, 1, 60)
    line = np.stack([np.interp(along, ends, axis) for axis in corners.T], -1)
    line = cv2.blur(line, (1, 13), borderType=cv2.BORDER_REPLICATE)
    width = float(np.exp(rng.uniform(0, np.log(14))))
    color, other = materials.random_color(rng), materials.random_color(rng)
    fault = str(rng.choice(['missing', 'cut', 'cut', 'color']))
    at = int(rng.integers(8, 48))

    def element(canvas: Pixels, own: np.random.Generator, altered: bool) -> None:
        if altered and fault == 'missing':
            return
        off = own.uniform(-1, 1, 3)
        plain = other if altered and fault == 'color' else color
        tone = shapes.scaled(plain, 1 + 0.03 * off[2])
        shown = line + 1.5 * off[:2]
        cut = altered and fault == 'cut'
        for piece in (shown[:at], shown[at + 3 :]) if cut else (shown,):
            shapes.stroke(canvas, piece, tone, width)

    return element


def _outline(rng: np.random.Generator, reach: float) -> Points:
    """A polygon, an ellipse, a star, a bar or a smooth blob around (0, 0)."""
    kind = str(rng.choice(['polygon', 'ellipse', 'star', 'bar', 'blob']))
    angle = rng.uniform(0, 2 * np.pi)
    if kind == 'polygon':
        points = shapes.circle((0, 0), reach, int(rng.integers(3, 7)))
    elif kind == 'ellipse':
        points = shapes.circle((0, 0), reach) * [1, rng.uniform(0.3, 1)]
    elif kind == 'star':
        points = shapes.circle((0, 0), reach, 2 * int(rng.integers(4, 9)))
        points[::2] *= rng.uniform(0.3, 0.7)
    elif kind == 'bar':
        points = shapes.box((0, 0), 2 * reach, max(3.0, 0.3 * reach))
    else:
        angles = np.arange(48) * (2 * np.pi / 48)
        waves = rng.normal(0, 0.18, 4)
        radii = 1 + sum(w * np.cos((k + 2) * angles) for k, w in enumerate(waves))
        points = reach * radii[:, None] * shapes.circle((0, 0), 1, 48)
    return shapes.turned(points, angle)


def _plain(rng: np.random.Generator, size: int) -> Ground:
    first, second = (np.array(materials.random_color(rng)) for _ in range(2))
    share = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    fade = rng.random() < 0.5
    column = first + (share * (second - first) if fade else 0 * share)
    canvas = np.repeat(column.astype(np.uint8), size, axis=1)
    if rng.random() < 0.5:
        canvas = np.ascontiguousarray(canvas.transpose(1, 0, 2))

    def ground(stream: np.random.Generator) -> Pixels:
        del stream
        return canvas.copy()

    return ground


def _noise(rng: np.random.Generator, size: int) -> Ground:
    """A texture of two lump sizes, drawn anew for each part."""
    scales = np.exp(rng.uniform(np.log(1.5), np.log(40), 2))
    strengths = rng.uniform(2, 26, 2)
    color = np.array(materials.random_color(rng), np.float32)
    tint = rng.uniform(0.5, 1, 3).astype(np.float32)

    def ground(stream: np.random.Generator) -> Pixels:
        field = np.zeros((size, size), np.float32)
        for scale, strength in zip(scales, strengths, strict=True):
            field += materials.smooth_noise(stream, size, scale) * np.float32(strength)
        return (color + field[..., None] * tint).clip(0, 255).astype(np.uint8)

    return ground


def _grating(rng: np.random.Generator, size: int) -> Ground:
    """Stripes, whose phase is a little off."""
    period, angle = np.exp(rng.uniform(np.log(4), np.log(60))), rng.uniform(0, np.pi)
    line = np.arange(size, dtype=np.float32)
    along = line[None] * np.cos(angle) + line[:, None] * np.sin(angle)
    phase = (along * (2 * np.pi / period)).astype(np.float32)
    hard = rng.random() < 0.4
    first, second = (
        np.array(materials.random_color(rng), np.float32) for _ in range(2)
    )

    def ground(stream: np.random.Generator) -> Pixels:
        waves = np.sin(phase + np.float32(stream.uniform(-0.3, 0.3)))
        share = (waves > 0).astype(np.float32) if hard else (waves + 1) / 2
        mixed = first + share[..., None] * (second - first)
        return np.asarray(mixed, np.uint8)

    return ground


def _checker(rng: np.random.Generator, size: int) -> Ground:
    """A checkered field, turned, whose shades vary by a few levels."""
    cell = np.exp(rng.uniform(np.log(3), np.log(40)))
    angle = rng.choice([0, np.pi / 4, rng.uniform(0, np.pi)])
    line = np.arange(size, dtype=np.float32) / np.float32(cell)
    across = line[None] * np.cos(angle) + line[:, None] * np.sin(angle)
    down = line[:, None] * np.cos(angle) - line[None] * np.sin(angle)
    odd = (np.floor(across) + np.floor(down)) % 2 > 0
    pair = np.array([materials.random_color(rng) for _ in range(2)])

    def ground(stream: np.random.Generator) -> Pixels:
        shades = (pair + stream.uniform(-5, 5, (2, 1))).clip(0, 255).astype(np.uint8)
        return np.asarray(np.where(odd[..., None], shades[0], shades[1]))

    return ground


def _cells(rng: np.random.Generator, size: int) -> Ground:
    """Voronoi cells, some with dark joints."""
    count = int(rng.integers(6, 60))
    seeds = rng.uniform(0, 64, (count, 2))
    y, x = np.mgrid[:64, :64]
    distance = np.hypot(y[..., None] - seeds[:, 0], x[..., None] - seeds[:, 1])
    colors = np.array([materials.random_color(rng) for _ in range(count)], np.uint8)
    cells = distance.argmin(axis=-1).astype(np.uint8)
    full = cv2.resize(cells, (size, size), interpolation=cv2.INTER_NEAREST)
    canvas = colors[cv2.medianBlur(full, 7)]

    def ground(stream: np.random.Generator) -> Pixels:
        level = stream.uniform(0.97, 1.03)
        return np.asarray(cv2.convertScaleAbs(canvas, alpha=level), np.uint8)

    return ground


def _photograph(rng: np.random.Generator, size: int, *, names: Sequence[str]) -> Ground:
    """A window of a photograph."""
    whole = photographs.photograph(str(rng.choice(names)))
    side = int(rng.uniform(0.3, 1) * photographs.SIDE)
    top, left = rng.integers(photographs.SIDE - side + 1, size=2)
    window = whole[top : top + side, left : left + side][:: rng.choice([-1, 1])]
    kind = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    canvas = np.asarray(cv2.resize(window, (size, size), interpolation=kind), np.uint8)
    canvas = canvas[..., rng.permutation(3)]

    def ground(stream: np.random.Generator) -> Pixels:
        level = stream.uniform(0.96, 1.04)
        return np.asarray(cv2.convertScaleAbs(canvas, alpha=level), np.uint8)

    return ground


_DRAWN_GROUNDS: tuple[DrawGround, ...] = (
    _plain,
    _noise,
    _noise,
    _grating,
    _checker,
    _cells,
)
