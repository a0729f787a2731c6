"""Control panels: dials, buttons, switches and words on a plate. Never trained on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import features, materials, shapes
from cadnet_jax.datasets.synthetic_pairs.families.features import Feature, Light
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color, Points


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """Instruments in rows on a painted or brushed plate."""
    plate = np.asarray(materials.random_color(rng), float)
    light = features.light_from(rng)
    brushed = bool(rng.random() < 0.4)
    strength = rng.uniform(2, 8)

    def ground(stream: np.random.Generator) -> Pixels:
        noise = materials.smooth_noise(stream, size, 2.5)
        if brushed:
            noise = np.repeat(stream.normal(0, 1, (size, 1)), size, axis=1)
        canvas = plate + strength * noise[..., None]
        return np.asarray(canvas.clip(0, 255), np.uint8)

    return features.compose(rng, ground, _instruments(rng, size, plate, light))


def _instruments(
    rng: np.random.Generator, size: int, plate: NDArray[np.float64], light: Light
) -> Sequence[Feature]:
    """One instrument in each cell of a grid, and screws at the corners."""
    count = int(rng.integers(2, 5))
    cell = size / count
    ink = features.contrasting(rng, plate)
    found: list[Feature] = []
    for row in range(count):
        for column in range(count):
            middle = (np.array([column, row]) + 0.5) * cell
            kind = int(rng.integers(4))
            if kind == 0:
                found.append(_dial(rng, middle, cell * 0.36, ink))
            elif kind == 1:
                found.append(_button(rng, middle, cell * 0.25, light))
            elif kind == 2:
                found.append(_switch(rng, middle, cell * 0.3, light))
            word = materials.random_text(rng, int(rng.integers(2, 6)))
            height = min(14.0, cell * 0.14)
            place = middle + np.array([-cell * 0.3, cell * 0.36])
            found.append(features.lettering(place, height, ink, word))
    for corner in ((0.05, 0.05), (0.95, 0.05), (0.05, 0.95), (0.95, 0.95)):
        place = np.array(corner) * size
        found.append(features.screw(rng, place, 6, (150, 150, 150), light))
    return found


def _dial(
    rng: np.random.Generator, middle: Points, radius: float, ink: Color
) -> Feature:
    """A scale and a needle. The defect: the needle, or a line of the scale, is gone."""
    face = materials.random_color(rng)
    ink = features.contrasting(rng, face)
    lines, rest = int(rng.integers(5, 14)), rng.uniform(-2, 2)
    lost = int(rng.integers(lines)) if rng.random() < 0.5 else None

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        at = middle + features.off(part)
        shapes.disc(canvas, at, radius * 1.08, (60, 60, 60))
        shapes.disc(canvas, at, radius, face)
        for k in range(lines):
            if altered and k == lost:
                continue
            angle = -2.2 + 4.4 * k / (lines - 1)
            way = np.array([np.sin(angle), -np.cos(angle)])
            ends = np.stack([at + way * radius * 0.75, at + way * radius * 0.92])
            shapes.stroke(canvas, ends, ink, max(2, radius * 0.04))
        turn = rest + part.uniform(-0.02, 0.02)
        if altered and lost is None:
            turn += 1.2
        tip = at + np.array([np.sin(turn), -np.cos(turn)]) * radius * 0.7
        shapes.stroke(canvas, np.stack([at, tip]), (200, 30, 30), max(2, radius * 0.06))
        shapes.disc(canvas, at, radius * 0.1, ink)

    return feature


def _button(
    rng: np.random.Generator, middle: Points, radius: float, light: Light
) -> Feature:
    """A round or square button. The defect: missing, or of another color."""
    color, other = materials.random_color(rng), materials.random_color(rng)
    square, gone = bool(rng.random() < 0.5), bool(rng.random() < 0.5)

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        at = middle + features.off(part)
        tone = other if altered and not gone else color
        corners = shapes.box((0, 0), 2 * radius, 2 * radius, radius * 0.3)
        outline = corners if square else shapes.circle((0, 0), radius)
        shapes.polygons(canvas, [outline * 1.12 + at], (35, 35, 38))
        if altered and gone:
            return
        shapes.polygons(canvas, [outline + at], shapes.scaled(tone, 1.3))
        shapes.polygons(canvas, [outline * 0.92 + at + light], tone)

    return feature


def _switch(
    rng: np.random.Generator, middle: Points, radius: float, light: Light
) -> Feature:
    """A lever in a slot. The defect: it is at the other end."""
    turn, end = int(rng.integers(2)) * np.pi / 2, float(rng.choice([-1, 1]))

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        at = middle + features.off(part)
        slot = shapes.turned(shapes.box((0, 0), radius, 2 * radius, 4), turn)
        shapes.polygons(canvas, [slot + at], (45, 45, 48))
        place = np.array([0, 0.45 * radius * (-end if altered else end)])
        knob = shapes.turned(shapes.circle(place, radius * 0.32), turn)
        shapes.polygons(canvas, [knob + at - light], (230, 230, 230))
        shapes.polygons(canvas, [knob + at + light], (120, 120, 120))
        shapes.polygons(canvas, [knob + at], (180, 180, 182))

    return feature
