"""Surfaces, parts and packs: good parts differ, defects stay where they are put."""

from collections.abc import Mapping
from types import ModuleType

import numpy as np
import pytest

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing
from cadnet_jax.datasets.synthetic_pairs.families import (
    packs,
    parts,
    prints,
    surfaces,
)

FAMILIES = pytest.mark.parametrize('family', [surfaces, parts, packs])
PRODUCTS = 30
GOOD: Mapping[int, int] = {}


def _drawings(family: ModuleType, size: int = 160) -> list[Drawing]:
    return [
        family.draw(np.random.default_rng([5, number]), size)
        for number in range(PRODUCTS)
    ]


@FAMILIES
def test_the_same_seed_gives_the_same_bytes(family: ModuleType) -> None:
    for first, second in zip(_drawings(family), _drawings(family), strict=True):
        altered = dict.fromkeys(range(min(2, first.alterations)), 5)
        # In between, another part: a drawing keeps no state.
        image = first.render(3, altered).copy()
        first.render(4, GOOD)
        np.testing.assert_array_equal(first.render(3, altered), image)
        np.testing.assert_array_equal(second.render(3, altered), image)


@FAMILIES
@pytest.mark.parametrize('size', [96, 287, 768])
def test_every_size_gives_an_rgb_image(family: ModuleType, size: int) -> None:
    for number in range(4):
        drawing = family.draw(np.random.default_rng([size, number]), size)
        image = drawing.render(0, dict.fromkeys(range(drawing.alterations), 0))
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8
        if drawing.ignored is not None:
            assert drawing.ignored.shape == (size, size)
            assert drawing.ignored.dtype == np.bool_


@FAMILIES
def test_two_good_parts_differ(family: ModuleType) -> None:
    for drawing in _drawings(family):
        first, second = drawing.render(0, GOOD), drawing.render(1, GOOD)
        assert (first != second).any(-1).mean() > 0.05


@FAMILIES
def test_a_defect_changes_a_bounded_area_and_nothing_else(family: ModuleType) -> None:
    """Nine defects of ten show clearly; each leaves most of the image as it is."""
    shown = []
    for part, drawing in enumerate(_drawings(family)):
        good = drawing.render(part, GOOD).astype(int)
        for number in range(drawing.alterations):
            altered = drawing.render(part, {number: part})
            apart = np.abs(altered - good).max(-1)
            assert (apart > 0).mean() < 0.5
            shown.append((apart > 25).sum() >= 6)
    assert np.mean(shown) > 0.9


@FAMILIES
def test_defects_add_up(family: ModuleType) -> None:
    """A defect moves no other element: far from both defects nothing changes."""
    for drawing in _drawings(family):
        good = drawing.render(7, GOOD)
        changed = np.zeros(good.shape[:2], bool)
        pair = dict.fromkeys(range(min(2, drawing.alterations)), 7)
        for number in pair:
            one = drawing.render(7, {number: 7})
            changed |= (one != good).any(-1)
        both = drawing.render(7, pair)
        np.testing.assert_array_equal(both[~changed], good[~changed])


@pytest.mark.parametrize('family', [parts, prints])
def test_serial_numbers_differ_where_they_are_ignored(family: ModuleType) -> None:
    numbered = [d for d in _drawings(family) if d.ignored is not None]
    assert numbered
    for drawing in numbered:
        assert drawing.ignored is not None
        first, second = drawing.render(0, GOOD), drawing.render(1, GOOD)
        apart = np.abs(first.astype(int) - second).max(-1)
        inside = (apart > 25)[drawing.ignored].mean()
        assert inside > 0.02
