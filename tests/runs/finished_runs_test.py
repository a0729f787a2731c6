"""What is read of a run's folder, and which runs count as one kind."""

import json
import pathlib
import shutil

import pytest

from cadnet_jax.reports.grouping import Mean, group_by, mean
from cadnet_jax.runs.finished_runs import (
    Result,
    last_evaluations,
    read_record,
    read_results,
    write_records,
)
from tests.support.evaluated_run import write_evaluated_run, write_evaluation

_METRICS = (
    '{"dataset": "d", "split": "test", "step": 1, "parameters": 1, "miou": 0.1,'
    ' "macc": null, "mfscore": null, "defect_iou": null, "defect_accuracy": null,'
    ' "classes": {"background": {"pixels": 1}}}'
)


def test_mean_and_sample_standard_deviation_of_what_is_defined() -> None:
    several = mean([0.5, None, 0.7, 0.9])
    assert several and several.n == 3
    assert several.mean == pytest.approx(0.7)
    assert several.std == pytest.approx(0.2)
    assert mean([0.5]) == Mean(0.5, None, 1)
    assert mean([None]) is None
    assert mean([]) is None


def test_seeds_and_places_do_not_tell_runs_apart_but_settings_do(
    tmp_path: pathlib.Path,
) -> None:
    """Data in another folder, weights from another one, more threads: the same kind."""
    workdirs = [
        write_evaluated_run(tmp_path / 'a', 'line', 'line', seed=0, init_from='x'),
        write_evaluated_run(
            tmp_path / 'b', 'line', 'line', seed=1, init_from='y/z', reader_threads=1
        ),
        write_evaluated_run(tmp_path / 'c', 'line', 'line', seed=0),
        write_evaluated_run(tmp_path / 'd', 'line', 'line', steps=7, init_from='x'),
    ]
    groups = group_by(read_results(workdirs), lambda result: result.settings)
    names = [[pathlib.Path(r.workdir).name for r in group] for group in groups]
    assert names == [['a', 'b'], ['c'], ['d']]


def test_of_several_evaluations_the_one_after_the_most_steps_counts(
    tmp_path: pathlib.Path,
) -> None:
    """On each data set and split; the number is no text: 1000 is above 600."""
    workdir = write_evaluated_run(tmp_path / 'a', 'line', 'line', steps=600)
    for split, step in (('test', 1000), ('test', 7), ('val', 600)):
        write_evaluation(tmp_path / 'a', 'line', split=split, step=step)
    results = read_results([workdir])
    assert len(results) == 4
    found = [(r.split, r.metrics['step']) for r in last_evaluations(results)]
    assert sorted(found) == [('test', 1000), ('val', 600)]


def test_a_run_without_an_evaluation_is_told_how_to_make_one(
    tmp_path: pathlib.Path,
) -> None:
    """The command can be pasted, also where the folder has a blank in its name.

    Beside one that has some, it is left out.
    """
    workdir = tmp_path / 'my run'
    write_evaluated_run(workdir, 'line', 'line')
    (path,) = workdir.glob('evaluation/*/metrics.json')
    path.unlink()
    with pytest.raises(FileNotFoundError) as error:
        read_results([str(workdir)])
    message = str(error.value)
    assert message.startswith(f'{workdir}: no evaluation')
    assert message.endswith(f"experiments/evaluate.py --workdir='{workdir}'")
    other = write_evaluated_run(tmp_path / 'other', 'line', 'line')
    assert [r.workdir for r in read_results([str(workdir), other])] == [other]


def test_two_evaluations_of_the_same_weights_and_pairs_are_refused(
    tmp_path: pathlib.Path,
) -> None:
    workdir = write_evaluated_run(tmp_path / 'a', 'line', 'line', steps=9)
    (path,) = (tmp_path / 'a').glob('evaluation/*')
    shutil.copytree(path, path.with_name(f'{path.name}-tile512'))
    with pytest.raises(ValueError, match=f'{path} and {path}-tile512 are evaluations'):
        last_evaluations(read_results([workdir]))


def test_lines_of_runs_hold_no_scores_of_pairs(tmp_path: pathlib.Path) -> None:
    """They would be most of a line; nor scores of groups, nor of their boxes."""
    workdir = write_evaluated_run(tmp_path / 'a', 'line', 'line')
    many = {f'pair {number}': {'hits': 1} for number in range(999)}
    groups = {'tested': 2, 'learned': None}
    boxes = {'scores': {'ap33': 0.5}, 'pairs': many, 'groups': many}
    write_evaluation(
        tmp_path / 'a',
        'line',
        pair_scores=many,
        group_scores=many,
        groups=groups,
        boxes=boxes,
    )
    write_records(read_results([workdir]), tmp_path / 'runs.jsonl')
    assert 'pair 7' not in (tmp_path / 'runs.jsonl').read_text()
    results = read_results([str(tmp_path / 'runs.jsonl')])
    (result,) = (x for x in results if 'groups' in x.metrics)
    assert result.metrics['groups'] == groups
    assert result.metrics['boxes'] == {'scores': {'ap33': 0.5}}


@pytest.mark.parametrize('name', ['config.json', 'dataset.json'])
def test_what_is_no_work_directory_is_named(tmp_path: pathlib.Path, name: str) -> None:
    workdir = write_evaluated_run(tmp_path / 'a', 'line', 'line')
    (tmp_path / 'a' / name).unlink()
    with pytest.raises(FileNotFoundError, match=f'{tmp_path}/a/{name}: no such file'):
        read_results([workdir])


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"dataset": ', 'damaged'),
        ('7', 'damaged'),
        ('[]', 'damaged'),
        ('{"dataset": "synlcd/line"}', 'lacks split, step'),
        (_METRICS.replace('{"background": {"pixels": 1}}', '{}'), 'damaged'),
        (_METRICS.replace('{"background": {"pixels": 1}}', '[]'), 'damaged'),
        (_METRICS.replace('"miou": 0.1', '"miou": "x"'), 'damaged'),
    ],
)
def test_damaged_metrics_are_named(
    tmp_path: pathlib.Path, text: str, message: str
) -> None:
    workdir = write_evaluated_run(tmp_path / 'a', 'line', 'line')
    (path,) = (tmp_path / 'a').glob('evaluation/*/metrics.json')
    path.write_text(text)
    with pytest.raises(ValueError, match=f'{path}: {message}'):
        read_results([workdir])


def test_a_run_that_is_given_twice_is_refused(tmp_path: pathlib.Path) -> None:
    workdir = write_evaluated_run(tmp_path / 'a', 'line', 'line')
    with pytest.raises(ValueError, match='given twice'):
        read_results([workdir, f'{workdir}/../a/'])


def test_curves_are_read_where_they_are(tmp_path: pathlib.Path) -> None:
    workdir = write_evaluated_run(tmp_path / 'a', 'line', 'line')
    (result,) = read_results([workdir])
    assert result.curves == {}
    (result.directory / 'curves.json').write_text(json.dumps({'classes': {'line': 1}}))
    (result,) = read_results([workdir])
    assert result.curves == {'line': 1}


def test_the_folder_of_several_runs_is_no_run(tmp_path: pathlib.Path) -> None:
    write_evaluated_run(tmp_path / 'a', 'line', 'line')
    with pytest.raises(
        ValueError, match=r'not a run, but a folder of runs; give .*/\*'
    ):
        read_results([str(tmp_path)])


def _content(result: Result) -> tuple[object, ...]:
    return result.config, result.data, result.origin, result.metrics


def test_runs_in_one_file_are_those_in_their_work_directories(
    tmp_path: pathlib.Path,
) -> None:
    origin = {'dataset': 'synlcd/abpt', 'step': 600}
    workdirs = [
        write_evaluated_run(tmp_path / 'a', 'line', 'line', seed=3, origin=origin),
        write_evaluated_run(tmp_path / 'b', 'mixed', 'mixed', learning_rate=1e-3),
    ]
    write_evaluation(tmp_path / 'a', 'abpt', split='test[:25%]')
    results = read_results(workdirs)
    file = tmp_path / 'runs.jsonl'
    write_records(results, file)
    again = read_results([str(file)])
    assert list(map(_content, again)) == list(map(_content, results))
    assert [r.workdir for r in again] == [f'{file}/{name}' for name in 'aab']
    assert [r.curves for r in again] == [{}] * 3
    record = read_record(f'{file}/b')
    assert record.config == again[2].config
    assert [metrics for _, metrics in record.evaluations] == [again[2].metrics]
    with pytest.raises(FileNotFoundError, match=f'{file}: has no run c'):
        read_record(f'{file}/c')


@pytest.mark.parametrize(
    'line', ['{"run": ', '7', '{}', '{"run": "a", "data": {}, "evaluations": []}']
)
def test_a_line_that_is_no_run_is_named(tmp_path: pathlib.Path, line: str) -> None:
    workdir = write_evaluated_run(tmp_path / 'a', 'line', 'line')
    file = tmp_path / 'runs.jsonl'
    write_records(read_results([workdir]), file)
    file.write_text(f'{file.read_text()}{line}\n')
    with pytest.raises(ValueError, match=f'{file}: line 2 holds no run'):
        read_results([str(file)])
