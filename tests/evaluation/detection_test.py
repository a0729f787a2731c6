"""Claims about hits and false regions over thresholds."""

import numpy as np
import pytest
import skimage.measure

from cadnet_jax.data.labels import is_defect
from cadnet_jax.evaluation import metrics
from cadnet_jax.evaluation.detection import (
    SMALLEST_REGION,
    DetectionCounts,
    count_detections,
    no_detections,
)

THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)


def slow_false_regions(mask: np.ndarray, marked: np.ndarray) -> int:
    """By scikit-image, region after region."""
    regions = skimage.measure.label(marked, connectivity=2)
    false = 0
    for region in skimage.measure.regionprops(regions):
        inside = regions == region.label
        false += region.area >= SMALLEST_REGION and not (mask[inside] != 0).any()
    return false


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Defects, ignored pixels, and a smooth score."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((48, 60), np.uint8)
    for value in (1, 2, 1, 255):
        top, left = rng.integers(0, 40, 2)
        mask[top : top + rng.integers(2, 9), left : left + rng.integers(2, 9)] = value
    score = np.kron(rng.random((12, 15)), np.ones((4, 4))).astype(np.float32)
    return mask, score + 0.001 * rng.random(score.shape, np.float32)


@pytest.mark.parametrize('seed', range(12))
def test_counts_are_those_of_the_metrics_at_each_threshold(seed: int) -> None:
    """Hits by `metrics.count_regions`, false regions by another library."""
    mask, score = random_pair(seed)
    counts = count_detections(mask, score, THRESHOLDS)
    for k, threshold in enumerate(THRESHOLDS):
        marked = score > threshold
        regions = metrics.count_regions(mask, marked.astype(np.uint8))
        assert counts.hits[k] == regions.hits
        assert counts.defects == regions.defects
        assert counts.false_regions[k] == slow_false_regions(mask, marked)
        defect = is_defect(mask)
        assert counts.true_positives[k] == (marked & defect).sum()
        assert counts.false_positives[k] == (marked & (mask == 0)).sum()


def test_counts_of_disjoint_sets_add_up() -> None:
    one, two = (count_detections(*random_pair(k), THRESHOLDS) for k in (1, 2))
    both = no_detections(THRESHOLDS) + one + two
    assert both.defects == one.defects + two.defects
    assert both.images == 2
    np.testing.assert_array_equal(both.hits, one.hits + two.hits)


def test_counts_at_other_thresholds_are_not_added() -> None:
    with pytest.raises(ValueError, match='other thresholds'):
        no_detections((0.1, 0.2)) + no_detections((0.1, 0.3))


def test_thresholds_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValueError, match='ascend'):
        no_detections((0.2, 0.1))


def counts(hits: list[int], false: list[int]) -> DetectionCounts:
    """Of ten defects in half a megapixel."""
    zeros = np.zeros(3, np.int64)
    return DetectionCounts(
        np.array([0.1, 0.5, 0.9], np.float32),
        np.array(hits),
        np.array(false),
        zeros,
        zeros,
        zeros,
        defects=10,
        pixels=500_000,
        images=1,
    )


def test_the_hit_rate_at_a_rate_of_false_regions_is_the_best_allowed_one() -> None:
    """4, 1 and 0 false regions in half a megapixel are 8, 2 and 0 a megapixel."""
    found = counts([9, 7, 3], [4, 1, 0])
    assert found.hit_rate_at(8) == pytest.approx(0.9)
    assert found.hit_rate_at(7.9) == pytest.approx(0.7)
    assert found.hit_rate_at(1) == pytest.approx(0.3)


def test_too_many_false_regions_everywhere_are_no_hits() -> None:
    assert counts([9, 7, 3], [4, 4, 4]).hit_rate_at(1) == 0


def test_an_image_that_is_marked_as_a_whole_finds_nothing() -> None:
    """It is one region, and touches each defect."""
    mask = np.zeros((30, 30), np.uint8)
    mask[4:9, 4:9] = 1
    everywhere = count_detections(mask, np.ones((30, 30), np.float32), (0.5,))
    assert everywhere.hits.tolist() == [1]
    assert everywhere.hit_rate_at(1) == 0
    exact = count_detections(mask, mask.astype(np.float32), (0.5,))
    assert exact.hit_rate_at(1) == 1


def test_small_false_regions_are_not_counted() -> None:
    mask = np.zeros((20, 20), np.uint8)
    score = np.zeros((20, 20), np.float32)
    score[2:4, 2:7] = 1  # 10 pixels
    score[10:13, 10:14] = 1  # 12 pixels
    found = count_detections(mask, score, (0.5,))
    assert found.false_regions.tolist() == [1]
    assert found.false_regions_good.tolist() == [1]
    assert found.good_images == 1
