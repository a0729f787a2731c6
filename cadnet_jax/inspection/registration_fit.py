"""Fits the motion between an image and its reference, on reduced images.

Matrices are those of `registration`, between whole images.
"""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from cadnet_jax.data.shifts import correlate_phases
from cadnet_jax.inspection.reduced_images import ReducedImage, ReducedPair, warp

_SEARCHED_SIDE = 128  # pixels of the reduced images in which turns are tried
_TURNS = np.arange(-12.0, 12.1, 2.0)  # degrees
_LEAST_GAIN = 0.02  # in correlation, of a longer way: periodic products have many
_LEAST_MATCHES = 8
_RANSAC_PIXELS = 3 / 640  # of the longer side
_ITERATIONS = 60
_KEPT_SHARE = 0.85  # of the pixels, in the last step
_REACH = 3.0  # pixels around a difference that are left out with it


def best_start(
    image: ReducedImage, reference: ReducedImage, pair: ReducedPair, method: str
) -> np.ndarray:
    """The best of the starts; of equal ones the one with the least motion."""
    starts = [np.eye(3), _shift_matrix(pair)]
    if method != 'shift':
        small = ReducedPair.of(image, reference, _SEARCHED_SIDE)
        starts += [*_turned(small), *_from_features(image, reference, method)]
    height, width = image.shape
    starts.sort(key=lambda matrix: _path(matrix, height, width))
    best, highest = starts[0], pair.correlation(starts[0])
    for matrix in starts[1:]:
        correlation = pair.correlation(matrix)
        if correlation > highest + _LEAST_GAIN:
            best, highest = matrix, correlation
    return best


def _shift_matrix(pair: ReducedPair) -> np.ndarray:
    dy, dx = correlate_phases(pair.reference, pair.image)
    return pair.enlarged(np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]]))


def _turned(pair: ReducedPair) -> Iterator[np.ndarray]:
    """Turns, each with its best shift."""
    height, width = pair.shape
    for degrees in _TURNS[_TURNS != 0]:
        center = ((width - 1) / 2, (height - 1) / 2)
        turn = np.eye(3)
        turn[:2] = cv2.getRotationMatrix2D(center, -degrees, 1)
        upright = pair._replace(image=warp(pair.image, turn, pair.shape))
        shift = upright.reduced(_shift_matrix(upright))
        yield pair.enlarged(turn @ shift)


def _from_features(
    image: ReducedImage, reference: ReducedImage, method: str
) -> Iterator[np.ndarray]:
    """ORB features that match under one shift, turn and scale (RANSAC)."""
    (points, codes), (moved, moved_codes) = reference.features(), image.features()
    if min(len(points), len(moved)) < _LEAST_MATCHES:
        return
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(codes, moved_codes)
    if len(matches) < _LEAST_MATCHES:
        return
    source = points[[match.queryIdx for match in matches]]
    target = moved[[match.trainIdx for match in matches]]
    reach = max(3.0, _RANSAC_PIXELS * max(image.shape))
    cv2.setRNGSeed(0)  # RANSAC draws: the same images give the same result
    partial: Any = cv2.estimateAffinePartial2D(
        source, target, ransacReprojThreshold=reach
    )[0]
    if partial is None:
        return
    if method == 'rigid':
        # The scale is taken back around the center.
        center = np.array([image.shape[1] - 1, image.shape[0] - 1]) / 2
        goal = partial[:, :2] @ center + partial[:, 2]
        partial[:, :2] /= np.sqrt(abs(np.linalg.det(partial[:, :2])))
        partial[:, 2] = goal - partial[:, :2] @ center
    yield np.vstack([partial, [0, 0, 1]])


def agreeing_pixels(pair: ReducedPair, matrix: np.ndarray) -> np.ndarray:
    """Pixels of the reference that the image matches best, bool [h, w].

    A large defect is not among them: it would pull the result.
    """
    residual = warp(pair.image, pair.reduced(matrix), pair.shape)
    residual *= pair.reference.std() / max(float(residual.std()), 1e-3)
    energy = cv2.GaussianBlur((residual - pair.reference) ** 2, (0, 0), _REACH)
    return np.asarray(energy <= np.quantile(energy, _KEPT_SHARE))


def refine(
    matrix: np.ndarray,
    pair: ReducedPair,
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
            mask = warp(among.astype(np.uint8), np.linalg.inv(start), pair.shape)
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


def _path(matrix: np.ndarray, height: int, width: int) -> float:
    """How far the corners move, in pixels."""
    right, bottom = width - 1, height - 1
    corners = np.array([(0, 0), (right, 0), (0, bottom), (right, bottom)], np.float64)
    moved = cv2.perspectiveTransform(corners[None], matrix)[0]
    return float(np.linalg.norm(moved - corners, axis=1).mean())
