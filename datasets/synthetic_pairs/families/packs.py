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
    off,
)
from cadnet_jax.datasets.synthetic_pairs.families.materials import random_color

_LETTERS = np.array(list('ABCDEFGHIKLMNOPRSTUVXZ0123456789'))
_KINDS = ('tablet', 'capsule', 'egg', 'chocolate', 'cap', 'pin')
_FIT = {  # width of the good and height, each as a share of the cell's shorter side
    'tablet': (0.6, 0.6),
    'capsule': (0.34, 0.76),
    'egg': (0.66, 0.84),
    'chocolate': (0.7, 0.7),
    'cap': (0.8, 0.8),
    'pin': (0.34, 0.7),
}


class _Goods(NamedTuple):
    """What all goods of a pack share.

    Attributes:
        kind: one of `_KINDS`.
        sides: width and height in pixels.
        colors: of the two halves of a capsule; others have the first one.
        pocket: color of the empty pocket.
        turn: the angle at which they lie, in radians.
    """

    kind: str
    sides: tuple[float, float]
    colors: tuple[shapes.Color, shapes.Color]
    pocket: shapes.Color
    turn: float
    light: Light


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """A pack that fills most of the image, with its goods and print."""
    kind = _KINDS[rng.integers(len(_KINDS))]
    columns, rows = (int(rng.integers(3, 9)) for _ in range(2))
    if kind == 'pin':
        columns, rows = int(rng.integers(6, 15)), int(rng.integers(1, 5))
    back = np.asarray(random_color(rng), float)
    if kind in ('tablet', 'capsule') and rng.random() < 0.7:
        back = np.full(3, rng.uniform(150, 210))  # foil
    goods = _goods(rng, kind, back, min(size * 0.84 / columns, size * 0.8 / rows))
    x = (np.arange(columns) + 0.5) / columns * 0.84 + 0.08
    y = (np.arange(rows) + 0.5) / rows * 0.8 + 0.06
    stagger = rng.random() < 0.2 and rows > 1
    features = []
    for row in range(rows):
        for column in range(columns - (stagger and row % 2)):
            shift = 0.42 / columns if stagger and row % 2 else 0.0
            center = np.array([x[column] + shift, y[row]]) * size
            features.append(_good(rng, center, goods))
    ink = contrasting(rng, back)
    for place in rng.uniform(0.06, 0.5, rng.integers(1, 3)):
        text = ''.join(rng.choice(_LETTERS, rng.integers(4, 10)))
        height = size * rng.uniform(0.03, 0.05)
        start = (place * size, size * 0.9)
        features.append(lettering(start, height, ink, text))
        if place > 0.2:
            break
    return compose(rng, _tray(rng, size, back), features)


def _goods(
    rng: np.random.Generator, kind: str, back: NDArray[np.float64], cell: float
) -> _Goods:
    first = _distinct(rng, back)
    second = _distinct(rng, np.asarray(first, float))
    if kind == 'egg':
        share = rng.uniform(0, 1)
        first = shapes.scaled(
            np.array([250, 240, 225]) - share * np.array([50, 90, 120]), 1
        )
    if kind == 'chocolate':
        first = shapes.scaled(np.array([92, 54, 32]), rng.uniform(0.6, 1.9))
    if kind == 'pin':
        first = shapes.scaled(
            np.array([[205, 175, 95], [190, 192, 196]])[rng.integers(2)], 1
        )
    pocket = contrasting(rng, back)
    if np.abs(np.subtract(pocket, first)).max() < 45:
        pocket = contrasting(rng, np.asarray(first))
    width, height = _FIT[kind]
    turn = rng.uniform(0, 2 * np.pi) if kind in ('tablet', 'cap') else 0.0
    if kind == 'capsule':
        turn = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    sides = (width * cell, height * cell)
    return _Goods(kind, sides, (first, second), pocket, turn, light_from(rng))


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


def _good(
    rng: np.random.Generator, center: NDArray[np.float64], goods: _Goods
) -> Feature:
    """A pocket and what lies in it; missing, broken, of another color, turned."""
    other = _distinct(rng, np.asarray(goods.colors[0], float))
    half = np.array(goods.sides) / 2
    room = shapes.turned(shapes.box((0, 0), *(half * 2.3), _corner(goods)), goods.turn)
    rim = shapes.scaled(np.asarray(goods.pocket) + 70, 1)

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        place = center + off(part, min(1.5, 0.06 * half.max() + 0.4))
        turn = goods.turn + part.uniform(-0.09, 0.09)
        scale = part.uniform(0.97, 1.03)
        level = part.uniform(0.97, 1.03)
        shapes.polygons(canvas, [room + center + goods.light], rim)
        shapes.polygons(canvas, [room + center], goods.pocket)
        kind = part.choice(['missing', 'broken', 'other']) if altered else ''
        if kind == 'missing':
            return
        colors = (other, other) if kind == 'other' else goods.colors
        tones = tuple(shapes.scaled(np.asarray(color), level) for color in colors)
        if kind != 'broken':
            _lay(canvas, goods, place, turn, scale, tones)
            return
        before = canvas.copy()
        _lay(canvas, goods, place, turn, scale, tones)
        cut = shapes.box((half.max() * 1.1, 0), half.max() * 2, half.max() * 3)
        cut = shapes.turned(cut, part.uniform(0, 2 * np.pi)) + place
        cut[:2] += part.uniform(-0.3, 0.3, 2) * half.min()
        mask = np.zeros(canvas.shape[:2], np.uint8)
        shapes.polygons(mask, [cut], (255,))
        cv2.copyTo(before, mask, canvas)

    return feature


def _corner(goods: _Goods) -> float:
    """The radius of the corners of a pocket."""
    square = goods.kind in ('chocolate', 'pin')
    return min(goods.sides) * (0.15 if square else 1.2)


def _lay(
    canvas: Pixels,
    goods: _Goods,
    place: NDArray[np.float64],
    turn: float,
    scale: float,
    tones: tuple[shapes.Color, ...],
) -> None:
    """Draws one good: its shadow, its body, its highlight, its details."""
    width, height = np.multiply(goods.sides, scale)
    first = np.asarray(tones[0])
    dark, bright = shapes.scaled(first, 0.6), shapes.scaled(first * 1.1 + 25, 1)
    outline = _outline(goods.kind, width, height)
    body = shapes.turned(outline, turn)
    light = goods.light * max(1.0, min(width, height) * 0.05)
    shapes.polygons(canvas, [body + place + light], shapes.scaled(first, 0.25))
    shapes.polygons(canvas, [body + place], dark)
    shapes.polygons(canvas, [body * 0.93 + place - light * 0.4], tones[0])
    if goods.kind == 'capsule':
        end = shapes.box((0, height / 4), width * 0.95, height / 2, width * 0.47)
        shapes.polygons(canvas, [shapes.turned(end, turn) + place], tones[1])
    if goods.kind == 'tablet':
        bar = shapes.box((0, 0), width * 0.8, max(1.2, width * 0.07))
        shapes.polygons(canvas, [shapes.turned(bar, turn) + place], dark)
    if goods.kind == 'chocolate':
        for share in (-0.25, 0.0, 0.25):
            bar = np.array([[-0.4, share - 0.08], [0.4, share + 0.08]]) * [
                width,
                height,
            ]
            shapes.stroke(
                canvas, shapes.turned(bar, turn) + place, bright, width * 0.05
            )
    if goods.kind == 'cap':
        shapes.ring(canvas, place, width * 0.36, dark, 1)
        bar = shapes.box((0, 0), width * 0.3, width * 0.1)
        for quarter in (0.0, 0.5):
            pose = turn + quarter * np.pi
            shapes.polygons(canvas, [shapes.turned(bar, pose) + place], dark)
    gloss = place - light * min(width, height) * 0.12
    if goods.kind in ('egg', 'tablet', 'capsule', 'pin'):
        shapes.polygons(canvas, [body * 0.25 + gloss], bright)


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
