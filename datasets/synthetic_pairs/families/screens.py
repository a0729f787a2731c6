"""LCD screens: SynLCD's training patterns, and displays drawn here.

Good screens hardly differ: the levels of a backlight, a color plate by a part of a
pixel. SynLCD's test patterns are never drawn.
"""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from cadnet_jax.datasets.synlcd import patterns
from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import materials, shapes, widgets
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color
from cadnet_jax.datasets.synthetic_pairs.families.widgets import Element

_MOST_OFFERED = 12


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """A window of a training pattern, or a display of its own."""
    elements: list[Element] = []
    if rng.random() < 0.45:
        ground = _pattern(rng, size)
    else:
        layout = _LAYOUTS[int(rng.integers(len(_LAYOUTS)))]
        ground, elements = layout(rng, size)
    offered = rng.permutation(len(elements))[:_MOST_OFFERED].tolist()
    unlike = float(rng.uniform(0, 0.03))

    def render(part: int, altered: Mapping[int, int]) -> Pixels:
        canvas = ground.copy()
        defective = {offered[number] for number in altered}
        for number, element in enumerate(elements):
            element(canvas, number in defective)
        return _lit(canvas, np.random.default_rng(part), unlike)

    return Drawing(render, len(offered))


def _lit(canvas: Pixels, part: np.random.Generator, unlike: float) -> Pixels:
    """The screen with the backlight and the plates of one part."""
    size = canvas.shape[0]
    shifts = part.uniform(-0.3, 0.3, (3, 2)).astype(np.float32)
    moved = [
        cv2.warpAffine(
            plane,
            np.array([[1, 0, x], [0, 1, y]], np.float32),
            (size, size),
            borderMode=cv2.BORDER_REPLICATE,
        )
        for plane, (x, y) in zip(cv2.split(canvas), shifts, strict=True)
    ]
    levels = (1 + unlike * part.uniform(-1, 1, 3))[:, None] * np.arange(256)
    table = levels.clip(0, 255).T[None].astype(np.uint8)
    return np.asarray(cv2.LUT(cv2.merge(moved), table), np.uint8)


def _pattern(rng: np.random.Generator, size: int) -> Pixels:
    name = patterns.TRAIN[int(rng.integers(len(patterns.TRAIN)))]
    whole = patterns.draw(name, patterns.DRAWN_SIZE)
    side = int(rng.uniform(0.35, 1) * patterns.DRAWN_SIZE)
    top, left = rng.integers(patterns.DRAWN_SIZE - side + 1, size=2)
    window = whole[top : top + side, left : left + side]
    kind = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(window, (size, size), interpolation=kind), np.uint8)


def _plain(size: int, color: Color) -> Pixels:
    return np.full((size, size, 3), color, np.uint8)


def _dashboard(rng: np.random.Generator, size: int) -> tuple[Pixels, list[Element]]:
    """Tiles with captions, numbers, charts and icons."""
    dark = bool(rng.random() < 0.6)
    ground = shapes.scaled(
        [24, 28, 36] if dark else [236, 238, 242], rng.uniform(0.8, 1.1)
    )
    canvas = _plain(size, ground)
    elements: list[Element] = []
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    wide, tall = size / columns, size / rows
    ink = (230, 230, 230) if dark else (30, 30, 36)
    for row in range(rows):
        for column in range(columns):
            corner = np.array([column * wide, row * tall])
            tile = shapes.box(
                corner + np.array([wide / 2, tall / 2]), wide - 8, tall - 8, radius=6
            )
            level = rng.uniform(1.1, 1.5) if dark else rng.uniform(0.85, 0.97)
            shapes.polygons(canvas, [tile], shapes.scaled(ground, level))
            accent = materials.random_color(rng)
            elements.append(
                widgets.text(
                    rng,
                    corner + 10,
                    min(14.0, tall / 6),
                    ink,
                    int(rng.integers(3, 9)),
                )
            )
            content = widgets.CONTENTS[int(rng.integers(len(widgets.CONTENTS)))]
            elements += content(
                rng, corner + np.array([10, 30]), wide - 24, tall - 44, accent
            )
    return canvas, elements


def _page(rng: np.random.Generator, size: int) -> tuple[Pixels, list[Element]]:
    """Lines of text on a plain ground, dark or light."""
    ground = materials.random_color(rng)
    ink = (245, 245, 245) if np.mean(ground) < 120 else (15, 15, 20)
    canvas = _plain(size, ground)
    height = float(np.exp(rng.uniform(np.log(8), np.log(36))))
    elements: list[Element] = []
    top = rng.uniform(2, height)
    while top < size:
        length = int(rng.uniform(0.4, 1) * size / height) + 1
        place = np.array([rng.uniform(2, 10), top])
        elements.append(widgets.text(rng, place, height, ink, length))
        top += height * rng.uniform(1.5, 2.2)
    return canvas, elements


def _test_picture(rng: np.random.Generator, size: int) -> tuple[Pixels, list[Element]]:
    """What screens are tested with: plain fields, ramps, bars, checkers, grids."""
    kind = str(rng.choice(['plain', 'ramp', 'bars', 'checker', 'grid', 'circles']))
    first, second = (np.array(materials.random_color(rng)) for _ in range(2))
    canvas = _plain(size, tuple(first.tolist()))
    share = np.linspace(0, 1, size)
    if kind == 'ramp':
        steps = int(rng.choice([4, 8, 16, 256]))
        share = np.floor(share * steps) / steps
        row = first + share[:, None] * (second - first)
        canvas[:] = row.astype(np.uint8)
        if rng.random() < 0.5:
            canvas = np.ascontiguousarray(canvas.transpose(1, 0, 2))
    elif kind == 'bars':
        count = int(rng.integers(3, 10))
        colors = rng.integers(0, 256, (count, 3))
        canvas[:] = colors[(share * count).astype(int).clip(0, count - 1)]
    elif kind in ('checker', 'grid'):
        cell = int(rng.integers(6, 60))
        cells = np.arange(size) // cell
        on = (cells[:, None] + cells) % 2 == 1
        if kind == 'grid':
            line = np.arange(size) % cell < max(1, cell // 12)
            on = line[:, None] | line
        canvas[on] = second
    elif kind == 'circles':
        for radius in range(10, size, int(rng.integers(12, 40))):
            middle = (size // 2, size // 2)
            cv2.circle(canvas, middle, radius, second.tolist(), 2, cv2.LINE_AA)
    return canvas, widgets.icons(
        rng, np.array([20.0, 20.0]), size, size, (200, 200, 40)
    )


_LAYOUTS: tuple[
    Callable[[np.random.Generator, int], tuple[Pixels, list[Element]]], ...
] = (_dashboard, _dashboard, _page, _test_picture, _test_picture)
