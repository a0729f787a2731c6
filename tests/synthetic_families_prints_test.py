"""Prints and collages: good parts differ, defects stay where they are put."""

from types import ModuleType

import numpy as np
import pytest

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing
from cadnet_jax.datasets.synthetic_pairs.families import (
    codes,
    collages,
    lettering,
    plates,
    prints,
)

FAMILIES = pytest.mark.parametrize('family', [prints, collages])
PRODUCTS = 24


def drawings(family: ModuleType, size: int = 192) -> list[Drawing]:
    return [
        family.draw(np.random.default_rng([3, number]), size)
        for number in range(PRODUCTS)
    ]


@FAMILIES
def test_the_same_seed_gives_the_same_bytes(family: ModuleType) -> None:
    for first, second in zip(drawings(family), drawings(family), strict=True):
        altered = dict.fromkeys(range(min(2, first.alterations)), 5)
        image = first.render(3, altered).copy()
        first.render(4, {})  # a drawing keeps no state
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
def test_two_good_parts_differ_a_little(family: ModuleType) -> None:
    """Most differ somewhere, and none in most of its gray levels."""
    for drawing in drawings(family):
        first, second = drawing.render(0, {}), drawing.render(1, {})
        apart = np.abs(first.astype(int) - second).max(-1)
        assert (apart > 0).mean() > 0.02
        assert (apart > 60).mean() < 0.35


@FAMILIES
def test_a_defect_changes_a_bounded_area_clearly(family: ModuleType) -> None:
    shown, offered = [], []
    for part, drawing in enumerate(drawings(family)):
        good = drawing.render(part, {}).astype(int)
        offered.append(drawing.alterations)
        for number in range(drawing.alterations):
            apart = np.abs(drawing.render(part, {number: part}) - good).max(-1)
            assert (apart > 0).mean() < 0.6
            shown.append((apart > 25).sum() >= 4)
    assert np.mean(shown) > 0.85
    assert np.mean(np.array(offered) >= 4) > 0.7


@FAMILIES
def test_nothing_changes_outside_of_the_defects(family: ModuleType) -> None:
    """But for rounding: a soft edge upon a soft edge may differ by a few levels."""
    for drawing in drawings(family):
        good = drawing.render(7, {})
        pair = dict.fromkeys(range(min(2, drawing.alterations)), 7)
        changed = np.zeros(good.shape[:2], bool)
        for number in pair:
            changed |= (drawing.render(7, {number: 7}) != good).any(-1)
        both = drawing.render(7, pair)
        apart = np.abs(both.astype(int) - good).max(-1)
        assert apart[~changed].max(initial=0) <= 4


def test_lot_numbers_differ_where_they_are_ignored() -> None:
    numbered = [d for d in drawings(prints) if d.ignored is not None]
    assert numbered
    for drawing in numbered:
        assert drawing.ignored is not None
        first, second = drawing.render(0, {}), drawing.render(1, {})
        apart = np.abs(first.astype(int) - second).max(-1)
        assert (apart > 60)[drawing.ignored].mean() > 0.05


def test_a_plate_prints_its_ink_where_it_covers() -> None:
    """Far from edges the ink is opaque to 10 %; elsewhere the paper is bare."""
    coverage = np.zeros((60, 60), np.uint8)
    coverage[20:40, 20:40] = 255
    artwork = plates.Artwork([plates.Plate(coverage, (200, 0, 0), True)], [])
    paper = np.full((60, 60, 3), 250, np.uint8)
    printed = plates.press(paper, artwork, [], part=1)
    expected = np.broadcast_to([200, 0, 0], (10, 10, 3))
    np.testing.assert_allclose(printed[25:35, 25:35], expected, atol=27)
    np.testing.assert_array_equal(printed[:15], paper[:15])


@pytest.mark.parametrize('script', range(11))
def test_every_script_has_ink_in_its_letters(script: int) -> None:
    """A font that lacks letters draws the same box for each of them."""
    style = lettering.Type(script, 0)
    line = lettering.random_line(np.random.default_rng(script), style, 22, 300)
    assert line.coverage.shape[1] <= 300
    letters = {
        line.coverage[:, a:b].tobytes()
        for a, b in zip(line.letters[:-1], line.letters[1:], strict=True)
    }
    assert len(letters) > 4


def test_the_bars_of_a_code_are_as_many_as_a_scan_counts() -> None:
    """A defect of a bar code changes the code alone."""
    coverage = np.zeros((120, 120), np.uint8)
    artwork = plates.Artwork([plates.Plate(coverage, (0, 0, 0), True)], [])
    area = plates.Area(20, 10, 60, 100)
    codes.bars(np.random.default_rng(0), artwork, area, 0)
    assert (np.diff(coverage[30].astype(int)) > 60).sum() >= 8
    assert not coverage[:20].any()
    assert not coverage[80:].any()
    for (patch,) in artwork.defects:
        assert patch.place[0].start >= 20
        assert patch.place[0].stop <= 80
