"""How a defect is laid over a screen: Gaussian blur, then Poisson (seamless) fusion.

A defect is handled in a window that is cut out of the screen along its course: `rows`
and `columns` say for each pixel of the window, [h, w], which pixel of the screen it is.
They may point outside of the screen, where its edge is repeated. That makes a window
of a line at any angle as narrow as the line, which is what Poisson fusion costs by.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synlcd.screen_parts import Pixels

Bits = NDArray[np.bool_]

COLORS = {
    'black': (0, 0, 0),
    'white': (255, 255, 255),
    'red': (255, 0, 0),
    'green': (0, 255, 0),
    'blue': (0, 0, 255),
}
OPACITIES = range(10, 101, 10)  # percent
# A labeled defect differs from the clean pattern by this many gray levels or more, in
# the channel that differs most, at half of its pixels at least.
VISIBLE = 10

# What cv2.seamlessClone takes off a mask's rim before it fuses.
_RIM = 3
_LEAST_BLUR = 0.1  # pixels; OpenCV wants more than 0


class Window(NamedTuple):
    """Where a defect is on the screen; all arrays are [h, w]."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    support: Bits  # the defect's own pixels, before any blur

    def inside(self, size: int) -> Bits:
        """Which of its pixels lie on a screen of `size` x `size` pixels."""
        return (
            (self.rows >= 0)
            & (self.rows < size)
            & (self.columns >= 0)
            & (self.columns < size)
        )

    def cut(self, screen: NDArray[Any]) -> NDArray[Any]:
        """The window's pixels of `screen` [size, size, ...]."""
        last = screen.shape[0] - 1
        window = self.rows.clip(0, last), self.columns.clip(0, last)
        return np.asarray(screen[window])


def reach(scale: float) -> int:
    """Pixels around a support that fusion may change, on a screen of `scale` x 512."""
    return max(1, round(scale))


def margin(scale: float) -> int:
    """Pixels that a window has to have around the support."""
    return reach(scale) + _RIM + 2


def fuse(
    patch: Pixels,
    support: Bits,
    *,
    color: str,
    opacity: int,
    blur: float,
    scale: float,
) -> tuple[Pixels, Bits]:
    """Lays a color over `patch`, softly.

    What the blur carries beyond `reach` is cut off there, and the fusion hides the cut
    by fading the color: a narrow defect with a strong blur keeps little contrast.

    Args:
        patch: RGB, [h, w, 3].
        support: where the color goes, [h, w].
        color: one of `COLORS`.
        opacity: percent.
        blur: standard deviation of the blur, pixels at 512 x 512.
        scale: side of the screen in units of 512 pixels.

    Returns:
        The patch with the color, and which of its pixels may have changed.
    """
    weight = cv2.GaussianBlur(
        support.astype(np.float32), (0, 0), max(blur * scale, _LEAST_BLUR)
    )
    weight = weight[..., None] * (opacity / 100)
    target = np.array(COLORS[color], np.float32)
    source = (patch + weight * (target - patch)).round().astype(np.uint8)
    region = grow(support, reach(scale))
    mask = grow(region, _RIM).astype(np.uint8) * 255
    left, top, width, height = cv2.boundingRect(mask)
    center = (left + width // 2, top + height // 2)
    fused = cv2.seamlessClone(source, patch, mask, center, cv2.NORMAL_CLONE)
    return np.asarray(fused, np.uint8), region


def grow(bits: Bits, pixels: int) -> Bits:
    """Adds the pixels around `bits`, [h, w], in a square of `pixels` to each side."""
    square = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return cv2.dilate(bits.astype(np.uint8), square).astype(np.bool_)


def is_visible(changed: Pixels, clean: Pixels) -> bool:
    """Whether a defect can be told from the clean pattern; its pixels twice, [n, 3]."""
    if not changed.size:
        return False
    difference = cv2.absdiff(changed, clean).max(axis=-1)
    return bool(2 * np.count_nonzero(difference >= VISIBLE) >= difference.size)


def contrasting(clean: Pixels) -> str:
    """The color that differs most from the pixels `clean`, [n, 3]."""

    def difference(color: str) -> float:
        target = np.array(COLORS[color], np.int16)
        return float(np.median(np.abs(clean - target).max(axis=-1)))

    return max(COLORS, key=difference)
