"""Known disturbances of an inspected image, to measure what they cost.

Each changes the image alone, as a camera or a lamp would; where the image moves, its
label moves with it, and what comes in from outside is ignored.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data.labels import IGNORED

Pixels = NDArray[np.uint8]  # RGB [H, W, 3]
Label = NDArray[np.uint8]  # [H, W]
Disturbance = Callable[[Pixels, Label, np.random.Generator], tuple[Pixels, Label]]


def disturb(
    name: str, image: Pixels, mask: Label, rng: np.random.Generator
) -> tuple[Pixels, Label]:
    """The disturbed image, uint8 [H, W, 3], and its label, uint8 [H, W].

    Args:
        name: one of `NAMES`.
        image: RGB uint8 [H, W, 3].
        mask: uint8 [H, W].
        rng: of what is random.

    Raises:
        ValueError: there is no such disturbance.
    """
    if name not in _DISTURBANCES:
        raise ValueError(f'nuisance {name!r} is invalid; it can be: {", ".join(NAMES)}')
    return _DISTURBANCES[name](image, mask, rng)


def _levels(gain: float, offset: float) -> Disturbance:
    def disturbance(
        image: Pixels, mask: Label, rng: np.random.Generator
    ) -> tuple[Pixels, Label]:
        del rng
        values = image.astype(np.float32) * gain + offset
        return values.clip(0, 255).round().astype(np.uint8), mask

    return disturbance


def _move(shift: tuple[float, float], degrees: float) -> Disturbance:
    """Moves the image by `shift` = (x, y) pixels and turns it about its middle."""

    def disturbance(
        image: Pixels, mask: Label, rng: np.random.Generator
    ) -> tuple[Pixels, Label]:
        del rng
        return _moved(image, mask, shift, degrees)

    return disturbance


def _moved(
    image: Pixels, mask: Label, shift: tuple[float, float], degrees: float
) -> tuple[Pixels, Label]:
    height, width = mask.shape
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    matrix[:, 2] = matrix[:, 2] + shift
    size = (width, height)
    moved = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    label = cv2.warpAffine(
        mask, matrix, size, flags=cv2.INTER_NEAREST, borderValue=IGNORED
    )
    return np.asarray(moved, np.uint8), np.asarray(label, np.uint8)


def _blur(image: Pixels, mask: Label, rng: np.random.Generator) -> tuple[Pixels, Label]:
    del rng
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.2), np.uint8), mask


def _noise(
    image: Pixels, mask: Label, rng: np.random.Generator, deviation: float = 8.0
) -> tuple[Pixels, Label]:
    values = image + rng.normal(0, deviation, image.shape)
    return values.clip(0, 255).round().astype(np.uint8), mask


def _camera(shift: float, degrees: float, noise: float) -> Disturbance:
    """All together, drawn for each pair: what happens on a camera line.

    Args:
        shift: largest, in pixels.
        degrees: largest turn.
        noise: largest standard deviation, in gray levels.
    """

    def disturbance(
        image: Pixels, mask: Label, rng: np.random.Generator
    ) -> tuple[Pixels, Label]:
        x, y = rng.uniform(-shift, shift, 2)
        image, mask = _moved(image, mask, (x, y), rng.uniform(-degrees, degrees))
        gain, offset = rng.uniform(0.85, 1.15), rng.uniform(-15, 15)
        image, mask = _levels(gain, offset)(image, mask, rng)
        return _noise(image, mask, rng, rng.uniform(0, noise))

    return disturbance


_DISTURBANCES: dict[str, Disturbance] = {
    'brightness': _levels(1.0, 25.0),
    'gain': _levels(0.8, 0.0),
    'shift': _move((2.0, 0.0), 0.0),
    'turn': _move((0.0, 0.0), 0.5),
    'blur': _blur,
    'noise': _noise,
    'pku': _camera(shift=2, degrees=0.4, noise=8),
    'line': _camera(shift=12, degrees=3, noise=4),
}
NAMES = tuple(_DISTURBANCES)
