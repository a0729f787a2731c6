"""Confusion counts, scores and region counts against counting by hand and by loops."""

from typing import Any

import numpy as np
import pytest

from cadnet_jax.evaluation import metrics

# Labels: two defects of class 1 (they touch by a corner, so they are one region), one
# of class 2, an ignored column.
MASK = np.array(
    [
        [1, 1, 0, 0, 0, 255],
        [0, 0, 1, 0, 0, 255],
        [0, 0, 0, 0, 0, 255],
        [2, 2, 0, 0, 0, 255],
        [2, 2, 0, 0, 0, 255],
    ],
    np.uint8,
)
PREDICTION = np.array(
    [
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0, 0],
        [1, 2, 0, 2, 0, 0],
        [0, 0, 0, 0, 0, 2],
    ],
    np.uint8,
)


def random_masks(seed: int, num_classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = rng.integers(num_classes, size=(13, 17)).astype(np.uint8)
    mask[rng.random(mask.shape) < 0.5] = 0
    mask[rng.random(mask.shape) < 0.1] = 255
    prediction = rng.integers(num_classes, size=mask.shape).astype(np.uint8)
    prediction[rng.random(mask.shape) < 0.7] = 0
    return mask, prediction


def regions_by_flood_fill(selected: np.ndarray) -> list[set[tuple[int, int]]]:
    """The 8-connected regions of a bool [H, W] array, as sets of pixels."""
    left = {(int(y), int(x)) for y, x in np.argwhere(selected)}
    regions = []
    while left:
        region, border = set(), {left.pop()}
        while border:
            y, x = border.pop()
            region.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            border |= near
        regions.append(region)
    return regions


def test_confusion_of_a_worked_example() -> None:
    """Rows are labels; the ignored column, with 1 and 2 predicted, adds nothing."""
    expected = [[16, 1, 1], [2, 1, 0], [2, 1, 1]]
    result = metrics.confusion_matrix(MASK, PREDICTION, 3)
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == np.int64


@pytest.mark.parametrize('seed', range(5))
def test_confusion_equals_counting_pixel_by_pixel(seed: int) -> None:
    mask, prediction = random_masks(seed)
    expected = np.zeros((4, 4), int)
    for label, predicted in zip(mask.ravel(), prediction.ravel(), strict=True):
        if label != 255:
            expected[label, predicted] += 1
    np.testing.assert_array_equal(
        metrics.confusion_matrix(mask, prediction, 4), expected
    )


@pytest.mark.parametrize(
    ('mask', 'prediction', 'message'),
    [
        ([[0, 3]], [[0, 0]], r'values \[3\].*0 to 2'),
        ([[7, 254]], [[0, 0]], r'values \[7, 254\]'),
        ([[0, 1]], [[0, 3]], 'class 3'),
        ([[0, 1]], [[0, 255]], 'class 255'),
        ([[0, 1]], [[0], [1]], r'\[1, 2\].*\[2, 1\]'),
    ],
)
def test_values_outside_the_class_map_are_errors(
    mask: list[Any], prediction: list[Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(
            np.array(mask, np.uint8), np.array(prediction, np.uint8), 3
        )


def test_scores_of_a_worked_example() -> None:
    confusion = np.array([[16, 1, 1], [2, 1, 0], [2, 1, 1]])
    scores = metrics.scores(confusion, ('background', 'open', 'short'))
    assert scores['classes']['open'] == {
        'iou': 1 / 5,
        'accuracy': 1 / 3,
        'fscore': 2 / 6,
        'precision': 1 / 3,
        'recall': 1 / 3,
        'pixels': 3,
    }
    assert scores['classes']['short']['iou'] == 1 / 5
    assert scores['classes']['background']['iou'] == 16 / 22
    assert scores['miou'] == pytest.approx((1 / 5 + 1 / 5) / 2)
    assert scores['macc'] == pytest.approx((1 / 3 + 1 / 4) / 2)
    assert scores['mfscore'] == pytest.approx((2 / 6 + 2 / 6) / 2)
    assert scores['defect_iou'] == 3 / 9
    assert scores['defect_accuracy'] == 3 / 7


def test_the_means_leave_out_the_background_as_in_the_papers_table_3() -> None:
    """mIoU 83.78 there is the mean of 94.02 and 73.53, the two defect classes."""
    confusion = np.diag([10**6, 9402, 7353])
    confusion[1, 0], confusion[2, 0] = 10000 - 9402, 10000 - 7353
    scores = metrics.scores(confusion, ('background', 'line', 'point'))
    assert scores['miou'] is not None
    assert 100 * scores['miou'] == pytest.approx(83.78, abs=0.006)


def test_a_class_absent_from_label_and_prediction_is_left_out() -> None:
    confusion = np.array([[10, 0, 0], [1, 3, 0], [0, 0, 0]])
    scores = metrics.scores(confusion, ('background', 'open', 'short'))
    absent: dict[str, Any] = {**scores['classes']['short']}
    assert absent.pop('pixels') == 0
    assert set(absent.values()) == {None}
    assert scores['miou'] == scores['classes']['open']['iou'] == 3 / 4


def test_a_class_that_is_only_predicted_counts_as_missed() -> None:
    """Its IoU and F-score are 0; its accuracy has no meaning and is left out."""
    confusion = np.array([[8, 0, 2], [0, 4, 0], [0, 0, 0]])
    scores = metrics.scores(confusion, ('background', 'open', 'short'))
    assert scores['classes']['short']['iou'] == 0
    assert scores['classes']['short']['accuracy'] is None
    assert scores['miou'] == 1 / 2
    assert scores['macc'] == 1


def test_with_no_defect_at_all_the_averages_are_undefined() -> None:
    scores = metrics.summarize(
        metrics.count(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), 2),
        ('background', 'defect'),
    )
    undefined = {name for name, value in scores.items() if value is None}
    of_all = {'miou', 'macc', 'mfscore', 'defect_iou', 'defect_accuracy'}
    assert undefined == of_all | {'defect_hit_rate'}
    assert scores['false_regions_per_image'] == 0


def test_regions_of_a_worked_example() -> None:
    """The class 2 square is hit: exactly half of it is predicted, as any class.

    The class 1 region is not: 1 of 3. Of the predicted regions one is false, the single
    pixel in row 3; the pair in row 1 and the pixel in row 4 touch ignored pixels.
    """
    regions = metrics.count_regions(MASK, PREDICTION)
    assert regions == metrics.Regions(hits=1, defects=2, false_regions=1)


@pytest.mark.parametrize('seed', range(8))
def test_regions_equal_those_of_a_flood_fill(seed: int) -> None:
    mask, prediction = random_masks(seed)
    mask[:, 5:12] *= mask[:, 5:12] == 255  # room for false regions
    predicted = {(int(y), int(x)) for y, x in np.argwhere(prediction != 0)}
    known = {(int(y), int(x)) for y, x in np.argwhere(mask != 0)}
    defects = regions_by_flood_fill((mask != 0) & (mask != 255))
    expected = metrics.Regions(
        hits=sum(2 * len(defect & predicted) >= len(defect) for defect in defects),
        defects=len(defects),
        false_regions=sum(
            not region & known for region in regions_by_flood_fill(prediction != 0)
        ),
    )
    assert metrics.count_regions(mask, prediction) == expected


def test_counts_of_parts_add_up_to_those_of_the_whole() -> None:
    """Merging is associative: batches and processes may be summed in any order."""
    a, b, c = (metrics.count(*random_masks(seed), 4) for seed in range(3))
    left, right = (a + b) + c, a + (b + c)
    np.testing.assert_array_equal(left.confusion, right.confusion)
    assert left.images == right.images == 3
    assert left.hits == a.hits + b.hits + c.hits
    assert left.defects == a.defects + b.defects + c.defects
    assert left.false_regions == a.false_regions + b.false_regions + c.false_regions
    masks, predictions = zip(*map(random_masks, range(3)), strict=True)
    np.testing.assert_array_equal(
        left.confusion,
        metrics.confusion_matrix(np.concatenate(masks), np.concatenate(predictions), 4),
    )


def test_no_counts_changes_nothing() -> None:
    counts = metrics.count(MASK, PREDICTION, 3)
    names = ('background', 'open', 'short')
    assert metrics.summarize(metrics.no_counts(3) + counts, names) == (
        metrics.summarize(counts, names)
    )
