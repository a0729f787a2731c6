"""Fills of painted changes: the colors that a change shows."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# OpenCV does not say in types which numbers it returns.
Pixels = NDArray[Any]  # uint8 RGB [H, W, 3]

_FILLS = (
    'color',  # any
    'own',  # a color of the image
    'place',  # another place of the image
    'other',  # another image
    'gain',  # lighter or darker
    'blur',
    'cast',  # tinted
    'median',  # what is around: something is missing
    'texture',
)
_FILL_SHARES = (0.2, 0.14, 0.12, 0.12, 0.14, 0.05, 0.09, 0.08, 0.06)


def fill(
    image: Pixels,
    other: Pixels,
    box: tuple[int, int, int, int],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Colors for the box (top, left, height, width) of `image`, float32 [h, w, 3]."""
    top, left, height, width = box
    under = image[top : top + height, left : left + width]
    name = str(rng.choice(_FILLS, p=_FILL_SHARES))
    values: NDArray[Any]
    if name == 'place':
        values = _window(image, height, width, rng)
    elif name == 'other':
        values = _window(other, height, width, rng)
    elif name == 'gain':
        factor = rng.choice([rng.uniform(0.35, 0.85), rng.uniform(1.15, 1.9)])
        values = under.astype(np.float32) * factor + rng.uniform(-25, 25)
    elif name == 'blur':
        values = cv2.blur(under, (_odd(int(rng.integers(5, 21))),) * 2)
    elif name == 'cast':
        values = under.astype(np.float32) + rng.uniform(-70, 70, 3)
    elif name == 'median':
        around = image[max(top - 8, 0) : top + height + 8]
        around = around[:, max(left - 8, 0) : left + width + 8]
        values = np.broadcast_to(np.median(around, axis=(0, 1)), under.shape)
    elif name == 'texture':
        color = _color(image, rng)
        noise = rng.standard_normal((height // 2 + 1, width // 2 + 1, 1), np.float32)
        wide = cv2.resize(noise, (width, height))[..., None]
        values = color + wide * rng.uniform(5, 40)
    else:
        plain = rng.uniform(0, 255, 3) if name == 'color' else _color(image, rng)
        values = np.broadcast_to(plain, under.shape)
    return np.asarray(values, np.float32)


def _window(image: Pixels, height: int, width: int, rng: np.random.Generator) -> Pixels:
    """A part of `image` from anywhere, perhaps mirrored, [height, width, 3]."""
    top = int(rng.integers(image.shape[0] - height + 1))
    left = int(rng.integers(image.shape[1] - width + 1))
    part = image[top : top + height, left : left + width]
    return part[:: rng.choice([1, -1]), :: rng.choice([1, -1])]


def _color(image: Pixels, rng: np.random.Generator) -> NDArray[np.float32]:
    """The color at some place of `image`, float32 [3]."""
    y, x = (int(rng.integers(side)) for side in image.shape[:2])
    return np.array(image[y, x], np.float32)


def _odd(value: int) -> int:
    return int(value) // 2 * 2 + 1
