"""Where a part lies in its image, compared with its reference.

A matrix, float64 [3, 3], takes a pixel (x, y, 1) of the reference to the place in the
image that shows the same. One matrix holds for the whole image, so a defect is never
warped away. Shifts are (dy, dx): how far the image lies below and right of the
reference.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np

from cadnet_jax.inspection.fields import check, setting
from cadnet_jax.inspection.light import relight
from cadnet_jax.inspection.reduced_images import (
    ReducedImage,
    ReducedPair,
    shown_pixels,
    warp,
)
from cadnet_jax.inspection.registration_fit import agreeing_pixels, best_start, refine
from cadnet_jax.ranges import NOT_NEGATIVE

# What is fitted in turn; the last is the method's own model.
METHODS: Mapping[str, tuple[int, ...]] = {
    'none': (),
    'shift': (cv2.MOTION_TRANSLATION,),
    'rigid': (cv2.MOTION_EUCLIDEAN,),
    'affine': (cv2.MOTION_EUCLIDEAN, cv2.MOTION_AFFINE),
    'perspective': (cv2.MOTION_EUCLIDEAN, cv2.MOTION_AFFINE, cv2.MOTION_HOMOGRAPHY),
}

_COARSE_SIDE = 256  # pixels of the reduced images in which starts are compared
# Of those in which the result is refined, with their share of the image.
_LEAST_FINE_SIDE, _LARGEST_FINE_SIDE, _FINE_SHARE = 384, 640, 0.75
_LEAST_CORRELATION = 0.2  # below it, what is found is chance: nothing is moved


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far a part may lie from its reference."""

    shift: float = setting(
        40.0, 'Largest shift of the center of the image, in pixels.', range=NOT_NEGATIVE
    )
    degrees: float = setting(
        10.0, 'Largest turn, in degrees; 12 are searched.', range=NOT_NEGATIVE
    )
    scale: float = setting(
        0.05,
        'Largest difference of the scale from 1, in the direction that differs most.',
        range=NOT_NEGATIVE,
    )

    def __post_init__(self) -> None:
        check(self)


class Registration(NamedTuple):
    """Where a part lies.

    Attributes:
        matrix: float64 [3, 3], pixel (x, y, 1) of the reference -> of the image.
        shift: (dy, dx) of the center, in pixels.
        degrees: positive if the image is turned clockwise.
        scale: of the image over the reference, in the direction that differs most.
        valid: bool [H, W], pixels of the reference that the image shows. The others
            cannot be judged.
        correlation: similarity of the registered image and the reference, -1 to 1;
            light that changes slowly over the image does not matter.
        within_tolerance: whether shift, turn and scale are.
        reason: why they are not; '' if they are.
    """

    matrix: np.ndarray
    shift: tuple[float, float]
    degrees: float
    scale: float
    valid: np.ndarray
    correlation: float
    within_tolerance: bool
    reason: str

    @property
    def outside(self) -> float:
        """Share of the reference that the image does not show."""
        return 1 - float(self.valid.mean())


@dataclasses.dataclass(frozen=True, eq=False)
class Registrar:
    """Finds the part in images that all have one reference; see `register`.

    What is computed of the reference is kept.

    Attributes:
        reference: uint8 [H, W, 3], RGB.
        method: see `register`.
        tolerance: likewise.
    """

    reference: np.ndarray
    method: str = 'affine'
    tolerance: Tolerance = Tolerance()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f'method is {self.method!r}; it can be: {", ".join(METHODS)}.'
            )

    def __call__(self, image: np.ndarray) -> Registration:
        """Registers uint8 [H, W, 3], RGB; see `register`."""
        if image.shape != self.reference.shape:
            raise ValueError(
                f'image is {list(image.shape)} and reference '
                f'{list(self.reference.shape)}; registration needs one size.'
            )
        reduced = ReducedImage(image)
        pair = ReducedPair.of(reduced, self._reduced, _COARSE_SIDE)
        matrix = np.eye(3)
        if self.method != 'none':
            found = self._fit(reduced, pair)
            least = max(_LEAST_CORRELATION, pair.correlation(matrix))
            if pair.correlation(found) >= least:
                matrix = found
        height, width = image.shape[:2]
        shift, degrees, scale = _motion(matrix, height, width)
        reason = _excess(shift, degrees, scale, self.tolerance)
        return Registration(
            matrix=matrix,
            shift=shift,
            degrees=degrees,
            scale=scale,
            valid=shown_pixels(matrix, height, width),
            correlation=pair.correlation(matrix),
            within_tolerance=not reason,
            reason=reason,
        )

    def _fit(self, image: ReducedImage, pair: ReducedPair) -> np.ndarray:
        """The best start, refined with all pixels, then with those that agree."""
        motions = METHODS[self.method]
        found = best_start(image, self._reduced, pair, self.method)
        found = refine(found, pair, motions)
        side = round(_FINE_SHARE * max(image.shape))
        side = min(max(side, _LEAST_FINE_SIDE), _LARGEST_FINE_SIDE)
        fine = ReducedPair.of(image, self._reduced, side)
        return refine(found, fine, motions[-1:], agreeing_pixels(fine, found))

    @functools.cached_property
    def _reduced(self) -> ReducedImage:
        return ReducedImage(self.reference)


def register(
    image: np.ndarray,
    reference: np.ndarray,
    method: str = 'affine',
    tolerance: Tolerance | None = None,
) -> Registration:
    """Finds where the reference's part lies in the image, to a fraction of a pixel.

    Starts come from phase correlation, also of turned images, and from ORB features;
    the best is refined by ECC (Evangelidis and Psarakis, 2008), which gain and offset
    of the light do not change. If image and reference have too little in common,
    nothing is moved: `correlation` says so.

    Args:
        image: uint8 [H, W, 3], RGB.
        reference: uint8 [H, W, 3], RGB.
        method: 'none'; 'shift'; 'rigid': shift and turn; 'affine': also scale and
            shear; 'perspective'.
        tolerance: how far the part may lie from its reference; None: the default.

    Raises:
        ValueError: the method is unknown, or the sizes differ.
    """
    return Registrar(reference, method, tolerance or Tolerance())(image)


def align(
    image: np.ndarray, reference: np.ndarray, registration: Registration
) -> np.ndarray:
    """The image as it would lie over the reference, uint8 [H, W, 3].

    Where the image shows nothing, the reference's pixels are, in the light of the image
    beside them: nothing differs there, and no seam looks like a defect.
    """
    if np.array_equal(registration.matrix, np.eye(3)):
        return image
    aligned = warp(image, registration.matrix, reference.shape)
    shown = registration.valid
    if shown.all():
        return aligned
    return np.where(shown[..., None], aligned, relight(reference, aligned, shown))


def correlate(image: np.ndarray, reference: np.ndarray) -> float:
    """Similarity of two registered images, as in `Registration.correlation`."""
    first, second = ReducedImage(image), ReducedImage(reference)
    return ReducedPair.of(first, second, _COARSE_SIDE).correlation(np.eye(3))


def _motion(
    matrix: np.ndarray, height: int, width: int
) -> tuple[tuple[float, float], float, float]:
    """Shift of the center; turn and scale where they are largest."""
    right, bottom = width - 1, height - 1
    degrees, scale = 0.0, 1.0
    corners = [(0, 0), (right, 0), (0, bottom), (right, bottom)]
    for x, y in [*corners, (right / 2, bottom / 2)]:
        mapped = matrix @ (x, y, 1)
        place = mapped[:2] / mapped[2]
        # How the image turns and stretches near this pixel.
        local = (matrix[:2, :2] - np.outer(place, matrix[2, :2])) / mapped[2]
        turn = np.arctan2(local[1, 0] - local[0, 1], local[0, 0] + local[1, 1])
        degrees = max(degrees, float(np.degrees(turn)), key=abs)
        stretches = np.linalg.svd(local, compute_uv=False)
        scale = max(scale, *map(float, stretches), key=lambda s: abs(s - 1))
    dx, dy = place - (x, y)  # of the center, which is the last
    return (float(dy), float(dx)), degrees, scale


def _excess(
    shift: tuple[float, float], degrees: float, scale: float, tolerance: Tolerance
) -> str:
    """What is beyond the tolerance, as a sentence; '' if nothing is."""
    distance = float(np.hypot(*shift))
    faults = []
    if distance > tolerance.shift:
        faults.append(f'shifted by {distance:.1f} px (limit {tolerance.shift:g})')
    if abs(degrees) > tolerance.degrees:
        faults.append(
            f'turned by {abs(degrees):.1f} degrees (limit {tolerance.degrees:g})'
        )
    if abs(scale - 1) > tolerance.scale:
        faults.append(f'scale {scale:.3f} (limit 1 ± {tolerance.scale:g})')
    return ', '.join(faults)
