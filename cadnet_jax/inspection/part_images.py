"""Images of parts, as a camera stores them."""

import os

import numpy as np

from cadnet_jax.files.images import read_image


def read_part(path: str | os.PathLike[str], bit_depth: int = 16) -> np.ndarray:
    """Reads an image with the `bit_depth` of a recipe; see `read_image`."""
    return read_image(path, bit_depth)
