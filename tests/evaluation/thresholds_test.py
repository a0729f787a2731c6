"""Bounds against textbook values and simulation; thresholds on worked scores."""

import numpy as np
import pytest

from cadnet_jax.evaluation.thresholds import (
    choose_threshold,
    count_errors,
    cross_validate,
    cross_validate_review,
    parts_needed,
    review,
    upper_bound,
)


@pytest.mark.parametrize(
    ('events', 'parts', 'bound'),
    [(0, 30, 1 - 0.05 ** (1 / 30)), (0, 299, 1 - 0.05 ** (1 / 299)), (5, 5, 1.0)],
)
def test_the_bound_is_that_of_clopper_and_pearson(
    events: int, parts: int, bound: float
) -> None:
    """Without an event: the rate at which none is seen in one of twenty draws."""
    assert upper_bound(events, parts) == pytest.approx(bound, abs=1e-9)


def test_the_bound_solves_its_equation() -> None:
    """At the bound, 3 events or fewer of 100 have a probability of 5 %."""
    rate = upper_bound(3, 100)
    choose = [1, 100, 4950, 161700]
    probability = sum(
        c * rate**k * (1 - rate) ** (100 - k) for k, c in enumerate(choose)
    )
    assert probability == pytest.approx(0.05, abs=1e-9)


def test_too_few_parts_are_said_and_no_threshold_is_claimed() -> None:
    with pytest.raises(ValueError) as error:
        choose_threshold(np.linspace(0, 0.5, 30).tolist(), 0.01)
    assert str(error.value) == (
        '30 good parts cannot show less than 9.5 % false rejects; 299 are needed for '
        '1 %.'
    )
    assert parts_needed(0.01) == 299
    assert parts_needed(0.001) == 2995
    with pytest.raises(ValueError, match='298 good parts'):
        choose_threshold([0.1] * 298, 0.01)
    assert choose_threshold([0.1] * 299, 0.01).threshold == 0.1


@pytest.mark.parametrize(('parts', 'target'), [(300, 0.01), (300, 0.05), (59, 0.05)])
def test_the_stated_bound_holds_in_95_percent_of_draws(
    parts: int, target: float
) -> None:
    """1,000 draws of uniform scores, whose true rate above a threshold is known.

    The number of draws in which the bound holds is binomial with p = 0.95: within
    three standard deviations, 21, of 950.
    """
    random = np.random.default_rng(20)
    holds = 0
    for _ in range(1000):
        found = choose_threshold(random.uniform(size=parts).tolist(), target)
        assert found.bound <= target
        holds += 1 - found.threshold <= found.bound
    assert holds == pytest.approx(950, abs=21)


def test_the_bound_holds_also_for_scores_with_ties() -> None:
    """Scores of three levels: more often than stated, as ties are not rejected."""
    random = np.random.default_rng(21)
    holds = 0
    for _ in range(1000):
        levels = random.choice(3, size=100, p=[0.9, 0.07, 0.03])
        found = choose_threshold(levels.tolist(), 0.06)
        true = {0: 0.1, 1: 0.03, 2: 0.0}[int(found.threshold)]
        holds += true <= found.bound
    assert holds >= 929


def test_the_lowest_threshold_within_the_target_is_taken() -> None:
    """473 parts may have one reject at 1 %: the second highest score."""
    assert upper_bound(1, 473) <= 0.01 < upper_bound(1, 472)
    scores = np.linspace(0, 0.9, 473)
    found = choose_threshold(np.random.default_rng(0).permutation(scores), 0.01)
    assert found.threshold == scores[-2]
    assert (found.false_rejects, found.good_parts) == (1, 473)
    assert found.bound == upper_bound(1, 473)


def test_errors_are_counted_on_either_side_of_the_threshold() -> None:
    """A part is rejected above the threshold, not at it."""
    errors = count_errors([0.1, 0.5, 0.6], [0.2, 0.5, 0.7, 0.8], 0.5)
    assert errors == (1, 3, 2, 4)


def test_cross_validation_is_not_optimistic() -> None:
    """The fitted threshold rejects none; each fold's best part is rejected by others.

    By hand: with the threshold at the highest score of the other folds, only the fold
    with the highest of all has parts above it.
    """
    good = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9]
    found = choose_threshold(good, 0.3)
    assert found.false_rejects == 0
    errors = cross_validate(good, [0.86, 0.95], found, folds=5)
    # The last fold holds 0.5 and 0.9: its threshold is 0.85. Bad parts are in the
    # first two folds, whose threshold is 0.9.
    assert errors == (1, 10, 1, 2)


def test_review_counts_the_good_parts_below_the_worst_that_may_escape() -> None:
    good = [0.1, 0.2, 0.3, 0.6]
    bad = [0.25, 0.7, 0.8, 0.9]
    assert review(good, bad, 0.0) == (0.0, 0.25, 0.5, 0.0)
    assert review(good, bad, 0.25) == (0.25, 0.7, 1.0, 0.25)


def test_review_that_is_cross_validated_lets_more_escape() -> None:
    """The lowest bad part sets the limit in all folds but its own, where it escapes."""
    good = [0.1, 0.2, 0.3, 0.6]
    bad = [0.25, 0.7, 0.8, 0.9]
    found = cross_validate_review(good, bad, 0.0, folds=4)
    assert found.escaped == 0.25
    # Limits 0.7, 0.25, 0.25, 0.25 for the good parts 0.1, 0.2, 0.3, 0.6.
    assert found.passed == 0.5


def test_parts_of_one_image_are_in_one_fold() -> None:
    """By hand: images 2 and 9 have the bad parts, 5 a good one alone; two folds.

    Bad ones of image 2 have the limit 0.8 of image 9, and those of 9 the limit 0.25.
    """
    good, bad = [0.1, 0.3, 0.7, 0.9], [0.25, 0.3, 0.8, 0.9]
    images = [2, 9, 2, 5], [2, 2, 9, 9]
    found = cross_validate_review(good, bad, 0.0, folds=2, images=images)
    assert found.escaped == 0.5
    # 0.1 and 0.7 of image 2 are below 0.8; 0.9 of image 5, in that fold too, is not.
    assert found.passed == 0.5
    with pytest.raises(ValueError, match='one image, so none can be held out'):
        cross_validate_review(good, bad, 0.0, images=([1] * 4, [1] * 4))
