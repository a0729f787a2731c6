"""Codes that machines read: bars, and matrices of modules."""

import cv2
import numpy as np

from cadnet_jax.datasets.synthetic_pairs.families import lettering, plates
from cadnet_jax.datasets.synthetic_pairs.families.plates import (
    Area,
    Artwork,
    Coverage,
)

_FINDER = 7  # modules


def bars(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    """A bar code with its number. Defects: a bar is missing, moved or too wide."""
    module = max(1.0, min(rng.uniform(1.1, 3.2), area.width / 40))
    count = int(min(area.width / module / 4.4, int(rng.integers(18, 40))))
    if count < 4 or area.height < 12:
        return
    widths = rng.choice([1, 1, 1, 2, 2, 3, 4], 2 * count) * module
    edges = np.cumsum(widths) + area.left
    starts, ends = edges[:-1:2], edges[1::2]
    digits = max(6, min(14, area.height // 4))
    tall = area.height - digits if rng.random() < 0.7 else area.height
    row = _bar_row(starts, ends, artwork.size)
    plates.lay(artwork, plate, np.tile(row, (tall, 1)), area.top, 0)
    for k in rng.choice(count, min(4, count), replace=False).tolist():
        first, last = starts.copy(), ends.copy()
        kind = rng.random()
        if kind < 0.4:
            last[k] = first[k]
        elif kind < 0.7:
            last[k] += 2 * module
        else:
            step = module * rng.choice([-1.3, 1.3])
            first[k], last[k] = first[k] + step, last[k] + step
        wrong = np.tile(_bar_row(first, last, artwork.size), (tall, 1))
        near = Area(area.top, int(starts[k] - 4 * module), tall, int(12 * module))
        _offer_picture(artwork, plate, near, wrong, Area(area.top, 0, *wrong.shape))
    if tall < area.height:
        style = lettering.digits(rng)
        line = lettering.random_line(rng, style, digits, int(edges[-1] - edges[0]))
        plates.lay(artwork, plate, line.coverage, area.top + tall, int(starts[0]))


def _bar_row(
    starts: np.ndarray[tuple[int], np.dtype[np.float64]],
    ends: np.ndarray[tuple[int], np.dtype[np.float64]],
    size: int,
) -> Coverage:
    """The share of each pixel of a row that lies in a bar."""
    pixels = np.arange(size)[:, None]
    inside = np.minimum(ends, pixels + 1) - np.maximum(starts, pixels)
    shares = inside.clip(0, 1).sum(1).clip(0, 1)
    return np.asarray(np.rint(255 * shares), np.uint8)


def _offer_picture(
    artwork: Artwork, plate: int, near: Area, wrong: Coverage, frame: Area
) -> None:
    """Offers what `wrong`, which lies in `frame`, shows in the area `near`."""
    size = artwork.size
    whole = np.zeros((size, size), np.uint8)
    rows, columns = frame.slices(size)
    top, left = rows.start - frame.top, columns.start - frame.left
    part = wrong[top : top + rows.stop - rows.start]
    whole[rows, columns] = part[:, left : left + columns.stop - columns.start]
    plates.offer(artwork, plate, near, lambda _: whole[near.slices(size)])


def matrix(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    """A matrix code. Defects: modules are inverted, or a block of them is missing."""
    side = min(area.width, area.height)
    if side < 24:
        return
    count = int(rng.integers(12, max(13, min(30, side // 2))))
    cells = np.where(rng.random((count, count)) < 0.5, 255, 0).astype(np.uint8)
    if rng.random() < 0.7:
        for y, x in ((0, 0), (0, count - _FINDER), (count - _FINDER, 0)):
            _find(cells[y : y + _FINDER, x : x + _FINDER])
    else:  # a data matrix: two solid and two broken edges
        cells[:, 0] = cells[-1] = 255
        cells[0], cells[:, -1] = 0, 0
        cells[0, ::2] = cells[1::2, -1] = 255
    step = max(1, side // count)
    frame = Area(area.top, area.left, count * step, count * step)
    plates.lay(artwork, plate, _enlarged(cells, step), area.top, area.left)
    for _ in range(4):
        wrong = cells.copy()
        tall, wide = rng.integers(1, 5, 2).tolist()
        y, x = rng.integers(0, count - 4, 2).tolist()
        field = wrong[y : y + tall, x : x + wide]
        field[:] = 255 - field if rng.random() < 0.6 else 0
        near = Area(area.top + y * step, area.left + x * step, tall * step, wide * step)
        _offer_picture(artwork, plate, near, _enlarged(wrong, step), frame)


def _find(field: Coverage) -> None:
    """Draws a finder pattern: a ring about a square, a light edge around."""
    field[:] = 255
    field[1:6, 1:6] = 0
    field[2:5, 2:5] = 255


def _enlarged(cells: Coverage, step: int) -> Coverage:
    side = (cells.shape[1] * step, cells.shape[0] * step)
    larger = cv2.resize(cells, side, interpolation=cv2.INTER_NEAREST)
    return np.asarray(larger, np.uint8)
