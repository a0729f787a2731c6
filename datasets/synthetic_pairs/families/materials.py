"""What the families share: colors, soft noise, text."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

_LETTERS = np.array(list('ABCDEFGHKLMNPRSTUVXYZ23456789'))
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)


def random_color(rng: np.random.Generator) -> tuple[int, int, int]:
    """A color, RGB: many are grayish, some are saturated."""
    gray = rng.uniform(20, 235)
    tint = rng.uniform(-1, 1, 3) * gray * rng.choice([0.1, 0.4, 0.9])
    red, green, blue = np.clip(gray + tint, 5, 250).astype(int).tolist()
    return red, green, blue


def random_text(rng: np.random.Generator, length: int) -> str:
    """Capital letters and digits, none of which look alike."""
    return ''.join(rng.choice(_LETTERS, length))


def smooth_noise(
    rng: np.random.Generator, size: int, scale: float
) -> NDArray[np.float32]:
    """Noise of standard deviation about 1 whose lumps are `scale` pixels wide."""
    coarse = max(3, round(size / scale) + 1)
    noise = rng.standard_normal((coarse, coarse), dtype=np.float32)
    full = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(full, np.float32)


def write(
    canvas: NDArray[np.uint8],
    text: str,
    place: ArrayLike,
    height: float,
    color: tuple[float, ...],
    font: int = 0,
) -> None:
    """Writes `text` whose top left corner is at `place`, `height` pixels tall."""
    x, y = np.asarray(place)
    thickness = max(1, round(height / 9))
    origin = (round(float(x)), round(float(y + height)))
    cv2.putText(
        canvas, text, origin, _FONTS[font], height / 22, color, thickness, cv2.LINE_AA
    )
