"""What stands on a surface: holes, grooves, screws, ribs, marks.

A feature draws itself with the part's tolerance. It offers one defect each, such as a
hole that is missing, and takes its tolerance from the part's generator before the
defect, so that a defect moves nothing else.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import shapes
from cadnet_jax.datasets.synthetic_pairs.families.materials import write
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color

# Draws on the canvas: (canvas, the part's generator, whether it is defective).
Feature = Callable[[Pixels, np.random.Generator, bool], None]
Light = NDArray[np.float64]  # a shift by one pixel, away from the light
Ground = Callable[[np.random.Generator], Pixels]

_MOST_OFFERED = 12
_OFF = 1.5  # pixels that a good feature sits off at most


def compose(
    rng: np.random.Generator,
    ground: Ground,
    features: Sequence[Feature],
    ignored: NDArray[np.bool_] | None = None,
) -> Drawing:
    """A drawing of features on a ground; each has a stream of its own."""
    offered = rng.permutation(len(features))[:_MOST_OFFERED].tolist()

    def render(part: int, altered: Mapping[int, int]) -> Pixels:
        canvas = ground(np.random.default_rng([part, 0]))
        defective = {offered[number]: like for number, like in altered.items()}
        for number, feature in enumerate(features):
            stream = np.random.default_rng([defective.get(number, part), 1 + number])
            feature(canvas, stream, number in defective)
        return canvas

    return Drawing(render, len(offered), ignored)


def contrasting(rng: np.random.Generator, color: ArrayLike) -> Color:
    """A darker color, or a lighter one where `color` is dark."""
    color = np.asarray(color, float)
    if color.mean() > 95:
        return shapes.scaled(color, rng.uniform(0.1, 0.45))
    return shapes.scaled(color + rng.uniform(80, 150), 1)


def off(part: np.random.Generator, most: float = _OFF) -> NDArray[np.float64]:
    """How far a good feature sits off, (x, y) in pixels."""
    return part.uniform(-most, most, 2)


def hole(center: ArrayLike, radius: float, color: Color, light: Light) -> Feature:
    """A drilled hole with a lit edge; the defect: not drilled, or far too small."""
    edge = _edge(color)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        place = np.asarray(center) + off(part)
        true = radius * part.uniform(0.95, 1.05)
        if altered and (radius < 6 or part.random() < 0.6):
            return
        if altered:
            true *= 0.5
        shapes.disc(canvas, place + light, true + 0.7, edge)
        shapes.disc(canvas, place, true, color)

    return draw


def extra_hole(center: ArrayLike, radius: float, color: Color, light: Light) -> Feature:
    """Nothing; the defect: a hole where none belongs."""
    there = hole(center, radius, color, light)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if altered:
            there(canvas, part, False)

    return draw


def groove(
    start: ArrayLike, end: ArrayLike, width: int, color: Color, light: Light
) -> Feature:
    """A straight groove or joint; the defect: it is interrupted."""
    edge = _edge(color)
    first, last = np.asarray(start, float), np.asarray(end, float)
    length = max(float(np.hypot(*(last - first))), 1.0)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        here = off(part, 1)
        there = here + off(part, 0.5)
        gap, middle = part.uniform(3 * width, 8 * width), part.uniform(0.2, 0.8)
        shares = [0.0, middle - gap / 2 / length, middle + gap / 2 / length, 1.0]
        if not altered:
            shares = [0.0, 1.0]
        points = first + np.clip(shares, 0, 1)[:, None] * (last - first)
        points += here + np.clip(shares, 0, 1)[:, None] * (there - here)
        for piece in points.reshape(-1, 2, 2):
            shapes.stroke(canvas, piece + light, edge, width)
            shapes.stroke(canvas, piece, color, width)

    return draw


def screw(
    rng: np.random.Generator,
    center: ArrayLike,
    radius: float,
    color: Color,
    light: Light,
) -> Feature:
    """A screw's head; the defect: the screw is missing, its hole is there."""
    kind = rng.choice(['slot', 'cross', 'hexagon'])
    angle = rng.uniform(0, np.pi)
    dark, bright = shapes.scaled(color, 0.35), shapes.scaled(color, 1.35)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        place = np.asarray(center) + off(part)
        turn = angle + part.uniform(-0.3, 0.3)
        if altered:
            shapes.disc(canvas, place + light, radius * 0.6 + 1, bright)
            shapes.disc(canvas, place, radius * 0.6, shapes.scaled(color, 0.12))
            return
        shapes.disc(canvas, place - light, radius + 0.8, shapes.scaled(color, 0.25))
        shapes.disc(canvas, place, radius, color)
        shapes.disc(canvas, place + light * 0.6, radius * 0.85, bright)
        shapes.disc(canvas, place - light * 0.3, radius * 0.82, color)
        if kind == 'hexagon':
            recess = shapes.circle(place, radius * 0.5, 6)
            shapes.polygons(canvas, [shapes.turned(recess, turn, place)], dark)
            return
        for quarter in range(1 if kind == 'slot' else 2):
            bar = shapes.box(place, radius * 1.4, max(1.5, radius * 0.24))
            bar = shapes.turned(bar, turn + quarter * np.pi / 2, place)
            shapes.polygons(canvas, [bar], dark)

    return draw


def raised(outline: shapes.Points, color: Color, light: Light) -> Feature:
    """An embossed shape, a rib, a foot; the defect: it is missing."""
    dark, bright = shapes.scaled(color, 0.45), shapes.scaled(color, 1.4)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        middle = outline.mean(0)
        points = (outline - middle) * part.uniform(0.97, 1.03) + middle + off(part)
        if altered:
            return
        shapes.polygons(canvas, [points - light], dark)
        shapes.polygons(canvas, [points + light], bright)
        shapes.polygons(canvas, [points], color)

    return draw


def lettering(place: ArrayLike, height: float, color: Color, text: str) -> Feature:
    """A word, printed or engraved; the defect: one of its letters is missing."""
    x, y = np.asarray(place)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        dx, dy = off(part)
        letters = list(text)
        lost = int(part.integers(len(letters)))
        if altered:
            letters[lost] = ' '
        write(canvas, ''.join(letters), (x + dx, y + dy), height, color)

    return draw


def knot(rng: np.random.Generator, center: ArrayLike, radius: float) -> Feature:
    """Nothing; the defect: a knot in the wood, a pore in a casting."""
    color = np.asarray([52, 34, 20]) * rng.uniform(0.6, 1.3)
    shape = rng.uniform(0.5, 1.0)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if not altered:
            return
        for share in (1.0, 0.8, 0.55, 0.3):
            outline = shapes.chip((0, 0), radius * share, part) * [1, shape]
            level = 0.8 + 0.5 * (share in (0.8, 0.3))
            tone = shapes.scaled(color, level)
            shapes.polygons(canvas, [outline + np.asarray(center)], tone)

    return draw


def light_from(rng: np.random.Generator) -> Light:
    """The light of a product: a shift by one pixel, away from it."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _edge(color: Color) -> Color:
    return shapes.scaled(np.asarray(color) + 90, 1)
