"""Components on an assembled board: chips, resistors, capacitors, connectors, lamps."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families import materials, shapes
from cadnet_jax.datasets.synthetic_pairs.families.board_layers import Element, Layers
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color, Points

_BODIES = ((28, 28, 30), (40, 36, 34), (150, 120, 90), (170, 150, 120), (60, 60, 70))


def place(
    rng: np.random.Generator, size: int, pitch: float, silk: Color, pad: Color
) -> list[Element]:
    """Components at places where they do not overlap."""
    taken: list[tuple[Points, float]] = []
    elements = []
    for _ in range(int(rng.integers(4, 22))):
        center = rng.uniform(0, size, 2)
        kind = _KINDS[int(rng.integers(len(_KINDS)))]
        length = pitch * rng.uniform(1.2, 2.4) * (2.4 if kind is _chip else 1)
        reach = length * 0.75
        if any(np.hypot(*(center - other)) < reach + far for other, far in taken):
            continue
        taken.append((center, reach))
        elements.append(_component(rng, kind, center, length, silk, pad))
    return elements


def _component(
    rng: np.random.Generator,
    kind: Callable[..., None],
    center: Points,
    length: float,
    silk: Color,
    pad: Color,
) -> Element:
    """Defects: missing, turned, off its place, or of another color."""
    quarter = int(rng.integers(4)) * np.pi / 2
    look = int(rng.integers(2**31))
    fault = str(rng.choice(['missing', 'turned', 'off', 'other', 'missing']))
    far = rng.uniform(0.25, 0.5) * length * rng.choice([-1, 1], 2)
    height = length * 0.35

    def element(
        canvas: Pixels, layers: Layers, own: NDArray[np.float64], altered: bool
    ) -> None:
        at = center + 1.2 * own[:2] + layers.copper
        turn = quarter + 0.03 * own[2]
        shade = 1 + 0.08 * own[3]
        size = length * (1 + 0.02 * own[4])
        pads = shapes.box(np.zeros(2), length * 1.15, height * 1.15)
        footprint = shapes.turned(pads, quarter) + center + layers.copper
        shapes.polygons(canvas, [footprint], pad)
        if altered and fault == 'missing':
            return
        nominal = np.random.default_rng(look + (altered and fault == 'other'))
        if altered and fault == 'off':
            at = at + far
        if altered and fault == 'turned':
            turn += np.pi if kind in (_chip, _lamp, _diode) else np.pi / 2
        shadow = shapes.box(np.zeros(2), size, height * 1.6)
        shadow = shapes.turned(shadow, turn) + at + 2
        x, y = np.clip(at, 0, canvas.shape[0] - 1).astype(int)
        shapes.polygons(canvas, [shadow], shapes.scaled(canvas[y, x], 0.4))
        kind(canvas, nominal, at, turn, size, shade)

    del silk
    return element


def _box(
    canvas: Pixels,
    at: Points,
    turn: float,
    box: tuple[float, float, float, float],
    color: Color,
) -> None:
    """A box (x, y, width, height) in a component's own axes."""
    outline = shapes.box(np.array(box[:2]), box[2], box[3])
    shapes.polygons(canvas, [shapes.turned(outline, turn) + at], color)


def _resistor(
    canvas: Pixels,
    nominal: np.random.Generator,
    at: Points,
    turn: float,
    size: float,
    shade: float,
) -> None:
    body = shapes.scaled(_BODIES[int(nominal.integers(len(_BODIES)))], shade)
    tall = size * 0.55
    _box(canvas, at, turn, (0, 0, size, tall), shapes.scaled([200, 200, 195], shade))
    _box(canvas, at, turn, (0, 0, size * 0.62, tall), body)
    _box(canvas, at, turn, (0, -tall / 3, size * 0.6, 1), shapes.scaled(body, 1.5))
    if size > 22:
        value = str(int(nominal.integers(100, 999)))
        corner = at - [size * 0.25, size * 0.13]
        materials.write(canvas, value, corner, size * 0.24, (225, 225, 225))


def _capacitor(
    canvas: Pixels,
    nominal: np.random.Generator,
    at: Points,
    turn: float,
    size: float,
    shade: float,
) -> None:
    """An electrolytic one, seen from above, with its stripe."""
    radius = size * 0.5
    can = shapes.scaled([176, 178, 182], shade * nominal.uniform(0.8, 1.1))
    shapes.disc(canvas, at, radius, shapes.scaled(can, 0.55))
    shapes.disc(canvas, at, radius * 0.9, can)
    stripe = shapes.scaled([30, 30, 50], 1) if nominal.random() < 0.6 else (180, 30, 40)
    _box(canvas, at, turn, (-radius * 0.6, 0, radius * 0.4, radius), stripe)
    shapes.disc(canvas, at - radius * 0.3, radius * 0.2, shapes.scaled(can, 1.3))


def _chip(
    canvas: Pixels,
    nominal: np.random.Generator,
    at: Points,
    turn: float,
    size: float,
    shade: float,
) -> None:
    """A package with pins on two or four sides, a notch and a print."""
    pins, four = int(nominal.integers(3, 9)), bool(nominal.random() < 0.5)
    tall = size if four else size * 0.6
    tin = shapes.scaled([198, 198, 196], shade)
    for k in range(pins):
        x = (k + 0.5 - pins / 2) * size * 0.9 / pins
        wide = size * 0.4 / pins
        _box(canvas, at, turn, (x, 0, wide, tall * 1.15), tin)
        if four:
            _box(canvas, at, turn, (0, x, tall * 1.15, wide), tin)
    body = shapes.scaled([34, 34, 36], shade * nominal.uniform(0.7, 1.5))
    _box(canvas, at, turn, (0, 0, size * 0.92, tall * 0.9), body)
    edge = shapes.scaled(np.asarray(body) + 22, 1)
    _box(canvas, at, turn, (0, -tall * 0.44, size * 0.9, 1.2), edge)
    mark = shapes.turned([[-size * 0.38, tall * 0.33]], turn)[0] + at
    shapes.disc(canvas, mark, max(1.5, size * 0.05), (110, 110, 110))
    text = materials.random_text(nominal, int(nominal.integers(4, 7)))
    corner = at - [size * 0.32, size * 0.07]
    flip = text[::-1] if np.cos(turn) < -0.5 else text
    materials.write(canvas, flip, corner, size * 0.13, (170, 170, 170))


def _lamp(
    canvas: Pixels,
    nominal: np.random.Generator,
    at: Points,
    turn: float,
    size: float,
    shade: float,
) -> None:
    color = nominal.permutation([230, 60, 40]).astype(float)
    _box(canvas, at, turn, (0, 0, size, size * 0.6), (215, 215, 210))
    shapes.disc(canvas, at, size * 0.26, shapes.scaled(color, shade))
    _box(canvas, at, turn, (-size * 0.42, 0, size * 0.1, size * 0.5), (40, 140, 60))


def _diode(
    canvas: Pixels,
    nominal: np.random.Generator,
    at: Points,
    turn: float,
    size: float,
    shade: float,
) -> None:
    glass = nominal.random() < 0.5
    body = shapes.scaled([150, 70, 40] if glass else [30, 30, 32], shade)
    _box(canvas, at, turn, (0, 0, size * 1.1, size * 0.12), (200, 200, 200))
    _box(canvas, at, turn, (0, 0, size * 0.7, size * 0.42), body)
    _box(canvas, at, turn, (size * 0.22, 0, size * 0.1, size * 0.42), (225, 225, 225))


def _connector(
    canvas: Pixels,
    nominal: np.random.Generator,
    at: Points,
    turn: float,
    size: float,
    shade: float,
) -> None:
    color = ((235, 230, 215), (30, 30, 30), (40, 60, 140))[int(nominal.integers(3))]
    _box(canvas, at, turn, (0, 0, size * 1.2, size * 0.5), shapes.scaled(color, shade))
    count = int(nominal.integers(2, 7))
    for k in range(count):
        x = (k + 0.5 - count / 2) * size / count
        wide = size * 0.35 / count
        _box(canvas, at, turn, (x, 0, wide, wide), (190, 160, 80))


_KINDS = (_resistor, _resistor, _resistor, _capacitor, _chip, _lamp, _diode, _connector)
