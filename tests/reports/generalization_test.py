"""Groups as products that were seen and that were not: plans, runs, lines, the page."""

import functools
import json
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest

from cadnet_jax import config as configs
from cadnet_jax.data.pair_source import PairSource, training_source
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.evaluation.group_counts import GroupCounts, count_groups
from cadnet_jax.files.atomic import write_json
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.reports import (
    generalization,
    generalization_page,
    generalization_plan,
)
from cadnet_jax.reports.generalization_plan import Plan
from cadnet_jax.runs.checkpoint import kept_steps, save_variables
from cadnet_jax.runs.learned import keep_learned_images
from cadnet_jax.runs.workdir import (
    Inputs,
    training_data,
    write_inputs,
    write_learned_images,
)
from tests.support.tiny_data import prepare_tiny
from tests.support.tiny_run import differencing_predictor, short_run


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Pairs of 'group_0' and 'group_1' in turn: 12 in 'train', 7 in 'test'."""
    return prepare_tiny(tmp_path_factory.mktemp('data'))


def plan_of(data_dir: pathlib.Path, **options: Any) -> Plan:
    values: dict[str, Any] = {'folds': 0, 'fractions': [1.0], 'seeds': 1} | options
    return generalization_plan.make_plan(short_run(data_dir), 'test', **values)


def test_each_group_is_left_out_once(data_dir: pathlib.Path) -> None:
    plan = plan_of(data_dir, seeds=2, fractions=[1.0, 0.5])
    assert plan.folds == (('group_0',), ('group_1',))
    runs = generalization_plan.runs_of(plan)
    assert [run.name for run in runs[:4]] == [
        'all_seed0',
        'without_1_seed0',
        'without_2_seed0',
        'all_50percent_seed0',
    ]
    assert len({run.name for run in runs}) == len(runs) == 2 * 2 * 3
    assert [run.config.data.leave_out for run in runs[:3]] == ['', 'group_0', 'group_1']
    assert runs[3].config.data.label_fraction == 0.5
    assert {run.config.train.seed for run in runs} == {0, 1}


def test_folds_leave_out_several_groups(
    data_dir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plan_of(data_dir, folds=9).folds == (('group_0',), ('group_1',))
    monkeypatch.setattr(
        generalization_plan, 'read_groups', lambda *_: frozenset('abcde')
    )
    monkeypatch.setattr(generalization_plan, 'runs_of', lambda plan: [])
    assert plan_of(data_dir, folds=2).folds == (('a', 'c', 'e'), ('b', 'd'))


def test_a_plan_that_no_run_can_follow_is_refused(
    data_dir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ValueError,
        match=r'no group of .train. would.*than with --folds=1; --folds=0',
    ):
        plan_of(data_dir, folds=1)
    with pytest.raises(ValueError, match='--fraction=0: set a share above 0'):
        plan_of(data_dir, fractions=[1.0, 0.0])
    names = frozenset({'round, red', 'square'})
    monkeypatch.setattr(generalization_plan, 'read_groups', lambda *_: names)
    with pytest.raises(
        ValueError, match=r"group 'round, red' cannot .* comma .*Rename"
    ):
        plan_of(data_dir)


def test_other_data_are_checked_before_training(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match='no such directory'):
        plan_of(data_dir, other_data=[str(tmp_path / 'none')])
    other = prepare_tiny(tmp_path, num={'train': 2})
    plan = plan_of(data_dir, other_data=[str(other)])
    with pytest.raises(ValueError, match=f"{other}: cannot read split 'test'"):
        generalization.complete(
            generalization_plan.runs_of(plan)[0], plan, tmp_path / 'run'
        )
    assert not (tmp_path / 'run').exists()
    real = generalization_plan.read_info

    def renamed(directory: str) -> Any:
        names = ('background', 'scratch')
        info = real(directory)
        return info._replace(class_names=names) if directory == str(other) else info

    monkeypatch.setattr(generalization_plan, 'read_info', renamed)
    with pytest.raises(ValueError, match=r'--other_data=.*scratch.*--head=ooc'):
        plan_of(data_dir, other_data=[str(other)])


def test_a_share_that_is_named_twice_is_trained_once(data_dir: pathlib.Path) -> None:
    assert plan_of(data_dir, fractions=[1.0, 0.5, 1.0]).fractions == (1.0, 0.5)


def test_a_setting_that_differs_from_run_to_run_is_refused(
    data_dir: pathlib.Path,
) -> None:
    config = short_run(data_dir, seed=3)
    with pytest.raises(ValueError, match='--seed: differs from run to run'):
        generalization_plan.make_plan(config, 'test', folds=0, fractions=[1.0], seeds=1)


def test_semi_supervised_runs_are_refused(data_dir: pathlib.Path) -> None:
    config = short_run(data_dir, semi_supervised='labeled', label_fraction=0.5)
    with pytest.raises(ValueError, match='--semi_supervised: the run on all labels'):
        generalization_plan.make_plan(config, 'test', folds=0, fractions=[1.0], seeds=1)


def test_one_group_is_left_out_of_others(
    data_dir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = short_run(data_dir)
    make_plan = functools.partial(
        generalization_plan.make_plan, config, 'test[:1]', folds=0, seeds=1
    )
    plan = make_plan(fractions=[1.0])
    assert plan.folds == (('group_1',),)
    monkeypatch.setattr(
        generalization_plan, 'read_groups', lambda *_: frozenset({'group_0'})
    )
    with pytest.raises(ValueError, match='At least two groups are needed'):
        make_plan(fractions=[1.0])


def test_groups_of_the_test_split_alone_are_new_to_every_run(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the patterns of SynLCD: LL is of the test split, LA of the other data."""
    groups = {'train': frozenset('ab'), 'test': frozenset('cd')}
    monkeypatch.setattr(
        generalization_plan, 'read_groups', lambda _, split: groups[split]
    )
    other = str(prepare_tiny(tmp_path / 'other'))
    with pytest.raises(ValueError, match='--folds=2: no group is in both'):
        plan_of(data_dir, folds=2)
    plan = plan_of(data_dir, other_data=[other])
    (run,) = generalization_plan.runs_of(plan)
    assert plan.folds == () and run.left_out == ()
    ours = {'c': counts(2, 10, 8, 1), 'd': counts(2, 10, 4, 3)}
    theirs = {'e': counts(1, 10, 3, 1), 'f': counts(1, 10, 1, 1)}
    test = {
        data: {'run': {}, 'groups': found}
        for data, found in ((str(data_dir), ours), (other, theirs))
    }
    write_json(tmp_path / run.name / 'groups.json', {'test, step 2': test})
    lines = generalization.summarize(plan, tmp_path)
    assert [(line.label, line.seen, line.groups) for line in lines] == [
        ('in no training part', None, 2),
        ('other data: tiny_pairs', None, 2),
    ]
    answer = generalization_page.answer(plan, lines)
    assert answer == [
        'With 100 % of the labels, the network hits 60.0 % of the defects on 2 '
        'products that it never saw, with 1.00 false regions an image; the IoU of any '
        'defect is 30.0 %.',
        'On other data, tiny_pairs, it hits 20.0 %, with 1.00 false regions an image.',
    ]
    generalization_page.write_report(plan, lines, tmp_path)
    page = (tmp_path / 'generalization.html').read_text()
    assert 'No tested group is in the training part' in page
    assert 'Pairs learned from: 12 with 100 % of the labels.</li>' in page


def test_a_run_without_a_labeled_defect_is_refused_before_the_first(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PairSource.read_mask

    def read_mask(source: PairSource, index: int) -> np.ndarray:
        labeled = source.read_group(index) == 'group_1'
        return real(source, index) if labeled else np.zeros((8, 8), np.uint8)

    monkeypatch.setattr(PairSource, 'read_mask', read_mask)
    message = (
        'no defect is labeled in the 6 pairs that without_2_seed0 would learn from '
        r".*100 % of 'train' without group_1"
    )
    with pytest.raises(ValueError, match=message):
        plan_of(data_dir)
    config = short_run(data_dir, paint_defects=True)
    generalization_plan.make_plan(config, 'test', folds=0, fractions=[1.0], seeds=1)


def started(data_dir: pathlib.Path, init_from: pathlib.Path) -> Plan:
    config = short_run(data_dir, init_from=str(init_from))
    return generalization_plan.make_plan(
        config, 'test', folds=0, fractions=[1.0], seeds=1
    )


def write_run(workdir: pathlib.Path, data_dir: pathlib.Path, **settings: Any) -> None:
    """A run with weights, of which no digests of images are kept."""
    config = short_run(data_dir, **settings)
    data = training_data(read_info(str(data_dir)), config.data.train_split)
    save_variables(workdir, {'params': {'a': np.zeros(1)}}, {})
    write_inputs(workdir, Inputs(config, data))


def test_weights_of_a_run_on_what_is_left_out_are_refused(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Also if it learned from other pairs of these groups."""
    write_run(tmp_path / 'half', data_dir, train_split='val', leave_out='group_0')
    with pytest.raises(
        ValueError, match=r'half: .* groups .* left out, such as group_1'
    ):
        started(data_dir, tmp_path / 'half')
    write_run(tmp_path / 'gone', data_dir, init_from=str(tmp_path / 'no_more'))
    shutil.rmtree(tmp_path / 'half')
    with pytest.raises(FileNotFoundError, match='half: no checkpoints to start from'):
        started(data_dir, tmp_path / 'half')


def test_images_that_the_weights_know_are_refused_under_any_name(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """For an encoder, only the list of images says that a run trained it."""
    encoder = tmp_path / 'encoder'
    save_variables(encoder, {'params': {'a': np.zeros(1)}}, {})
    assert started(data_dir, encoder)[-2:] == (False, True)  # from elsewhere
    keep_learned_images(short_run(data_dir, leave_out='group_1'), encoder)
    with pytest.raises(ValueError, match='encoder: these weights learned from 6 of'):
        started(data_dir, encoder)
    write_learned_images(encoder, frozenset({'another'}))
    plan = started(data_dir, encoder)
    assert plan.transfer and not plan.weights_are_new
    said = generalization_page.describe_weights(plan)
    assert said.startswith('Transfer: all runs start from ')
    assert said.endswith('It is not known whether they learned from what is left out.')


def test_pairs_without_groups_are_refused(
    data_dir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pair that is a group of its own may be of a product that was learned from."""
    monkeypatch.setattr(
        PairSource, 'read_names', lambda source, index: (str(index), str(index))
    )
    with pytest.raises(
        ValueError, match=r"pairs of 'test' have no groups .*--group_by"
    ):
        plan_of(data_dir)


def test_a_group_without_a_defect_has_no_part_in_the_interval_of_hits(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Else its rate would count as 0: here the one with defects hits all."""
    plan, data = plan_of(data_dir), str(data_dir)
    found = {'group_0': counts(2, 10, 10, 1), 'group_1': counts(4, 0, 0, 5)}
    found['group_1']['union'] = 7
    for run in generalization_plan.runs_of(plan):
        tested = {group: found[group] for group in run.left_out} or found
        write_counts(tmp_path / run.name, data, tested)
    line = generalization.summarize(plan, tmp_path)[0]
    assert line.new['hit_rate'] and line.new['hit_rate'].mean == 1
    assert line.intervals and 'hit_rate' not in line.intervals
    assert line.intervals['iou'].groups == line.groups == 2


def test_a_right_network_hits_all_of_each_group(data_dir: pathlib.Path) -> None:
    found = count_groups(
        differencing_predictor(), data_dir, 'test', batch_size=2, progress=False
    )
    assert list(found) == ['group_0', 'group_1']
    assert sum(counts['pairs'] for counts in found.values()) == 7
    for counts in found.values():
        assert counts['hits'] == counts['defects'] > 0
        assert counts['overlap'] == counts['union'] > 0
        assert counts['false_regions'] == 0


def counts(pairs: int, defects: int, hits: int, false: int) -> GroupCounts:
    return {
        'pairs': pairs,
        'defects': defects,
        'hits': hits,
        'false_regions': false,
        'overlap': 5 * hits,
        'union': 10 * defects,
    }


def write_counts(workdir: pathlib.Path, data: str, groups: Any) -> None:
    """As `complete` writes them."""
    test = {'test, step 2': {data: {'run': {}, 'groups': groups}}}
    write_json(workdir / 'groups.json', test)


@pytest.fixture
def finished(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> tuple[Plan, pathlib.Path]:
    """Counts of two seeds."""
    plan, data = plan_of(data_dir, seeds=2), str(data_dir)
    for seed, hits in ((0, 8), (1, 6)):
        seen = {'group_0': counts(2, 10, hits, 1), 'group_1': counts(4, 10, hits, 1)}
        new = {'group_0': counts(2, 10, 5, 4), 'group_1': counts(4, 10, hits, 1)}
        for name, found in (
            (f'all_seed{seed}', seen),
            (f'without_1_seed{seed}', {'group_0': new['group_0']}),
            (f'without_2_seed{seed}', {'group_1': new['group_1']}),
        ):
            write_counts(tmp_path / name, data, found)
    return plan, tmp_path


def test_a_line_compares_seen_and_new(finished: tuple[Plan, pathlib.Path]) -> None:
    both, first, second = generalization.summarize(*finished)
    assert [line.label for line in (first, second)] == ['group_0', 'group_1']
    assert both.counts['pairs'] == 6 and both.counts['defects'] == 20
    assert first.seen and first.new and second.differences is None
    assert first.seen['hit_rate'] == pytest.approx((0.7, 0.02**0.5, 2))  # 0.8 and 0.6
    assert first.new['hit_rate'] == pytest.approx((0.5, 0, 2))
    assert first.new['false_regions'] == pytest.approx((2, 0, 2))
    assert both.differences
    value, low, high, groups = both.differences['hit_rate']
    assert value == pytest.approx((5 + 5 + 8 + 6) / 40 - 28 / 40)
    # A draw has either group twice, or each once: -0.2, 0 or their mean.
    assert (low, high) == pytest.approx((-0.2, 0)) and groups == 2
    assert both.intervals and first.intervals is None
    assert both.intervals['hit_rate'] == pytest.approx((0.6, 0.5, 0.7, 2))


def test_the_difference_is_that_of_the_means_beside_it(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Also of the IoU, whose denominator differs from seed to seed."""
    plan, data = plan_of(data_dir, seeds=2), str(data_dir)
    for seed, unions in ((0, (20, 50)), (1, (200, 20))):
        seen, new = ({'overlap': 10, 'union': union} for union in unions)
        for name, groups, changed in (
            (f'all_seed{seed}', ('group_0', 'group_1'), seen),
            (f'without_1_seed{seed}', ('group_0',), new),
            (f'without_2_seed{seed}', ('group_1',), new),
        ):
            found = {group: {**counts(2, 10, 5, 1), **changed} for group in groups}
            write_counts(tmp_path / name, data, found)
    line = generalization.summarize(plan, tmp_path)[0]
    assert line.seen and line.seen['iou'] and line.new and line.new['iou']
    assert line.seen['iou'].mean == pytest.approx((0.5 + 0.05) / 2)
    assert line.new['iou'].mean == pytest.approx((0.2 + 0.5) / 2)
    assert line.differences and line.differences['iou'] == pytest.approx(
        [*[0.075] * 3, 2]
    )


def test_the_page_answers_in_its_first_sentence(
    finished: tuple[Plan, pathlib.Path],
) -> None:
    plan, root = finished
    lines = generalization.summarize(plan, root)
    generalization_page.write_report(plan, lines, root)
    page = (root / 'generalization.html').read_text()
    assert 'the network hits 60.0 ± 7.1 % of the defects on 2 products' in page
    assert '<td>50.0 to 70.0</td>' in page
    assert 'Networks that learned from these products hit 70.0 ± 14.1 %' in page
    assert (
        'too few groups to compare defects hit, -10.0 (95 %: -20.0 to +0.0; 2' in page
    )
    assert '6 to 12 with 100 % of the labels. Networks that leave groups out' in page
    assert 'With 100 % of the labels' in page and 'not compared' not in page
    assert 'All runs start from random weights' in page and 'http' not in page
    table = generalization_page.format_lines(lines)
    assert 'group_0' in table and '50.0 ± 0.0, 2.00 ± 0.00' in table
    kept = json.loads((root / 'generalization.json').read_text())
    assert [line['label'] for line in kept['lines']] == [line.label for line in lines]
    assert kept['lines'][0]['new']['hit_rate']['mean'] == pytest.approx(0.6)
    assert kept['lines'][0]['differences']['hit_rate']['low'] == pytest.approx(-0.2)
    assert kept['settings']['data_dir'] == str(plan.base.data.data_dir)
    assert not kept['transfer'] and kept['folds'] == [['group_0'], ['group_1']]


def test_the_answer_is_that_of_the_largest_share(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """And says which of the two is better, where the groups agree on it."""
    plan, data = plan_of(data_dir, fractions=[0.5, 1.0]), str(data_dir)
    for run in generalization_plan.runs_of(plan):
        hits = 2 if run.left_out else 9
        found = {name: counts(2, 10, hits, 1) for name in ('group_0', 'group_1')}
        write_counts(tmp_path / run.name, data, found)
    lines = generalization.summarize(plan, tmp_path)
    differences = {
        name: one._replace(groups=5)
        for name, one in (lines[3].differences or {}).items()
    }
    lines[3] = lines[3]._replace(differences=differences)
    answer = generalization_page.answer(plan, lines)
    assert answer[0].startswith('With 100 % of the labels, the network hits 20.0 %')
    assert answer[2] == (
        'New minus seen: fewer defects hit, -70.0 (95 %: -70.0 to -70.0; 5 groups); no '
        'significant difference in false regions, +0.00 (95 %: +0.00 to +0.00; '
        '5 groups).'
    )


def test_groups_that_no_label_was_drawn_of_are_not_seen(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """One of 12 pairs is drawn, so one of the two groups; the page says the share."""
    plan, data = plan_of(data_dir, fractions=[0.09]), str(data_dir)
    config = generalization_plan.runs_of(plan)[0].config
    drawn = training_source(config.data, seed=0)[0]['group']
    found = {group: counts(2, 10, 5, 1) for group in ('group_0', 'group_1')}
    for run in generalization_plan.runs_of(plan):
        tested = {group: found[group] for group in run.left_out} or found
        write_counts(tmp_path / run.name, data, tested)
    lines = generalization.summarize(plan, tmp_path)
    assert {line.label: line.seen is not None for line in lines} == {
        'all that were left out': False,
        '1 of these, with drawn labels': True,
        'group_0': drawn == 'group_0',
        'group_1': drawn == 'group_1',
    }
    assert [line.counts['pairs'] for line in lines] == [4, 2, 2, 2]
    generalization_page.write_report(plan, lines, tmp_path)
    page = (tmp_path / 'generalization.html').read_text()
    assert 'With 9 % of the labels, the network hits' in page
    assert 'Networks that learned from these' not in page
    assert 'is not compared as seen' in page


def test_runs_from_other_weights_are_called_transfer(
    finished: tuple[Plan, pathlib.Path],
) -> None:
    plan, root = finished
    base = configs.replace(plan.base, init_from='released')
    plan = plan._replace(base=base, transfer=True)
    lines = generalization.summarize(plan, root)
    generalization_page.write_report(plan, lines, root)
    page = (root / 'generalization.html').read_text()
    assert 'Transfer: all runs start from released' in page
    assert 'random weights' not in page
    kept = json.loads((root / 'generalization.json').read_text())
    assert kept['transfer'] is True and kept['settings']['init_from'] == 'released'
    encoder = generalization_page.describe_weights(plan._replace(transfer=False))
    assert encoder == 'All runs start from the weights in released.'


def test_an_incomplete_run_is_named(finished: tuple[Plan, pathlib.Path]) -> None:
    plan, root = finished
    (root / 'without_2_seed1' / 'groups.json').unlink()
    with pytest.raises(FileNotFoundError, match=r'without_2_seed1.*to the end'):
        generalization.summarize(plan, root)


def test_counts_of_another_test_are_not_reported(
    finished: tuple[Plan, pathlib.Path],
) -> None:
    plan, root = finished
    with pytest.raises(FileNotFoundError, match='incomplete; run the same command'):
        generalization.summarize(plan._replace(test_split='val'), root)
    with pytest.raises(FileNotFoundError, match='incomplete; run the same command'):
        generalization.summarize(plan._replace(other_data=('other',)), root)


@pytest.mark.parametrize(
    'text',
    [
        '{',
        '[]',
        '{"test, step 2": {"data": {"run": {}, "groups": {"a": {"pairs": "two"}}}}}',
        '{"test, step 2": {"data": {"groups": {}}}}',
        '{"test, step 2": {"data": {"group_0": {"pairs": 2}}}}',  # earlier versions
    ],
)
def test_damaged_counts_are_named(
    finished: tuple[Plan, pathlib.Path], text: str
) -> None:
    plan, root = finished
    (root / 'all_seed0' / 'groups.json').write_text(text)
    with pytest.raises(ValueError, match=r'all_seed0/groups.json: damaged.*Delete it'):
        generalization.summarize(plan, root)


def test_pairs_that_are_learned_from_are_refused_before_training(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    plan = plan_of(data_dir)._replace(test_split='train[:3]')
    with pytest.raises(ValueError, match=r'--test_split=train.*3 of its 3 pairs'):
        generalization.complete(generalization_plan.runs_of(plan)[0], plan, tmp_path)
    assert not list(tmp_path.iterdir())


def test_counts_of_other_weights_or_other_data_are_made_again(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is trained again, and data are prepared again in place."""
    counted = []
    predictor = differencing_predictor()

    def count(predictor: Predictor, data_dir: str, *_: Any, **__: Any) -> Any:
        counted.append(data_dir)
        return {'group_0': counts(2, 10, len(counted), 1)}

    monkeypatch.setattr(generalization, 'train', lambda *_: True)
    monkeypatch.setattr(generalization, 'load_predictor', lambda *_: predictor)
    monkeypatch.setattr(generalization, 'count_groups', count)
    ours, other = str(data_dir), str(prepare_tiny(tmp_path / 'data'))
    plan = plan_of(data_dir, other_data=[other])
    run = generalization_plan.runs_of(plan)[0]

    def complete() -> list[str]:
        counted.clear()
        assert generalization.complete(run, plan, tmp_path)
        return counted

    assert complete() == [ours, other]
    assert complete() == []
    shutil.rmtree(tmp_path / 'data')
    assert str(prepare_tiny(tmp_path / 'data', unchanged_every=5)) == other
    assert complete() == [other]
    predictor = differencing_predictor(step=8)
    assert complete() == [ours, other]
    assert complete() == []


@pytest.mark.slow
@pytest.mark.usefixtures('small_b0')
@pytest.mark.unoptimized
def test_runs_are_trained_and_counted_once(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    plan = plan_of(data_dir, folds=2, other_data=[str(data_dir)])
    for _ in range(2):
        for run in generalization_plan.runs_of(plan):
            assert generalization.complete(run, plan, tmp_path)
    chosen = json.loads((tmp_path / 'without_1_seed0/train_samples.json').read_text())
    assert chosen['leave_out'] == ['group_0'] and len(chosen['ids']) == 6
    assert kept_steps(tmp_path / 'all_seed0')['latest'] == [2]
    labels = [line.label for line in generalization.summarize(plan, tmp_path)]
    assert labels == [
        'all that were left out',
        'group_0',
        'group_1',
        'other data: tiny_pairs',
    ]
