"""The light of an image, compared with that of its reference."""

import cv2
import numpy as np

_CELL = 16  # pixels; light changes little over them
_REACH = 1.5  # cells: standard deviation of the smoothing
_LOWEST, _HIGHEST = 0.2, 5.0  # a defect is darker or brighter than light makes it


def relight(reference: np.ndarray, image: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The reference in the light of an image that lies over it, uint8 [H, W, 3].

    The light is the ratio of the two, smoothed over some 24 pixels, of each color. Far
    from the pixels that are shown it is the ratio of their means.

    Args:
        reference: uint8 [H, W, 3].
        image: uint8 [H, W, 3].
        shown: bool [H, W], pixels whose light counts.
    """
    of_image, of_reference = _smooth(image, shown), _smooth(reference, shown)
    mean = (of_image.mean(axis=(0, 1)) + 0.1) / (of_reference.mean(axis=(0, 1)) + 0.1)
    ratio = (of_image + mean) / (of_reference + 1)
    ratio = np.clip(ratio, _LOWEST, _HIGHEST).astype(np.float32)
    whole = cv2.resize(ratio, shown.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(np.rint(reference * whole), 0, 255), np.uint8)


def _smooth(pixels: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Means of cells, what is not shown as 0, smoothed: float32 [h, w, 3]."""
    height, width = shown.shape
    size = max(1, width // _CELL), max(1, height // _CELL)
    masked = cv2.copyTo(pixels, shown.astype(np.uint8))
    cells = cv2.resize(masked, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(cells, (0, 0), _REACH))
