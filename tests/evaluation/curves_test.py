"""Curves whose values are worked out by hand, and against a plain oracle."""

import numpy as np
import pytest

from cadnet_jax.evaluation.curves import (
    ANY_DEFECT,
    BINS,
    ScoreHistograms,
    count_scores,
    curve_names,
    curves,
    no_histograms,
)


def two_classes(*defect: float) -> np.ndarray:
    """Probabilities [1, N, 2] of background and the one defect class."""
    p = np.array(defect, np.float32)[None]
    return np.stack([1 - p, p], axis=-1)


def test_a_curve_by_hand() -> None:
    """Scores .9 hit, .6 false, .4 hit, .1 background; the ignored pixel counts not."""
    mask = np.array([[1, 0, 1, 0, 255]], np.uint8)
    counts = count_scores(mask, two_classes(0.9005, 0.6005, 0.4005, 0.1005, 0.9995))
    curve = curves(counts, ('scratch', ANY_DEFECT))['scratch']
    at = {t: i for i, t in enumerate(curve['threshold'])}
    assert len(at) == BINS
    expected = {  # threshold: precision, recall, F-score
        0.0: (0.5, 1.0, round(4 / 6, 6)),
        0.2: (round(2 / 3, 6), 1.0, 0.8),
        0.5: (0.5, 0.5, 0.5),
        0.9: (1.0, 0.5, round(2 / 3, 6)),
        0.95: (None, 0.0, 0.0),
    }
    for threshold, values in expected.items():
        found = tuple(
            curve[n][at[threshold]] for n in ('precision', 'recall', 'fscore')
        )
        assert found == values
    assert curve['average_precision'] == round(0.5 * 1 + 0.5 * 2 / 3, 6)
    assert curve['best_fscore'] == 0.8
    assert curve['best_threshold'] == 0.101


def test_average_precision_is_that_of_sorted_scores() -> None:
    """The oracle ranks the pixels; scores are multiples of the bins' width."""
    rng = np.random.default_rng(0)
    ranks = rng.permutation(BINS)[:400]
    labels = rng.random(400) < ranks / 1500
    counts = count_scores(
        labels[None].astype(np.uint8), two_classes(*(ranks + 0.5) / BINS)
    )
    hits = labels[np.argsort(-ranks)]
    precision = np.cumsum(hits) / np.arange(1, 401)
    expected = precision[hits].mean()
    curve = curves(counts, ('scratch', ANY_DEFECT))['scratch']
    assert curve['average_precision'] == pytest.approx(expected, abs=1e-6)
    assert 0.4 < expected < 0.9


def test_any_defect_is_what_is_not_background() -> None:
    mask = np.array([[0, 1, 2]], np.uint8)
    p = np.array([[[0.8, 0.1, 0.1], [0.3, 0.3, 0.4], [0.1, 0.45, 0.45]]], np.float32)
    counts = count_scores(mask, p)
    assert counts.labeled.shape == counts.unlabeled.shape == (3, BINS)
    assert counts.labeled.sum(axis=1).tolist() == [1, 1, 2]
    assert counts.unlabeled.sum(axis=1).tolist() == [2, 2, 1]
    names = curve_names(('background', 'line', 'abpt'), has_classes=True)
    assert names == ('line', 'abpt', 'any defect')
    found = curves(counts, names)
    assert found['any defect']['best_fscore'] == 1
    assert found['line']['best_fscore'] == round(2 / 3, 6)


def test_change_scores_are_counted_up_to_the_largest_and_clipped_there() -> None:
    """The threshold, half of the largest, is the edge of a bin."""
    mask = np.array([[0, 0, 1, 2, 2]], np.uint8)
    scores = np.array([[-3, 1.2499, 1.2501, 2.4, 9]], np.float32)[..., None]
    counts = count_scores(mask, scores, largest=2.5)
    names = curve_names(('background', 'defect'), has_classes=False)
    assert names == ('defect',)
    curve = curves(counts, names, largest=2.5)['defect']
    assert curve['threshold'][BINS // 2] == 1.25
    assert curve['fscore'][BINS // 2] == 1
    assert curve['fscore'][BINS // 2 - 1] < 1
    assert curve['recall'][-1] == round(1 / 3, 6)
    assert counts.unlabeled[0, 0] == 1


def test_histograms_add_up() -> None:
    rng = np.random.default_rng(1)
    masks = rng.choice(np.array([0, 1, 2, 255], np.uint8), size=(2, 6, 5))
    p = rng.dirichlet((1, 1, 1), size=(2, 6, 5)).astype(np.float32)
    total = no_histograms(3)
    for mask, values in zip(masks, p, strict=True):
        total += count_scores(mask, values)
    together = count_scores(masks.reshape(12, 5), p.reshape(12, 5, 3))
    np.testing.assert_array_equal(total.labeled, together.labeled)
    np.testing.assert_array_equal(total.unlabeled, together.unlabeled)
    assert (total.labeled + total.unlabeled).sum() == 3 * (masks != 255).sum()


def test_a_class_without_a_pixel_has_no_scores() -> None:
    counts = count_scores(np.zeros((1, 2), np.uint8), two_classes(0.2, 0.7))
    curve = curves(counts, ('scratch', ANY_DEFECT))['scratch']
    assert set(curve['recall']) == set(curve['fscore']) == {None}
    assert curve['precision'][0] == 0
    for name in ('average_precision', 'best_fscore', 'best_threshold'):
        assert curve[name] is None


def test_no_image_gives_curves_without_values() -> None:
    empty = no_histograms(1)
    assert isinstance(empty, ScoreHistograms)
    assert curves(empty, ('defect',))['defect']['average_precision'] is None
