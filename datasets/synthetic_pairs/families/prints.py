"""Printed things: labels, packaging, leaflets, cards, with text, codes, logos, tables.

Each ink has a plate of its own. The plates never fit exactly, take more or less ink,
and each part has its own paper.
"""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import (
    codes,
    materials,
    motifs,
    papers,
    plates,
    typesetting,
)
from cadnet_jax.datasets.synthetic_pairs.families.plates import (
    Area,
    Artwork,
    Plate,
)
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color, Points

_MOST_OFFERED = 12
_READABLE = 70  # gray levels between an ink and what it is printed on
_BLACK, _WHITE = (20, 20, 24), (246, 246, 244)
_BLOCKS = (  # and how often
    (typesetting.paragraph, 5),
    (typesetting.heading, 4),
    (typesetting.table, 1.5),
    (typesetting.nutrition, 1),
    (codes.bars, 1.5),
    (codes.matrix, 1.5),
    (motifs.logo, 2),
    (motifs.halftone, 1.2),
    (motifs.stamp, 0.7),
    (motifs.ruler, 0.7),
    (motifs.pips, 1),
)


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """A label, a package, a card or a sheet."""
    color, paper = papers.draw(rng, size)
    artwork = _artwork(rng, size, color)
    offered = [artwork.defects[k] for k in _choose(rng, len(artwork.defects))]
    number = _lot_number(rng, size) if rng.random() < 0.2 else None

    def render(part: int, altered: Mapping[int, int]) -> Pixels:
        stream = np.random.default_rng([part, 0])
        patches = [patch for k in sorted(altered) for patch in offered[k]]
        canvas = plates.press(paper(stream), artwork, patches, part)
        if number is not None:
            _write_number(canvas, number, np.random.default_rng([part, 2]))
        return canvas

    return Drawing(render, len(offered), None if number is None else number.mask)


def _choose(rng: np.random.Generator, count: int) -> list[int]:
    return [int(number) for number in rng.permutation(count)[:_MOST_OFFERED]]


def _artwork(rng: np.random.Generator, size: int, paper: Color) -> Artwork:
    """Colored areas, then blocks of text and pictures in up to four inks."""
    covering = bool(np.mean(paper) < 150 or rng.random() < 0.4)
    colors = [materials.random_color(rng) for _ in range(int(rng.integers(0, 4)))]
    artwork = Artwork([_plate(size, color, covering) for color in colors], [])
    for number in range(len(colors)):
        motifs.panel(rng, artwork, number)
    ground = np.full((size, size, 3), paper, np.uint8)
    if colors:
        ground = plates.press(ground, artwork, [], 0)
    inks = [_BLACK, _WHITE, materials.random_color(rng), materials.random_color(rng)]
    artwork.plates.extend(_plate(size, ink, ink is not _BLACK) for ink in inks)
    scale = float(np.exp(rng.uniform(np.log(0.6), np.log(1.8)))) * max(1, size / 400)
    top = int(rng.uniform(-12, 20))
    while top < size - 6:
        tall = int(scale * rng.uniform(22, 95))
        for area in _columns(rng, size, top, tall):
            plate = _readable(rng, artwork, ground, area, first=len(colors))
            _block(rng, artwork, area, plate)
        top += tall + int(scale * rng.uniform(3, 14))
    _offer_lost_ink(rng, artwork)
    return artwork


def _plate(size: int, color: Color, covering: bool) -> Plate:
    return Plate(np.zeros((size, size), np.uint8), color, covering)


def _columns(rng: np.random.Generator, size: int, top: int, tall: int) -> list[Area]:
    """One to three areas beside each other."""
    count = int(rng.choice([1, 1, 2, 2, 3]))
    edges = np.linspace(0, size, count + 1).astype(int)
    if count == 2:
        edges[1] = int(rng.uniform(0.3, 0.7) * size)
    return [
        Area(top, int(left) + 6, tall, int(right - left) - 12)
        for left, right in itertools.pairwise(edges)
    ]


def _readable(
    rng: np.random.Generator, artwork: Artwork, ground: Pixels, area: Area, first: int
) -> int:
    """The plate of an ink, from `first` on, that stands out from the ground."""
    below = ground[area.slices(artwork.size)].reshape(-1, 3)
    tone = float(below.mean()) if below.size else 255.0
    apart = [abs(float(np.mean(p.color)) - tone) for p in artwork.plates[first:]]
    fit = [k for k in range(len(apart)) if apart[k] > _READABLE]
    if not fit or rng.random() < 0.4:
        return first + int(np.argmax(apart))
    return first + int(rng.choice(fit))


def _block(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    blocks, shares = zip(*_BLOCKS, strict=True)
    odds = np.array(shares) / sum(shares)
    if area.height < 16 or area.width < 30:
        return
    blocks[int(rng.choice(len(blocks), p=odds))](rng, artwork, area, plate)


def _offer_lost_ink(rng: np.random.Generator, artwork: Artwork) -> None:
    """Offers a region without one of the inks."""
    for number in rng.permutation(len(artwork.plates))[:2].tolist():
        top, left = rng.uniform(0, 0.8 * artwork.size, 2).astype(int).tolist()
        tall, wide = rng.uniform(12, 70, 2).astype(int).tolist()
        area = Area(top, left, tall, wide)
        plates.offer(artwork, number, area, lambda good: good * np.uint8(0))


class _Number(NamedTuple):
    """A lot number or date, another one on each part."""

    place: Points
    height: float
    font: int
    mask: NDArray[np.bool_]


def _lot_number(rng: np.random.Generator, size: int) -> _Number:
    height = float(rng.uniform(8, min(18.0, size / 12)))
    place = rng.uniform(0.05, 0.5, 2) * size
    mask = np.zeros((size, size), np.bool_)
    left, top = (place - 4).astype(int).clip(0)
    mask[top : top + int(2 * height) + 4, left : left + int(9 * height) + 8] = True
    return _Number(place, height, int(rng.integers(3)), mask)


def _write_number(canvas: Pixels, number: _Number, stream: np.random.Generator) -> None:
    left, top = (number.place - 2).astype(int)
    tall, wide = int(1.7 * number.height), int(9 * number.height)
    field = canvas[top : top + tall, left : left + wide]
    field[:] = (field.astype(np.float32) * 0.2 + 200).astype(np.uint8)
    text = materials.random_text(stream, 8)
    place = number.place + stream.uniform(-1, 1, 2)
    materials.write(
        field, text, place - [left, top], number.height, _BLACK, number.font
    )
