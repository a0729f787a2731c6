"""Bootstrap intervals whose answers are known."""

import json
import pathlib
from typing import Any

import numpy as np
import pytest

from cadnet_jax.evaluation.comparing import (
    SCORES,
    compare,
    compare_files,
    format_differences,
)


def evaluation(values: np.ndarray) -> dict[str, float | None]:
    return {f'p{index}': float(value) for index, value in enumerate(values)}


def test_what_both_evaluations_share_cancels() -> None:
    """Pairs differ much, the two evaluations by 0.02 at each: no width at all."""
    values = np.random.default_rng(0).random(40)
    first, second = evaluation(values), evaluation(values + 0.02)
    groups = {id: f'g{int(id[1:]) % 7}' for id in first}
    found = compare(first, second, groups)
    assert found is not None
    assert found[:3] == pytest.approx((0.02, 0.02, 0.02))
    assert (found.pairs, found.groups) == (40, 7)


def test_two_groups_have_three_means() -> None:
    """0 and 1 in a quarter of the draws each, 1/2 in half of them."""
    first = evaluation(np.zeros(4))
    second = evaluation(np.array([0, 0, 1, 1]))
    groups = {'p0': 'a', 'p1': 'a', 'p2': 'b', 'p3': 'b'}
    wide = compare(first, second, groups)
    narrow = compare(first, second, groups, confidence=0.2)
    assert wide is not None and narrow is not None
    assert wide[:3] == pytest.approx((0.5, 0, 1))
    assert narrow[:3] == pytest.approx((0.5, 0.5, 0.5))


def test_the_interval_is_that_of_normal_theory_where_groups_are_many() -> None:
    rng = np.random.default_rng(1)
    differences = rng.normal(0.1, 0.5, 400)
    first = evaluation(np.zeros(400))
    second = evaluation(differences)
    found = compare(first, second, {id: id for id in first})
    half = 1.96 * differences.std(ddof=1) / 20
    assert found is not None
    assert found.value == pytest.approx(differences.mean())
    assert found.low == pytest.approx(differences.mean() - half, abs=0.004)
    assert found.high == pytest.approx(differences.mean() + half, abs=0.004)


def test_pairs_of_a_group_are_drawn_together() -> None:
    """Four groups of 100 equal pairs are four observations: the width is theirs."""
    of_groups = np.array([0.0, 0.1, 0.2, 0.3])
    first = evaluation(np.zeros(400))
    second = evaluation(np.repeat(of_groups, 100))
    found = compare(first, second, {id: f'g{int(id[1:]) // 100}' for id in first})
    assert found is not None
    assert 0.25 < found.high - found.low < 0.31  # 0.02 if pairs were drawn


def test_undefined_scores_are_left_out() -> None:
    first = {'a': 0.5, 'b': None, 'c': 0.1, 'd': 0.2}
    second = {'a': 0.6, 'b': 1.0, 'c': 0.3, 'd': None}
    found = compare(first, second, {'a': 'x', 'b': 'x', 'c': 'y', 'd': 'y'})
    assert found is not None and found.pairs == 2
    assert found.value == pytest.approx(0.15)
    assert compare(first, second, dict.fromkeys(first, 'x')) is None
    with pytest.raises(ValueError, match='different pairs'):
        compare(first, {'a': 0.5}, {})


def write(path: pathlib.Path, ids: str, ap33: float) -> pathlib.Path:
    pairs = {
        id: {
            'group': id,
            'boxes': {'ap33': ap33, 'f33': 0.5},
            'defect_iou': None,
            'defects': 4,
            'hits': 3,
            'false_regions': 1,
        }
        for id in ids
    }
    path.write_text(json.dumps({'boxes': {'pairs': pairs}}))
    return path


def test_two_files_are_compared_score_by_score(tmp_path: pathlib.Path) -> None:
    first, second = write(tmp_path / '1', 'abc', 0.5), write(tmp_path / '2', 'abc', 0.7)
    differences = compare_files(first, second)
    assert tuple(differences) == SCORES
    lines = format_differences(differences).splitlines()
    assert lines[0] == 'ap33: +20.00 (95 %: +20.00 to +20.00; 3 pairs of 3 groups)'
    assert lines[2] == 'defect_iou: fewer than two groups, so there is no interval'
    assert lines[3].startswith('hit_rate: +0.00 ')


def test_a_last_line_warns_of_few_groups(tmp_path: pathlib.Path) -> None:
    """With fewer than five; each of these pairs is a group."""
    for ids, few in (('abcd', True), ('abcde', False)):
        first, second = write(tmp_path / '1', ids, 0.5), write(tmp_path / '2', ids, 0.7)
        last = format_differences(compare_files(first, second)).splitlines()[-1]
        assert last.startswith('warning: 4 groups') == few
        assert few or last.endswith('5 pairs of 5 groups)')


@pytest.mark.parametrize('changed', [{'defects': 3}, {'group': 'another'}])
def test_pairs_of_one_name_that_are_others_are_refused(
    tmp_path: pathlib.Path, changed: dict[str, Any]
) -> None:
    """As of screens that were generated with another seed."""
    first, second = write(tmp_path / '1', 'abc', 0.5), write(tmp_path / '2', 'abc', 0.7)
    values = json.loads(second.read_text())
    of_pairs = values['boxes']['pairs'] if 'boxes' in values else values['pair_scores']
    of_pairs['b'] |= changed
    second.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="pair 'b' is not the same as in"):
        compare_files(first, second)


def write_pixels(path: pathlib.Path, ious: list[float]) -> pathlib.Path:
    """What an evaluation without boxes writes."""
    pairs = {
        f'pair {index}': {
            'group': f'group {index % 3}',
            'defect_iou': iou,
            'defects': 4,
            'hits': 4 if iou > 0.5 else 2,
            'false_regions': index,
        }
        for index, iou in enumerate(ious)
    }
    path.write_text(json.dumps({'pair_scores': pairs}))
    return path


def test_evaluations_without_boxes_are_compared_by_their_pixels(
    tmp_path: pathlib.Path,
) -> None:
    first = write_pixels(tmp_path / '1', [0.2, 0.3, 0.4, 0.5])
    second = write_pixels(tmp_path / '2', [0.3, 0.4, 0.5, 0.6])
    differences = compare_files(first, second)
    assert tuple(differences) == ('defect_iou', 'hit_rate', 'false_regions')
    lines = format_differences(differences).splitlines()
    assert lines[0] == (
        'defect_iou: +10.00 (95 %: +10.00 to +10.00; 4 pairs of 3 groups)'
    )
    assert lines[1].startswith('hit_rate: +12.50 ')
    assert lines[3] == (
        'warning: 3 groups (products) are few: with fewer than 5, an interval is too '
        'narrow.'
    )


def test_one_evaluation_with_boxes_and_one_without_are_compared_by_pixels(
    tmp_path: pathlib.Path,
) -> None:
    """Of an earlier version, which kept the scores of pairs below `boxes`, too."""
    first, second = write(tmp_path / '1', 'abc', 0.5), write(tmp_path / '2', 'abc', 0.5)
    values = json.loads(second.read_text())
    pairs = values['boxes'].pop('pairs')
    second.write_text(json.dumps(values | {'pair_scores': pairs}))
    assert tuple(compare_files(first, second)) == SCORES
    for pair in pairs.values():
        del pair['boxes']
    second.write_text(json.dumps({'pair_scores': pairs}))
    assert tuple(compare_files(first, second)) == SCORES[2:]
    assert tuple(compare_files(second, second)) == SCORES[2:]


def test_boxes_of_one_class_are_not_compared_with_those_of_several(
    tmp_path: pathlib.Path,
) -> None:
    first, second = write(tmp_path / '1', 'abc', 0.5), write(tmp_path / '2', 'abc', 0.7)
    values = json.loads(second.read_text())
    values['boxes']['one_class'] = True
    second.write_text(json.dumps(values))
    assert tuple(compare_files(first, second)) == SCORES[2:]


def test_files_that_cannot_be_compared_are_named(tmp_path: pathlib.Path) -> None:
    first, other = write(tmp_path / '1', 'abc', 0.5), write(tmp_path / '2', 'abd', 0.5)
    with pytest.raises(ValueError, match='not of the same pairs as'):
        compare_files(first, other)
    other.write_text('{"miou": 0.5}')
    with pytest.raises(ValueError, match=f'{other}: has no scores of pairs.*--boxes'):
        compare_files(first, other)


@pytest.mark.parametrize(
    'damaged', [None, [], {'a': 1}, {'a': {'group': 'a'}}, {'ap33': '1'}, {'group': []}]
)
def test_damaged_scores_of_pairs_are_named(
    damaged: Any, tmp_path: pathlib.Path
) -> None:
    first = write(tmp_path / '1', 'ab', 0.5)
    values = json.loads(first.read_text())
    if isinstance(damaged, dict) and 'ap33' in damaged:
        values['boxes']['pairs']['a']['boxes'] |= damaged
    elif isinstance(damaged, dict) and 'group' in damaged:
        values['boxes']['pairs']['a'] |= damaged
    else:
        values['boxes']['pairs'] = damaged
    other = tmp_path / '2'
    other.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=f'{other}: its scores of pairs are damaged'):
        compare_files(first, other)
