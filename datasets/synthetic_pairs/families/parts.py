"""Parts on plain ground: machined, turned, bent, molded; alone or as a kit."""

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import (
    housings,
    outlines,
    shapes,
    slender_outlines,
    textures,
)
from cadnet_jax.datasets.synthetic_pairs.families.bodies import ball, body
from cadnet_jax.datasets.synthetic_pairs.families.features import (
    Feature,
    Ground,
    Light,
    compose,
    contrasting,
    hole,
    light_from,
)
from cadnet_jax.datasets.synthetic_pairs.families.materials import random_color

_METALS = (
    [176, 180, 184],
    [120, 124, 130],
    [196, 166, 92],
    [184, 118, 84],
    [70, 72, 76],
)
_SHAPES = outlines.FLAT + slender_outlines.SLENDER


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
        return housings.cover(rng, size, ground, color, light)
    shape = _SHAPES[rng.integers(len(_SHAPES))](rng, radius)
    features = [body(rng, shape, center, radius, color, light)]
    features += [_foreign(rng, size, color, light) for _ in range(4)]
    return compose(rng, ground, features)


def _foreign(
    rng: np.random.Generator, size: int, color: NDArray[np.float64], light: Light
) -> Feature:
    """Nothing; the defect: a small part, a chip or a drilling where none belongs."""
    radius = 2.5 + size * rng.uniform(0.008, 0.05)
    place = rng.uniform(0.12, 0.88, 2) * size
    shape = _SHAPES[rng.integers(len(_SHAPES))](rng, radius)
    tone = np.asarray(contrasting(rng, color), float)
    there = (
        body(rng, shape, place, radius, tone, light)
        if radius > 11
        else hole(place, radius, shapes.scaled(tone, 1), light)
    )

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if altered:
            there(canvas, part, False)

    return draw


def _kit(rng: np.random.Generator, size: int) -> Drawing:
    """Small parts in a loose grid, of one kind or of several."""
    light = light_from(rng)
    color, ground = _colors(rng, size)
    count = int(rng.integers(2, 5))
    pitch = size / count
    same = rng.random() < 0.5
    kinds = rng.integers(len(_SHAPES), size=count * count)
    features: list[Feature] = []
    for number in range(count * count):
        cell = np.array([number % count, number // count]) + 0.5
        center = cell * pitch + rng.uniform(-0.06, 0.06, 2) * pitch
        radius = pitch * rng.uniform(0.32, 0.42)
        kind = _SHAPES[kinds[0] if same else kinds[number]]
        tone = color if same else color * rng.uniform(0.85, 1.1)
        features.append(body(rng, kind(rng, radius), center, radius, tone, light))
    features += [_foreign(rng, size, color, light) for _ in range(3)]
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
    size = min(radius * 0.135, radius * 0.68 * np.pi / count * 0.9)
    for number in range(count):
        at = shapes.turned([radius * 0.675, 0], number * 2 * np.pi / count)
        features.append(ball(center + at, size, color, light))
    return features


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
            features.append(ball(center + at, spacing * 0.38, tone, light))
    return features
