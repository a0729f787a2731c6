"""The print on a circuit board: designators and outlines."""

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families import materials, shapes
from cadnet_jax.datasets.synthetic_pairs.families.board_layers import (
    Element,
    Layers,
    Look,
)
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Points


def draw(
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
