"""Printed text: headings, paragraphs, tables, nutrition facts."""

import numpy as np

from cadnet_jax.datasets.synthetic_pairs.families import lettering, plates
from cadnet_jax.datasets.synthetic_pairs.families.lettering import Line, Type
from cadnet_jax.datasets.synthetic_pairs.families.plates import (
    Area,
    Artwork,
    Coverage,
)

_SOLID = 255


def heading(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    """One line of letters as high as the area allows, up to 80 pixels."""
    height = int(np.clip(area.height / 1.25, 7, 80))
    line = lettering.random_line(
        rng, lettering.random_type(rng), height, area.width - 4
    )
    _set(rng, artwork, line, area, plate, defects=3)


def paragraph(
    rng: np.random.Generator, artwork: Artwork, area: Area, plate: int
) -> None:
    """Lines of small letters, aligned on the left, in the middle or on the right."""
    style = lettering.random_type(rng)
    most = max(7.0, min(22.0, area.height / 2.5))
    height = int(np.exp(rng.uniform(np.log(6), np.log(most))))
    step = int(height * rng.uniform(1.2, 1.5)) + 1
    align = float(rng.choice([0, 0, 0, 0.5, 1]))
    lines = max(1, area.height // step)
    faulty = rng.choice(lines, min(3, lines), replace=False).tolist()
    for k in range(lines):
        line = lettering.random_line(rng, style, height, area.width)
        room = area.width - line.coverage.shape[1]
        place = Area(area.top + k * step, area.left + int(align * room), step, 0)
        _set(rng, artwork, line, place, plate, defects=int(k in faulty))


def _set(
    rng: np.random.Generator,
    artwork: Artwork,
    line: Line,
    area: Area,
    plate: int,
    defects: int,
) -> None:
    """Prints a line at the top left corner of `area` and offers defects of it."""
    plates.lay(artwork, plate, line.coverage, area.top, area.left)
    for _ in range(defects):
        _offer_fault(rng, artwork, line, area, plate)


def _offer_fault(
    rng: np.random.Generator, artwork: Artwork, line: Line, area: Area, plate: int
) -> None:
    """A letter, word or line that is missing, wrong, moved or printed twice."""
    height, width = line.coverage.shape
    kind = rng.random()
    if kind < 0.5 and len(line.letters) > 2:
        k, other = rng.integers(len(line.letters) - 1, size=2)
        start, end = line.letters[k], line.letters[k + 1]
        first = line.letters[other]
        instead = line.coverage[:, first : min(first + end - start, width)]
        near = Area(area.top, area.left + int(start), height, int(end - start))
        if rng.random() < 0.5:
            instead = instead[:, :0]
        plates.offer(artwork, plate, near, lambda good: _replaced(good, instead))
        return
    start, end = 0, width
    if kind < 0.85 and line.words:
        start, end = line.words[int(rng.integers(len(line.words)))]
    near = Area(area.top, area.left + start, height, end - start)
    step = int(rng.choice([-1, 1])) * max(2, height // 4)
    change = (_erased, _doubled(step), _moved(step))[
        int(rng.choice(3, p=[0.5, 0.3, 0.2]))
    ]
    plates.offer(artwork, plate, near, change)


def _replaced(good: Coverage, instead: Coverage) -> Coverage:
    good[:] = 0
    part = instead[: good.shape[0], : good.shape[1]]
    good[: part.shape[0], : part.shape[1]] = part
    return good


def _erased(good: Coverage) -> Coverage:
    return good * np.uint8(0)


def _doubled(step: int) -> plates.Change:
    def change(good: Coverage) -> Coverage:
        return np.maximum(good, _moved(step)(good))

    return change


def _moved(step: int) -> plates.Change:
    def change(good: Coverage) -> Coverage:
        moved = np.roll(good, (step, step), (0, 1))
        for axis in (0, 1):
            edge = [slice(None), slice(None)]
            edge[axis] = slice(0, step) if step > 0 else slice(step, None)
            moved[tuple(edge)] = 0
        return moved

    return change


def rule(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    """A horizontal or vertical rule. The defect: it is interrupted."""
    ink = np.full((max(1, area.height), max(1, area.width)), _SOLID, np.uint8)
    plates.lay(artwork, plate, ink, area.top, area.left)
    gap = int(rng.integers(4, 14))
    if area.width > area.height:
        left = area.left + int(rng.uniform(0.1, 0.8) * area.width)
        near = Area(area.top, left, max(2, area.height), gap)
    else:
        top = area.top + int(rng.uniform(0.1, 0.8) * area.height)
        near = Area(top, area.left, gap, max(2, area.width))
    if rng.random() < 0.3:
        plates.offer(artwork, plate, near, _erased)


def table(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    """Entries between rules, or on shaded rows."""
    columns = int(rng.integers(2, 5))
    row = int(rng.uniform(10, 24))
    rows = max(2, area.height // row)
    wide = area.width // columns
    height = max(6, int(row * rng.uniform(0.5, 0.7)))
    words, numbers = lettering.random_type(rng), lettering.digits(rng)
    for k in range(rows + 1):
        line = Area(area.top + k * row, area.left, 1, wide * columns)
        rule(rng, artwork, line, plate)
    if rng.random() < 0.7:
        for k in range(columns + 1):
            line = Area(area.top, area.left + k * wide, rows * row, 1)
            rule(rng, artwork, line, plate)
    for k in range(rows):
        for column in range(columns):
            style = words if column == 0 or k == 0 else numbers
            place = Area(area.top + k * row + 1, area.left + column * wide + 3, row, 0)
            _entry(rng, artwork, style, height, place, wide - 6, plate)


def nutrition(
    rng: np.random.Generator, artwork: Artwork, area: Area, plate: int
) -> None:
    """A frame with a heading, and rows of a name on the left, a number on the right."""
    wide = min(area.width, int(rng.uniform(90, 200)))
    height = int(rng.integers(6, 12))
    row = height + 4
    rows = max(2, (area.height - 2 * row) // row)
    thick = int(rng.integers(1, 4))
    style, numbers = lettering.latin(rng), lettering.digits(rng)
    tall = (rows + 2) * row
    for top, left, high, across in (
        (0, 0, thick, wide),
        (tall - thick, 0, thick, wide),
        (0, 0, tall, thick),
        (0, wide - thick, tall, thick),
        (2 * row - 2, 4, 3, wide - 8),
    ):
        frame = Area(area.top + top, area.left + left, high, across)
        rule(rng, artwork, frame, plate)
    place = Area(area.top + 3, area.left + 6, 2 * row, 0)
    _entry(rng, artwork, style, height + 5, place, wide - 12, plate)
    for k in range(rows):
        top = area.top + (k + 2) * row
        if k:
            rule(rng, artwork, Area(top, area.left + 4, 1, wide - 8), plate)
        place = Area(top, area.left + 6, row, 0)
        _entry(rng, artwork, style, height, place, wide // 2, plate)
        place = Area(top, area.left + wide - 4 * height, row, 0)
        _entry(rng, artwork, numbers, height, place, 3 * height, plate)


def _entry(
    rng: np.random.Generator,
    artwork: Artwork,
    style: Type,
    height: int,
    place: Area,
    width: int,
    plate: int,
) -> None:
    if width < height:
        return
    line = lettering.random_line(rng, style, height, width)
    _set(rng, artwork, line, place, plate, defects=int(rng.random() < 0.15))
