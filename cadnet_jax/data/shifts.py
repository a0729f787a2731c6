"""How far an image lies from its reference: a shift (dy, dx), below and right of it."""

import cv2
import numpy as np

_IMPROVEMENT = 0.7  # of the mean difference that is left when a shift is undone
_LARGEST_SIDE = 1024  # of the part, around the center, that is compared


def estimate_shift(
    image: np.ndarray, reference: np.ndarray
) -> tuple[float, float] | None:
    """How far `image` lies below and right of `reference`, (dy, dx) in pixels.

    By phase correlation, to about a quarter of a pixel.

    Args:
        image: uint8 [H, W, 3], RGB.
        reference: uint8 [H, W, 3], RGB.

    Returns:
        None if the shift is less than half a pixel along both axes, or if undoing it
        does not bring the two much closer: periodic and plain images have no one shift.
    """
    first, second = (
        cv2.cvtColor(_center(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)
        for pixels in (reference, image)
    )
    height, width = first.shape
    if min(height, width) < 8 or not (first.std() and second.std()):
        return None
    y, x = map(round, correlate_phases(first, second))
    if (y, x) == (0, 0) or abs(y) >= height // 2 or abs(x) >= width // 2:
        return None
    rows, columns = _overlap(y, height), _overlap(x, width)
    moved = first[rows[0], columns[0]], second[rows[1], columns[1]]
    unmoved = np.abs(first - second)[rows[1], columns[1]]
    if np.abs(moved[0] - moved[1]).mean() > _IMPROVEMENT * unmoved.mean():
        return None
    # What is left of a shift is found better than all of it.
    dy, dx = correlate_phases(*moved)
    return y + dy, x + dx


def correlate_phases(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """(dy, dx) by phase correlation; (0, 0) if there is none."""
    if min(first.shape) < 2:  # a strip, reduced; OpenCV has no window for it
        return 0.0, 0.0
    window = cv2.createHanningWindow(first.shape[::-1], cv2.CV_32F)
    # Copies, since OpenCV multiplies what it is given by the window.
    (dx, dy), _ = cv2.phaseCorrelate(first.copy(), second.copy(), window)
    return (dy, dx) if np.isfinite((dy, dx)).all() else (0.0, 0.0)


def _center(pixels: np.ndarray) -> np.ndarray:
    top, left = (max(0, (side - _LARGEST_SIDE) // 2) for side in pixels.shape[:2])
    return pixels[top : top + _LARGEST_SIDE, left : left + _LARGEST_SIDE]


def _overlap(shift: int, side: int) -> tuple[slice, slice]:
    """Which parts of reference and image show the same, along one axis."""
    return (
        slice(max(0, -shift), side - max(0, shift)),
        slice(max(0, shift), side - max(0, -shift)),
    )
