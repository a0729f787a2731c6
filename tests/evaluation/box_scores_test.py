"""Scores of boxes against cases worked by hand, and against pycocotools."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest

from cadnet_jax.evaluation.box_scores import (
    COCO_IOUS,
    PairBoxes,
    box_scores,
    coco_average_precision,
    script_average_precision,
    script_fscore,
    script_matches,
)
from cadnet_jax.evaluation.boxes import Boxes, intersections_over_unions

A, B, C = (0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)


def boxes(*rows: tuple[tuple[int, ...], int, float]) -> Boxes:
    """Of (coordinates, class id, score), the highest score first."""
    return Boxes(
        np.array([row[0] for row in rows], float).reshape(-1, 4),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], float),
    )


def labels(*rows: tuple[tuple[int, ...], int]) -> Boxes:
    return boxes(*((*row, 1.0) for row in rows))


def test_the_iou_of_half_a_box_and_of_none() -> None:
    first = np.array([A, (0, 0, 10, 5), (5, 0, 15, 10)], float)
    values = intersections_over_unions(first, np.array([A, C], float))
    expected = np.array([[1, 0], [0.5, 0], [1 / 3, 0]])
    np.testing.assert_allclose(values, expected)
    empty = np.zeros((1, 4))
    assert intersections_over_unions(empty, empty).tolist() == [[0]]


def test_a_duplicate_is_a_false_box() -> None:
    """Ranked: right, a second box at the same label, right."""
    found = boxes((A, 1, 0.9), (A, 1, 0.8), (B, 1, 0.7))
    pair = PairBoxes(labels((A, 1), (B, 1)), found)
    assert script_matches(pair).tolist() == [True, False, True]
    assert script_average_precision([pair]) == pytest.approx((1 + 2 / 3) / 2)
    assert script_fscore([pair], 0.0) == pytest.approx((2 / 3, 1, 0.8))


def test_a_missed_label_lowers_recall_alone() -> None:
    pair = PairBoxes(labels((A, 1), (B, 1), (C, 1)), boxes((B, 1, 0.4)))
    assert script_average_precision([pair]) == pytest.approx(1 / 3)
    assert script_fscore([pair], 0.0) == pytest.approx((1, 1 / 3, 0.5))


def test_a_box_of_the_wrong_class_takes_the_label_away() -> None:
    """As the script has it. By COCO's rule classes do not meet."""
    pair = PairBoxes(labels((A, 1)), boxes((A, 2, 0.9), (A, 1, 0.8)))
    assert script_matches(pair).tolist() == [False, False]
    assert script_average_precision([pair]) == 0
    assert coco_average_precision([pair], [0.5]).tolist() == [[1.0]]


def test_a_label_takes_the_first_box_not_the_nearest() -> None:
    """Which leaves the second label a box that is less near, but near enough."""
    first, second = (0, 0, 10, 10), (4, 0, 14, 10)
    pair = PairBoxes(
        labels((first, 1), (second, 1)),
        boxes(((3, 0, 13, 10), 1, 0.9), (first, 1, 0.8)),
    )
    assert script_matches(pair).tolist() == [True, True]
    # By COCO's rule at 0.85: the first box (IoU 9/11) is false, the second right. At
    # 51 of the 101 recalls the precision is 1/2.
    assert coco_average_precision([pair], [0.85])[0, 0] == pytest.approx(51 / 2 / 101)


@pytest.mark.parametrize(('width', 'right'), [(33, False), (34, True)])
def test_an_iou_of_a_third_hundredth_is_not_enough(width: int, right: bool) -> None:
    """The script asks for more than 0.33."""
    pair = PairBoxes(labels(((0, 0, 100, 100), 1)), boxes(((0, 0, width, 100), 1, 0.9)))
    assert script_matches(pair).tolist() == [right]


def test_boxes_of_equal_score_are_ranked_in_the_order_of_the_pairs() -> None:
    wrong = PairBoxes(labels(), boxes((C, 1, 0.5)))
    right = PairBoxes(labels((A, 1)), boxes((A, 1, 0.5)))
    assert script_average_precision([right, wrong]) == 1
    assert script_average_precision([wrong, right]) == 0.5


def test_average_precision_ranks_all_images_and_classes_together() -> None:
    """Not the mean of two classes, which would be (1 + 1) / 2."""
    first = PairBoxes(labels((A, 1)), boxes((A, 1, 0.9), (C, 2, 0.8)))
    second = PairBoxes(labels((A, 2)), boxes((A, 2, 0.7)))
    assert script_average_precision([first, second]) == pytest.approx((1 + 2 / 3) / 2)
    assert coco_average_precision([first, second], [0.5])[:, 0] == pytest.approx(
        [1, 0.5]
    )


def test_the_fscore_counts_boxes_from_its_smallest_score_on() -> None:
    """Average precision counts all, whatever that score."""
    pair = PairBoxes(labels((A, 1), (B, 1)), boxes((A, 1, 0.9), (C, 1, 0.5)))
    assert script_fscore([pair], 0.5)[0] == 0.5
    assert script_fscore([pair], 0.51) == pytest.approx((1, 0.5, 2 / 3))
    scores = box_scores([pair], 0.51)
    assert (scores['ap33'], scores['precision33'], scores['found']) == (0.5, 1, 2)


def test_what_is_undefined_is_none() -> None:
    """Without a label, and precision without a box."""
    nothing = box_scores([PairBoxes(labels(), boxes((A, 1, 0.9)))], 0.0)
    assert nothing['ap33'] is nothing['f33'] is nothing['recall33'] is None
    assert nothing['ap50'] is nothing['ap50_95'] is None
    assert nothing['precision33'] == 0
    missed = box_scores([PairBoxes(labels((A, 1)), boxes())], 0.0)
    assert missed['precision33'] is None
    assert missed['ap33'] == missed['ap50'] == missed['f33'] == 0
    assert box_scores([], 0.0)['ap50_95'] is None


def random_pairs(seed: int) -> list[PairBoxes]:
    """Moved labels and false boxes of three classes, with many equal scores.

    One pair has more boxes of a class than count, one has no label, one no box.
    """
    rng = np.random.default_rng(seed)
    pairs = []
    for index in range(8):
        count = 0 if index == 1 else int(rng.integers(1, 12))
        corners = rng.integers(0, 80, (count, 2))
        label = np.hstack([corners, corners + rng.integers(5, 30, (count, 2))])
        classes = rng.integers(1, 4, count)
        repeats = 0 if index == 2 else 20 if index == 3 else 2
        moved = np.repeat(label, repeats, axis=0)
        moved = moved + rng.integers(-3, 4, moved.shape)
        corners = rng.integers(0, 80, (150 if index == 3 else 4 * (index != 2), 2))
        false = np.hstack([corners, corners + rng.integers(5, 30, corners.shape)])
        found = np.vstack([moved, false]).astype(float)
        ids = np.concatenate(
            [np.repeat(classes, repeats), rng.integers(1, 5, len(false))]
        )
        scores = np.sort(rng.random(len(found)).round(1))[::-1]
        order = rng.permutation(len(found))
        pairs.append(
            PairBoxes(
                Boxes(label.astype(float), classes, np.ones(count)),
                Boxes(found[order], ids[order], scores),
            )
        )
    return pairs


def by_pycocotools(pairs: list[PairBoxes]) -> np.ndarray:
    """AP of each class at each of COCO's IoUs, [C, T]; -1 without a label."""
    coco = pytest.importorskip('pycocotools.coco')
    cocoeval = pytest.importorskip('pycocotools.cocoeval')

    def rows(of: list[Boxes]) -> list[dict[str, Any]]:
        return [
            {
                'image_id': image,
                'category_id': int(class_id),
                'bbox': [x, y, right - x, bottom - y],
                'area': (right - x) * (bottom - y),
                'score': score,
                'iscrowd': 0,
            }
            for image, found in enumerate(of, 1)
            for (x, y, right, bottom), class_id, score in zip(
                found.coordinates.tolist(), found.class_ids, found.scores, strict=True
            )
        ]

    truth = coco.COCO()
    labels = rows([pair.labels for pair in pairs])
    truth.dataset = {
        'images': [{'id': image} for image in range(1, len(pairs) + 1)],
        'categories': [{'id': class_id} for class_id in range(1, 5)],
        'annotations': [row | {'id': id} for id, row in enumerate(labels, 1)],
        'info': {},
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        results = truth.loadRes(rows([pair.found for pair in pairs]))
        evaluation = cocoeval.COCOeval(truth, results, 'bbox')
        evaluation.evaluate()
        evaluation.accumulate()
    of_all = evaluation.eval['precision'][:, :, :, 0, 2]  # any area, 100 boxes
    return np.asarray(of_all.mean(axis=1).T)


@pytest.mark.parametrize('seed', range(5))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    pairs = random_pairs(seed)
    expected = by_pycocotools(pairs)
    labeled = expected[:, 0] >= 0
    assert labeled.tolist() == [True, True, True, False]
    values = coco_average_precision(pairs, COCO_IOUS)
    np.testing.assert_allclose(values, expected[labeled], rtol=0, atol=1e-12)
    scores = box_scores(pairs, 0.0)
    assert scores['ap50_95'] == pytest.approx(expected[labeled].mean(), abs=1e-12)
    assert scores['ap85'] == pytest.approx(expected[labeled, 7].mean(), abs=1e-12)
    assert 0.05 < values.mean() < 0.95


def script_by_loops(pairs: list[PairBoxes]) -> float:
    """The script's procedure, written out in plain loops."""
    ranked, total = [], 0
    for label, found in pairs:
        total += len(label)
        ious = intersections_over_unions(label.coordinates, found.coordinates)
        taken: dict[int, bool] = {}
        for number in range(len(label)):
            for candidate in range(len(found)):
                if candidate not in taken and ious[number, candidate] > 0.33:
                    same = label.class_ids[number] == found.class_ids[candidate]
                    taken[candidate] = bool(same)
                    break
        ranked += [(-s, taken.get(n, False)) for n, s in enumerate(found.scores)]
    ranked.sort(key=lambda row: row[0])
    right, average = 0, 0.0
    for rank, (_, is_right) in enumerate(ranked, 1):
        right += is_right
        average += right / rank if is_right else 0.0
    return average / total


@pytest.mark.parametrize('seed', range(3))
def test_random_boxes_are_scored_as_plain_loops_score_them(seed: int) -> None:
    pairs = random_pairs(seed)
    value = script_average_precision(pairs)
    assert value == pytest.approx(script_by_loops(pairs), abs=1e-12)
