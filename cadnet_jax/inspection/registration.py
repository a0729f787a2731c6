"""Where a part lies in its image, compared with its reference.

A matrix, float64 [3, 3], takes a pixel (x, y, 1) of the reference to the place in the
image that shows the same. One matrix holds for the whole image, so a defect is never
warped away. Shifts are (dy, dx): how far the image lies below and right of the
reference.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import cv2
import numpy as np

from cadnet_jax.config import NOT_NEGATIVE
from cadnet_jax.data.shifts import correlate_phases
from cadnet_jax.inspection.fields import check, setting

# What is fitted in turn; the last is the method's own model.
METHODS: Mapping[str, tuple[int, ...]] = {
    'none': (),
    'shift': (cv2.MOTION_TRANSLATION,),
    'rigid': (cv2.MOTION_EUCLIDEAN,),
    'affine': (cv2.MOTION_EUCLIDEAN, cv2.MOTION_AFFINE),
    'perspective': (cv2.MOTION_EUCLIDEAN, cv2.MOTION_AFFINE, cv2.MOTION_HOMOGRAPHY),
}

_SEARCHED_SIDE = 128  # pixels of the reduced images in which turns are tried
_COARSE_SIDE = 256  # pixels of those in which starts are compared
_FINE_SIDE = 640  # pixels of those in which the result is refined
_TURNS = np.arange(-12.0, 12.1, 2.0)  # degrees
_LEAST_OVERLAP = 0.25  # of the image
_LEAST_CORRELATION = 0.2  # below it, what is found is chance: nothing is moved
_LEAST_GAIN = 0.02  # in correlation, of a longer way: periodic products have many
_LEAST_MATCHES = 8
_FEATURES = 800
_ITERATIONS = 60
_KEPT_SHARE = 0.85  # of the pixels, in the last step
_REACH = 3.0  # pixels around a difference that are left out with it
_DETAIL = 0.04  # of the side; light that varies more slowly is taken out


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
    if method not in METHODS:
        raise ValueError(f'method is {method!r}; it can be: {", ".join(METHODS)}.')
    if image.shape != reference.shape:
        raise ValueError(
            f'image is {list(image.shape)} and reference {list(reference.shape)}; '
            'registration needs one size.'
        )
    pair = _Pair.of(image, reference, _COARSE_SIDE)
    matrix = np.eye(3)
    if method != 'none':
        motions = METHODS[method]
        found = _start(image, reference, pair, method)
        found = _refine(found, pair, motions)
        fine = _Pair.of(image, reference, _FINE_SIDE)
        found = _refine(found, fine, motions[-1:], _agreeing(fine, found))
        if pair.correlation(found) >= max(_LEAST_CORRELATION, pair.correlation(matrix)):
            matrix = found
    height, width = image.shape[:2]
    shift, degrees, scale = _motion(matrix, height, width)
    reason = _excess(shift, degrees, scale, tolerance or Tolerance())
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


def align(
    image: np.ndarray, reference: np.ndarray, registration: Registration
) -> np.ndarray:
    """The image as it would lie over the reference, uint8 [H, W, 3].

    Where the image shows nothing, the reference's pixels are: nothing differs there.
    """
    if np.array_equal(registration.matrix, np.eye(3)):
        return image
    aligned = _warp(image, registration.matrix, reference.shape)
    return np.asarray(np.where(registration.valid[..., None], aligned, reference))


def correlate(image: np.ndarray, reference: np.ndarray) -> float:
    """Similarity of two registered images, as in `Registration.correlation`."""
    return _Pair.of(image, reference, _COARSE_SIDE).correlation(np.eye(3))


class _Pair(NamedTuple):
    """Image and reference in gray, reduced, without slow changes of light."""

    image: np.ndarray  # float32 [h, w]
    reference: np.ndarray  # float32 [h, w]
    reduction: np.ndarray  # float64 [3, 3], pixel of the whole image -> of the reduced

    @classmethod
    def of(cls, image: np.ndarray, reference: np.ndarray, side: int) -> '_Pair':
        height, width = image.shape[:2]
        factor = min(1.0, side / max(height, width))
        size = max(1, round(width * factor)), max(1, round(height * factor))
        x, y = size[0] / width, size[1] / height
        # Pixels are counted from their centers.
        reduction = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
        return cls(_detail(image, size), _detail(reference, size), reduction)

    @property
    def shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.image.shape
        return shape

    def reduced(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix between whole images as one between the reduced ones."""
        return np.asarray(self.reduction @ matrix @ np.linalg.inv(self.reduction))

    def enlarged(self, matrix: np.ndarray) -> np.ndarray:
        """The other way round."""
        enlarged = np.linalg.inv(self.reduction) @ matrix @ self.reduction
        return np.asarray(enlarged / enlarged[2, 2])

    def correlation(self, matrix: np.ndarray, among: np.ndarray | None = None) -> float:
        """Pearson's, over the pixels that both show; -1 if these are too few.

        `among`, bool [h, w], says which pixels of the reference are looked at.
        """
        reduced = self.reduced(matrix)
        both = shown_pixels(reduced, *self.shape)
        if among is not None:
            both &= among
        if both.mean() < _LEAST_OVERLAP:
            return -1.0
        first = self.reference[both]
        second = _warp(self.image, reduced, self.shape)[both]
        first, second = first - first.mean(), second - second.mean()
        norm = float(np.linalg.norm(first) * np.linalg.norm(second))
        return float(first @ second) / norm if norm > 1e-3 else 0.0


def _detail(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cv2.GaussianBlur(gray, (0, 0), max(2.0, _DETAIL * max(size)))
    return cv2.GaussianBlur(gray - smooth, (3, 3), 0)


def _start(
    image: np.ndarray, reference: np.ndarray, pair: _Pair, method: str
) -> np.ndarray:
    """The best of the starts; of equal ones the nearest to no motion at all."""
    starts = [np.eye(3), _shift_matrix(pair)]
    if method != 'shift':
        small = _Pair.of(image, reference, _SEARCHED_SIDE)
        starts += [*_turned(small), *_from_features(image, reference, method)]
    height, width = image.shape[:2]
    starts.sort(key=lambda matrix: _path(matrix, height, width))
    best, highest = starts[0], pair.correlation(starts[0])
    for matrix in starts[1:]:
        correlation = pair.correlation(matrix)
        if correlation > highest + _LEAST_GAIN:
            best, highest = matrix, correlation
    return best


def _shift_matrix(pair: _Pair) -> np.ndarray:
    dy, dx = correlate_phases(pair.reference, pair.image)
    return pair.enlarged(np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]]))


def _turned(pair: _Pair) -> Iterator[np.ndarray]:
    """Turns, each with the shift that fits it best."""
    height, width = pair.shape
    for degrees in _TURNS[_TURNS != 0]:
        center = ((width - 1) / 2, (height - 1) / 2)
        turn = np.eye(3)
        turn[:2] = cv2.getRotationMatrix2D(center, -degrees, 1)
        upright = pair._replace(image=_warp(pair.image, turn, pair.shape))
        shift = upright.reduced(_shift_matrix(upright))
        yield pair.enlarged(turn @ shift)


def _from_features(
    image: np.ndarray, reference: np.ndarray, method: str
) -> Iterator[np.ndarray]:
    """ORB features that match under one shift, turn and scale (RANSAC)."""
    factor = min(1.0, _FINE_SIDE / max(image.shape))
    detector = cv2.ORB_create(_FEATURES)  # type: ignore[attr-defined]
    found = []
    for pixels in (reference, image):
        gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        size = [max(1, round(side * factor)) for side in gray.shape[::-1]]
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        found.append(detector.detectAndCompute(gray, None))
    (points, codes), (moved, moved_codes) = found
    if min(len(points), len(moved)) < _LEAST_MATCHES:
        return
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(codes, moved_codes)
    if len(matches) < _LEAST_MATCHES:
        return
    # Pixels are counted from their centers.
    source, target = (
        (np.array(places, np.float64) + 0.5) / factor - 0.5
        for places in (
            [points[match.queryIdx].pt for match in matches],
            [moved[match.trainIdx].pt for match in matches],
        )
    )
    cv2.setRNGSeed(0)  # RANSAC draws: the same images give the same result
    partial, _ = cv2.estimateAffinePartial2D(
        source, target, ransacReprojThreshold=3 / factor
    )
    if partial is None:
        return
    if method == 'rigid':
        # The scale is taken back around the center.
        center = np.array([image.shape[1] - 1, image.shape[0] - 1]) / 2
        goal = partial[:, :2] @ center + partial[:, 2]
        partial[:, :2] /= np.sqrt(abs(np.linalg.det(partial[:, :2])))
        partial[:, 2] = goal - partial[:, :2] @ center
    yield np.vstack([partial, [0, 0, 1]])


def _agreeing(pair: _Pair, matrix: np.ndarray) -> np.ndarray:
    """Pixels of the reference that the image matches best, bool [h, w].

    A large defect is not among them: it would pull the result.
    """
    residual = _warp(pair.image, pair.reduced(matrix), pair.shape)
    residual *= pair.reference.std() / max(float(residual.std()), 1e-3)
    energy = cv2.GaussianBlur((residual - pair.reference) ** 2, (0, 0), _REACH)
    return np.asarray(energy <= np.quantile(energy, _KEPT_SHARE))


def _refine(
    matrix: np.ndarray,
    pair: _Pair,
    motions: tuple[int, ...],
    among: np.ndarray | None = None,
) -> np.ndarray:
    """Fits the models in turn; one that makes the two less alike is left out.

    `among`: which pixels of the reference are looked at; None: all.
    """
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, 1e-5)
    for motion in motions:
        rows = 3 if motion == cv2.MOTION_HOMOGRAPHY else 2
        start = pair.reduced(matrix)
        mask = np.ones(pair.shape, np.uint8)
        if among is not None:  # OpenCV wants it over the image
            mask = _warp(among.astype(np.uint8), np.linalg.inv(start), pair.shape)
        try:
            _, fitted = cv2.findTransformECC(
                pair.reference,
                pair.image,
                (start / start[2, 2])[:rows].astype(np.float32),
                motion,
                criteria,
                mask,
                5,
            )
        except cv2.error:  # it does not converge
            continue
        refined = np.eye(3)
        refined[:rows] = fitted
        refined = pair.enlarged(refined)
        if pair.correlation(refined, among) >= pair.correlation(matrix, among):
            matrix = refined
    return matrix


def _warp(pixels: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpPerspective(
            pixels, matrix, shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
    )


def shown_pixels(matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """Which pixels of the reference lie inside the image, bool [H, W].

    Args:
        matrix: float64 [3, 3], as in `Registration`.
        height: of both images, in pixels.
        width: likewise.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    to_x, to_y, weight = (
        row[0] * x + row[1] * y + row[2] for row in matrix.astype(np.float32)
    )
    slack = 0.01 * weight  # pixels: what is rounded off does not push a pixel out
    return np.asarray(
        (weight > 0)
        & (to_x >= -slack)
        & (to_y >= -slack)
        & (to_x <= (width - 1) * weight + slack)
        & (to_y <= (height - 1) * weight + slack)
    )


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


def _path(matrix: np.ndarray, height: int, width: int) -> float:
    """How far the corners move, in pixels."""
    right, bottom = width - 1, height - 1
    corners = np.array([(0, 0), (right, 0), (0, bottom), (right, bottom)], np.float64)
    moved = cv2.perspectiveTransform(corners[None], matrix)[0]
    return float(np.linalg.norm(moved - corners, axis=1).mean())


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
