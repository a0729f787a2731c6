"""What the pictures say, pixel by pixel."""

import matplotlib
import numpy as np
import pytest

from cadnet_jax.pictures import overlays


@pytest.fixture
def image() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(256, size=(7, 11, 3), dtype=np.uint8)


def test_an_overlay_has_one_color_for_each_outcome(image: np.ndarray) -> None:
    """Hits white (also of another class), misses green, false alarms red."""
    mask, prediction = np.zeros((2, 7, 11), np.uint8)
    mask[0, :5] = [1, 1, 2, 0, 255]
    prediction[0, :5] = [1, 2, 0, 3, 1]
    picture = overlays.overlay(image, mask, prediction)
    white, green, red = overlays.HIT, overlays.MISS, overlays.FALSE_ALARM
    np.testing.assert_array_equal(picture[0, :4], [white, white, green, red])
    dimmed = image // 3
    np.testing.assert_array_equal(picture[0, 4:], dimmed[0, 4:])
    np.testing.assert_array_equal(picture[1:], dimmed[1:])


def test_the_outcomes_colors_are_what_they_are_called() -> None:
    assert min(overlays.HIT) == 255
    assert np.argmax(overlays.MISS) == 1
    assert np.argmax(overlays.FALSE_ALARM) == 0


def test_errors_are_misses_and_false_alarms(image: np.ndarray) -> None:
    """Counted again from the picture; a hit of another class is none."""
    mask, prediction = np.zeros((2, 7, 11), np.uint8)
    mask[0, :5] = [1, 1, 2, 0, 255]
    prediction[0, :5] = [1, 2, 0, 3, 1]
    prediction[5, 2:6] = 1
    picture = overlays.overlay(image, mask, prediction)
    assert overlays.count_errors(picture) == 6


def test_marking_needs_no_label(image: np.ndarray) -> None:
    prediction = np.zeros((7, 11), np.uint8)
    prediction[2, 3] = 2
    picture = overlays.highlight(image, prediction)
    np.testing.assert_array_equal(picture[2, 3], overlays.class_colors()[2])
    picture[2, 3] = image[2, 3] // 3
    np.testing.assert_array_equal(picture, image // 3)


def test_pictures_leave_the_image_as_it_is(image: np.ndarray) -> None:
    before = image.copy()
    mask = np.ones((7, 11), np.uint8)
    overlays.overlay(image, mask, mask)
    overlays.highlight(image, mask)
    np.testing.assert_array_equal(image, before)


def test_ten_classes_background_and_ignored_look_different() -> None:
    colors = overlays.class_colors()
    tab10 = np.array(matplotlib.colormaps['tab10'].colors)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(colors[1:11], np.round(255 * tab10))
    assert len(np.unique(colors[[*range(11), 255]], axis=0)) == 12
    assert not colors[0].any()
    image = np.full((1, 3, 3), 90, np.uint8)
    np.testing.assert_array_equal(
        overlays.highlight(image, np.array([[0, 255, 3]], np.uint8))[0],
        [[30, 30, 30], colors[255], colors[3]],
    )


def test_a_larger_distance_is_never_darker_and_the_scale_is_fixed() -> None:
    distance = np.linspace(0, 4, 401)[None]
    picture = overlays.color_distance(distance)
    luma = picture[0] @ np.array([0.299, 0.587, 0.114])
    assert np.all(np.diff(luma) > -1)
    assert luma[0] < 10 and luma[-1] > 200
    assert np.all(picture[0, 220:] == picture[0, -1])
    part = overlays.color_distance(distance[:, :100])
    np.testing.assert_array_equal(part, picture[:, :100])


def test_a_heat_map_starts_at_0_and_ends_at_the_largest() -> None:
    picture = overlays.heat_map(np.array([[-1, 0, 0.5, 1, 7]]), largest=1)
    np.testing.assert_array_equal(picture[0, 0], picture[0, 1])
    np.testing.assert_array_equal(picture[0, 3], picture[0, 4])
    assert picture[0, 1].sum() < picture[0, 2].sum() < picture[0, 3].sum()


@pytest.mark.parametrize('width', [11, 200])
def test_a_panel_shows_every_picture_in_order(width: int) -> None:
    """At any width: narrow pictures get a column wide enough for the title."""
    rng = np.random.default_rng(1)
    image, reference = rng.integers(256, size=(2, 9, width, 3), dtype=np.uint8)
    mask, prediction = rng.integers(3, size=(2, 9, width), dtype=np.uint8)
    distance = rng.random((9, width))
    pictures = [
        image,
        reference,
        overlays.highlight(image, mask),
        overlays.highlight(image, prediction),
        overlays.color_distance(distance),
    ]
    panel = overlays.panel(image, reference, mask, prediction, distance)
    bottom = panel[-9:]
    left = -1
    for picture in pictures:
        starts = range(left + 1, bottom.shape[1] - width + 1)
        left = next(
            x for x in starts if np.array_equal(bottom[:, x : x + width], picture)
        )
    assert np.all(panel[0] == 255) and panel[:-9].min() < 100  # titles, on white


def test_a_panel_without_mask_shows_the_others(image: np.ndarray) -> None:
    mask, distance = np.ones((7, 11), np.uint8), np.zeros((7, 11))
    with_mask = overlays.panel(image, image, mask, mask, distance)
    without = overlays.panel(image, image, None, mask, distance)
    width = (with_mask.shape[1] + 4) // 5  # of a column and its gap
    expected = np.delete(with_mask, range(2 * width, 3 * width), axis=1)
    np.testing.assert_array_equal(without, expected)


def test_a_panel_without_distmap_has_one_column_less(image: np.ndarray) -> None:
    mask = np.zeros((7, 11), np.uint8)
    with_distance = overlays.panel(image, image, mask, mask, np.zeros((7, 11)))
    without = overlays.panel(image, image, mask, mask, None)
    np.testing.assert_array_equal(without, with_distance[:, : without.shape[1]])
    assert without.shape[1] < with_distance.shape[1]
