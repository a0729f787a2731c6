"""Housings: covers with screws, vents, ribs, a word and a serial number."""

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import outlines, shapes
from cadnet_jax.datasets.synthetic_pairs.families.bodies import body
from cadnet_jax.datasets.synthetic_pairs.families.features import (
    Feature,
    Ground,
    Light,
    compose,
    contrasting,
    hole,
    lettering,
    raised,
    screw,
)
from cadnet_jax.datasets.synthetic_pairs.families.materials import (
    random_color,
    random_text,
    write,
)


def cover(
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

    def sheet(
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
    features = [body(rng, sheet, middle, radius, color, light)]
    bolt = radius * rng.uniform(0.05, 0.09) + 1.5
    steel = shapes.scaled(
        np.asarray(rng.uniform(70, 210) * np.array([1.0, 1.0, 1.02])), 1
    )
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
        text = random_text(rng, int(rng.integers(3, 8)))
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
