"""Windows of drawn images, and shares that are counted by hand."""

import numpy as np
import pytest

from cadnet_jax.evaluation.windows import Windows, found_at


def test_a_window_is_good_bad_or_neither() -> None:
    """Of four: a whole defect, parts of one in two of them, and nothing."""
    mask = np.zeros((700, 660), np.uint8)  # the rest of the image is in no window
    score = np.zeros(mask.shape, np.float32)
    mask[100:110, 100:110] = 2
    score[100:102, 100:110], score[300, 300] = 0.7, 0.9
    mask[400:410, 310:330] = 1
    score[400, 310] = 0.6
    score[200, 500] = 0.2
    windows = Windows()
    windows.add(mask, score)
    assert windows.good == pytest.approx([0.2])
    assert windows.bad == pytest.approx([0.9])
    assert windows.defects == pytest.approx([0.7, 0.6])


def test_windows_of_one_image_are_held_out_together() -> None:
    """Two images of two bad windows: each one's limit is the lowest of the other.

    The two good windows of the first image are at 0.2, above its own lowest bad one.
    """
    windows = Windows()
    for bad, good in ((0.1, 0.2), (0.6, 0.3)):
        mask = np.zeros((640, 640), np.uint8)
        score = np.full(mask.shape, good, np.float32)
        for x, value in ((0, bad), (320, bad + 0.1)):
            mask[100:110, x + 100 : x + 110] = 1
            score[:320, x : x + 320] = value
        windows.add(mask, score)
    assert windows.good_images == windows.bad_images == [0, 0, 1, 1]
    row = windows.summarize()['review'][0]
    # Good ones below 0.6 pass in the first image, and below 0.1 in the second.
    assert row['passed'] == 0 and row['held_out_passed'] == 0.5
    # Both bad ones of the first image are below 0.6. Folds of windows give 1/4.
    assert row['held_out_escaped'] == 0.5


def test_without_a_second_image_with_bad_windows_nothing_is_held_out() -> None:
    windows = Windows(good=[0.1, 0.2], bad=[0.5, 0.6], bad_images=[3, 3])
    row = windows.summarize()['review'][0]
    assert row['passed'] == 1
    assert row['held_out_passed'] is row['held_out_escaped'] is None


def test_an_ignored_pixel_makes_a_window_neither() -> None:
    mask = np.zeros((320, 640), np.uint8)
    mask[5, 5] = 255
    windows = Windows()
    windows.add(mask, np.full(mask.shape, 0.1, np.float32))
    assert (len(windows.good), windows.bad, windows.defects) == (1, [], [])


@pytest.mark.parametrize(
    ('share', 'found'), [(0.0, 1 / 3), (0.25, 2 / 3), (0.3, 2 / 3), (1.0, 1.0)]
)
def test_defects_are_found_above_the_scores_of_good_windows(
    share: float, found: float
) -> None:
    """Of four good windows a quarter is one, and so is 30 %."""
    good, defects = [0.9, 0.1, 0.5, 0.3], [0.95, 0.5001, 0.01]
    assert found_at(good, defects, share) == pytest.approx(found)


def test_without_a_good_window_nothing_is_said() -> None:
    assert found_at([], [0.5], 0.1) is None
    assert found_at([0.5], [], 0.1) is None
    assert Windows(bad=[0.5, 0.6]).summarize()['review'] == []


def test_review_is_removed_where_good_windows_are_below_all_bad_ones() -> None:
    """Half of the good ones are; the limit of other windows lets one bad one pass."""
    windows = Windows(good=[0.1, 0.9] * 10, bad=[0.5, *[0.95] * 9])
    rows = windows.summarize()['review']
    assert [row['escapes'] for row in rows] == [0.001, 0.0025, 0.005, 0.01]
    assert [row['passed'] for row in rows] == [0.5] * 4
    assert rows[0]['held_out_escaped'] == pytest.approx(0.1)
    # The fold that holds 0.5 has the limit 0.95, under which its four good ones pass.
    assert rows[0]['held_out_passed'] == pytest.approx((4 + 16 / 2) / 20)
