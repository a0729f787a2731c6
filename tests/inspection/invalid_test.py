"""Pictures that cannot be judged are INVALID, each with its reason; others are not."""

import pathlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from cadnet_jax.files.images import write_png
from cadnet_jax.inspection.inspector import Inspector
from cadnet_jax.inspection.parts import Part
from cadnet_jax.inspection.recipe import Alignment
from cadnet_jax.inspection.registration import Tolerance
from cadnet_jax.inspection.rules import INVALID
from cadnet_jax.inspection.scoring import score_parts
from tests.inspection.inspector_test import board, inspector, shot, with_spot
from tests.inspection.registration_test import product

GOOD = shot(board())
TOLERANCE = Tolerance(shift=20, degrees=6, scale=0.03)


def motion_blur(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.filter2D(image, -1, np.full((31, 31), 1 / 31**2)))


def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, GOOD.shape).astype(np.uint8)


def other(family: str) -> np.ndarray:
    return shot(0.8 * product(family).render(1, {}))


# Name -> picture, and what the reason says.
PICTURES: dict[str, tuple[Callable[[Inspector], Any], str]] = {
    'another board': (lambda _: shot(board(1)), 'unlike the reference'),
    'another product': (lambda _: other('packs'), ''),
    'a third product': (lambda _: other('prints'), ''),
    'the reference': (lambda i: i.references[0], 'the same pixels as its reference'),
    'black': (lambda _: np.zeros_like(GOOD), 'too dark: 0.00'),
    'dark': (lambda _: GOOD // 16, 'too dark'),
    'white': (lambda _: np.full_like(GOOD, 255), 'saturated'),
    'saturated': (lambda _: (4.0 * GOOD + 80).clip(0, 255), 'saturated'),
    'plain': (lambda _: np.full_like(GOOD, 120), 'blurred: 0.00'),
    'out of focus': (lambda _: cv2.GaussianBlur(GOOD, (0, 0), 4), 'blurred'),
    'moving': (lambda _: motion_blur(GOOD), 'blurred'),
    'noise': (lambda _: noise(), 'unlike the reference'),
    'negative': (lambda _: 255 - GOOD, ''),
    'cut off': (lambda _: GOOD[:, :200], '200 x 256 pixels, and the reference has'),
    'other size': (lambda _: cv2.resize(GOOD, (512, 512)), '512 x 512 pixels'),
    'half out of view': (lambda _: shot(board(), 0, 90, 0, 1), ''),
    'shifted': (lambda _: shot(board(), 0, 25, 0, 1), 'shifted by 2'),
    'shifted both ways': (lambda _: shot(board(), -18, 18, 0, 1), 'shifted by 2'),
    'turned': (lambda _: shot(board(), 0, 0, 8, 1), 'turned by 8.0 degrees (limit 6)'),
    'turned back': (lambda _: shot(board(), 3, 3, -9, 1), 'turned by'),
    'on its side': (lambda _: np.rot90(GOOD).copy(), ''),
    'upside down': (lambda _: GOOD[::-1, ::-1].copy(), 'turned by 180'),
    'enlarged': (lambda _: shot(board(), 0, 0, 0, 1.05), 'scale 1.0'),
    'reduced': (lambda _: shot(board(), 0, 0, 0, 0.93), 'scale 0.9'),
    '16 bits': (lambda _: GOOD.astype(np.uint16) * 257, 'set bit_depth to 16'),
    '8 bits in 16': (lambda _: GOOD.astype(np.uint16), 'black of 12 bits'),
}
FILES = {
    'truncated': (lambda data: data[:-900], 'a truncated PNG'),
    'not an image': (lambda _: b'serial 17', 'not an image'),
    'empty': (lambda _: b'', 'empty'),
}


@pytest.fixture(scope='module')
def inspect(tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    folder = tmp_path_factory.mktemp('recipe')
    alignment = Alignment('affine', TOLERANCE)
    return inspector(folder, registration=alignment, bit_depth=12)


def verdict(inspect: Inspector, path: pathlib.Path) -> tuple[str, str]:
    (part,) = score_parts({'': inspect}, [Part('part', {'': path})])
    image = part.images['']
    inspection = inspect.judge(image.registered, image.scores)
    return inspection.verdict, '; '.join(inspection.reasons)


@pytest.mark.parametrize('name', PICTURES)
def test_a_picture_that_cannot_be_judged_is_invalid(
    name: str, inspect: Inspector, tmp_path: pathlib.Path
) -> None:
    make, reason = PICTURES[name]
    image = make(inspect)
    path = tmp_path / 'part.png'
    if image.dtype == np.uint16:
        cv2.imwrite(str(path), image)
    else:
        write_png(path, image.astype(np.uint8))
    found, reasons = verdict(inspect, path)
    assert found == INVALID
    assert reason in reasons


@pytest.mark.parametrize('name', FILES)
def test_a_file_that_cannot_be_read_is_invalid(
    name: str, inspect: Inspector, tmp_path: pathlib.Path
) -> None:
    spoil, reason = FILES[name]
    path = tmp_path / 'part.png'
    write_png(path, GOOD)
    path.write_bytes(spoil(path.read_bytes()))
    found, reasons = verdict(inspect, path)
    assert found == INVALID
    assert reason in reasons


@pytest.mark.parametrize('seed', range(50))
def test_an_ordinary_picture_is_not_invalid(
    seed: int, inspect: Inspector, tmp_path: pathlib.Path
) -> None:
    """Shift, turn, scale and light vary within the tolerance; some have a defect."""
    random = np.random.default_rng([7, seed])
    canvas = with_spot(board()) if seed % 5 == 0 else board()
    move = [*random.uniform(-12, 12, 2), random.uniform(-5, 5)]
    sharp = shot(canvas, *move, random.uniform(0.98, 1.02), seed=seed).astype(float)
    image = cv2.GaussianBlur(sharp, (0, 0), random.uniform(0.2, 0.8))
    image = image * random.uniform(0.6, 1.2)
    image = image + np.linspace(0, random.uniform(-25, 25), image.shape[1])[:, None]
    image = image + random.normal(0, random.uniform(0, 5), image.shape)
    path = tmp_path / 'part.png'
    if seed % 2:
        write_png(path, image.clip(0, 255).astype(np.uint8))
    else:  # a camera of 12 bits
        cv2.imwrite(str(path), (16 * image).clip(0, 4095).astype(np.uint16))
    found, reasons = verdict(inspect, path)
    assert found != INVALID, reasons
