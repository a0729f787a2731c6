"""Rules on worked scores, and that the network takes no part in them."""

from typing import Any

import numpy as np
import pytest

from cadnet_jax.inference import pixel_maps
from cadnet_jax.inference.decision import PixelScores, Rule, decide, predict_pair
from tests.support.tiny_data import boards
from tests.support.tiny_run import Differencing, differencing_predictor

NAMES = ('background', 'open', 'short')
PROBABILITIES = np.array(
    [
        [[0.4, 0.35, 0.25], [0.5, 0.2, 0.3], [0.95, 0.04, 0.01]],
        [[0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.1, 0.7]],
    ],
    np.float32,
)


def scores_of(probabilities: np.ndarray) -> PixelScores:
    of_defects = probabilities[..., 1:]
    return PixelScores(
        score=1 - probabilities[..., 0],
        defect_class=(1 + of_defects.argmax(axis=-1)).astype(np.uint8),
        class_score=of_defects.max(axis=-1),
        likeliest=probabilities.argmax(axis=-1).astype(np.uint8),
        distance=None,
    )


@pytest.mark.parametrize(
    ('threshold', 'expected'),
    [
        (None, [[0, 0, 0], [1, 0, 2]]),
        (0.55, [[1, 0, 0], [1, 0, 2]]),
        (0.45, [[1, 2, 0], [1, 0, 2]]),
        (0.3, [[1, 2, 0], [1, 1, 2]]),
        (0.0, [[1, 2, 1], [1, 1, 2]]),
        (0.95, [[0, 0, 0], [0, 0, 0]]),
    ],
)
def test_above_the_threshold_a_pixel_has_its_likeliest_class_of_defects(
    threshold: float | None, expected: list[list[int]]
) -> None:
    mask = decide(scores_of(PROBABILITIES), Rule(threshold))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ('min_area', 'expected'),
    [
        (1, [[1, 1, 0, 2], [0, 1, 0, 2], [0, 0, 1, 2], [2, 0, 0, 2]]),
        (2, [[1, 1, 0, 2], [0, 1, 0, 2], [0, 0, 1, 2], [0, 0, 0, 2]]),
        (4, [[1, 1, 0, 2], [0, 1, 0, 2], [0, 0, 1, 2], [0, 0, 0, 2]]),
        (5, [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_regions_below_the_smallest_area_are_left_out(
    min_area: int, expected: list[list[int]]
) -> None:
    """Areas of one class, joined over corners; each image of a batch for itself."""
    mask = np.array([[1, 1, 0, 2], [0, 1, 0, 2], [0, 0, 1, 2], [2, 0, 0, 2]])
    scores = scores_of(np.eye(3, dtype=np.float32)[mask])
    np.testing.assert_array_equal(decide(scores, Rule(min_area=min_area)), expected)
    batch = np.stack([mask, np.zeros_like(mask), mask.T])
    scores = scores_of(np.eye(3, dtype=np.float32)[batch])
    decided = decide(scores, Rule(min_area=min_area))
    np.testing.assert_array_equal(decided[0], expected)
    assert not decided[1].any()
    np.testing.assert_array_equal(decided[2], np.transpose(expected))


def test_every_listed_defect_has_the_smallest_area() -> None:
    """And the list and the mask are of one mind."""
    rng = np.random.default_rng(0)
    scores = scores_of(rng.dirichlet((1, 1, 1), (40, 50)).astype(np.float32))
    prediction = predict_pair(scores, NAMES, Rule(min_area=7))
    areas = [defect.area for defect in prediction.defects]
    assert min(areas) >= 7
    assert sum(areas) == np.count_nonzero(prediction.mask)
    smaller = prediction.with_rule(min_area=1)
    assert len(smaller.defects) > len(areas)
    assert smaller.with_rule(min_area=7).defects == prediction.defects


def test_scores_of_a_defect_are_means_over_its_pixels() -> None:
    scores = scores_of(PROBABILITIES)
    prediction = predict_pair(scores, NAMES, Rule(0.45))
    opened = next(d for d in prediction.defects if d.class_name == 'open')
    assert opened.area == 2
    assert opened.score == pytest.approx((0.35 + 0.8) / 2)
    assert opened.defect_score == pytest.approx((0.6 + 0.9) / 2)


def test_change_scores_need_a_threshold() -> None:
    scores = scores_of(PROBABILITIES)._replace(likeliest=None)
    assert decide(scores, Rule(0.45)).any()
    with pytest.raises(ValueError, match='threshold is None'):
        decide(scores, Rule())


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'threshold': -0.1}, 'threshold is -0.1; it must be 0 or more'),
        ({'threshold': float('nan')}, 'threshold is nan'),
        ({'min_area': 0}, 'min_area is 0; it must be at least 1'),
    ],
)
def test_a_rule_that_cannot_be_is_refused(
    values: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Rule(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize('head', ['cad', 'ooc'])
def test_a_moved_threshold_neither_compiles_nor_runs_the_network(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And gives what a predictor with that threshold gives, which compiles nothing."""
    traced, cells = [], Differencing.cells

    def counted(self: Differencing, image: Any) -> Any:
        traced.append(image.shape)
        return cells(self, image)

    monkeypatch.setattr(Differencing, 'cells', counted)
    images, references, _ = boards(1, (50, 66))  # a size that nothing compiled before
    prediction = differencing_predictor(head=head, cell=8)(images[0], references[0])
    compiled = len(traced)
    assert compiled
    moved = Rule(0.9, min_area=3)
    predictor = differencing_predictor(head=head, cell=8, rule=moved)
    expected = predictor(images[0], references[0])
    assert len(traced) == compiled
    monkeypatch.setattr(pixel_maps, 'score_pixels', None)
    actual = prediction.with_rule(threshold=0.9, min_area=3)
    np.testing.assert_array_equal(actual.mask, expected.mask)
    assert actual.defects == expected.defects
    assert (actual.mask != prediction.mask).any()
    assert prediction.with_rule().defects == prediction.defects
