"""Printed things: labels, packaging, sheets, with text, codes, logos, tables.

Paper or film carries inks whose plates never fit exactly; each part has its own paper.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import lettering, materials, shapes
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color, Points

_MOST_OFFERED = 12


class Plates(NamedTuple):
    """How the print of one part lies and how much ink it took."""

    print: Points  # (x, y) in pixels, of all inks on the paper
    density: float  # factor on the inks' darkness


# Draws on the canvas: (canvas, plates, whether it is defective).
Element = Callable[[Pixels, Plates, bool], None]


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """A label, a package or a sheet."""
    paper = _paper_color(rng)
    elements = _layout(rng, size, paper)
    offered = rng.permutation(len(elements))[:_MOST_OFFERED].tolist()
    serial = _serial(rng, size) if rng.random() < 0.2 else None
    roughness, apart = float(rng.uniform(0, 6)), float(rng.uniform(0, 1))
    grain = float(rng.uniform(1.5, 6))

    def render(part: int, altered: Mapping[int, int]) -> Pixels:
        stream = np.random.default_rng(part)
        plates = Plates(stream.uniform(-2, 2, 2) * 0.7, float(stream.uniform(0.9, 1.1)))
        canvas = np.full((size, size, 3), paper, np.uint8)
        defective = {offered[number] for number in altered}
        for number, element in enumerate(elements):
            element(canvas, plates, number in defective)
        if serial is not None:
            _stamp(canvas, serial, materials.random_text(stream, 8))
        return _printed(canvas, stream, apart, roughness, grain)

    return Drawing(render, len(offered), None if serial is None else serial.mask)


def _paper_color(rng: np.random.Generator) -> Color:
    kind = rng.random()
    if kind < 0.5:
        return shapes.scaled([250, 248, 242], rng.uniform(0.85, 1))
    if kind < 0.65:
        return shapes.scaled([190, 155, 115], rng.uniform(0.7, 1.1))
    return materials.random_color(rng)


def _printed(
    canvas: Pixels,
    stream: np.random.Generator,
    apart: float,
    roughness: float,
    grain: float,
) -> Pixels:
    """Plates off against each other, on this part's own paper."""
    size = canvas.shape[0]
    shifts = stream.uniform(-apart, apart, (3, 2)).astype(np.float32) * 0.5
    planes = [
        cv2.warpAffine(
            plane,
            np.array([[1, 0, x], [0, 1, y]], np.float32),
            (size, size),
            borderMode=cv2.BORDER_REPLICATE,
        )
        for plane, (x, y) in zip(cv2.split(canvas), shifts, strict=True)
    ]
    merged = cv2.merge(planes)
    if roughness < 1:
        return np.asarray(merged, np.uint8)
    fibers = materials.smooth_noise(stream, size, grain) * roughness
    added = merged.astype(np.float32) + fibers[..., None]
    return added.clip(0, 255).astype(np.uint8)


def _layout(rng: np.random.Generator, size: int, paper: Color) -> list[Element]:
    """Blocks from top to bottom, some in two columns, over colored areas."""
    elements = [_area(rng, size) for _ in range(int(rng.integers(0, 4)))]
    scale = float(np.exp(rng.uniform(np.log(0.6), np.log(2.2))))
    top = float(rng.uniform(-20, 20))
    while top < size:
        tall = scale * rng.uniform(20, 90)
        columns = int(rng.choice([1, 1, 2]))
        for column in range(columns):
            box = np.array(
                [size * column / columns + 6, top, size / columns - 12, tall]
            )
            block = _BLOCKS[int(rng.integers(len(_BLOCKS)))]
            elements += block(rng, box, _ink(rng, paper))
        top += tall + scale * rng.uniform(4, 16)
    return elements


def _ink(rng: np.random.Generator, paper: Color) -> Color:
    """A color that can be read on the paper."""
    for _ in range(8):
        ink = materials.random_color(rng) if rng.random() < 0.6 else (20, 20, 24)
        if abs(np.mean(ink) - np.mean(paper)) > 70:
            return ink
    return (245, 245, 245) if np.mean(paper) < 128 else (15, 15, 15)


def _dark(color: Color, plates: Plates) -> Color:
    """An ink as dark as this part took it."""
    return shapes.scaled(255 - (255 - np.asarray(color)) * plates.density, 1)


def _area(rng: np.random.Generator, size: int) -> Element:
    """A colored area; the defect: a part of it has no ink."""
    color = materials.random_color(rng)
    middle, sides = rng.uniform(0, size, 2), rng.uniform(0.2, 0.9, 2) * size
    radius = float(rng.choice([0, 8, 30]))
    outline = shapes.box(middle, sides[0], sides[1], radius)
    if rng.random() < 0.3:
        outline = shapes.circle(middle, sides[0] / 2)
    bare = shapes.chip(
        middle + rng.uniform(-0.4, 0.4, 2) * sides, rng.uniform(3, 16), rng
    )

    def element(canvas: Pixels, plates: Plates, altered: bool) -> None:
        under = canvas[tuple(np.clip(bare.mean(0), 0, size - 1).astype(int)[::-1])]
        tone = under.tolist()
        shapes.polygons(canvas, [outline + plates.print], _dark(color, plates))
        if altered:
            shapes.polygons(canvas, [bare], tone)

    return element


def _words(
    rng: np.random.Generator, box: NDArray[np.float64], ink: Color
) -> list[Element]:
    """Lines of text in one script. Defects: a letter or word is missing or another."""
    left, top, wide, tall = box.tolist()
    font = lettering.random_font(rng)
    alphabet = lettering.random_alphabet(rng)
    height = int(np.clip(tall / rng.integers(1, 5), 7, 80))
    elements: list[Element] = []
    y = top
    while y + height <= top + tall + 2:
        x = left
        while x < left + wide:
            word = ''.join(rng.choice(list(alphabet), int(rng.integers(2, 9))))
            glyphs = lettering.render(word, font, height)
            if x + glyphs.shape[1] > left + wide + 8:
                break
            lost = int(rng.integers(len(word)))
            other = str(rng.choice(list(alphabet + '  ')))
            wrong = word[:lost] + other + word[lost + 1 :]
            elements.append(_word(word, wrong, font, height, np.array([x, y]), ink))
            x += glyphs.shape[1] + height * 0.4
        y += height * 1.3
    return elements


def _word(
    word: str, wrong: str, font: str, height: int, place: Points, ink: Color
) -> Element:
    def element(canvas: Pixels, plates: Plates, altered: bool) -> None:
        glyphs = lettering.render(wrong if altered else word, font, height)
        lettering.lay(canvas, glyphs, place + plates.print, _dark(ink, plates))

    return element


def _barcode(
    rng: np.random.Generator, box: NDArray[np.float64], ink: Color
) -> list[Element]:
    """Bars of one to four modules. Defects: a bar is missing or grows wide."""
    left, top, wide, tall = box.tolist()
    module = rng.uniform(1.2, 3.5)
    widths = rng.integers(1, 5, int(min(wide, 60 * module) / module / 2.5)) * module
    edges = left + np.cumsum(widths)
    elements: list[Element] = []
    for start, end in zip(edges[:-1:2], edges[1::2], strict=False):

        def element(
            canvas: Pixels,
            plates: Plates,
            altered: bool,
            start: float = start,
            end: float = end,
        ) -> None:
            if altered:
                return
            bar = np.array(
                [[start, top], [end, top], [end, top + tall], [start, top + tall]]
            )
            shapes.polygons(canvas, [bar + plates.print], _dark(ink, plates))

        elements.append(element)
    return elements


def _matrix(
    rng: np.random.Generator, box: NDArray[np.float64], ink: Color
) -> list[Element]:
    """A matrix code. Defects: some of its modules are inverted."""
    left, top, wide, tall = box.tolist()
    count = int(rng.integers(10, 25))
    side = min(wide, tall)
    cells = np.where(rng.random((count, count)) < 0.5, 255, 0).astype(np.uint8)
    for y, x in ((0, 0), (0, count - 7), (count - 7, 0)):
        cells[y : y + 7, x : x + 7] = 255
        cells[y + 1 : y + 6, x + 1 : x + 6] = 0
        cells[y + 2 : y + 5, x + 2 : x + 5] = 255
    pixels = max(count, round(side))
    wrong = cells.copy()
    y, x = rng.integers(0, count - 3, 2)
    reach = int(rng.integers(1, 4))
    wrong[y : y + reach, x : x + reach] ^= 255
    codes = [
        cv2.resize(code, (pixels, pixels), interpolation=cv2.INTER_NEAREST)
        for code in (cells, wrong)
    ]

    def element(canvas: Pixels, plates: Plates, altered: bool) -> None:
        place = np.array([left, top]) + plates.print
        lettering.lay(canvas, codes[altered], place, _dark(ink, plates))

    return [element]


def _table(
    rng: np.random.Generator, box: NDArray[np.float64], ink: Color
) -> list[Element]:
    """Rules with an entry each. Defects: a rule is interrupted."""
    left, top, wide, tall = box.tolist()
    rows = max(2, int(tall / rng.uniform(9, 22)))
    elements: list[Element] = []
    for k in range(rows + 1):
        y = top + tall * k / rows
        cut = left + wide * rng.uniform(0.1, 0.9)

        def rule(
            canvas: Pixels,
            plates: Plates,
            altered: bool,
            y: float = y,
            cut: float = cut,
        ) -> None:
            end = cut if altered else left + wide
            line = np.array([[left, y], [end, y]]) + plates.print
            shapes.stroke(canvas, line, _dark(ink, plates), 1)

        elements.append(rule)
        if k < rows:
            text = np.array([left + 4, y + 1, wide / 2, tall / rows - 2])
            if text[3] >= 7:
                elements += _words(rng, text, ink)[:2]
    return elements


def _logo(
    rng: np.random.Generator, box: NDArray[np.float64], ink: Color
) -> list[Element]:
    """A few overlapping shapes. Defects: one is missing, turned or another color."""
    left, top, wide, tall = box.tolist()
    side = min(wide, tall)
    middle = np.array([left + rng.uniform(0.3, 0.7) * wide, top + tall / 2])
    elements: list[Element] = []
    for k in range(int(rng.integers(1, 5))):
        center = middle + rng.uniform(-0.3, 0.3, 2) * side
        corners = int(rng.choice([3, 4, 5, 6, 30]))
        outline = shapes.circle(center, side * rng.uniform(0.15, 0.45), corners)
        color = ink if k == 0 else materials.random_color(rng)
        other = materials.random_color(rng)
        fault = str(rng.choice(['missing', 'turned', 'color']))

        def element(
            canvas: Pixels,
            plates: Plates,
            altered: bool,
            outline: Points = outline,
            color: Color = color,
            other: Color = other,
            fault: str = fault,
        ) -> None:
            if altered and fault == 'missing':
                return
            shown = outline
            if altered and fault == 'turned':
                shown = shapes.turned(outline, 0.6, outline.mean(0))
            tone = other if altered and fault == 'color' else color
            shapes.polygons(canvas, [shown + plates.print], _dark(tone, plates))

        elements.append(element)
    return elements


def _halftone(
    rng: np.random.Generator, box: NDArray[np.float64], ink: Color
) -> list[Element]:
    """Dots that grow along one direction. Defects: a row of them is missing."""
    left, top, wide, tall = box.tolist()
    step = rng.uniform(4, 9)
    row = np.zeros((int(step) + 1, int(min(wide, 160)) + 1), np.uint8)
    for x in np.arange(step, row.shape[1], step):
        shapes.disc(row, (x, step / 2), step * (0.12 + 0.36 * x / max(wide, 1)), (255,))
    elements: list[Element] = []
    for y in np.arange(top + step, top + min(tall, 60), step):

        def element(
            canvas: Pixels, plates: Plates, altered: bool, y: float = y
        ) -> None:
            if not altered:
                place = np.array([left, y]) + plates.print
                lettering.lay(canvas, row, place, _dark(ink, plates))

        elements.append(element)
    return elements


_BLOCKS = (_words, _words, _words, _words, _barcode, _matrix, _table, _logo, _halftone)


class _Serial(NamedTuple):
    place: Points
    height: float
    ink: Color
    mask: NDArray[np.bool_]


def _serial(rng: np.random.Generator, size: int) -> _Serial:
    """A number that differs from part to part, and where it may be."""
    height = float(rng.uniform(8, 18))
    place = rng.uniform(0.05, 0.6, 2) * size
    mask = np.zeros((size, size), np.bool_)
    left, top = (place - 4).astype(int).clip(0)
    mask[top : top + int(2 * height) + 4, left : left + int(9 * height) + 8] = True
    return _Serial(place, height, (20, 20, 24), mask)


def _stamp(canvas: Pixels, serial: _Serial, text: str) -> None:
    left, top = (serial.place - 2).astype(int)
    field = canvas[
        top : top + int(1.7 * serial.height), left : left + int(9 * serial.height)
    ]
    field[:] = (field.astype(np.float32) * 0.2 + 200).astype(np.uint8)
    materials.write(canvas, text, serial.place, serial.height, serial.ink)
