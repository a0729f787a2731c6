"""The layers of a circuit board: how they lie on a part, what they look like."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color, Points


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
