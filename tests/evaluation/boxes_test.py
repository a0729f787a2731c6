"""Boxes of drawn scores: fitted on boards whose margin is known, and evaluated."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from cadnet_jax.evaluation.box_fit import (
    fit_boxes,
    fit_margin,
    fit_min_score,
    load_rule,
    shared_test,
)
from cadnet_jax.evaluation.box_scores import PairBoxes, script_fscore
from cadnet_jax.evaluation.boxes import BoxRule, find_boxes, read_rule, write_rule
from cadnet_jax.evaluation.difference_boxes import measure_differencing
from cadnet_jax.evaluation.evaluate import evaluate
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.inference.restore import load_predictor
from cadnet_jax.runs.checkpoint_record import tree_digest
from tests.conftest import ROOT
from tests.evaluation.box_scores_test import boxes, labels
from tests.support.tiny_data import prepare_tiny
from tests.support.tiny_run import differencing_predictor, write_run

pytestmark = pytest.mark.unoptimized

NAMES = ('background', 'open', 'short')
RULE = BoxRule(0.3, 2, 1, 0.5, 'val')


def of_network(predictor: Predictor) -> BoxRule:
    """`RULE`, as if it had been fitted to this network's scores."""
    return dataclasses.replace(
        RULE,
        weights_sha256=tree_digest(predictor.variables),
        tile_size=predictor.tile_size,
        orientations=predictor.orientations,
    )


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Boards whose labels are 3 pixels wider than the defects, on each side."""
    return prepare_tiny(tmp_path_factory.mktemp('boxes'), boxes=True)


def scores_of(score: np.ndarray, defect_class: np.ndarray) -> PixelScores:
    likeliest = np.where(score > 0.5, defect_class, 0).astype(np.uint8)
    return PixelScores(score, defect_class, score, likeliest, None)


def test_a_box_is_the_region_with_its_margin() -> None:
    """Pixels 4 to 7 and 10 to 11; of the class of most of its pixels."""
    score = np.zeros((40, 50), np.float32)
    classes = np.ones(score.shape, np.uint8)
    score[10:12, 4:8], classes[10:12, 5:8] = 0.4, 2
    score[30:34, 20:24] = 0.9
    score[0, 45:50] = 0.6  # at the corner
    score[20, 20] = 0.25  # below the threshold
    found = find_boxes(scores_of(score, classes), NAMES, RULE)
    assert found.coordinates.tolist() == [
        [18, 28, 25, 35],
        [43, 0, 50, 2],
        [2, 8, 9, 13],
    ]
    assert found.class_ids.tolist() == [1, 1, 2]
    assert found.scores == pytest.approx([0.9, 0.6, 0.4])


def test_where_nothing_is_above_the_threshold_there_is_no_box() -> None:
    score = np.full((32, 32), 0.3, np.float32)
    found = find_boxes(scores_of(score, np.ones((32, 32), np.uint8)), NAMES, RULE)
    assert len(found) == 0 and found.coordinates.shape == (0, 4)


def test_the_margin_is_the_median_of_regions_alone_in_their_label() -> None:
    """Two regions in one label say nothing, and one outside of all."""
    pair = PairBoxes(
        labels(((0, 0, 30, 40), 1), ((50, 0, 80, 30), 1)),
        boxes(
            ((10, 11, 20, 32), 1, 0.9),  # 10, 11 before; 10, 8 after
            ((55, 5, 60, 10), 1, 0.8),
            ((70, 5, 75, 10), 1, 0.7),
            ((90, 90, 95, 95), 1, 0.6),
        ),
    )
    rule = fit_margin([pair], 0.2, 'val')
    assert rule is not None
    assert (rule.margin_before, rule.margin_after) == (10.5, 9)
    assert fit_margin([PairBoxes(labels(), pair.found)], 0.2, 'val') is None


def test_the_smallest_score_is_that_of_the_highest_fscore() -> None:
    """Tried one by one; both boxes with 0.4 are counted or neither is."""
    box, other, false = (0, 0, 9, 9), (20, 0, 29, 9), (60, 0, 69, 9)
    pairs = [
        PairBoxes(labels((box, 1), (other, 1)), boxes((box, 1, 0.9), (false, 1, 0.4))),
        PairBoxes(labels((box, 1)), boxes((box, 1, 0.4), (false, 1, 0.2))),
    ]
    rule = fit_min_score(pairs, RULE)
    by_score = {s: script_fscore(pairs, s)[2] for s in (0.9, 0.4, 0.2)}
    assert by_score[0.4] == pytest.approx(4 / 6)
    assert rule.min_score == max(by_score, key=lambda s: by_score[s] or 0) == 0.4


def test_the_margin_of_drawn_boards_is_found_and_the_test_is_perfect(
    data_dir: pathlib.Path,
) -> None:
    predictor = differencing_predictor()
    rule, fitted = fit_boxes(predictor, data_dir, 'val', batch_size=2, progress=False)
    assert (rule.margin_before, rule.margin_after) == (3, 3)
    assert fitted['ap33'] == fitted['f33'] == 1
    metrics = evaluate(
        predictor, data_dir, 'test', batch_size=2, progress=False, box_rule=rule
    )
    scores = metrics['boxes']['scores']
    assert scores['ap50_95'] == scores['ap33'] == scores['f33'] == 1
    assert scores['labels'] == scores['found'] == 14
    assert metrics['boxes']['one_class'] is False


def test_scores_of_groups_and_pairs_are_kept(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """A coarse network makes mistakes; the hits of the pairs add up to those of all."""
    predictor = differencing_predictor(cell=8)
    metrics = evaluate(
        predictor,
        data_dir,
        'test',
        batch_size=3,
        progress=False,
        output_dir=tmp_path,
        box_rule=RULE,
    )
    assert json.loads((tmp_path / 'metrics.json').read_text()) == metrics
    assert '<p>  AP33 ' in (tmp_path / 'evaluation.html').read_text()
    groups, pairs = metrics['group_scores'], metrics['pair_scores']
    assert list(groups) == ['group_0', 'group_1']
    assert list(pairs) == [f'test_{index:03}' for index in range(7)]
    for name, group in groups.items():
        of = [pair for pair in pairs.values() if pair['group'] == name]
        assert group['group'] == name
        assert group['defects'] == sum(pair['defects'] for pair in of)
        assert group['boxes']['found'] == sum(pair['boxes']['found'] for pair in of)
    hits = sum(pair['hits'] for pair in pairs.values())
    defects = sum(pair['defects'] for pair in pairs.values())
    assert metrics['defect_hit_rate'] == pytest.approx(hits / defects)
    # The images are smaller than a window.
    windows = metrics['boxes']['windows']
    assert windows['good'] == windows['bad'] == 0


def test_data_without_boxes_are_refused_with_the_remedy(tmp_path: pathlib.Path) -> None:
    data_dir = prepare_tiny(tmp_path, num={'train': 1, 'val': 1, 'test': 1})
    message = f'{data_dir}: has no labeled boxes. Prepare it again'
    with pytest.raises(ValueError, match=message):
        fit_boxes(differencing_predictor(), data_dir, 'val', batch_size=1)
    with pytest.raises(ValueError, match=message):
        evaluate(
            differencing_predictor(), data_dir, 'test', batch_size=1, box_rule=RULE
        )


def test_a_rule_is_never_evaluated_on_what_it_was_fitted_on(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path, predictor = tmp_path / 'boxes.json', differencing_predictor()
    rule = of_network(predictor)
    write_rule(path, rule)
    assert load_rule(path, predictor, data_dir, 'test') == rule
    with pytest.raises(ValueError, match=f'{path}: fitted on 2 of the pairs of'):
        load_rule(path, predictor, data_dir, 'test+val[:2]')
    write_rule(path, dataclasses.replace(rule, fitted_on='test[:50%]'))
    with pytest.raises(ValueError, match=r"'test\[:50%\]', a part of 'test', as is"):
        load_rule(path, predictor, data_dir, 'test[50%:]')
    write_rule(path, dataclasses.replace(rule, fitted_on='val[:2]'))
    assert load_rule(path, predictor, data_dir, 'val[2:]').fitted_on == 'val[:2]'
    write_rule(path, dataclasses.replace(rule, fitted_on='side_a'))
    with pytest.raises(ValueError, match=f"{path}: fitted on 'side_a', which the eval"):
        load_rule(path, predictor, data_dir, 'test')


def test_a_rule_goes_with_the_scores_that_it_was_fitted_to(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    path, predictor = tmp_path / 'boxes.json', differencing_predictor()
    rule, _ = fit_boxes(predictor, data_dir, 'val', batch_size=1)
    write_rule(path, rule)
    assert load_rule(path, predictor, data_dir, 'test') == rule
    other = dataclasses.replace(predictor, variables={'params': {'x': np.ones(1)}})
    with pytest.raises(ValueError, match=f'{path}: fitted to scores of other wei'):
        load_rule(path, other, data_dir, 'test')
    turned = dataclasses.replace(predictor, orientations=4)
    with pytest.raises(ValueError, match=f'{path}: .* --orientations=1, not of .* 4;'):
        load_rule(path, turned, data_dir, 'test')


@pytest.mark.parametrize(
    'text', ['{', '[]', '{"threshold": 0.5}', '{"threshold": "high"}']
)
def test_a_file_that_is_no_rule_is_named(text: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'boxes.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'{path}: .*fit_boxes.py'):
        read_rule(path)


def test_differencing_is_fitted_and_evaluated_alike(data_dir: pathlib.Path) -> None:
    """On drawn boards, where nothing but the defects differs, it is perfect."""
    found = measure_differencing(data_dir, 'val', 'test', progress=False)
    assert (found.rule.margin_before, found.rule.margin_after) == (3, 3)
    assert found.scores['ap33'] == found.scores['f33'] == found.scores['ap50_95'] == 1
    with pytest.raises(ValueError, match='--fit_split=test: has 7 of the pairs of'):
        measure_differencing(data_dir, 'test', 'test', progress=False)
    with pytest.raises(ValueError, match=r"--fit_split=test\[:3\]: a part of 'test'"):
        measure_differencing(data_dir, 'test[:3]', 'test[3:]', progress=False)


@pytest.mark.parametrize(
    ('fitted_on', 'split', 'shared'),
    [
        ('val', 'test', ''),
        ('train[:50%]', 'train[50%:]', ''),
        ('train+test[:1]', 'test[1:] + val', 'test'),
        ('all[:10]', 'test', 'all'),
    ],
)
def test_parts_of_one_test_split_are_known_by_its_name(
    fitted_on: str, split: str, shared: str
) -> None:
    assert shared_test(fitted_on, split) == shared


@pytest.mark.slow
def test_the_scripts_fit_evaluate_and_compare(tmp_path: pathlib.Path) -> None:
    data_dir = prepare_tiny(
        tmp_path / 'data', num={'train': 1, 'val': 2, 'test': 2}, boxes=True
    )
    workdir = write_run(tmp_path / 'run', data_dir=data_dir)

    def run(name: str, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, f'experiments/{name}.py', *arguments],
            cwd=ROOT,
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    rule = tmp_path / 'boxes.json'
    write_rule(rule, of_network(load_predictor(workdir)))
    evaluated = run(
        'evaluate', f'--workdir={workdir}', f'--boxes={rule}', '--num_pictures=0'
    )
    assert 'boxes (by class): regions of pixels above 0.3' in evaluated
    metrics = workdir / 'evaluation/tiny_pairs-test-0/metrics.json'
    compared = run('compare_scores', f'--first={metrics}', f'--second={metrics}')
    assert 'defect_iou: +0.00 (95 %: +0.00 to +0.00; 2 pairs of 2 groups)' in compared
    differenced = run('difference_boxes', f'--data_dir={data_dir}')
    assert 'AP33 100.0, F33 100.0' in differenced
    # Random weights mark all or nothing, which has no margin.
    fitted = run(
        'fit_boxes', f'--data_dir={data_dir}', '--split=val', f'--output={rule}'
    )
    assert fitted.endswith(f'Written: {rule}\n')
