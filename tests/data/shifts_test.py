"""Shifts of an image against its reference."""

import cv2
import numpy as np
import pytest

from cadnet_jax.data.shifts import estimate_shift
from tests.support.tiny_pairs import tiny_reference


def scene() -> np.ndarray:
    """uint8 [160, 200, 3] with detail everywhere."""
    pixels = tiny_reference(3, (160, 200))
    pixels += np.random.default_rng(1).integers(0, 30, pixels.shape, np.uint8)
    return np.asarray(cv2.GaussianBlur(pixels, (5, 5), 0))


@pytest.mark.parametrize('shift', [(0, 1), (-2, 0), (4, -3), (5, 7)])
def test_a_shift_is_estimated(shift: tuple[int, int]) -> None:
    """(dy, dx): how far below and right of the reference the image lies."""
    dy, dx = shift
    reference = scene()[20:140, 20:180]
    image = scene()[20 - dy : 140 - dy, 20 - dx : 180 - dx]
    assert estimate_shift(image, reference) == pytest.approx(shift, abs=0.05)
    assert estimate_shift(reference, reference) is None


def test_a_fraction_of_a_pixel_is_estimated() -> None:
    """Oracle: OpenCV's affine warp."""
    move = np.array([[1, 0, -2.3], [0, 1, 1.6]])
    moved = np.asarray(cv2.warpAffine(scene(), move, (200, 160)))
    window = slice(20, 140), slice(20, 180)
    estimated = estimate_shift(moved[window], scene()[window])
    assert estimated == pytest.approx((1.6, -2.3), abs=0.25)


def test_images_without_one_shift_have_none() -> None:
    """Plain ones, and unrelated ones, of which no shift explains the other."""
    plain = np.full((64, 64, 3), 9, np.uint8)
    assert estimate_shift(plain, plain) is None
    corner = plain.copy()
    corner[0, 0] = 255
    assert estimate_shift(plain * corner, corner) is None
    noise = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), np.uint8)
    assert estimate_shift(*noise) is None
    assert estimate_shift(plain[:1, :1], plain[:1, :1]) is None
