"""Images for registration: gray, reduced, without slow changes of light."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

_LEAST_OVERLAP = 0.25  # of the image
_DETAIL = 0.04  # of the side; light that varies more slowly is taken out
_LARGEST_SIDE = 640  # pixels, of an image of any size
_FEATURES = 800


class ReducedImage:
    """An image at the sizes at which it is compared; each is computed once.

    Args:
        pixels: uint8 [H, W, 3], RGB.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        height, width = pixels.shape[:2]
        self.shape: tuple[int, int] = height, width
        gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        self._gray = cv2.resize(
            gray, _size(height, width, _LARGEST_SIDE), interpolation=cv2.INTER_AREA
        )
        self._details: dict[int, np.ndarray] = {}
        self._features: tuple[np.ndarray, np.ndarray] | None = None

    def detail(self, side: int) -> np.ndarray:
        """Float32 [h, w], no longer than `side`, without slow changes of light."""
        if side not in self._details:
            size = _size(*self.shape, side)
            gray = cv2.resize(self._gray, size, interpolation=cv2.INTER_AREA)
            gray = gray.astype(np.float32)
            detail = gray - _smooth(gray, max(2.0, _DETAIL * max(size)))
            self._details[side] = cv2.GaussianBlur(detail, (3, 3), 0)
        return self._details[side]

    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Places (x, y) of ORB features in the whole image, [N, 2], and their codes."""
        if self._features is None:
            detector = cv2.ORB_create(_FEATURES)  # type: ignore[attr-defined]
            points, codes = detector.detectAndCompute(self._gray, None)
            places = np.array([point.pt for point in points], np.float64).reshape(-1, 2)
            # Pixels are counted from their centers.
            factor = np.divide(self._gray.shape[::-1], self.shape[::-1])
            self._features = (places + 0.5) / factor - 0.5, codes
        return self._features


class ReducedPair(NamedTuple):
    """Image and reference, reduced to one size."""

    image: np.ndarray  # float32 [h, w]
    reference: np.ndarray  # float32 [h, w]
    reduction: np.ndarray  # float64 [3, 3], pixel of the whole image -> of the reduced

    @classmethod
    def of(
        cls, image: ReducedImage, reference: ReducedImage, side: int
    ) -> 'ReducedPair':
        """Both with a longer side of `side` pixels, or their own if it is shorter."""
        height, width = image.shape
        size = _size(height, width, side)
        x, y = size[0] / width, size[1] / height
        # Pixels are counted from their centers.
        reduction = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
        return cls(image.detail(side), reference.detail(side), reduction)

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.image.shape
        return shape

    def reduced(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix between whole images as one between the reduced ones."""
        return np.asarray(self.reduction @ matrix @ np.linalg.inv(self.reduction))

    def enlarged(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix between the reduced images as one between whole ones."""
        enlarged = np.linalg.inv(self.reduction) @ matrix @ self.reduction
        return np.asarray(enlarged / enlarged[2, 2])

    def correlation(self, matrix: np.ndarray, among: np.ndarray | None = None) -> float:
        """Pearson's correlation of the pixels that both show; -1 if these are too few.

        `among`, bool [h, w], says which pixels of the reference are looked at.
        """
        reduced = self.reduced(matrix)
        both = shown_pixels(reduced, *self.shape)
        if among is not None:
            both &= among
        if both.mean() < _LEAST_OVERLAP:
            return -1.0
        first = self.reference[both]
        second = warp(self.image, reduced, self.shape)[both]
        first, second = first - first.mean(), second - second.mean()
        norm = float(np.linalg.norm(first) * np.linalg.norm(second))
        return float(first @ second) / norm if norm > 1e-3 else 0.0


def warp(pixels: np.ndarray, matrix: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """What lies at `matrix` @ (x, y, 1), for each pixel (x, y) of `shape`, [H, W]."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    options: dict[str, Any] = {'flags': flags, 'borderMode': cv2.BORDER_REPLICATE}
    size = shape[1], shape[0]
    if np.array_equal(matrix[2], (0, 0, 1)):
        return np.asarray(cv2.warpAffine(pixels, matrix[:2], size, **options))
    return np.asarray(cv2.warpPerspective(pixels, matrix, size, **options))


def shown_pixels(matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Which pixels of the reference lie inside the image, bool [H, W].

    Args:
        matrix: float64 [3, 3], as in `Registration`.
        height: of both images, in pixels.
        width: likewise.
    """
    y, x = np.ogrid[:height, :width]
    to_x, to_y, weight = (_plane(row, x, y) for row in matrix.astype(np.float32))
    slack = 0.01 * weight  # pixels: what is rounded off does not push a pixel out
    across = (to_x >= -slack) & (to_x <= (width - 1) * weight + slack)
    down = (to_y >= -slack) & (to_y <= (height - 1) * weight + slack)
    return np.asarray((weight > 0) & across & down)


def _plane(row: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """row @ (x, y, 1), only as large as it varies."""
    along_x, along_y, constant = row
    value = np.full((1, 1), constant, np.float32)
    if along_x:
        value = value + along_x * x.astype(np.float32)
    if along_y:
        value = value + along_y * y.astype(np.float32)
    return value


def _smooth(gray: np.ndarray, sigma: float) -> np.ndarray:
    """Slow changes: a blur of about `sigma` pixels, made on a reduced image."""
    step = max(1, int(sigma / 2))
    height, width = gray.shape
    size = max(1, round(width / step)), max(1, round(height / step))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return np.asarray(cv2.resize(small, (width, height)))


def _size(height: int, width: int, side: int) -> tuple[int, int]:
    """(width, height) with a longer side of `side`, unless it is shorter."""
    factor = min(1.0, side / max(height, width))
    return max(1, round(width * factor)), max(1, round(height * factor))
