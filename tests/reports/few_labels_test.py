"""Few labels from given weights and from random ones: runs, scores, the table."""

import json
import pathlib
from typing import Any

import pytest

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.evaluation.evaluate import evaluate
from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.images import read_image
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.reports import few_labels
from cadnet_jax.reports.few_labels import Run
from tests.support.tiny_data import CLASS_NAMES, prepare_tiny
from tests.support.tiny_run import differencing_predictor, short_run, write_run


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """12 pairs in 'train'."""
    return prepare_tiny(tmp_path_factory.mktemp('data'))


def base(data_dir: pathlib.Path, **changed: Any) -> Config:
    return short_run(data_dir, **{'init_from': 'given', 'eval_every': 1} | changed)


def test_each_share_is_learned_from_both_weights(data_dir: pathlib.Path) -> None:
    runs = few_labels.runs_of(base(data_dir), [0.25, 1.0], 2)
    assert [run.name for run in runs[:4]] == [
        '25percent_weights_seed0',
        '25percent_random_seed0',
        '100percent_weights_seed0',
        '100percent_random_seed0',
    ]
    assert len(runs) == 8
    first, second = runs[0].config, runs[1].config
    assert configs.differences(first, second) == {'init_from': ('given', '')}
    assert runs[0].config.data.label_fraction == 0.25


@pytest.mark.parametrize(
    ('changed', 'message'),
    [
        ({'init_from': ''}, '--init_from is empty'),
        ({'seed': 1}, '--seed: differs from run to run'),
    ],
)
def test_settings_that_the_comparison_makes_are_refused(
    data_dir: pathlib.Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        few_labels.runs_of(base(data_dir, **changed), [1.0], 1)


def finished(runs: list[Run], root: pathlib.Path) -> None:
    """Scores 0.1 higher from weights, and 0.1 higher for each seed."""
    for run in runs:
        score = 0.4 + 0.1 * bool(run.start) + 0.1 * run.config.train.seed
        classes = dict.fromkeys(
            CLASS_NAMES if run.fraction else ('background', 'defect')
        )
        metrics = dict.fromkeys(few_labels.SCORES, score) | {'classes': classes}
        write_json(root / run.name / 'evaluation/few_labels/metrics.json', metrics)
        lines = [
            {'step': step, 'evaluation': {'defect_iou': score * step / 2}}
            for step in (1, 2)
        ]
        text = ''.join(json.dumps(line) + '\n' for line in lines)
        (root / run.name / 'metrics.jsonl').write_text(text)


def test_a_line_is_the_mean_over_seeds(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    runs = few_labels.runs_of(base(data_dir), [0.25], 2)
    finished(runs, tmp_path)
    given, fresh = few_labels.summarize(runs, tmp_path)
    assert (given.start, fresh.start, given.pairs) == ('given', '', 3)
    assert given.scores['miou'] == pytest.approx((0.55, 0.005**0.5, 2))
    assert fresh.scores['miou'] == pytest.approx((0.45, 0.005**0.5, 2))
    assert [step for step, _ in given.curve] == [1, 2]
    assert [value for _, value in given.curve] == pytest.approx([27.5, 55])


@pytest.mark.parametrize(
    ('part', 'pairs'),
    [({'leave_out': 'group_0'}, 3), ({'train_split': 'train[:4]'}, 2)],
)
def test_the_pairs_of_a_part_are_counted(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, part: dict[str, Any], pairs: int
) -> None:
    """Of 12 pairs, six are of 'group_0'."""
    runs = few_labels.runs_of(base(data_dir, **part), [0.5], 1)
    finished(runs, tmp_path)
    lines = few_labels.summarize(runs, tmp_path)
    assert [line.pairs for line in lines] == [pairs] * 2


def test_the_report_has_a_table_and_curves(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    runs = few_labels.runs_of(base(data_dir), [0.25, 1.0], 1)
    finished(runs, tmp_path)
    few_labels.write_report(few_labels.summarize(runs, tmp_path), tmp_path)
    table = (tmp_path / 'few_labels.md').read_text().splitlines()
    assert len(table) == 2 + 4
    assert table[2] == '| 25 % (3 pairs) | given | 50.0 | 50.0 | 50.0 | 0.50 |'
    assert table[5].startswith('| 100 % (12 pairs) | random weights | 40.0 |')
    assert read_image(tmp_path / 'few_labels.png').std() > 0
    kept = json.loads((tmp_path / 'few_labels.json').read_text())
    assert len(kept['lines']) == 4


def test_weights_as_they_are_are_a_line_of_their_own(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Without mIoU or curve: they tell no classes apart, and nothing is trained."""
    runs = few_labels.runs_of(base(data_dir), [1.0, 0.0], 2)
    assert [run.name for run in runs[:2]] == [
        '0percent_weights',
        '100percent_weights_seed0',
    ]
    assert len(runs) == 5
    finished(runs, tmp_path)
    lines = few_labels.summarize(runs, tmp_path)
    assert (lines[0].pairs, lines[0].scores['miou'], lines[0].curve) == (0, None, ())
    few_labels.write_report(lines, tmp_path)
    table = (tmp_path / 'few_labels.md').read_text().splitlines()
    assert table[2] == '| 0 % (0 pairs) | given | 50.0 | - | 50.0 | 0.50 |'


def test_an_incomplete_run_is_named(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    runs = few_labels.runs_of(base(data_dir), [0.25], 1)
    finished(runs[:1], tmp_path)
    with pytest.raises(FileNotFoundError, match=r'25percent_random.*to the end'):
        few_labels.summarize(runs, tmp_path)


def test_scores_that_are_damaged_are_named(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    runs = few_labels.runs_of(base(data_dir), [0.25], 1)
    finished(runs, tmp_path)
    path = tmp_path / runs[0].name / 'evaluation/few_labels/metrics.json'
    path.write_text('{"defect_iou": "half"}')
    with pytest.raises(ValueError, match=f'{path}: damaged: lacks defect_iou. Delete'):
        few_labels.summarize(runs, tmp_path)


def test_pairs_that_are_learned_from_are_refused_before_training(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    runs = few_labels.runs_of(base(data_dir), [1.0], 1)
    with pytest.raises(ValueError, match='--test_split=train: 12 of its 12 pairs'):
        few_labels.complete(runs[1], tmp_path, 'train')
    assert not list(tmp_path.iterdir())


def test_scores_of_other_weights_or_data_are_not_taken_for_those_of_given_ones(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is trained, so no settings of a run tell them apart."""
    evaluated = []

    def load(workdir: pathlib.Path | str, step: Any) -> Predictor:
        number = step if isinstance(step, int) else 7
        return differencing_predictor(workdir=str(workdir), step=number)

    def count(predictor: Predictor, *source: Any, **options: Any) -> Any:
        evaluated.append((pathlib.Path(predictor.workdir).name, predictor.step))
        return evaluate(predictor, *source, **options)

    monkeypatch.setattr(few_labels, 'load_predictor', load)
    monkeypatch.setattr(few_labels, 'evaluate', count)

    def complete(data_dir: pathlib.Path, start: str, split: str = 'test') -> None:
        (run,) = few_labels.runs_of(base(data_dir, init_from=start), [0], 1)
        assert few_labels.complete(run, tmp_path / 'root', split)

    first, step = str(tmp_path / 'a'), str(tmp_path / 'b/checkpoints/latest/600')
    other = prepare_tiny(tmp_path / 'data', unchanged_every=5)
    complete(data_dir, first)
    complete(data_dir, first)
    assert evaluated == [('a', 7)]
    complete(data_dir, step)
    assert evaluated == [('a', 7), ('b', 600)]
    complete(other, step)
    complete(other, step, 'val')
    complete(other, step, 'val')
    assert evaluated[2:] == [('b', 600)] * 2


@pytest.mark.slow
@pytest.mark.usefixtures('small_b0')
@pytest.mark.unoptimized
def test_runs_are_trained_and_tested_once(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    weights = write_run(tmp_path / 'weights', data_dir=data_dir)
    config = base(data_dir, init_from=str(weights))
    runs = few_labels.runs_of(config, [0, 0.25], 1)
    for _ in range(2):
        for run in runs:
            assert few_labels.complete(run, tmp_path, 'test')
    assert not (tmp_path / runs[0].name / 'checkpoints').exists()
    assert (tmp_path / runs[1].name / 'started_from.json').exists()
    assert not (tmp_path / runs[2].name / 'started_from.json').exists()
    lines = few_labels.summarize(runs, tmp_path)
    assert [len(line.curve) for line in lines] == [0, 2, 2]
    assert lines[0].scores['miou'] is not None
