"""Packs: goods in rows. Pills in blisters, eggs, chocolates, caps, pins of connectors.

This family is held out: it validates and is never trained on.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import shapes, textures
from cadnet_jax.datasets.synthetic_pairs.families.features import (
    Feature,
    Ground,
    Light,
    compose,
    contrasting,
    lettering,
    light_from,
)
from cadnet_jax.datasets.synthetic_pairs.families.materials import (
    random_color,
    random_text,
)

_KINDS = ('tablet', 'capsule', 'egg', 'chocolate', 'cap', 'pin')
_FIT = {  # width of the good and height, each as a share of the cell's shorter side
    'tablet': (0.6, 0.6),
    'capsule': (0.34, 0.76),
    'egg': (0.66, 0.84),
    'chocolate': (0.7, 0.7),
    'cap': (0.8, 0.8),
    'pin': (0.34, 0.7),
}
_NATURAL = {  # the colors between which these goods lie
    'tablet': ([200, 190, 160], [252, 252, 250]),
    'egg': ([250, 240, 225], [200, 150, 105]),
    'chocolate': ([55, 32, 19], [175, 103, 61]),
    'pin': ([190, 192, 196], [205, 175, 95]),
}


class _Layer(NamedTuple):
    """One filled outline of a good."""

    points: shapes.Points  # about the middle of the good, before its turn
    color: shapes.Color
    shift: NDArray[np.float64]  # (x, y), does not turn with the good


class _Goods(NamedTuple):
    """What all goods of a pack share.

    Attributes:
        layers: of a good, from the shadow to the highlight.
        other: the same of another color.
        room: outline of a pocket about its middle.
        pocket: color of the empty pocket.
        half: half the width and half the height of a good in pixels.
        turn: the angle at which the goods lie, in radians.
        light: a shift by one pixel, away from the light.
    """

    layers: list[_Layer]
    other: list[_Layer]
    room: shapes.Points
    pocket: shapes.Color
    half: NDArray[np.float64]
    turn: float
    light: Light


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """A pack that fills most of the image, with its goods and print."""
    kind = _KINDS[rng.integers(len(_KINDS))]
    columns, rows = int(rng.integers(2, 8)), int(rng.integers(2, 6))
    if kind == 'pin':
        columns, rows = int(rng.integers(6, 13)), int(rng.integers(1, 4))
    back = np.asarray(random_color(rng), float)
    if kind in ('tablet', 'capsule') and rng.random() < 0.7:
        back = np.full(3, rng.uniform(150, 210))  # foil
    goods = _goods(rng, kind, back, min(size * 0.84 / columns, size * 0.74 / rows))
    shift = float(rng.choice([0, 0, 0, 0.5]))
    features: list[Feature] = []
    for row in range(rows):
        indent = shift * (row % 2)
        for column in range(columns - round(indent + 0.1)):
            share = np.array([(column + indent + 0.5) / columns, (row + 0.5) / rows])
            features.append(_good((share * [0.84, 0.74] + [0.08, 0.08]) * size, goods))
    text = random_text(rng, int(rng.integers(4, 10)))
    place, height = (
        (rng.uniform(0.08, 0.5) * size, 0.86 * size),
        rng.uniform(0.03, 0.05),
    )
    features.append(lettering(place, height * size, contrasting(rng, back), text))
    return compose(rng, _tray(rng, size, back), features)


def _goods(
    rng: np.random.Generator, kind: str, back: NDArray[np.float64], cell: float
) -> _Goods:
    first = _distinct(rng, back)
    if kind in _NATURAL and (kind != 'tablet' or rng.random() < 0.6):
        low, high = _NATURAL[kind]
        first = shapes.scaled(low + rng.uniform(0, 1) * np.subtract(high, low), 1)
    second = _distinct(rng, np.asarray(first, float))
    other = _distinct(rng, np.asarray(first, float))
    pocket = contrasting(rng, back)
    if np.abs(np.subtract(pocket, first)).max() < 45:
        pocket = contrasting(rng, np.asarray(first))
    turn = 0.0
    if kind in ('tablet', 'cap'):
        turn = rng.uniform(0, 2 * np.pi)
    if kind == 'capsule':
        turn = float(rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]))
    light = light_from(rng)
    sides = np.multiply(_FIT[kind], cell)
    width, height = sides * 1.15
    corner = sides.min() * (0.15 if kind in ('chocolate', 'pin') else 1.2)
    return _Goods(
        _layers(kind, sides, first, second, light),
        _layers(kind, sides, other, other, light),
        shapes.turned(shapes.box((0, 0), width, height, corner), turn),
        pocket,
        sides / 2,
        turn,
        light,
    )


def _distinct(rng: np.random.Generator, color: NDArray[np.float64]) -> shapes.Color:
    """A color that no one confuses with `color`."""
    for _ in range(4):
        other = random_color(rng)
        if np.abs(np.asarray(other) - color).max() > 70:
            return other
    return contrasting(rng, color)


def _tray(rng: np.random.Generator, size: int, back: NDArray[np.float64]) -> Ground:
    """Foil with an embossed grid, a plastic tray or cardboard."""
    texture = (textures.grain, textures.cast, textures.hammered)[rng.integers(3)]
    fine = texture(rng, size)
    spread = rng.uniform(2, 12)
    pitch = rng.uniform(5, 10)
    wave = np.sin(np.arange(size) * (2 * np.pi / pitch))
    depth = rng.choice([0.0, rng.uniform(0.3, 0.9)])
    knurl = (depth * wave[None] * wave[:, None]).astype(np.float32)

    def ground(part: np.random.Generator) -> Pixels:
        value = cv2.add(fine(part), knurl)
        middle = back + part.uniform(-4, 4)
        return textures.tinted(value, middle - spread, middle + spread)

    return ground


def _good(center: NDArray[np.float64], goods: _Goods) -> Feature:
    """A pocket and what lies in it; missing, broken, of another color."""
    rim = shapes.scaled(np.asarray(goods.pocket) + 70, 1)
    pocket = goods.room + center
    most_off = min(1.5, 0.06 * goods.half.max() + 0.4)

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        x, y, turn, scale, level = part.uniform(-1, 1, 5).tolist()
        place = center + np.array([x, y]) * most_off
        pose = _pose(goods.turn + 0.09 * turn, 1 + 0.03 * scale)
        shapes.polygons(canvas, [pocket + goods.light], rim)
        shapes.polygons(canvas, [pocket], goods.pocket)
        kind = part.choice(['missing', 'broken', 'other']) if altered else ''
        if kind == 'missing':
            return
        before = canvas.copy() if kind == 'broken' else canvas
        layers = goods.other if kind == 'other' else goods.layers
        _lay(canvas, layers, place, pose, 1 + 0.03 * level)
        if kind == 'broken':
            mask = np.zeros(canvas.shape[:2], np.uint8)
            shapes.polygons(mask, [_piece(goods, part) + place], (255,))
            cv2.copyTo(before, mask, canvas)

    return feature


def _pose(turn: float, scale: float) -> NDArray[np.float64]:
    """The matrix that turns and scales points [N, 2] from the right."""
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[cos, sin], [-sin, cos]])


def _piece(goods: _Goods, part: np.random.Generator) -> shapes.Points:
    """The side of a good that broke off, about its middle."""
    reach = goods.half.max()
    cut = shapes.box((reach * 1.1, 0), reach * 2, reach * 3)
    cut[2:] += part.uniform(-0.3, 0.3, (2, 2)) * goods.half.min()
    return shapes.turned(cut, part.uniform(0, 2 * np.pi))


def _lay(
    canvas: Pixels,
    layers: list[_Layer],
    place: NDArray[np.float64],
    pose: NDArray[np.float64],
    level: float,
) -> None:
    for points, color, shift in layers:
        red, green, blue = color
        tone = (min(255, red * level), min(255, green * level), min(255, blue * level))
        shapes.polygons(canvas, [points @ pose + (place + shift)], tone)


def _layers(
    kind: str,
    sides: NDArray[np.float64],
    color: shapes.Color,
    second: shapes.Color,
    light: Light,
) -> list[_Layer]:
    """A good's shadow, body, details and highlight."""
    width, height = sides
    first = np.asarray(color)
    dark, bright = shapes.scaled(first, 0.6), shapes.scaled(first * 1.1 + 25, 1)
    body = _outline(kind, width, height)
    still = np.zeros(2)
    away = light * max(1.0, sides.min() * 0.05)
    layers = [
        _Layer(body, shapes.scaled(first, 0.25), away),
        _Layer(body, dark, still),
        _Layer(body * 0.93, color, -0.4 * away),
    ]
    if kind == 'capsule':
        end = shapes.box((0, height / 4), width * 0.95, height / 2, width * 0.47)
        layers.append(_Layer(end, second, still))
    if kind in ('tablet', 'cap'):
        bar = shapes.box((0, 0), width * 0.6, max(1.2, width * 0.07))
        layers.append(_Layer(bar, dark, still))
    if kind == 'cap':
        layers.append(_Layer(bar[:, ::-1], dark, still))
    if kind == 'chocolate':
        for share in (-0.25, 0.0, 0.25):
            bar = shapes.turned(shapes.box((0, 0), width * 0.8, width * 0.06), 0.2)
            layers.append(_Layer(bar + np.array([0, share * height]), bright, still))
    if kind in ('egg', 'tablet', 'capsule', 'pin'):
        layers.append(_Layer(body * 0.25, bright, -0.12 * sides.min() * light))
    return layers


def _outline(kind: str, width: float, height: float) -> shapes.Points:
    """The outline of a good about (0, 0)."""
    if kind == 'cap':
        return shapes.gear((0, 0), width / 2, 24, width * 0.035)
    if kind == 'egg':
        unit = shapes.circle((0, 0), 1.0)
        narrow = (1 - 0.14 * unit[:, 1]) * width / 2
        return np.stack([unit[:, 0] * narrow, unit[:, 1] * height / 2], -1)
    corner = {'chocolate': 0.12, 'pin': 0.1}.get(kind, 0.5)
    return shapes.box((0, 0), width, height, corner * min(width, height))
