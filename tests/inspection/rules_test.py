"""Verdicts on worked scores; each sentence can be checked by hand."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from cadnet_jax.inference.decision import PixelScores, Rule, predict_pair
from cadnet_jax.inspection.fields import describe, from_json
from cadnet_jax.inspection.rules import (
    INVALID,
    NG,
    OK,
    Limits,
    Rules,
    contour_distance,
    judge,
)

NAMES = ('background', 'open', 'short')
OPEN, SHORT = 1, 2


def scores_of(*regions: tuple[int, float, int, int, int, int]) -> PixelScores:
    """40 x 60 pixels of 0.05; class, score, x, y, width and height of each region."""
    classes = np.zeros((40, 60), np.uint8)
    score = np.full((40, 60), 0.05, np.float32)
    for class_id, value, x, y, width, height in regions:
        classes[y : y + height, x : x + width] = class_id
        score[y : y + height, x : x + width] = value
    return PixelScores(
        score=score,
        defect_class=np.maximum(classes, 1),
        class_score=score,
        likeliest=np.where(score > 0.5, classes, 0).astype(np.uint8),
        distance=None,
    )


def rules_of(threshold: float | None = 0.5, **fields: Any) -> Rules:
    limits = {
        name: fields.pop(name) for name in list(fields) if name.startswith('min_')
    }
    judged = {'min_judged': limits.pop('min_judged')} if 'min_judged' in limits else {}
    return Rules(any=Limits(threshold=threshold, **limits), **judged, **fields)


def test_a_part_without_a_defect_is_ok() -> None:
    verdict = judge(scores_of(), NAMES, rules_of())
    assert verdict.verdict == OK
    assert verdict.reasons == ()
    assert verdict.regions == ()
    assert not verdict.mask.any()
    assert verdict.judged == 1


def test_the_reason_is_a_sentence_with_limits_and_place() -> None:
    scores = scores_of((SHORT, 0.97, 20, 10, 11, 5))
    verdict = judge(scores, NAMES, rules_of(0.8, min_area=40))
    assert verdict.verdict == NG
    assert verdict.reasons == (
        '1 short, 55 px (limit 40), score 0.97 (limit 0.80), at 25, 12',
    )


def test_defects_of_a_class_share_a_sentence_about_the_largest() -> None:
    scores = scores_of(
        (SHORT, 0.9, 2, 2, 3, 3), (SHORT, 0.9, 20, 2, 5, 5), (OPEN, 0.7, 40, 20, 2, 2)
    )
    verdict = judge(scores, NAMES, rules_of(None))
    assert verdict.reasons == (
        '2 short, the largest 25 px (limit 1), score 0.90, at 22, 4',
        '1 open, 4 px (limit 1), score 0.70, at 40, 20',
    )


def test_regions_are_those_that_the_decision_finds() -> None:
    """With one threshold and nothing to join: the same mask, the same defects."""
    scores = scores_of((SHORT, 0.9, 2, 2, 9, 9), (OPEN, 0.6, 30, 20, 4, 4))
    prediction = predict_pair(scores, NAMES, Rule(0.5, min_area=1))
    verdict = judge(scores, NAMES, rules_of(0.5))
    np.testing.assert_array_equal(verdict.mask, prediction.mask)
    found = {region.defect for region in verdict.regions}
    assert found == set(prediction.defects)


def test_each_class_has_its_own_limits_and_inherits_the_others() -> None:
    scores = scores_of(
        (SHORT, 0.6, 2, 2, 5, 5), (OPEN, 0.6, 20, 2, 5, 5), (OPEN, 0.9, 40, 2, 3, 3)
    )
    rules = rules_of(
        0.5,
        min_area=9,
        classes={'open': Limits(threshold=0.8), 'short': Limits(min_area=26)},
    )
    verdict = judge(scores, NAMES, rules)
    assert verdict.reasons == (
        '1 open, 9 px (limit 9), score 0.90 (limit 0.80), at 41, 3',
    )
    below = [region for region in verdict.regions if not region.is_defect]
    assert [region.rule for region in below] == ['area below 26 px']
    assert np.unique(verdict.mask).tolist() == [0, OPEN]


def test_areas_and_lengths_can_be_given_in_mm() -> None:
    scores = scores_of((SHORT, 0.9, 5, 5, 10, 10))
    rules = rules_of(0.5, min_area_mm2=1.0, mm_per_pixel=0.1)
    assert judge(scores, NAMES, rules).reasons == (
        '1 short, 100 px = 1 mm^2 (limit 100), score 0.90 (limit 0.50), at 10, 10',
    )
    larger = dataclasses.replace(rules, any=Limits(0.5, min_area_mm2=1.01))
    assert judge(scores, NAMES, larger).verdict == OK
    longer = dataclasses.replace(
        rules, any=Limits(0.5, min_area_mm2=1.01, min_length_mm=1.0)
    )
    assert judge(scores, NAMES, longer).verdict == NG


def test_a_long_region_is_a_defect_with_a_small_area_too() -> None:
    """A scratch: 1 pixel wide, 30 long; a diagonal one is as long as it is."""
    rules = rules_of(0.5, min_area=100, min_length=25)
    verdict = judge(scores_of((OPEN, 0.9, 5, 5, 30, 1)), NAMES, rules)
    assert verdict.reasons == (
        '1 open, 30 px, 30 px long (limit 25), score 0.90 (limit 0.50), at 20, 5',
    )
    assert judge(scores_of((OPEN, 0.9, 5, 5, 24, 1)), NAMES, rules).verdict == OK
    diagonal = scores_of(*[(OPEN, 0.9, 5 + i, 5 + i, 1, 1) for i in range(20)])
    (region,) = judge(diagonal, NAMES, rules).regions
    assert region.length == pytest.approx(19 * 2**0.5 + 1, abs=0.1)
    assert region.is_defect


@pytest.mark.parametrize(
    ('join', 'gap', 'defects'),
    [(0, 0, 1), (0, 1, 2), (3, 3, 1), (3, 4, 2), (4, 4, 1), (4, 5, 2)],
)
def test_near_regions_are_one_defect(join: int, gap: int, defects: int) -> None:
    """At most `join` pixels lie between them."""
    scores = scores_of((OPEN, 0.9, 10, 10, 6, 6), (OPEN, 0.9, 16 + gap, 10, 6, 6))
    regions = judge(scores, NAMES, rules_of(join=join)).regions
    assert len(regions) == defects
    assert sum(region.defect.area for region in regions) == 72


def test_a_region_of_two_classes_is_one_defect_of_the_larger() -> None:
    scores = scores_of((SHORT, 0.9, 10, 10, 8, 6), (OPEN, 0.7, 18, 10, 2, 6))
    verdict = judge(scores, NAMES, rules_of())
    (region,) = verdict.regions
    assert region.defect.class_name == 'short'
    assert region.defect.area == 60
    assert np.unique(verdict.mask).tolist() == [0, SHORT]


def test_what_is_not_inspected_or_not_shown_is_not_judged() -> None:
    """And too little of it makes the part invalid."""
    scores = scores_of((SHORT, 0.9, 10, 10, 8, 6))
    inspected = np.ones((40, 60), bool)
    inspected[:20] = False
    assert judge(scores, NAMES, rules_of(), inspected=inspected).verdict == OK
    # Of the inspected half the image shows three quarters.
    shown = np.ones((40, 60), bool)
    shown[:, :15] = False
    verdict = judge(scores, NAMES, rules_of(), inspected=inspected, shown=shown)
    assert verdict.verdict == INVALID
    assert verdict.judged == 0.75
    assert verdict.reasons == (
        'the image shows 75.0% of the inspected pixels (limit 90.0%)',
    )
    enough = rules_of(min_judged=0.75)
    assert judge(scores, NAMES, enough, inspected=inspected, shown=shown).verdict == OK
    nothing = np.zeros((40, 60), bool)
    assert judge(scores, NAMES, enough, inspected=nothing).verdict == INVALID


def test_scores_that_are_no_numbers_are_invalid() -> None:
    scores = scores_of()
    scores.score[3, 3] = np.nan
    assert judge(scores, NAMES, rules_of()).verdict == INVALID


def test_at_contours_thin_differences_are_tolerated_and_deep_ones_are_not() -> None:
    """A bright square: its contour moves by 2 pixels; a defect reaches 8 pixels in."""
    reference = np.full((40, 60, 3), 30, np.uint8)
    reference[10:30, 20:40] = 220
    contours = contour_distance(reference)
    rules = rules_of(edge_tolerance=3)
    thin = scores_of((OPEN, 0.9, 20, 10, 2, 20))
    verdict = judge(thin, NAMES, rules, contours=contours)
    assert verdict.verdict == OK
    assert verdict.regions[0].rule == 'within 3 px of a contour'
    assert judge(thin, NAMES, rules_of()).verdict == NG
    deep = scores_of((OPEN, 0.9, 20, 10, 8, 20))
    (region,) = judge(deep, NAMES, rules, contours=contours).regions
    assert region.is_defect
    assert region.defect.area == 160  # all of it
    with pytest.raises(ValueError, match='edge_tolerance needs the contours'):
        judge(thin, NAMES, rules)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'any': {'threshold': -1}}, 'any.threshold is -1.0; it must be at least 0'),
        ({'any': {'min_area': 2.5}}, 'any.min_area is 2.5; it must be a whole number'),
        ({'join': 'far'}, "join is 'far'; it must be a whole number"),
        ({'joint': 1}, 'joint is unknown; there are: any, classes'),
        ({'classes': {'a': {'min_area': 0}}}, 'classes.a.min_area is 0; it must be'),
        ({'classes': []}, 'classes is .*; it must be an object'),
        ({'any': {'min_area_mm2': 1}}, 'any has a limit in mm; give mm_per_pixel'),
        (
            {'any': {'min_area_mm2': 1, 'min_area': 4}},
            'any.min_area and min_area_mm2 are both given; keep one',
        ),
        ({'mm_per_pixel': 0}, 'mm_per_pixel is 0.0; it must be positive'),
        ({'any': 3}, 'any must be an object'),
        ([], 'it must be an object'),
    ],
)
def test_rules_that_cannot_be_are_refused_by_name(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f'^{message}'):
        from_json(Rules, values)


def test_rules_survive_json() -> None:
    rules = Rules(
        any=Limits(threshold=0.8, min_area=40),
        classes={'short': Limits(min_length_mm=2.0)},
        mm_per_pixel=0.05,
        join=3,
    )
    assert from_json(Rules, json.loads(json.dumps(dataclasses.asdict(rules)))) == rules


def test_a_class_without_a_name_is_refused_not_overlooked() -> None:
    scores = scores_of((SHORT, 0.97, 20, 10, 11, 5))
    with pytest.raises(ValueError, match='class 2, and there are names of 2'):
        judge(scores, NAMES[:2], rules_of())


def test_limits_of_an_unknown_class_are_refused() -> None:
    rules = Rules(classes={'spur': Limits()})
    with pytest.raises(ValueError, match=r'classes.spur: no such class; .*open, short'):
        rules.check_classes(NAMES)


def test_every_field_is_described() -> None:
    fields = dict(describe(Rules))
    assert fields.keys() >= {'join', 'any.threshold', 'classes.CLASS.min_area'}
    assert all(len(text) > 10 for text in fields.values())
