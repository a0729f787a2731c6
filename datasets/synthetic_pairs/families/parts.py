"""Parts on plain ground: machined, turned, bent, molded; alone or as a kit."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import outlines, shapes, textures
from cadnet_jax.datasets.synthetic_pairs.families.features import (
    Feature,
    Ground,
    Light,
    compose,
    contrasting,
    hole,
    lettering,
    light_from,
    off,
    raised,
    screw,
)
from cadnet_jax.datasets.synthetic_pairs.families.materials import random_color, write

_METALS = (
    [176, 180, 184],
    [120, 124, 130],
    [196, 166, 92],
    [184, 118, 84],
    [70, 72, 76],
)
_METAL_TEXTURES = (
    textures.grain,
    textures.brushed,
    textures.cast,
    textures.turned_rings,
    textures.milled,
)
_LETTERS = np.array(list('ABCDEFGHKLMNPRSTUVXYZ0123456789'))
_SOFT = 1.4  # a body's square against its radius, with room for its shadow


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """One large part with details, or a kit of small ones."""
    return (_single if rng.random() < 0.55 else _kit)(rng, size)


def _single(rng: np.random.Generator, size: int) -> Drawing:
    light = light_from(rng)
    color, ground = _colors(rng, size)
    radius = size * rng.uniform(0.36, 0.46)
    center = size / 2 + rng.uniform(-0.04, 0.04, 2) * size
    number = int(rng.integers(5))
    if number == 0:
        return compose(rng, ground, _bearing(rng, center, radius, color, light))
    if number == 1:
        return compose(rng, ground, _brush(rng, center, radius, color, light))
    if number == 2:
        return _housing(rng, size, ground, color, light)
    shape = outlines.SHAPES[rng.integers(len(outlines.SHAPES))](rng, radius)
    features = [body(rng, shape, center, radius, color, light)]
    return compose(rng, ground, features)


def _kit(rng: np.random.Generator, size: int) -> Drawing:
    """Small parts in a loose grid, of one kind or of several."""
    light = light_from(rng)
    color, ground = _colors(rng, size)
    count = int(rng.integers(2, 5))
    pitch = size / count
    same = rng.random() < 0.5
    kinds = rng.integers(len(outlines.SHAPES), size=count * count)
    features: list[Feature] = []
    for number in range(count * count):
        cell = np.array([number % count, number // count]) + 0.5
        center = cell * pitch + rng.uniform(-0.06, 0.06, 2) * pitch
        radius = pitch * rng.uniform(0.32, 0.42)
        kind = outlines.SHAPES[kinds[0] if same else kinds[number]]
        tone = color if same else color * rng.uniform(0.85, 1.1)
        features.append(body(rng, kind(rng, radius), center, radius, tone, light))
    return compose(rng, ground, features)


def _colors(rng: np.random.Generator, size: int) -> tuple[NDArray[np.float64], Ground]:
    """The color of the parts, and a ground that they stand out from."""
    metal = rng.random() < 0.6
    color = np.asarray(_METALS[rng.integers(5)] if metal else random_color(rng), float)
    color = np.clip(color * rng.uniform(0.85, 1.15), 25, 235)
    back = np.asarray(random_color(rng), float)
    if rng.random() < 0.6:
        back = np.full(3, rng.uniform(15, 245)) + rng.uniform(-8, 8, 3)
    if np.abs(back - color).mean() < 50:
        back = np.clip(color + (90 if color.mean() < 120 else -90), 8, 245)
    kinds = (textures.grain, textures.grain, textures.brushed, textures.cast)
    texture = kinds[rng.integers(4)](rng, size)
    spread = rng.uniform(1, 9)

    def ground(part: np.random.Generator) -> Pixels:
        middle = back + part.uniform(-4, 4)
        return textures.tinted(texture(part), middle - spread, middle + spread)

    return color, ground


def body(
    rng: np.random.Generator,
    shape: outlines.Shape,
    center: NDArray[np.float64],
    radius: float,
    color: NDArray[np.float64],
    light: Light,
) -> Feature:
    """A part of one material with a lit edge and a shadow."""
    side = 2 * round(_SOFT * radius) + 8
    texture = _METAL_TEXTURES[rng.integers(len(_METAL_TEXTURES))](rng, side)
    spread = rng.uniform(4, 18)
    soft = 2 * int(rng.integers(1, max(2, min(6, radius // 8)))) + 1
    drop = light * rng.uniform(1.5, max(2.5, radius * 0.06))
    dim = rng.uniform(0.2, 0.6)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        place = center + off(part, 1.2)
        middle = color + part.uniform(-5, 5)
        material = textures.tinted(texture(part), middle - spread, middle + spread)
        corner = np.floor(place).astype(int) - side // 2
        mask = np.zeros((side, side), np.uint8)
        shape(mask, place - corner, part, altered)
        material = _lit(material, mask, soft, light)
        _paste(canvas, material, mask, _shadow(mask, drop, dim), corner)

    return draw


def _lit(material: Pixels, mask: outlines.Mask, soft: int, light: Light) -> Pixels:
    """The edges toward the light are brighter, those away from it darker."""
    slope = np.array([[0, -light[1], 0], [-light[0], 0, light[0]], [0, light[1], 0]])
    height = cv2.blur(mask, (soft, soft))
    relief = cv2.filter2D(height, cv2.CV_16S, slope * (0.22 * soft))
    return cv2.add(material, cv2.merge([relief, relief, relief]), dtype=cv2.CV_8U)


def _shadow(mask: outlines.Mask, drop: Light, dim: float) -> NDArray[np.uint8]:
    """How much light the ground keeps, of 255."""
    shift = np.array([[1, 0, drop[0]], [0, 1, drop[1]]])
    moved = cv2.warpAffine(mask, shift, mask.shape[::-1])
    return cv2.convertScaleAbs(cv2.blur(moved, (5, 5)), alpha=-dim, beta=255)


def _paste(
    canvas: Pixels,
    material: Pixels,
    mask: outlines.Mask,
    light: NDArray[np.uint8],
    corner: NDArray[np.intp],
) -> None:
    """Puts the square `material` onto the canvas, its top left at `corner`."""
    low = np.maximum(corner, 0)
    high = np.minimum(corner + len(mask), canvas.shape[1::-1])
    (x0, y0), (x1, y1) = low - corner, high - corner
    inside = np.s_[y0:y1, x0:x1]
    target = canvas[low[1] : high[1], low[0] : high[0]]
    shaded = cv2.multiply(target, cv2.merge([light[inside]] * 3), scale=1 / 255)
    share = mask[inside].astype(np.float32) / 255
    target[:] = cv2.blendLinear(
        np.ascontiguousarray(material[inside]), shaded, share, 1 - share
    )


def _bearing(
    rng: np.random.Generator,
    center: NDArray[np.float64],
    radius: float,
    color: NDArray[np.float64],
    light: Light,
) -> list[Feature]:
    """A ball bearing: two rings and balls, one of which may be missing."""

    def ring(
        mask: outlines.Mask,
        origin: outlines.Origin,
        part: np.random.Generator,
        altered: bool,
    ) -> None:
        wide = 1 + part.uniform(-0.01, 0.01)
        for share, level in ((1.0, 255), (0.8, 0), (0.55, 255), (0.35, 0)):
            shapes.disc(mask, origin, radius * share * wide, (level,))
        if altered:
            at = shapes.turned([radius, 0], part.uniform(0, 2 * np.pi)) + origin
            piece = shapes.chip(at, radius * part.uniform(0.06, 0.2), part)
            shapes.polygons(mask, [piece], (0,))

    features = [body(rng, ring, center, radius, color, light)]
    count = int(rng.integers(6, 15))
    ball = min(radius * 0.135, radius * 0.68 * np.pi / count * 0.9)
    for number in range(count):
        at = shapes.turned([radius * 0.675, 0], number * 2 * np.pi / count)
        features.append(_ball(center + at, ball, color, light))
    return features


def _ball(
    center: NDArray[np.float64],
    radius: float,
    color: NDArray[np.float64],
    light: Light,
) -> Feature:
    """A shiny ball, or a tuft, a pin; the defect: it is missing."""
    dark, bright = shapes.scaled(color, 0.55), shapes.scaled(color * 1.2 + 40, 1)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        place = center + off(part, 1.0)
        if altered:
            return
        shapes.disc(canvas, place + light, radius, shapes.scaled(color, 0.25))
        shapes.disc(canvas, place, radius, dark)
        shapes.disc(canvas, place - light * radius * 0.12, radius * 0.8, tuple(color))
        shapes.disc(canvas, place - light * radius * 0.3, radius * 0.35, bright)

    return draw


def _brush(
    rng: np.random.Generator,
    center: NDArray[np.float64],
    radius: float,
    color: NDArray[np.float64],
    light: Light,
) -> list[Feature]:
    """A brush or a plug: a long body and rows of tufts or pins."""
    long, wide = 2 * radius, radius * rng.uniform(0.4, 0.7)
    upright = rng.random() < 0.5
    outline = shapes.box((0, 0), long, wide, wide * 0.45)

    def handle(
        mask: outlines.Mask,
        origin: outlines.Origin,
        part: np.random.Generator,
        altered: bool,
    ) -> None:
        points = outline * part.uniform(0.99, 1.01)
        points = points[:, ::-1] if upright else points
        shapes.polygons(mask, [points + origin], (255,))
        if altered:
            at = points[part.integers(len(points))] + origin
            piece = shapes.chip(at, radius * part.uniform(0.1, 0.25), part)
            shapes.polygons(mask, [piece], (0,))

    features = [body(rng, handle, center, radius, color, light)]
    rows, columns = int(rng.integers(2, 5)), int(rng.integers(5, 11))
    tone = np.asarray(contrasting(rng, color), float)
    spacing = min(wide * 0.8 / rows, long * 0.85 / columns)
    for row in range(rows):
        for column in range(columns):
            x = (column + 0.5 - columns / 2) * long * 0.85 / columns
            at = np.array([x, (row + 0.5 - rows / 2) * wide * 0.75 / rows])
            at = at[::-1] if upright else at
            features.append(_ball(center + at, spacing * 0.38, tone, light))
    return features


def _housing(
    rng: np.random.Generator,
    size: int,
    ground: Ground,
    color: NDArray[np.float64],
    light: Light,
) -> Drawing:
    """A cover with screws, ribs, holes, a word and a serial number."""
    radius = size * 0.44
    corner = radius * rng.uniform(0, 0.3)
    half = radius * rng.uniform(0.75, 1.0, 2)
    outline = shapes.box((0, 0), 2 * half[0], 2 * half[1], corner)

    def cover(
        mask: outlines.Mask,
        origin: outlines.Origin,
        part: np.random.Generator,
        altered: bool,
    ) -> None:
        shapes.polygons(mask, [outline * part.uniform(0.993, 1.007) + origin], (255,))
        if altered:
            at = origin + half * 0.97 * part.choice([-1, 1], 2)
            piece = shapes.chip(at, radius * part.uniform(0.1, 0.35), part)
            shapes.polygons(mask, [piece], (0,))

    middle = np.full(2, size / 2)
    features = [body(rng, cover, middle, radius, color, light)]
    bolt = radius * rng.uniform(0.05, 0.09) + 1.5
    steel = shapes.scaled(np.asarray(_METALS[rng.integers(5)]), 1)
    for sign in ([1, 1], [1, -1], [-1, 1], [-1, -1]):
        at = middle + np.multiply(sign, half - 2.4 * bolt)
        features.append(screw(rng, at, bolt, steel, light))
    shade = contrasting(rng, color)
    for row in range(3):
        y = size / 2 + half[1] * (row - 1) * 0.42
        kind = rng.choice(['holes', 'rib', 'word', 'button'])
        features += _row(rng, kind, y, middle[0], half, color, shade, light)
    ignored = None
    if rng.random() < 0.5:
        y = size / 2 + half[1] * 0.66
        height = max(8.0, size * 0.04)
        features.append(_serial_number((middle[0] - half[0] * 0.5, y), height, shade))
        ignored = np.zeros((size, size), bool)
        x0, x1 = int(middle[0] - half[0] * 0.5) - 3, int(middle[0] + half[0] * 0.55)
        ignored[int(y - 3) : int(y + 1.4 * height) + 3, x0:x1] = True
    return compose(rng, ground, features, ignored)


def _row(
    rng: np.random.Generator,
    kind: str,
    y: float,
    x: float,
    half: NDArray[np.float64],
    color: NDArray[np.float64],
    shade: shapes.Color,
    light: Light,
) -> list[Feature]:
    """One row of details on a cover: vents, ribs, buttons or a word."""
    count = int(rng.integers(2, 6))
    steps = np.linspace(-0.6, 0.6, count) * half[0] + x
    room = min(half[1] * 0.14, half[0] * 0.45 / count)
    if kind == 'word':
        text = ''.join(rng.choice(_LETTERS, rng.integers(3, 8)))
        height = max(9.0, half[1] * 0.2)
        return [lettering((x - half[0] * 0.55, y - height / 2), height, shade, text)]
    if kind == 'rib':
        bars = [shapes.box((step, y), room, room * 2.4, room * 0.4) for step in steps]
        return [raised(bar, shapes.scaled(color, 1.04), light) for bar in bars]
    if kind == 'button':
        tone = shapes.scaled(np.asarray(random_color(rng)), 1)
        return [raised(shapes.circle((step, y), room), tone, light) for step in steps]
    return [hole((step, y), room, shade, light) for step in steps]


def _serial_number(
    place: tuple[float, float], height: float, color: shapes.Color
) -> Feature:
    """Digits that differ from part to part."""

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        text = ''.join(part.choice(list('0123456789'), 7))
        write(canvas, text, place, height, color)

    return draw
