"""Surfaces: stochastic textures with structure, fabrics, tiles, prints, gratings.

Texture is drawn anew for each part: texture that differs is no defect. Joints,
grooves, holes, marks and edges between materials belong to the product.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import (
    fabrics,
    knitwear,
    patterns,
    shapes,
    textures,
    wallpaper,
)
from cadnet_jax.datasets.synthetic_pairs.families.features import (
    Feature,
    Ground,
    compose,
    contrasting,
    extra_hole,
    groove,
    hole,
    knot,
    lettering,
    light_from,
    raised,
    screw,
)
from cadnet_jax.datasets.synthetic_pairs.families.materials import (
    random_color,
    random_text,
)

_WOOD = ([70, 42, 22], [206, 160, 105])


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """A surface of any kind."""
    others = (
        fabrics.draw,
        patterns.tiles,
        wallpaper.draw,
        knitwear.draw,
        patterns.grating,
        patterns.sieve,
    )
    number = int(rng.integers(2 * len(others) + 1))
    if number < len(others):
        return others[number](rng, size)
    return _structured(rng, size)


def _structured(rng: np.random.Generator, size: int) -> Drawing:
    """Stochastic texture with holes, grooves, marks and edges of materials."""
    ground, color = _ground(rng, size)
    light = light_from(rng)
    features: list[Feature] = []
    if rng.random() < 0.5:
        features += _grooves(rng, size, color, light)
    cells = rng.permutation(16)[: rng.integers(5, 12)]
    places = np.stack([cells % 4, cells // 4], -1) + rng.uniform(
        0.3, 0.7, (len(cells), 2)
    )
    places *= size / 4
    for place in places[3:]:
        features.append(_feature(rng, size, place, color, light))
    for place in places[:3]:
        radius = rng.uniform(0.01, 0.05)
        if rng.random() < 0.5:
            features.append(knot(rng, place, 2 + radius * size))
        else:
            dark = contrasting(rng, color)
            features.append(extra_hole(place, 1.5 + radius * size, dark, light))
    return compose(rng, ground, features)


def _ground(rng: np.random.Generator, size: int) -> tuple[Ground, NDArray[np.float64]]:
    """One material or two that meet at an edge, and the color of the first."""
    paint, color = _material(rng, size)
    if rng.random() > 0.35:
        return paint, color
    second, _ = _material(rng, size)
    edge = shapes.box((0, 0), 2 * size, size)
    edge = shapes.turned(edge, rng.uniform(0, 2 * np.pi))
    edge += size / 2 + rng.uniform(-0.2, 0.2) * size
    edge += shapes.turned([0, size / 2], rng.uniform(0, 2 * np.pi))

    def ground(part: np.random.Generator) -> Pixels:
        canvas, other = paint(part), second(part)
        mask = np.zeros((size, size), np.uint8)
        shapes.polygons(mask, [edge + part.uniform(-1.5, 1.5, 2)], (255,))
        cv2.copyTo(other, mask, canvas)
        return canvas

    return ground, color


def _material(
    rng: np.random.Generator, size: int
) -> tuple[Ground, NDArray[np.float64]]:
    """A texture in colors of its own, and its middle color."""
    kind = textures.TEXTURES[rng.integers(len(textures.TEXTURES))]
    texture = kind(rng, size)
    color = np.clip(np.asarray(random_color(rng), float), 40, 235)
    if kind is textures.wood and rng.random() < 0.8:
        share = rng.uniform(0.25, 0.8)
        color = _WOOD[0] + share * np.subtract(_WOOD[1], _WOOD[0])
    elif rng.random() < 0.4:
        color = np.full(3, rng.uniform(60, 225)) + rng.uniform(-10, 10, 3)
    spread = rng.uniform(8, 30) * rng.uniform(0.8, 1.2, 3)

    def paint(part: np.random.Generator) -> Pixels:
        middle = color + part.uniform(-4, 4)
        return textures.tinted(texture(part), middle - spread, middle + spread)

    return paint, color


def _grooves(
    rng: np.random.Generator,
    size: int,
    color: NDArray[np.float64],
    light: NDArray[np.float64],
) -> list[Feature]:
    """Parallel grooves over the whole surface, such as joints of boards."""
    upright = rng.random() < 0.5
    width = int(rng.integers(2, 6))
    dark = contrasting(rng, color)
    places = np.arange(rng.uniform(0, 60), size, rng.uniform(35, 120))
    features = []
    for place in places:
        ends = np.array([[-9.0, place], [size + 9.0, place]])
        start, end = ends[:, ::-1] if upright else ends
        features.append(groove(start, end, width, dark, light))
    return features


def _feature(
    rng: np.random.Generator,
    size: int,
    place: NDArray[np.float64],
    color: NDArray[np.float64],
    light: NDArray[np.float64],
) -> Feature:
    """A hole, a short groove, a screw, an embossed shape or a word."""
    radius = 2.5 + size * rng.uniform(0.005, 0.06)
    shade = contrasting(rng, color)
    kind = rng.integers(5)
    if kind == 0:
        return hole(place, radius, shade, light)
    if kind == 1:
        end = place + shapes.turned([size * 0.3, 0], rng.uniform(0, 2 * np.pi))
        return groove(place, end, int(rng.integers(2, 7)), shade, light)
    if kind == 2:
        tone = np.clip(rng.uniform(90, 200) + rng.uniform(-12, 12, 3), 0, 255)
        return screw(rng, place, radius + 3, shapes.scaled(tone, 1), light)
    if kind == 3:
        width, height = radius * rng.uniform(1.2, 3, 2)
        outline = shapes.box((0, 0), width, height, 3)
        outline = shapes.turned(outline, rng.uniform(0, np.pi))
        return raised(outline + place, shapes.scaled(color, 1.05), light)
    text = random_text(rng, int(rng.integers(2, 7)))
    start = place * [0.7, 1]
    return lettering(start, rng.uniform(10, 28), shade, text)
