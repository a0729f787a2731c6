"""Whether an image and its reference can be compared: what makes a prediction doubtful.

A network that compares finds no defect if it is given one image twice, and many if the
reference is of another product. The measures are made on reduced images.
"""

import os
import pathlib
import sys
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from cadnet_jax.data.shifts import estimate_shift
from cadnet_jax.files.images import has_fourth_band

_REDUCED_SIDE = 512  # pixels
_PLAIN = 2  # gray levels between the darkest and the brightest pixel, at most
_LARGE = 48  # gray levels
_MOST_DIFFERING = 0.5  # of the pixels, once the mean colors are equal
_BRIGHTNESS = 1.5  # ratio of the mean gray levels
_LEAST_BRIGHTNESS = 10  # gray levels between the means, below which no ratio counts
_LEAST_SHIFT = 1.0  # pixels


class Doubt(NamedTuple):
    """Something that makes a prediction doubtful.

    Attributes:
        kind: 'same_image', 'plain', 'shifted', 'other_product', 'brightness' or
            'fourth_band'.
        text: with the remedy.
    """

    kind: str
    text: str


def find_doubts(image: np.ndarray, reference: np.ndarray) -> list[Doubt]:
    """What makes the prediction for a pair doubtful; [] if nothing does.

    Args:
        image: uint8 [H, W, 3], RGB.
        reference: uint8 [H, W, 3], RGB.
    """
    return list(_doubts(image, reference))


def find_left_out(*paths: str | os.PathLike[str]) -> list[Doubt]:
    """The files of which a fourth band is not looked at; [] if there are none."""
    names = [pathlib.Path(path).name for path in paths if has_fourth_band(path)]
    if not names:
        return []
    return [
        Doubt(
            'fourth_band',
            f'four bands, of which the fourth is left out: {" and ".join(names)}; '
            'export the three bands that show defects, if these are others',
        )
    ]


def warn_left_out(*paths: str | os.PathLike[str]) -> None:
    """Says in one line on stderr what `find_left_out` finds."""
    for doubt in find_left_out(*paths):
        print(f'warning: {doubt.text}.', file=sys.stderr)


def _doubts(image: np.ndarray, reference: np.ndarray) -> Iterator[Doubt]:
    if np.array_equal(image, reference):
        yield Doubt(
            'same_image',
            'image and reference have the same pixels: no defect can be found; give '
            'the reference that belongs to the image',
        )
    scale = max(1.0, max(image.shape[:2]) / _REDUCED_SIDE)
    image, reference = _reduce(image, scale), _reduce(reference, scale)
    plain = [
        name
        for name, pixels in (('image', image), ('reference', reference))
        if int(np.ptp(pixels.reshape(-1, 3), axis=0).max()) <= _PLAIN
    ]
    if plain:
        names = ' and '.join(plain)
        yield Doubt(
            'plain', f'one color all over: {names}; is the camera covered or off?'
        )
        return
    if shift := estimate_shift(image, reference):
        dy, dx = (scale * of_axis for of_axis in shift)
        if max(abs(dy), abs(dx)) >= _LEAST_SHIFT:
            yield Doubt(
                'shifted',
                f'the image is off its reference by x = {dx:.0f}, y = {dy:.0f} pixels; '
                'align the two',
            )
    means = float(image.mean()), float(reference.mean())
    if abs(means[0] - means[1]) >= _LEAST_BRIGHTNESS and (
        max(means) > _BRIGHTNESS * min(means)
    ):
        yield Doubt(
            'brightness',
            f'mean gray level {means[0]:.0f}, that of the reference {means[1]:.0f} '
            f'(more than {_BRIGHTNESS:g} times apart); use one exposure',
        )
    share = _differing(image, reference)
    if share > _MOST_DIFFERING:
        yield Doubt(
            'other_product',
            f'{share:.0%} of the pixels differ by more than {_LARGE} gray levels '
            f'(limit {_MOST_DIFFERING:.0%}); is the reference of another product?',
        )


def _reduce(pixels: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return pixels
    size = [max(1, round(side / scale)) for side in pixels.shape[1::-1]]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _differing(image: np.ndarray, reference: np.ndarray) -> float:
    """Share of the pixels that differ much, once the mean colors are equal."""
    difference = image.astype(np.float32) - reference
    difference -= difference.mean(axis=(0, 1))
    return float((np.abs(difference).max(axis=-1) > _LARGE).mean())
