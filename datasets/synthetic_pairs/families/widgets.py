"""What a display shows: text, charts, numbers, icons, each with a defect."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families import materials, shapes
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color

# Draws on the canvas: (canvas, whether it is defective).
Element = Callable[[Pixels, bool], None]


def text(
    rng: np.random.Generator,
    place: NDArray[np.float64],
    height: float,
    ink: Color,
    length: int,
) -> Element:
    letters = materials.random_text(rng, length)
    lost, font = int(rng.integers(length)), int(rng.integers(3))

    def element(canvas: Pixels, altered: bool) -> None:
        shown = letters[:lost] + ' ' + letters[lost + 1 :] if altered else letters
        materials.write(canvas, shown, place, height, ink, font)

    return element


def _bars(
    rng: np.random.Generator,
    place: NDArray[np.float64],
    wide: float,
    tall: float,
    color: Color,
) -> list[Element]:
    count = int(rng.integers(3, 9))
    elements: list[Element] = []
    for k in range(count):
        share, other = rng.uniform(0.15, 1, 2)

        def element(
            canvas: Pixels,
            altered: bool,
            k: int = k,
            share: float = share,
            other: float = other,
        ) -> None:
            height = tall * (other if altered else share)
            left, bottom = place + np.array([k * wide / count, tall])
            cv2.rectangle(
                canvas,
                (round(left), round(bottom - height)),
                (round(left + wide / count * 0.6), round(bottom)),
                color,
                -1,
            )

        elements.append(element)
    return elements


def _curve(
    rng: np.random.Generator,
    place: NDArray[np.float64],
    wide: float,
    tall: float,
    color: Color,
) -> list[Element]:
    levels = np.clip(np.cumsum(rng.normal(0, 0.15, 16)) + 0.5, 0, 1)
    xs = np.linspace(0, wide, 16)
    points = place + np.stack([xs, tall * (1 - levels)], -1)
    end = int(rng.integers(8, 14))

    def element(canvas: Pixels, altered: bool) -> None:
        shapes.stroke(canvas, points[:end] if altered else points, color, 2)

    return [element]


def _number(
    rng: np.random.Generator,
    place: NDArray[np.float64],
    wide: float,
    tall: float,
    color: Color,
) -> list[Element]:
    """Digits of seven segments; the defect: a segment is dark."""
    count = int(rng.integers(1, 5))
    cell = min(wide / count, tall * 0.6)
    elements: list[Element] = []
    for k in range(count):
        lit = rng.random(7) < 0.75
        lost = int(rng.choice(np.flatnonzero(lit))) if lit.any() else 0
        origin = place + np.array([k * cell, 0])

        def element(
            canvas: Pixels,
            altered: bool,
            lit: NDArray[np.bool_] = lit,
            lost: int = lost,
            origin: NDArray[np.float64] = origin,
        ) -> None:
            for number, (start, end) in enumerate(_SEGMENTS):
                if lit[number] and not (altered and number == lost):
                    ends = origin + np.array([start, end]) * [cell * 0.6, cell * 0.6]
                    shapes.stroke(canvas, ends, color, max(2, cell * 0.1))

        elements.append(element)
    return elements


_SEGMENTS = (
    ((0, 0), (1, 0)),
    ((1, 0), (1, 1)),
    ((1, 1), (1, 2)),
    ((0, 2), (1, 2)),
    ((0, 1), (0, 2)),
    ((0, 0), (0, 1)),
    ((0, 1), (1, 1)),
)


def icons(
    rng: np.random.Generator,
    place: NDArray[np.float64],
    wide: float,
    tall: float,
    color: Color,
) -> list[Element]:
    side = min(wide, tall, 40.0) * 0.5
    elements: list[Element] = []
    for k in range(int(rng.integers(1, 5))):
        middle = place + side * np.array([0.6 + 1.4 * k, 0.6])
        corners = int(rng.integers(3, 9))
        outline = shapes.circle(middle, side / 2, corners)

        def element(
            canvas: Pixels,
            altered: bool,
            outline: NDArray[np.float64] = outline,
            middle: NDArray[np.float64] = middle,
        ) -> None:
            if altered:
                return
            shapes.polygons(canvas, [outline], color)
            shapes.disc(canvas, middle, side * 0.15, (250, 250, 250))

        elements.append(element)
    return elements


CONTENTS = (_bars, _curve, _number, icons)
