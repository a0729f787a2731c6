"""Images and masks as they are stored: apart from `preparation`, quick to import."""

import cv2
import numpy as np
from numpy.typing import NDArray


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of an RGB image [H, W, 3] or a mask [H, W], uint8.

    Compressed lightly: training decodes each pair many times, and that is its cost.
    """
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]  # cv2 expects BGR
    pixels = np.ascontiguousarray(pixels)
    return cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
