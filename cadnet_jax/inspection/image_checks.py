"""Checks whether an image can be judged: brightness, saturation, sharpness."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from cadnet_jax.inspection.recipe import Checks


class Measures(NamedTuple):
    """Measures of an image.

    Attributes:
        brightness: mean gray level.
        saturated: share of pixels with a channel at 255.
        sharpness: variance of the Laplacian over that of the gray levels, both of a
            slightly smoothed image, so that noise does not count as detail.
    """

    brightness: float
    saturated: float
    sharpness: float


def measure(image: np.ndarray) -> Measures:
    """Measures an image, uint8 [H, W, 3], RGB."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    smooth = cv2.GaussianBlur(gray.astype(np.float32), (5, 5), 0)
    brightest = functools.reduce(cv2.max, cv2.split(image))
    return Measures(
        brightness=cv2.mean(gray)[0],
        saturated=np.count_nonzero(brightest == 255) / brightest.size,
        sharpness=_variance(cv2.Laplacian(smooth, cv2.CV_32F))
        / max(_variance(smooth), 1.0),
    )


def _variance(values: np.ndarray) -> float:
    return float(cv2.meanStdDev(values)[1].item()) ** 2


def find_faults(image: Measures, reference: Measures, checks: Checks) -> Iterator[str]:
    """The measures that exceed their limits, in one sentence each.

    Args:
        image: measures of the inspected image.
        reference: those of the reference.
        checks: the limits.
    """
    brightness = image.brightness / max(reference.brightness, 1.0)
    if brightness < checks.min_brightness:
        yield (
            f"too dark: {brightness:.2f} of the reference's brightness "
            f'(limit {checks.min_brightness:g})'
        )
    if brightness > checks.max_brightness:
        yield (
            f"too bright: {brightness:.2f} of the reference's brightness "
            f'(limit {checks.max_brightness:g})'
        )
    saturated = image.saturated - reference.saturated
    if saturated > checks.max_saturated:
        yield (
            f'saturated: {saturated:.1%} of the pixels more than in the reference '
            f'(limit {checks.max_saturated:.1%})'
        )
    sharpness = image.sharpness / max(reference.sharpness, 1e-6)
    if sharpness < checks.min_sharpness:
        yield (
            f"blurred: {sharpness:.2f} of the reference's sharpness "
            f'(limit {checks.min_sharpness:g})'
        )
