"""The same picture in two splits: saved again, turned, mirrored, or cut out elsewhere.

Equal pixels are found by their digest. Here pairs with labels are compared by small
pictures. Pictures of one product are alike; of a copy the labels agree as well. Only
what has about the same labeled area and colors is compared pixel by pixel, and of that
the most similar: the cost of a pair does not grow with the set.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data.labels import IGNORED

_SIDE = 64  # pixels of a small picture
_MOST_COMPARED = 3  # pairs
# Of what does not depend on turns, and little on a cut: share of the labeled pixels (in
# logarithms), mean gray level of them, and of the picture.
_TOLERANCE = np.array([0.1, 8.0, 10.0])
_LEAST_OVERLAP = 0.4  # of a picture's sides
_LEAST_DETAIL = 4.0  # gray levels, standard deviation: plain pictures are all alike
_MOST_DIFFERENT = 0.25  # mean difference, of the standard deviation
_LEAST_AGREEMENT = 0.6  # of the labels: common over joined area

# The orientations of a picture: what is done to the one to get the other.
TURNS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    'turned by 180 degrees': lambda pixels: np.rot90(pixels, 2),
    'turned by 90 degrees to the right': lambda pixels: np.rot90(pixels, -1),
    'turned by 90 degrees to the left': lambda pixels: np.rot90(pixels),
    'mirrored left to right': np.fliplr,
    'mirrored top to bottom': np.flipud,
    'mirrored along the diagonal': np.transpose,
    'mirrored along the other diagonal': lambda pixels: np.rot90(pixels.T, 2),
}
_ORIENTATIONS = {'': lambda pixels: pixels} | TURNS


class Picture(NamedTuple):
    """What is kept of a pair to find copies of it.

    Attributes:
        gray: uint8 [64, 64], the image.
        labels: uint8 [64, 64], share of labeled pixels, of 255.
        features: float [3], see `_TOLERANCE`.
    """

    gray: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    features: NDArray[np.float64]


def make_picture(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> Picture | None:
    """The small picture of an image [H, W, 3] and its mask [H, W]; None: no labels."""
    labeled = ((mask != 0) & (mask != IGNORED)).astype(np.uint8) * 255
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    count = cv2.countNonZero(labeled)
    if not count:
        return None
    features = np.log(count / mask.size), cv2.mean(gray, labeled)[0], gray.mean()
    small = [
        np.asarray(
            cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8
        )
        for pixels in (gray, labeled)
    ]
    return Picture(small[0], small[1], np.array(features))


class CopyFinder:
    """Finds copies among the pictures that it was given before, in other splits."""

    def __init__(self) -> None:
        self._pictures: list[tuple[str, str, Picture]] = []
        self._features = np.empty((16, len(_TOLERANCE)))  # grows by doubling

    def add(
        self, split: str, name: str, picture: Picture
    ) -> tuple[str, str, str] | None:
        """Keeps a picture.

        Args:
            split: of the pair.
            name: of the pair.
            picture: of the pair.

        Returns:
            Split and name of a picture of another split that it is a copy of, and how
            it is turned; None if there is none.
        """
        number = len(self._pictures)
        distances = np.abs(self._features[:number] - picture.features) / _TOLERANCE
        worst = distances.max(axis=1, initial=0)
        likely = [
            int(index)
            for index in np.flatnonzero(worst <= 1)
            if self._pictures[index][0] != split
        ]
        likely.sort(key=lambda index: worst[index])
        if number == len(self._features):
            self._features = np.concatenate([self._features, self._features])
        self._features[number] = picture.features
        self._pictures.append((split, name, picture))
        for index in likely[:_MOST_COMPARED]:
            other_split, other_name, other = self._pictures[index]
            turn = _find_turn(picture, other)
            if turn is not None:
                return other_split, other_name, turn
        return None


def _find_turn(picture: Picture, other: Picture) -> str | None:
    """How `other` is to be turned to be `picture`, '' if not; None: it is no copy."""
    differences = {
        name: _difference(
            picture, Picture(turn(other.gray), turn(other.labels), other.features)
        )
        for name, turn in _ORIENTATIONS.items()
    }
    name = min(differences, key=lambda name: differences[name])
    return name if differences[name] <= _MOST_DIFFERENT else None


def _difference(picture: Picture, other: Picture) -> float:
    """Of the gray levels where labels lie on each other; infinite if these disagree."""
    dy, dx = np.subtract(_center(picture.labels), _center(other.labels)).tolist()
    # A pixel more: at the edge what is moved there is mixed with nothing.
    rows, columns = (
        slice(max(0, math.ceil(by) + 1), _SIDE + min(0, math.floor(by) - 1))
        for by in (dy, dx)
    )
    labels, moved = picture.labels[rows, columns], _moved(other.labels, dy, dx)
    if min(labels.shape) < _LEAST_OVERLAP * _SIDE:
        return np.inf
    moved = moved[rows, columns]
    joined, common = (cv2.sumElems(of(labels, moved))[0] for of in (cv2.max, cv2.min))
    if common < _LEAST_AGREEMENT * max(joined, 1):
        return np.inf
    # What is labeled is alike in many defects; the rest tells pictures apart.
    unlabeled = cv2.inRange(cv2.max(labels, moved), 0, 0)
    gray = picture.gray[rows, columns]
    detail = float(cv2.meanStdDev(gray, mask=unlabeled)[1][0, 0])
    if detail < _LEAST_DETAIL:
        return np.inf
    difference = cv2.absdiff(gray, _moved(other.gray, dy, dx)[rows, columns])
    return cv2.mean(difference, mask=unlabeled)[0] / detail


def _center(labels: NDArray[np.uint8]) -> tuple[float, float]:
    """Centroid (y, x)."""
    moments = cv2.moments(np.ascontiguousarray(labels))
    return moments['m01'] / moments['m00'], moments['m10'] / moments['m00']


def _moved(pixels: NDArray[np.uint8], dy: float, dx: float) -> NDArray[np.uint8]:
    move = np.array([[1, 0, dx], [0, 1, dy]])
    moved = cv2.warpAffine(np.ascontiguousarray(pixels), move, (_SIDE, _SIDE))
    return np.asarray(moved, np.uint8)
