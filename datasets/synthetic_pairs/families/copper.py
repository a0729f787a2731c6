"""The copper of a circuit board: planes, tracks, buses, pads, vias, drilled holes."""

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families import shapes
from cadnet_jax.datasets.synthetic_pairs.families.board_layers import (
    Element,
    Layers,
    Look,
)
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Points


def draw(
    rng: np.random.Generator, size: int, pitch: float, look: Look
) -> list[Element]:
    """Planes, tracks, buses, pads, vias: what a board conducts with."""
    elements: list[Element] = []
    width = pitch * float(rng.uniform(0.22, 0.5))
    for _ in range(int(rng.integers(0, 3))):
        elements.append(_plane(rng, size, look))
    count = int(rng.uniform(0.5, 1.3) * (size / pitch) * 0.9) + 3
    for _ in range(count):
        kind = rng.random()
        if kind < 0.5:
            route = _route(rng, size, pitch, int(rng.integers(3, 9)))
            elements += _track(rng, route, width, pitch, look)
        elif kind < 0.75:
            elements += _bus(rng, size, pitch, width, look)
        else:
            elements += _pads(rng, size, pitch, look)
    for _ in range(int(rng.integers(0, 6))):
        place = rng.uniform(0, size, 2)
        radius = pitch * rng.uniform(0.35, 0.9)
        elements.append(_pad(rng, place, radius, look, drilled=rng.random() < 0.8))
    if rng.random() < 0.3:
        elements.append(_mounting_hole(rng.uniform(0, size, 2), pitch * 1.5, look))
    elements += [_island(rng, size, pitch, look) for _ in range(2)]
    return elements


def _route(rng: np.random.Generator, size: int, pitch: float, corners: int) -> Points:
    """A way on the grid that turns by 45 or 90 degrees."""
    point = np.round(rng.uniform(0, size, 2) / pitch) * pitch
    heading = int(rng.integers(8))
    points = [point]
    for _ in range(corners):
        heading += int(rng.choice([-1, 1, -1, 1, 2, -2]))
        angle = heading * np.pi / 4
        step = pitch * int(rng.integers(1, 7)) * (np.sqrt(2) if heading % 2 else 1)
        point = point + step * np.array([np.cos(angle), np.sin(angle)])
        points.append(point)
    return np.array(points)


def _track(
    rng: np.random.Generator, route: Points, width: float, pitch: float, look: Look
) -> list[Element]:
    """A track and the pads at its ends. Defects: it is cut, or grows a bridge."""
    width = max(2.0, width * rng.choice([1, 1, 1, 1.6, 2.4]))
    at = int(rng.integers(len(route) - 1))
    share = rng.uniform(0.25, 0.75)
    start, end = route[at], route[at + 1]
    middle = start + share * (end - start)
    along = (end - start) / max(float(np.hypot(*(end - start))), 1)
    gap = rng.uniform(3, 5 + width)
    bridge = bool(rng.random() < 0.45)
    reach = rng.uniform(0.8, 1.6) * pitch * rng.choice([-1, 1])

    def element(
        canvas: Pixels, layers: Layers, own: NDArray[np.float64], altered: bool
    ) -> None:
        del own
        wide = max(1.0, width * layers.width + 2 * layers.etching)
        shapes.stroke(canvas, route + layers.copper, look.ground, wide + 0.5 * pitch)
        shapes.stroke(canvas, route + layers.copper, look.track, wide)
        if not altered:
            return
        across = np.array([-along[1], along[0]])
        if bridge:
            ends = np.stack([middle, middle + across * reach]) + layers.copper
            shapes.stroke(canvas, ends, look.track, max(3, 0.7 * wide))
        else:
            ends = np.stack([middle - across * wide, middle + across * wide])
            shapes.stroke(canvas, ends + layers.copper, look.ground, gap)

    pads = [
        _pad(
            rng, place, max(1.1 * width, 0.3 * pitch), look, drilled=rng.random() < 0.7
        )
        for place in (route[0], route[-1])
        if rng.random() < 0.8
    ]
    return [element, *pads]


def _bus(
    rng: np.random.Generator, size: int, pitch: float, width: float, look: Look
) -> list[Element]:
    """Parallel tracks with common bends."""
    route = _route(rng, size, pitch * 2, 3)
    route = (route - route[0]) + rng.uniform(-0.1, 0.9, 2) * size
    space = max(width + 3.0, pitch * rng.uniform(0.55, 1))
    shift = rng.choice([[1, 0], [0, 1], [1, 1], [1, -1]]) * space
    elements: list[Element] = []
    for k in range(int(rng.integers(3, 9))):
        elements += _track(rng, route + k * shift, width, pitch * 0.5, look)
    return elements


def _pads(
    rng: np.random.Generator, size: int, pitch: float, look: Look
) -> list[Element]:
    """One or two rows of pads, as for a chip or a connector."""
    start = rng.uniform(-0.1, 0.9, 2) * size
    step = pitch * rng.uniform(0.7, 1.3)
    across = bool(rng.integers(2))
    rows, count = int(rng.integers(1, 3)), int(rng.integers(3, 12))
    apart = step * int(rng.integers(2, 6))
    drilled = bool(rng.random() < 0.5)
    half = step * rng.uniform(0.25, 0.36)
    elements = []
    for row in range(rows):
        for k in range(count):
            offset = np.array([k * step, row * apart])
            place = start + (offset[::-1] if across else offset)
            long = None if drilled else (half, half * 2.2)[:: -1 if across else 1]
            elements.append(_pad(rng, place, half, look, drilled=drilled, box=long))
    return elements


def _pad(
    rng: np.random.Generator,
    place: Points,
    radius: float,
    look: Look,
    *,
    drilled: bool,
    box: tuple[float, ...] | None = None,
) -> Element:
    """A pad, round, square or long. Defects: it or its hole is missing or blocked."""
    square = bool(rng.random() < 0.25)
    inner = radius * rng.uniform(0.35, 0.6)
    lost = bool(rng.random() < 0.5) or not drilled

    def element(
        canvas: Pixels, layers: Layers, own: NDArray[np.float64], altered: bool
    ) -> None:
        at = place + layers.copper
        wide = max(1.5, radius + layers.etching)
        if altered and lost:
            return
        if box is not None:
            outline = shapes.box(at, 2 * box[0], 2 * box[1])
            shapes.polygons(canvas, [outline], look.pad)
        elif square:
            shapes.polygons(canvas, [shapes.box(at, 2 * wide, 2 * wide)], look.pad)
        else:
            shapes.disc(canvas, at, wide, look.pad)
        if drilled and not altered:
            off = layers.drill + 0.4 * own[:2]
            shapes.disc(canvas, place + off * min(1, radius / 8), inner, look.hole)

    return element


def _plane(rng: np.random.Generator, size: int, look: Look) -> Element:
    """A copper area. Defects: a hole in it."""
    corners = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 8))))
    unit = np.stack([np.cos(corners), np.sin(corners)], -1)
    if rng.random() < 0.6:
        unit = np.sign(unit)[np.argsort(np.arctan2(*np.sign(unit).T))]
    middle, reach = rng.uniform(0, size, 2), rng.uniform(0.15, 0.5) * size
    outline = middle + unit * reach * rng.uniform(0.4, 1, 2)
    hole = outline.mean(0) + rng.uniform(-0.3, 0.3, 2) * reach
    radius = rng.uniform(2.5, 9)

    def element(
        canvas: Pixels, layers: Layers, own: NDArray[np.float64], altered: bool
    ) -> None:
        del own
        shapes.polygons(canvas, [outline + layers.copper], look.track)
        if altered:
            shapes.disc(canvas, hole + layers.copper, radius, look.ground)

    return element


def _island(rng: np.random.Generator, size: int, pitch: float, look: Look) -> Element:
    """Nothing. Defects: copper that does not belong there."""
    shape = shapes.chip(rng.uniform(0, size, 2), pitch * rng.uniform(0.2, 0.7), rng)

    def element(
        canvas: Pixels, layers: Layers, own: NDArray[np.float64], altered: bool
    ) -> None:
        del own
        if altered:
            shapes.polygons(canvas, [shape + layers.copper], look.track)

    return element


def _mounting_hole(place: Points, radius: float, look: Look) -> Element:
    def element(
        canvas: Pixels, layers: Layers, own: NDArray[np.float64], altered: bool
    ) -> None:
        del own, altered
        shapes.disc(canvas, place + layers.copper, radius, look.pad)
        shapes.disc(canvas, place + layers.drill, radius * 0.65, look.hole)

    return element
