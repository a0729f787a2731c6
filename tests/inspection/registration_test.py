"""Moves of an image against its reference, found to a fraction of a pixel."""

import importlib
import re
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from cadnet_jax.datasets.synthetic_pairs import families
from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing
from cadnet_jax.inspection.light import relight
from cadnet_jax.inspection.registration import (
    METHODS,
    Tolerance,
    align,
    correlate,
    register,
)

# Drawn products, registered.

SIZE = 256
AROUND = 56  # pixels of the drawing around what an image shows
FAMILIES = ('boards', 'screens', 'prints', 'panels', 'packs')
MOVES = {
    'shift': (-12, 16, 0, 1),
    'rigid': (-12, 16, 5, 1),
    'affine': (-12, 16, -5, 1.01),
    'perspective': (7, -3, 5, 0.99),
}  # method -> dy, dx, degrees, scale


def product(family: str, number: int = 0) -> Drawing:
    module = importlib.import_module(f'{families.__name__}.{family}')
    drawing: Drawing = module.draw(
        np.random.default_rng([3, number]), SIZE + 2 * AROUND
    )
    return drawing


def move_matrix(dy: float, dx: float, degrees: float, scale: float) -> np.ndarray:
    """Pixel of the reference -> of an image that is turned clockwise, then shifted."""
    matrix = np.eye(3)
    center = ((SIZE - 1) / 2,) * 2
    matrix[:2] = cv2.getRotationMatrix2D(center, -degrees, scale)
    matrix[:2, 2] += dx, dy
    return matrix


def view(canvas: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """What a camera sees of the middle of the drawing, moved by `matrix`."""
    offset = np.array([[1.0, 0, AROUND], [0, 1, AROUND], [0, 0, 1]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpPerspective(
            canvas, offset @ np.linalg.inv(matrix), (SIZE, SIZE), flags=flags
        )
    )


def light(image: np.ndarray) -> np.ndarray:
    """Less gain, and brighter to the right, by 40 gray levels."""
    ramp = np.linspace(0, 40, image.shape[1])[:, None]
    return (0.7 * image + ramp).clip(0, 255).astype(np.uint8)


def with_defect(canvas: np.ndarray) -> np.ndarray:
    """25 x 30 pixels are inverted."""
    canvas = canvas.copy()
    canvas[170:195, 180:210] = 255 - canvas[170:195, 180:210]
    return canvas


def largest_error(found: np.ndarray, true: np.ndarray) -> float:
    """Pixels by which a corner of the image is taken to the wrong place."""
    corners = np.array([[[0.0, 0], [255, 0], [0, 255], [255, 255]]])
    first, second = (cv2.perspectiveTransform(corners, m) for m in (found, true))
    return float(np.linalg.norm(np.subtract(first, second), axis=-1).max())


@pytest.mark.parametrize('defect', [False, True], ids=['good', 'defect'])
@pytest.mark.parametrize('family', FAMILIES)
def test_a_move_is_undone_to_a_fraction_of_a_pixel(family: str, defect: bool) -> None:
    """20 px, 5 degrees and 1 %, under another light, with and without a defect."""
    drawing = product(family)
    reference = view(drawing.render(1, {}), np.eye(3))
    canvas = drawing.render(1, {})
    if defect:
        canvas = with_defect(canvas)
    for method, move in MOVES.items():
        matrix = move_matrix(*move)
        found = register(light(view(canvas, matrix)), reference, method)
        # Eight parameters leave a corner without structure free.
        limit, slack = (2.5, 4) if method == 'perspective' else (0.75, 1)
        assert largest_error(found.matrix, matrix) < limit, method
        assert found.shift == pytest.approx(move[:2], abs=0.15)
        assert found.degrees == pytest.approx(move[2], abs=0.25 * slack)
        assert found.scale == pytest.approx(move[3], abs=0.005 * slack)
        assert found.correlation > (0.5 if defect else 0.9)
        assert found.within_tolerance
        assert found.reason == ''


def test_a_defect_is_not_warped_away() -> None:
    """It is as large after each method as before, and little else differs."""
    canvas = product('boards').render(1, {})
    reference = view(canvas, np.eye(3))
    canvas = with_defect(canvas)
    defect = np.zeros((SIZE, SIZE), bool)
    defect[170 - AROUND : 195 - AROUND, 180 - AROUND : 210 - AROUND] = True
    for method, move in MOVES.items():
        image = view(canvas, move_matrix(*move))
        found = register(image, reference, method)
        aligned = align(image, reference, found)
        differs = np.abs(aligned.astype(int) - reference).max(-1) > 60
        assert differs[defect].mean() > 0.6, method
        near = cv2.dilate(defect.astype(np.uint8), np.ones((5, 5))) > 0
        assert (differs & ~near).mean() < 0.01


@pytest.mark.parametrize('family', FAMILIES)
def test_different_products_are_unlike(family: str) -> None:
    """And two good parts of one product, which are not equal, are alike."""
    first, second = product(family, 0), product(family, 1)
    image = light(view(first.render(1, {}), move_matrix(4, -6, 1, 1)))
    same = register(image, view(first.render(2, {}), np.eye(3)))
    other = register(image, view(second.render(1, {}), np.eye(3)))
    assert same.correlation > 0.7
    assert other.correlation < 0.45


def test_what_the_image_does_not_show_is_not_judged() -> None:
    """Its share is said, and `align` shows the reference there."""
    canvas = product('boards').render(1, {})
    reference = view(canvas, np.eye(3))
    image = view(canvas, move_matrix(-10, 20, 0, 1))
    found = register(image, reference, 'shift')
    expected = np.zeros((SIZE, SIZE), bool)
    expected[10:, :-20] = True  # what lies up or right has left the image
    np.testing.assert_array_equal(found.valid[11:, :-21], True)
    assert (found.valid != expected).mean() < 0.01
    assert found.outside == pytest.approx(1 - 246 * 236 / 256**2, abs=0.01)
    aligned = align(image, reference, found)
    differs = np.abs(aligned.astype(int) - reference)
    assert differs[~found.valid].max() <= 3
    assert differs.mean() < 3


def test_what_the_image_does_not_show_is_filled_in_its_light() -> None:
    """The lamp is at the right: 0.5 of the light at the left edge, 1 at the right."""
    reference = view(product('boards').render(1, {}), np.eye(3))
    lamp = np.linspace(0.5, 1, SIZE)[:, None]
    lit = (reference * lamp).astype(np.uint8)
    image = np.full_like(lit, 90)
    image[:-10, :-20] = lit[10:, 20:]
    shown = np.zeros((SIZE, SIZE), bool)
    shown[10:, 20:] = True
    found = register(image, reference, 'shift')
    aligned = align(image, reference, found._replace(valid=shown)).astype(int)
    filled = np.abs(aligned - lit)[~shown].mean()
    assert filled < 0.15 * np.abs(reference.astype(int) - lit)[~shown].mean()
    black = relight(reference, np.zeros_like(reference), shown)
    assert black.max() <= 60  # no color turns over, and nothing is divided by 0


@pytest.mark.parametrize(
    ('tolerance', 'reason'),
    [
        (Tolerance(shift=19), r'shifted by 20\.\d px \(limit 19\)'),
        (Tolerance(degrees=4), r'turned by 5\.\d degrees \(limit 4\)'),
        (Tolerance(scale=0.005), r'scale 1\.01\d \(limit 1 ± 0\.005\)'),
    ],
)
def test_what_is_beyond_the_tolerance_is_said(
    tolerance: Tolerance, reason: str
) -> None:
    canvas = product('prints').render(1, {})
    image = view(canvas, move_matrix(-12, 16, 5, 1.01))
    found = register(image, view(canvas, np.eye(3)), 'affine', tolerance)
    assert not found.within_tolerance
    assert re.fullmatch(reason, found.reason)


def test_without_structure_nothing_is_moved() -> None:
    """Plain images, and noise; none of them ends in an error."""
    plain = np.full((64, 80, 3), 120, np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, (2, 64, 80, 3), np.uint8)
    for image, reference in [(plain, plain), (plain, noise[0]), (noise[0], noise[1])]:
        for method in METHODS:
            found = register(image, reference, method)
            np.testing.assert_array_equal(found.matrix, np.eye(3))
            assert found.correlation < 0.2
            assert found.valid.all()
            assert align(image, reference, found) is image


def test_the_method_none_moves_nothing_and_says_how_alike_the_two_are() -> None:
    canvas = product('boards').render(1, {})
    reference = view(canvas, np.eye(3))
    moved = register(view(canvas, move_matrix(9, 9, 0, 1)), reference, 'none')
    assert moved.shift == pytest.approx((0, 0))
    assert moved.correlation < 0.6
    assert register(reference, reference, 'none').correlation == pytest.approx(1)
    assert correlate(reference, reference) == pytest.approx(1)


def test_the_same_images_give_the_same_registration() -> None:
    canvas = product('panels').render(1, {})
    pair = view(canvas, move_matrix(3, 5, 2, 1)), view(canvas, np.eye(3))
    first, second = (register(*pair, 'perspective') for _ in range(2))
    np.testing.assert_array_equal(first.matrix, second.matrix)


def test_large_images_are_registered_on_reduced_ones() -> None:
    """To a fraction of a pixel of the large one; width and height differ."""
    canvas = cv2.resize(product('boards').render(1, {}), (1400, 1100))
    reference, image = canvas[40:1040, 60:1260], canvas[27:1027, 71:1271]
    found = register(image, reference, 'affine')
    assert found.shift == pytest.approx((13, -11), abs=0.3)
    assert abs(found.degrees) < 0.05
    assert found.valid.shape == (1000, 1200)


def test_a_strip_is_registered() -> None:
    """Reduced, it is one pixel high."""
    canvas = cv2.resize(product('boards').render(1, {}), (4010, 40))
    found = register(canvas[:, 3:4003], canvas[:, 5:4005], 'affine')
    assert found.shift == pytest.approx((0, 2), abs=0.5)
    assert found.correlation > 0.9


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda x: register(x, x, 'turn'), 'method is .turn.; it can be: none, shift'),
        (lambda x: register(x, x[1:]), 'image is .* and reference'),
        (lambda x: Tolerance(shift=-1), 'shift is -1; it must be at least 0'),
    ],
)
def test_what_cannot_be_is_refused(
    call: Callable[[np.ndarray], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call(np.zeros((32, 32, 3), np.uint8))
