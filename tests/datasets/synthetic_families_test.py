"""Drawn products: good parts differ, defects stay where they are put."""

from collections.abc import Mapping
from types import ModuleType

import numpy as np
import pytest

from cadnet_jax.datasets.synlcd import patterns
from cadnet_jax.datasets.synthetic_pairs import nuisance
from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import (
    boards,
    collages,
    packs,
    panels,
    parts,
    prints,
    screens,
    surfaces,
)

FAMILIES = pytest.mark.parametrize(
    'family', [boards, screens, panels, prints, collages, surfaces, parts, packs]
)
PRODUCTS = 30
CANVAS = 256 + 2 * nuisance.MARGIN  # of a pair of 256 x 256
GOOD: Mapping[int, int] = {}


def _drawings(family: ModuleType, size: int = 160) -> list[Drawing]:
    return [
        family.draw(np.random.default_rng([5, number]), size)
        for number in range(PRODUCTS)
    ]


def _differs(first: Pixels, second: Pixels) -> Pixels:
    """The largest difference of a pixel's channels, [size, size]."""
    return np.asarray(np.abs(first.astype(int) - second).max(-1))


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


@pytest.mark.parametrize('family', [boards, screens, panels, prints, collages])
def test_good_parts_are_one_product(family: ModuleType) -> None:
    """They resemble each other far more than they resemble another product."""
    drawings = _drawings(family)
    images = [drawing.render(0, GOOD) for drawing in drawings]
    within = [
        _differs(image, drawing.render(1, GOOD)).mean()
        for image, drawing in zip(images, drawings, strict=True)
    ]
    across = [_differs(images[k], images[k - 1]).mean() for k in range(PRODUCTS)]
    assert 3 * np.mean(within) < np.mean(across)


@FAMILIES
def test_a_defect_changes_a_bounded_area(family: ModuleType) -> None:
    """Each leaves most of the image as it is, to the byte."""
    for part, drawing in enumerate(_drawings(family)):
        good = drawing.render(part, GOOD)
        for number in range(drawing.alterations):
            altered = drawing.render(part, {number: part})
            assert (altered != good).any(-1).mean() < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ('family', 'share'),
    [
        (boards, 0.4),
        (screens, 0.8),
        (panels, 0.9),
        (prints, 0.75),
        (collages, 0.9),
        (surfaces, 0.9),
        (parts, 0.9),
        (packs, 0.9),
    ],
)
def test_defects_show(family: ModuleType, share: float) -> None:
    """What offers defects has one that shows clearly; so does a share of all.

    The share is low for boards: of their defects many lie outside the picture or
    below what is drawn later. Such a defect changes no byte, so it is no label either.
    """
    shown = []
    for part, drawing in enumerate(_drawings(family, CANVAS)):
        good = drawing.render(part, GOOD)
        clear = [
            (_differs(drawing.render(part, {number: part}), good) > 25).sum() >= 6
            for number in range(drawing.alterations)
        ]
        assert any(clear) or not clear
        shown += clear
    assert np.mean(shown) > share


@FAMILIES
def test_defects_add_up(family: ModuleType) -> None:
    """A defect moves no other element: far from both defects nothing changes."""
    for drawing in _drawings(family):
        good = drawing.render(7, GOOD)
        changed = np.zeros(good.shape[:2], bool)
        pair = dict.fromkeys(range(min(2, drawing.alterations)), 7)
        for number in pair:
            changed |= (drawing.render(7, {number: 7}) != good).any(-1)
        both = drawing.render(7, pair)
        np.testing.assert_array_equal(both[~changed], good[~changed])


def test_screens_draw_every_training_pattern_of_synlcd_and_no_test_pattern(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test patterns are what the released weights are measured on."""
    drawn: set[str] = set()

    def record(name: str, size: int) -> Pixels:
        drawn.add(name)
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(patterns, 'draw', record)
    for number in range(300):
        drawing = screens.draw(np.random.default_rng([8, number]), 96)
        drawing.render(0, GOOD)
    assert drawn == set(patterns.TRAIN)
    assert not drawn & set(patterns.TEST)


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
