"""Copies of a picture in another split are found, whatever was done to them."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cadnet_jax.datasets.near_copies import TURNS, CopyFinder, make_picture
from tests.support.tiny_pairs import tiny_reference

Arrays = tuple[np.ndarray, np.ndarray]
SIZE = (120, 160)


def part(seed: int, *, at: tuple[int, int] = (30, 50), product: int = 0) -> Arrays:
    """Another shot of a product, and another defect, for each seed."""
    rng = np.random.default_rng(seed)
    image = tiny_reference(product, SIZE).astype(int) + rng.integers(-4, 5, (*SIZE, 3))
    mask = np.zeros(SIZE, np.uint8)
    y, x = at
    mask[y : y + 12, x : x + 20] = 1
    image[mask == 1] = (250, 20, 30)
    return image.clip(0, 255).astype(np.uint8), mask


def as_jpeg(image: np.ndarray, mask: np.ndarray) -> Arrays:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, 'JPEG', quality=70)
    return np.array(Image.open(buffer)), mask


def brighter(image: np.ndarray, mask: np.ndarray) -> Arrays:
    return np.minimum(image, 250) + np.uint8(5), mask


def smaller(image: np.ndarray, mask: np.ndarray) -> Arrays:
    half = Image.fromarray(image).resize((80, 60), Image.Resampling.BOX)
    return np.array(half), mask[::2, ::2]


def turned(name: str) -> Callable[..., Arrays]:
    def change(image: np.ndarray, mask: np.ndarray) -> Arrays:
        bands = [TURNS[name](image[..., band]) for band in range(3)]
        return np.ascontiguousarray(np.stack(bands, axis=-1)), TURNS[name](mask).copy()

    return change


COPIES: dict[str, tuple[Callable[..., Arrays], str]] = {
    'JPEG': (as_jpeg, ''),
    'brighter': (brighter, ''),
    'smaller': (smaller, ''),
    **{name: (turned(name), name) for name in TURNS},
}


@pytest.mark.parametrize('copy', COPIES)
def test_a_copy_is_found_with_its_turn(copy: str) -> None:
    """Among shots of the same product with other defects."""
    change, turn = COPIES[copy]
    finder = CopyFinder()
    for seed, at in enumerate([(30, 50), (80, 20), (60, 100), (10, 130)]):
        picture = make_picture(*part(seed, at=at))
        assert picture is not None
        assert finder.add('train', str(seed), picture) is None
    picture = make_picture(*change(*part(0)))
    assert picture is not None
    assert finder.add('train', 'in the same split', picture) is None
    assert finder.add('test', 'copy', picture) in (
        ('train', '0', turn),
        ('train', 'in the same split', ''),
    )


@pytest.mark.parametrize('move', [(0, 12), (-16, 0), (20, -30)])
def test_cuts_that_overlap_are_found(move: tuple[int, int]) -> None:
    wide = tiny_reference(7, (200, 260))
    mask = np.zeros(wide.shape[:2], np.uint8)
    mask[90:100, 120:140] = 1
    wide[mask == 1] = (250, 20, 30)
    finder = CopyFinder()
    for name, (dy, dx) in (('train', (0, 0)), ('test', move)):
        cut = slice(40 + dy, 160 + dy), slice(50 + dx, 210 + dx)
        picture = make_picture(wide[cut].copy(), mask[cut].copy())
        assert picture is not None
        found = finder.add(name, name, picture)
    assert found == ('train', 'train', '')


def test_parts_of_one_product_are_no_copies() -> None:
    """Forty shots, each with a defect of equal size elsewhere, in two splits."""
    finder, rng = CopyFinder(), np.random.default_rng(5)
    for seed in range(40):
        at = int(rng.integers(0, 100)), int(rng.integers(0, 140))
        picture = make_picture(*part(seed, at=at))
        assert picture is not None
        assert finder.add('train' if seed % 2 else 'test', str(seed), picture) is None


def test_other_products_with_an_equal_mask_are_no_copies() -> None:
    finder = CopyFinder()
    for seed in range(20):
        picture = make_picture(*part(seed, product=seed))
        assert picture is not None
        assert finder.add('train' if seed % 2 else 'test', str(seed), picture) is None


def test_plain_parts_with_a_defect_in_one_place_are_no_copies() -> None:
    """What they have in common is the defect alone."""
    finder = CopyFinder()
    for seed in range(10):
        image, mask = part(seed)
        noise = np.random.default_rng(seed).integers(100, 140, image.shape)
        image = np.where(mask[..., None] == 1, image, noise).astype(np.uint8)
        picture = make_picture(image, mask)
        assert picture is not None
        assert finder.add('train' if seed % 2 else 'test', str(seed), picture) is None


def test_what_has_no_label_is_not_compared() -> None:
    """Good parts in a fixture are all alike."""
    image, mask = part(0)
    assert make_picture(image, mask * 0) is None
    assert make_picture(image, mask * 255) is None
