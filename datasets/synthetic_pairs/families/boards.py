"""Circuit boards, bare and assembled, in color and as dark and bright alone.

The layers of a board are made one after the other and never fit exactly: silk screen
and drills are off against the copper, and etching makes all tracks a little wider or
narrower.
"""

from collections.abc import Mapping

import numpy as np

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import (
    components,
    copper,
    materials,
    shapes,
    silk_screen,
)
from cadnet_jax.datasets.synthetic_pairs.families.board_layers import Layers, Look

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


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """A board: bare (binary or in color) or assembled."""
    look = _look(rng)
    pitch = float(np.exp(rng.uniform(np.log(9), np.log(30))))
    elements = copper.draw(rng, size, pitch, look)
    if not look.plain and rng.random() < 0.6:
        elements += components.place(rng, size, pitch, look.silk, look.pad)
    if not look.plain and rng.random() < 0.7:
        elements += silk_screen.draw(rng, size, pitch, look)
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
