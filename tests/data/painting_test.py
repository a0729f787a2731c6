"""Claims about changes that are painted into images."""

import collections

import cv2
import numpy as np
import pytest

from cadnet_jax.data import painting
from cadnet_jax.data.painting import Paint, Pixels


def product(size: int = 96) -> Pixels:
    """Bars and a disc on a gray ground: contours and flat areas."""
    image = np.full((size, size, 3), 90, np.uint8)
    for left in range(8, size, 24):
        cv2.rectangle(image, (left, 0), (left + 9, size), (200, 180, 40), -1)
    cv2.circle(image, (size // 2, size // 2), size // 6, (30, 60, 160), -1)
    return image


def box(paint: Paint) -> tuple[slice, slice]:
    height, width = paint.opacity.shape
    return (
        slice(paint.top, paint.top + height),
        slice(paint.left, paint.left + width),
    )


def paints(count: int, image: Pixels) -> list[Paint]:
    return [painting.draw_paint(image, np.random.default_rng(k)) for k in range(count)]


def test_a_paint_lies_within_the_image_and_changes_nothing_outside_of_its_box() -> None:
    image = product()
    for paint in paints(300, image):
        rows, columns = box(paint)
        assert 0 <= rows.start < rows.stop <= 96
        assert 0 <= columns.start < columns.stop <= 96
        assert paint.fill.shape == (*paint.opacity.shape, 3)
        assert 0 <= paint.opacity.min() <= paint.opacity.max() <= 1
        painted = painting.apply(image, paint)
        painted[rows, columns] = image[rows, columns]
        np.testing.assert_array_equal(painted, image)


def test_opacity_mixes_the_image_and_the_fill() -> None:
    """Half of 100 and 200 is 150, in the box alone; the image itself stays."""
    image = np.full((8, 8, 3), 100, np.uint8)
    half = np.full((2, 3), 0.5, np.float32)
    paint = Paint('spot', 4, 5, half, np.full((2, 3, 3), 200, np.float32))
    expected = image.copy()
    expected[4:6, 5:8] = 150
    np.testing.assert_array_equal(painting.apply(image, paint), expected)
    assert (image == 100).all()


def test_the_same_generator_draws_the_same_paint() -> None:
    image = product()
    for one, same in zip(paints(40, image), paints(40, image), strict=True):
        assert one.kind == same.kind
        np.testing.assert_array_equal(one.opacity, same.opacity)
        np.testing.assert_array_equal(one.fill, same.fill)


def test_all_kinds_are_drawn_and_their_areas_span_three_decades() -> None:
    image = product(256)
    drawn = paints(600, image)
    counts = collections.Counter(paint.kind for paint in drawn)
    assert set(counts) == set(painting.KINDS)
    assert min(counts.values()) >= 10
    areas = [float(paint.opacity.sum()) for paint in drawn if paint.kind == 'spot']
    low, high = np.quantile(areas, [0.02, 0.98])
    assert high / low > 300


def test_support_ends_at_a_quarter_of_the_largest_difference() -> None:
    """Differences of 6, 20, 24 and 96 levels in one channel; a quarter of 96 is 24."""
    before = np.zeros((1, 5, 3), np.uint8)
    after = before.copy()
    after[0, :, 1] = [0, 6, 20, 24, 96]
    expected = [[False, False, False, True, True]]
    np.testing.assert_array_equal(painting.support(before, after), expected)


def test_equal_images_have_no_support() -> None:
    image = product()
    assert not painting.support(image, image).any()


@pytest.mark.parametrize('kind', ['bite', 'bridge', 'pinhole'])
def test_changes_at_contours_have_a_color_of_the_image(kind: str) -> None:
    """One side of a contour grows into the other: no new color comes in."""
    image = product()
    colors = {tuple(color) for color in image.reshape(-1, 3).tolist()}
    found = [paint for paint in paints(400, image) if paint.kind == kind]
    assert found
    for paint in found:
        assert {tuple(c) for c in paint.fill.reshape(-1, 3).tolist()} <= colors


def test_an_image_without_contours_can_be_painted() -> None:
    image = np.full((64, 64, 3), 128, np.uint8)
    changed = [
        not np.array_equal(painting.apply(image, paint), image)
        for paint in paints(100, image)
    ]
    assert np.mean(changed) > 0.4
