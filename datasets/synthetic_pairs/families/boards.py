"""Circuit boards, bare and assembled, in color and as dark and bright alone.

The layers of a board are made one after the other and never fit exactly: silk screen
and drills are off against the copper, and etching makes all tracks a little wider or
narrower.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import components, materials, shapes
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color, Points

_MOST_OFFERED = 12
_MASKS = (  # solder mask, RGB
    (20, 84, 48),
    (16, 60, 110),
    (120, 24, 24),
    (26, 26, 28),
    (225, 225, 215),
    (60, 40, 90),
    (120, 110, 40),
    (140, 120, 80),
)
_METALS = ((200, 170, 90), (190, 190, 186), (196, 120, 70))


class Layers(NamedTuple):
    """How the layers of one part lie: (x, y) in pixels, and how copper was etched."""

    copper: Points
    drill: Points
    silk: Points
    etching: float  # pixels that copper is wider on each side
    width: float  # factor on tracks


class Look(NamedTuple):
    """Colors of a board."""

    ground: Color
    track: Color  # copper below the solder mask
    pad: Color
    hole: Color
    silk: Color
    plain: bool  # dark and bright alone


# Draws on the canvas: (canvas, layers, how far it is off [8], whether defective). What
# it is off by is drawn for each part, from -1 to 1.
Element = Callable[[Pixels, Layers, NDArray[np.float64], bool], None]


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """A board: bare (binary or in color) or assembled."""
    look = _look(rng)
    pitch = float(np.exp(rng.uniform(np.log(9), np.log(30))))
    elements = _copper(rng, size, pitch, look)
    if not look.plain and rng.random() < 0.6:
        elements += components.place(rng, size, pitch, look.silk, look.pad)
    if not look.plain and rng.random() < 0.7:
        elements += _silk(rng, size, pitch, look)
    offered = rng.permutation(len(elements))[:_MOST_OFFERED].tolist()
    weave = float(rng.uniform(0, 7))

    def render(part: int, altered: Mapping[int, int]) -> Pixels:
        stream = np.random.default_rng([part, 0])
        layers = _layers(stream)
        canvas = np.empty((size, size, 3), np.uint8)
        canvas[:] = look.ground
        if not look.plain:
            canvas = _substrate(stream, canvas, weave)
        defective = {offered[number] for number in altered}
        off = stream.uniform(-1, 1, (len(elements), 8))
        for number, element in enumerate(elements):
            element(canvas, layers, off[number], number in defective)
        return canvas

    return Drawing(render, len(offered))


def _look(rng: np.random.Generator) -> Look:
    if rng.random() < 0.4:
        dark, bright = (0, 0, 0), (255, 255, 255)
        ground, copper = (dark, bright) if rng.random() < 0.7 else (bright, dark)
        return Look(ground, copper, copper, ground, copper, plain=True)
    mask = np.asarray(_MASKS[int(rng.integers(len(_MASKS)))]) * rng.uniform(0.7, 1.3)
    metal = np.asarray(_METALS[int(rng.integers(len(_METALS)))])
    lighter = rng.uniform(1.25, 1.7) if mask.mean() < 150 else rng.uniform(0.75, 0.9)
    bare = rng.random() < 0.25
    return Look(
        ground=shapes.scaled(mask, 1),
        track=shapes.scaled(metal if bare else mask * lighter + 8, 1),
        pad=shapes.scaled(metal, rng.uniform(0.85, 1.15)),
        hole=shapes.scaled([20, 20, 20], rng.uniform(0.3, 2)),
        silk=(235, 235, 225) if mask.mean() < 150 else (30, 30, 40),
        plain=False,
    )


def _layers(stream: np.random.Generator) -> Layers:
    return Layers(
        copper=stream.uniform(-0.7, 0.7, 2),
        drill=stream.uniform(-1.5, 1.5, 2),
        silk=stream.uniform(-2, 2, 2),
        etching=float(stream.uniform(-0.5, 0.5)),
        width=float(stream.uniform(0.93, 1.07)),
    )


def _substrate(stream: np.random.Generator, canvas: Pixels, weave: float) -> Pixels:
    """Clouds and the weave of the glass below the mask, drawn for each part."""
    size = canvas.shape[0]
    clouds = materials.smooth_noise(stream, size, 60) * 2
    threads = np.sin(np.arange(size, dtype=np.float32) * stream.uniform(0.9, 1.4))
    clouds += weave * 0.3 * (threads[None] + threads[:, None])
    clouds += weave * 0.4 * materials.smooth_noise(stream, size, 3)
    added = (canvas + clouds[..., None]).clip(0, 255)
    return np.asarray(added, np.uint8)


def _copper(
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


def _silk(
    rng: np.random.Generator, size: int, pitch: float, look: Look
) -> list[Element]:
    """Designators, outlines and marks. Defects: a letter or a mark is missing."""
    elements = []
    height = float(np.clip(pitch * rng.uniform(0.4, 0.9), 6, 24))
    for _ in range(int(rng.integers(2, 9))):
        text = str(rng.choice(list('RCUDQLJ'))) + str(int(rng.integers(1, 300)))
        if rng.random() < 0.2:
            text = materials.random_text(rng, int(rng.integers(4, 10)))
        elements.append(_designator(rng, rng.uniform(0, size, 2), height, text, look))
    for _ in range(int(rng.integers(0, 4))):
        middle = rng.uniform(0, size, 2)
        width, length = rng.uniform(1.5, 6, 2) * pitch
        box = shapes.box(middle, width, length, radius=pitch / 4)
        elements.append(_outline(box, look))
    return elements


def _designator(
    rng: np.random.Generator, place: Points, height: float, text: str, look: Look
) -> Element:
    lost = int(rng.integers(len(text)))

    def element(
        canvas: Pixels, layers: Layers, own: NDArray[np.float64], altered: bool
    ) -> None:
        del own
        letters = text[:lost] + ' ' + text[lost + 1 :] if altered else text
        materials.write(canvas, letters, place + layers.silk, height, look.silk)

    return element


def _outline(box: Points, look: Look) -> Element:
    def element(
        canvas: Pixels, layers: Layers, own: NDArray[np.float64], altered: bool
    ) -> None:
        del own
        end = len(box) * 2 // 3 if altered else len(box)
        points = (box + layers.silk)[:end]
        shapes.stroke(canvas, points, look.silk, 1.5, closed=not altered)

    return element
