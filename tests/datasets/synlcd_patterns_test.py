"""Claims about SynLCD's display patterns."""

import itertools

import cv2
import numpy as np
import pytest

from cadnet_jax.datasets.synlcd import patterns, points


def test_seven_patterns_are_for_training_and_three_others_for_testing() -> None:
    assert (len(patterns.TRAIN), len(patterns.TEST)) == (7, 3)
    assert patterns.TRAIN + patterns.TEST == patterns.NAMES
    assert len(set(patterns.NAMES)) == 10


def test_no_two_patterns_look_alike() -> None:
    """The mean absolute difference of the closest two exceeds 40 gray levels."""
    drawn = [patterns.draw(name, 512).astype(int) for name in patterns.NAMES]
    for first, second in itertools.combinations(drawn, 2):
        assert np.abs(first - second).mean() > 40


@pytest.mark.parametrize('name', patterns.NAMES)
def test_a_pattern_is_fixed_and_other_sizes_show_the_same(name: str) -> None:
    drawn = patterns.draw(name, 512)
    patterns.draw.cache_clear()
    np.testing.assert_array_equal(patterns.draw(name, 512), drawn)
    assert (drawn.shape, drawn.dtype) == ((512, 512, 3), np.uint8)
    blocks = drawn.reshape(128, 4, 128, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(patterns.draw(name, 128), blocks, atol=0.51)
    assert patterns.draw(name, 544).shape == (544, 544, 3)


@pytest.mark.parametrize('name', patterns.NAMES)
def test_a_pattern_has_edges_at_every_threshold(name: str) -> None:
    """So that abnormal points always find a place, at the smallest size too."""
    pattern = patterns.draw(name, 64)
    for threshold in points.THRESHOLDS[::10]:
        edges = points.edge_points(pattern, threshold)
        assert len(edges) >= 20
        gray = cv2.cvtColor(pattern, cv2.COLOR_RGB2GRAY) > threshold
        for x, y in edges[::7]:
            near = gray[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            assert 0 < near.sum() < near.size
