"""Images of parts, as a camera stores them."""

import os

import cv2
import numpy as np

from cadnet_jax.files.images import read_bytes, read_image, stored_pixels


def read_part(path: str | os.PathLike[str], bit_depth: int = 16) -> np.ndarray:
    """Reads an image; of 16-bit files the camera's bits are brought to 8.

    Args:
        path: an image file, see `read_image`.
        bit_depth: bits that a camera fills of 16, counted from the lowest. Files of 8
            bits are read as they are.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: see `read_image`; or the values do not fit `bit_depth`: too large,
            or all in the lowest sixteenth, which would be black.
    """
    stored = stored_pixels(path, read_bytes(path))
    if stored.dtype == np.uint8:
        return read_image(path)
    largest = int(stored.max())
    if largest >= 2**bit_depth:
        raise ValueError(
            f'{path}: has the value {largest}, and {bit_depth} bits allow '
            f'{2**bit_depth - 1}; set bit_depth to {max(8, largest.bit_length())}.'
        )
    if largest < 2 ** (bit_depth - 4):
        raise ValueError(
            f'{path}: no value is above {largest}, which is black of {bit_depth} bits; '
            f'set bit_depth to that of the camera (10 or 12 bits are often stored in '
            '16).'
        )
    pixels = (stored >> (bit_depth - 8)).astype(np.uint8)
    kind = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(pixels, kind))
