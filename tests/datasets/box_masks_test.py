"""Claims about the masks that follow from boxes."""

from typing import Any

import cv2
import numpy as np
import pytest
import skimage.measure
import skimage.morphology
from scipy.sparse import csgraph

from cadnet_jax.datasets import box_masks
from cadnet_jax.datasets.box_masks import Box

SIZE = (61, 53)


def board(seed: int = 0) -> np.ndarray:
    """A binarized board, uint8 [61, 53]: two tracks and a pad."""
    gray = np.zeros(SIZE, np.uint8)
    gray[8:14] = 255
    gray[:, 30:37] = 255
    cv2.circle(gray, (14, 40), 9, 255, -1)
    rng = np.random.default_rng(seed)
    # JPEG leaves gray levels near black and white, never near the threshold.
    return np.abs(gray.astype(int) - rng.integers(0, 20, SIZE)).astype(np.uint8)


def with_square(gray: np.ndarray, y: int, x: int, side: int, value: int) -> np.ndarray:
    changed = gray.copy()
    changed[y : y + side, x : x + side] = value
    return changed


def test_exactly_the_changed_square_is_labeled() -> None:
    image = with_square(board(1), 46, 42, 5, 255)
    mask = box_masks.mask_from_boxes(image, board(2), [Box(36, 40, 53, 57, 4)])
    expected = np.zeros(SIZE, np.uint8)
    expected[46:51, 42:47] = 4
    np.testing.assert_array_equal(mask, expected)


def test_what_changed_outside_all_boxes_is_background() -> None:
    image = with_square(board(), 20, 4, 5, 255)
    image = with_square(image, 46, 42, 5, 255)
    mask = box_masks.mask_from_boxes(image, board(), [Box(36, 40, 53, 57, 4)])
    assert np.count_nonzero(mask) == 25
    assert not mask[:30].any()


def test_thin_noise_on_the_contour_is_not_labeled() -> None:
    """A track that came out one pixel wider differs, but not by a defect."""
    image = with_square(board(), 46, 42, 5, 255)
    image[14, 40:50] = 255
    mask = box_masks.mask_from_boxes(image, board(), [Box(36, 5, 53, 57, 2)])
    assert not mask[14].any()
    assert np.count_nonzero(mask) == 25


def test_a_thin_defect_without_a_core_is_labeled() -> None:
    """A hair-thin bridge: nothing of it survives the opening."""
    image = board()
    image[17:30, 47] = 255
    mask = box_masks.mask_from_boxes(image, board(), [Box(40, 15, 53, 33, 2)])
    assert np.count_nonzero(mask[17:30, 47]) == 13


@pytest.mark.parametrize(('gap', 'labeled'), [(1, 33), (2, 33), (3, 25)])
def test_parts_join_across_gaps_of_at_most_two_pixels(gap: int, labeled: int) -> None:
    """A hair-thin part of 8 pixels counts if it is near a thick one of 5x5."""
    changed = np.zeros((31, 37), np.bool_)
    changed[10:15, 10:15] = True
    changed[12, 15 + gap : 23 + gap] = True
    contour = np.zeros_like(changed)
    mask = box_masks.paint_changes(changed, contour, [Box(3, 5, 34, 20, 1)])
    assert np.count_nonzero(mask) == labeled


def rule_pixel_by_pixel(
    changed: np.ndarray, contour: np.ndarray, box: Box
) -> np.ndarray:
    """The published rule in one box, from distances instead of morphology."""
    core = skimage.morphology.opening(changed, np.ones((3, 3), bool))[box.window]
    changed, contour = changed[box.window], contour[box.window]
    points = np.argwhere(core | (changed & ~contour))
    near = np.abs(points[:, None] - points).max(-1) <= 3  # at most two pixels between
    _, part = csgraph.connected_components(near)
    if core.any():
        points = points[np.isin(part, part[core[tuple(points.T)]])]
    candidates = np.argwhere(changed)
    reached = (np.abs(candidates[:, None] - points).max(-1) <= 1).any(1)
    grown = np.zeros_like(changed)
    grown[tuple(candidates[reached].T)] = True
    parts = skimage.measure.regionprops(skimage.measure.label(grown, connectivity=2))
    central = [part for part in parts if part.area >= 6 and touches_center(part, box)]
    defect = np.zeros_like(changed)
    for part in central or [max(parts, key=lambda part: part.area)]:
        defect[tuple(part.coords.T)] = True
    return defect


def touches_center(part: Any, box: Box) -> bool:
    """Whether a pixel of `part` overlaps the central 60 % of `box`."""
    size = np.array([box.y_max - box.y_min, box.x_max - box.x_min])
    inside = ((part.coords + 1) / size > 0.2) & (part.coords / size < 0.8)
    return bool(inside.all(axis=1).any())


@pytest.mark.parametrize('density', [0.03, 0.1, 0.3, 0.6])
def test_masks_are_those_of_the_rule_worked_out_pixel_by_pixel(density: float) -> None:
    rng = np.random.default_rng(round(100 * density))
    box = Box(7, 5, 36, 28, 6)
    for _ in range(20):
        changed = rng.random((37, 43)) < density
        changed[10:14, 12:15] |= rng.random() < 0.5  # a core, or possibly none
        contour = rng.random(changed.shape) < 0.5
        mask = box_masks.paint_changes(changed, contour, [box])
        expected = np.zeros(changed.shape, np.uint8)
        expected[box.window][rule_pixel_by_pixel(changed, contour, box)] = 6
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize('dy', [-3, 0, 2])
@pytest.mark.parametrize('dx', [-4, 0, 1])
def test_a_shifted_reference_gives_the_mask_of_the_aligned_one(
    dy: int, dx: int
) -> None:
    boxes = [Box(36, 40, 53, 57, 3)]
    image = with_square(board(), 46, 42, 5, 255)
    template = board() > 127
    shifted = box_masks.shift(template, dy, dx)
    assert box_masks.find_shift(image > 127, shifted, boxes) == (-dy, -dx)
    moved = np.where(shifted, 255, 0).astype(np.uint8)
    mask = box_masks.mask_from_boxes(image, moved, boxes)
    expected = np.zeros(SIZE, np.uint8)
    expected[46:51, 42:47] = 3
    np.testing.assert_array_equal(mask, expected)


def test_a_defect_inside_its_box_does_not_move_the_reference() -> None:
    image = board()
    image[:, 38:] = np.roll(board(), 2, axis=0)[:, 38:]
    box = Box(38, 0, 53, 61, 1)
    assert box_masks.find_shift(image > 127, board() > 127, [box]) == (0, 0)


def test_shift_moves_down_and_right_and_repeats_the_edge() -> None:
    bits = np.zeros((5, 7), np.bool_)
    bits[1, 2] = bits[4, 6] = True
    moved = box_masks.shift(bits, 2, 1)
    assert sorted(map(tuple, np.argwhere(moved).tolist())) == [(3, 3)]
    moved = box_masks.shift(bits, -1, -1)
    assert moved[0, 1] and moved[3:, 5:].all() and moved.sum() == 5


def test_of_overlapping_boxes_the_smaller_one_is_on_top() -> None:
    image = with_square(board(), 44, 40, 9, 255)
    large, small = Box(36, 40, 53, 57, 1), Box(40, 44, 49, 49, 2)
    for boxes in ([large, small], [small, large]):
        mask = box_masks.mask_from_boxes(image, board(), boxes)
        assert np.unique(mask[44:49, 40:49]).tolist() == [2]
        assert np.unique(mask[49:53, 40:49]).tolist() == [1]


def test_a_part_at_the_rim_of_the_box_belongs_to_a_neighbor() -> None:
    image = with_square(board(), 46, 43, 5, 255)
    image = with_square(image, 41, 37, 3, 255)
    mask = box_masks.mask_from_boxes(image, board(), [Box(37, 41, 53, 57, 5)])
    assert np.count_nonzero(mask) == 25
    # Without a part in the middle, the largest one is taken.
    image = with_square(board(), 41, 38, 4, 255)
    image = with_square(image, 54, 50, 3, 255)
    mask = box_masks.mask_from_boxes(image, board(), [Box(37, 40, 53, 57, 5)])
    assert np.unique(mask[41:45, 38:42]).tolist() == [5]
    assert np.count_nonzero(mask) == 16


def test_a_box_in_which_nothing_differs_is_ignored_and_named() -> None:
    """But for what belongs to another box."""
    image = with_square(board(), 41, 38, 4, 255)
    shown, empty = Box(37, 40, 53, 57, 5), Box(2, 2, 9, 9, 4)
    mask = box_masks.mask_from_boxes(image, board(), [shown, empty])
    assert (mask[empty.window] == 255).all()
    assert np.count_nonzero(mask == 255) == empty.area
    assert np.count_nonzero(mask == 5) > 0
    assert box_masks.ignored_boxes(mask, [shown, empty]) == [empty]


def test_a_pixel_of_another_box_is_not_ignored() -> None:
    image = with_square(board(), 41, 38, 4, 255)
    shown = Box(37, 40, 53, 57, 5)
    around = Box(30, 4, 34, 60, 1)
    alone = box_masks.mask_from_boxes(image, board(), [shown])
    both = box_masks.mask_from_boxes(image, board(), [shown, around])
    np.testing.assert_array_equal(both == 5, alone == 5)


def test_no_box_no_defect() -> None:
    mask = box_masks.mask_from_boxes(board(1), board(2), [])
    assert mask.shape == SIZE and mask.dtype == np.uint8 and not mask.any()


def photo(seed: int) -> np.ndarray:
    """A board in color with noise of up to 8 gray levels, RGB uint8 [61, 53, 3]."""
    rng = np.random.default_rng(seed)
    color: np.ndarray = np.full((*SIZE, 3), (60, 120, 50), np.uint8) + rng.integers(
        0, 9, (*SIZE, 3), np.uint8
    )
    color[8:14] += 70
    return color


def test_in_photographs_what_differs_in_any_channel_is_labeled() -> None:
    """A red square of 5x5 pixels: averaging adds the row beside each of its edges."""
    image = photo(1)
    image[46:51, 42:47, 0] = 200
    mask = box_masks.mask_from_photo_boxes(image, photo(2), [Box(36, 40, 53, 57, 4)])
    assert (mask[46:51, 42:47] == 4).all()
    assert (mask[45, 43:46] == 4).all() and (mask[47:50, 47] == 4).all()
    mask[45:52, 41:48] = 0
    assert not mask.any()


def test_in_photographs_an_edge_may_be_defective() -> None:
    """Pairs are aligned: there is no band along edges where changes are doubted."""
    image = photo(1)
    image[12:14, 20:25] = image[0, 0]
    mask = box_masks.mask_from_photo_boxes(image, photo(2), [Box(15, 5, 30, 20, 2)])
    assert (mask[12:14, 20:25] == 2).all() and np.count_nonzero(mask) <= 28


def test_in_photographs_a_box_without_change_is_ignored_beside_one_with() -> None:
    image = photo(1)
    image[46:51, 42:47] = 0
    seen, faint = Box(36, 40, 53, 57, 4), Box(20, 42, 40, 60, 5)
    mask = box_masks.mask_from_photo_boxes(image, photo(2), [faint, seen])
    assert set(np.unique(mask)) == {0, 4, 255}
    assert (mask[46:51, 42:47] == 4).all()
    np.testing.assert_array_equal(np.argwhere(mask == 255).min(0), (42, 20))
    assert np.count_nonzero(mask == 255) == faint.area
    alone = box_masks.mask_from_photo_boxes(image, photo(2), [faint])
    np.testing.assert_array_equal(alone, np.where(mask == 4, 0, mask))
    assert not box_masks.mask_from_photo_boxes(image, photo(2), []).any()
