"""The paper's experiments: the runs they consist of, and that each is done once."""

import functools
import json
import pathlib
import shutil
from typing import Any

import pytest

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data_config import DataConfig
from cadnet_jax.datasets import preparation, synlcd
from cadnet_jax.files.atomic import write_json
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize
from cadnet_jax.reports import studies
from cadnet_jax.reports.studies import Run
from cadnet_jax.runs.checkpoint import load_variables, save_variables
from cadnet_jax.runs.finished_runs import read_results, write_records
from cadnet_jax.runs.workdir import Inputs, training_data, write_inputs
from cadnet_jax.training_config import OptimConfig, TrainConfig
from tests.support.evaluated_run import write_evaluation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures('small_b0'),
    pytest.mark.unoptimized,
]

BASE = Config(
    data=DataConfig(
        batch_size=2, eval_batch_size=2, crop_size=32, eval_split='train[:2]'
    ),
    optim=OptimConfig(warmup_steps=1),
    train=TrainConfig(steps=8, eval_every=8, checkpoint_every=8),
)


@pytest.fixture(scope='module')
def data_dirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pathlib.Path]:
    """14 screens of 64 x 64 to learn from, 6 to test on, with lines and with points."""
    root = tmp_path_factory.mktemp('data')
    return {
        kind: preparation.prepare(
            functools.partial(synlcd.Builder, config=kind, count=1, size=64, workers=1),
            root,
        )
        for kind in ('line', 'abpt')
    }


def _changes(run: Run) -> dict[str, object]:
    return {k: new for k, (_, new) in configs.differences(BASE, run.config).items()}


def test_table_3_compares_two_networks_on_both_kinds_of_defects() -> None:
    runs = studies.comparison(BASE, 1)
    assert [(run.trained_on, run.tested_on) for run in runs] == [
        ('mixed', ('mixed',))
    ] * 2
    assert [_changes(run) for run in runs] == [
        {'seed': 1},
        {'head': 'segformer', 'seed': 1},
    ]


@pytest.mark.parametrize(('study', 'kind'), [('boards', 'pku'), ('products', 'mvtec')])
def test_tables_4_and_5_have_the_networks_of_table_3(study: str, kind: str) -> None:
    runs = studies.STUDIES[study](BASE, 1)
    assert {(run.trained_on, run.tested_on) for run in runs} == {(kind, (kind,))}
    of_table_3 = [*studies.comparison(BASE, 1), *studies.networks(BASE, 1)]
    assert [run.config for run in runs] == [run.config for run in of_table_3]
    assert len({run.name for run in runs}) == len(runs) == 9


def test_a_public_set_is_looked_for_and_named_where_it_is_missing(
    tmp_path: pathlib.Path,
) -> None:
    folder = tmp_path / 'pku_market_pcb/by_crop'
    with pytest.raises(FileNotFoundError, match=f'{folder}: not prepared.*--dataset='):
        studies.public_data(tmp_path, 'pku')
    for version in ('1.0.0', '1.9.0', '1.10.0'):
        write_json(folder / version / 'dataset_info.json', {})
    (folder / '2.0.0').mkdir()
    assert studies.public_data(tmp_path, 'pku') == folder / '1.10.0'


def test_the_cross_test_has_all_four_pairings() -> None:
    tests = {
        (run.config.model.head, run.trained_on, tested)
        for run in studies.cross_test(BASE, 0)
        for tested in run.tested_on
    }
    kinds = ('line', 'abpt')
    assert tests == {
        *((head, a, b) for head in ('ooc', 'segformer') for a in kinds for b in kinds),
        *(('cad', kind, kind) for kind in kinds),
    }


def test_few_labels_start_from_the_run_on_points() -> None:
    start, *tuned = studies.few_labels(BASE, 2)
    assert (start.trained_on, start.tested_on) == ('abpt', ('line', 'abpt'))
    assert start in studies.cross_test(BASE, 2)
    assert [_changes(run)['label_fraction'] for run in tuned] == [0.05, 0.1, 0.15]
    for run in tuned:
        assert (run.trained_on, run.tested_on) == ('line', ('line',))
        assert run.starts_from == start.name
        assert run.config.model.head == 'ooc'
        assert run.config.train.steps == 2


def test_table_6_has_every_method_and_both_heads_at_each_share() -> None:
    """All start from points; U-Net from one run, and a head from its own."""
    runs = {run.name: run for run in studies.semi_supervised(BASE, 1)}
    tuned = [run for run in runs.values() if run.starts_from]
    starts = {run.name: run for run in runs.values() if not run.starts_from}
    assert set(starts) == {
        'abpt_unet_labeled_seed1',
        'abpt_ooc_seed1',
        'abpt_cad_seed1',
    }
    crossed = studies.cross_test(BASE, 1)
    assert all(run in crossed for name, run in starts.items() if 'unet' not in name)
    kinds = {(run.config.model.head, run.config.loss.semi_supervised) for run in tuned}
    assert kinds == {
        *(('unet', method) for method in studies.METHODS),
        ('ooc', 'none'),
        ('cad', 'none'),
    }
    assert len(tuned) == 3 * len(kinds)
    for run in tuned:
        start = starts[run.starts_from]
        changed = {'label_fraction', 'semi_supervised'}
        if run.config.loss.semi_supervised == 'pairs':
            changed |= {'paint_defects'}
            assert run.config.data.paint_defects
        assert set(configs.differences(start.config, run.config)) <= changed
        assert run.start_step == BASE.train.steps
        assert (run.trained_on, run.tested_on) == ('line', ('line',))
    five = [run for run in tuned if run.config.data.label_fraction == 0.05]
    assert tuned[: len(five)] == five


def test_the_ablation_adds_one_thing_at_a_time() -> None:
    runs = studies.ablation(BASE, 0)
    assert [_changes(run) for run in runs] == [
        {'head': 'plain', 'contrastive_weight': 0.0},
        {'head': 'plain', 'balance': 'none'},
        {'head': 'plain'},
        {},
    ]


def test_what_studies_share_is_run_once_and_seed_by_seed() -> None:
    runs = studies.runs_of(studies.STUDIES, BASE, seeds=2)
    assert len({run.name for run in runs}) == len(runs)
    seeds = [run.config.train.seed for run in runs]
    assert seeds == sorted(seeds)
    # 2, 7, 9, 9, 6, 3, 28 and 3 more, for each seed.
    assert len(runs) == 134


@pytest.mark.parametrize(
    ('name', 'value'),
    [('head', 'ooc'), ('seed', 1), ('label_fraction', 0.5), ('balance', 'none')],
)
def test_what_the_studies_set_is_not_overridden_in_silence(
    name: str, value: object
) -> None:
    base = configs.replace(BASE, **{name: value})
    with pytest.raises(ValueError, match=f'--{name}={value}: .* leave it out'):
        studies.runs_of(['comparison'], base, seeds=1)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'contrastive_weight': 0.0}, 'need that loss'),
        ({'warmup_steps': 8}, 'warm-up must end before the last step'),
        ({'batch_size': 1}, 'Set --batch_size=4 or more'),
    ],
)
def test_settings_that_no_study_can_have_are_refused(
    values: dict[str, object], message: str
) -> None:
    base = configs.replace(BASE, **values)
    with pytest.raises(ValueError, match=message):
        studies.runs_of(['ablation'], base, seeds=1)


def test_a_study_can_be_of_some_heads_alone() -> None:
    every = studies.runs_of(['comparison', 'networks'], BASE, seeds=2)
    some = studies.runs_of(
        ['comparison', 'networks'], BASE, seeds=2, heads=['pspnet', 'cad']
    )
    assert some == [x for x in every if x.config.model.head in ('cad', 'pspnet')]
    assert [run.name for run in some] == [
        *('mixed_cad_seed0', 'mixed_pspnet_seed0'),
        *('mixed_cad_seed1', 'mixed_pspnet_seed1'),
    ]
    # What the others cannot have is no fault then.
    one = configs.replace(BASE, batch_size=1, crop_size=64)
    assert studies.runs_of(['networks'], one, seeds=1, heads=['fcn'])
    message = r'--only_head=ooc: the chosen studies .* runs of cad, segformer\.'
    with pytest.raises(ValueError, match=message):
        studies.runs_of(['comparison'], BASE, seeds=1, heads=['cad', 'ooc'])


def test_weights_of_another_encoder_are_refused_ahead_of_all_training(
    tmp_path: pathlib.Path,
) -> None:
    """ResNet-18 has arrays in common with ResNet-50, which are not enough."""
    for head in ('cad', 'pspnet'):
        variables = initialize(build_model(ModelConfig(head=head), 3), seed=1)
        encoder = {
            name: {part: array for part, array in arrays.items() if part == 'encoder'}
            for name, arrays in variables.items()
        }
        save_variables(tmp_path / head, encoder, {})
    names = ['comparison', 'networks']
    base = configs.replace(BASE, init_from=str(tmp_path / 'cad'))
    with pytest.raises(ValueError) as error:
        studies.runs_of(names, base, seeds=1)
    message = str(error.value)
    assert message.startswith(f'--init_from={tmp_path / "cad"}: arrays of the encoder')
    assert '--head=unet (60 of 60)' in message
    assert '--head=cad' not in message and '--head=segformer' not in message
    assert 'Run --only_head=cad --only_head=segformer with these' in message
    assert studies.runs_of(names, base, seeds=1, heads=['cad', 'segformer'])
    assert studies.runs_of(['cross_test', 'few_labels', 'ablation'], base, seeds=1)

    base = configs.replace(BASE, init_from=str(tmp_path / 'pspnet'))
    assert studies.runs_of(names, base, seeds=1, heads=['pspnet'])
    message = r'shapes for --head=fcn \(188 of 275\)\. Run the .*=$'
    with pytest.raises(ValueError, match=message):
        studies.runs_of(names, base, seeds=1, heads=['fcn'])
    # Weights that are gone: what is finished needs them no more.
    base = configs.replace(BASE, init_from=str(tmp_path / 'nothing'))
    assert studies.runs_of(names, base, seeds=1)


def test_a_run_is_trained_and_tested_once(
    data_dirs: dict[str, pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then it is left alone: its results are enough, its weights may be gone."""
    run = studies.cross_test(BASE, 0)[2]
    assert run.name == 'line_segformer_seed0'
    assert studies.complete(run, tmp_path, data_dirs, split='test')
    tested = {
        (metrics['dataset'], metrics['step'])
        for path in tmp_path.glob('*/evaluation/*/metrics.json')
        for metrics in [json.loads(path.read_text())]
    }
    assert tested == {('synlcd/line', 8), ('synlcd/abpt', 8)}

    other_tiles = tmp_path / run.name / 'evaluation' / 'synlcd-abpt-test-8-tile64'
    shutil.copytree(tmp_path / run.name / 'evaluation/synlcd-abpt-test-8', other_tiles)
    metrics = json.loads((other_tiles / 'metrics.json').read_text())
    write_json(other_tiles / 'metrics.json', {**metrics, 'tile_size': 64})

    monkeypatch.setattr(studies, 'train', None)
    shutil.rmtree(tmp_path / run.name / 'evaluation/synlcd-abpt-test-8')
    assert studies.complete(run, tmp_path, data_dirs, split='test')
    assert len(list(tmp_path.glob('*/evaluation/*/metrics.json'))) == 3
    shutil.rmtree(tmp_path / run.name / 'checkpoints')
    elsewhere = {
        kind: shutil.copytree(path, tmp_path / 'elsewhere' / kind / path.name)
        for kind, path in data_dirs.items()
    }
    assert studies.complete(run, tmp_path, elsewhere, split='test')
    file = tmp_path / 'runs.jsonl'
    write_records(read_results([str(tmp_path / run.name)]), file)
    assert studies.complete(run, file, data_dirs, split='test')

    data = tmp_path / run.name / 'dataset.json'
    written = data.read_text()
    write_json(data, {**json.loads(written), 'class_pixels': [9, 9, 9]})
    with pytest.raises(ValueError, match=f'{data}: the run learns from other data'):
        studies.complete(run, tmp_path, data_dirs, split='test')
    data.write_text(written)
    # Also where an evaluation is still missing, so that no two runs are mixed.
    for split in ('test', 'train[:2]'):
        for name, message in (
            ('learning_rate', r'learning_rate: 6e-05 -> 1\.0'),
            ('init_from', "init_from: '' -> 'given'"),
        ):
            value = 1.0 if name == 'learning_rate' else 'weights'
            other = run._replace(config=configs.replace(run.config, **{name: value}))
            with pytest.raises(ValueError, match=message):
                studies.complete(other, tmp_path, data_dirs, split=split)


@pytest.mark.parametrize(
    'part',
    [{'leave_out': 'screen_1'}, {'label_fraction': 0.5}],
    ids=['leave_out', 'label_fraction'],
)
def test_a_run_on_a_part_of_the_pairs_is_done_once(
    part: dict[str, Any], data_dirs: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    """Its pixels are those of its part, and are not counted again."""
    run = studies.cross_test(BASE, 0)[0]
    run = run._replace(config=configs.replace(run.config, **part))
    config = configs.replace(run.config, data_dir=str(data_dirs['line']))
    data = training_data(read_info(config.data.data_dir), 'train')
    data = data._replace(class_pixels=(900, 60, 40))
    write_inputs(tmp_path / run.name, Inputs(config, data))
    write_evaluation(tmp_path / run.name, 'line', step=8)
    assert studies.complete(run, tmp_path, data_dirs, split='test')


def test_an_evaluation_of_other_data_is_not_taken_for_that_of_the_study(
    data_dirs: dict[str, pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as of screens of another seed, which have the same name."""
    run = studies.cross_test(BASE, 0)[0]
    config = configs.replace(run.config, data_dir=str(data_dirs['line']))
    info = read_info(config.data.data_dir)
    write_inputs(tmp_path / run.name, Inputs(config, training_data(info, 'train')))
    folder = write_evaluation(tmp_path / run.name, 'line', step=8)
    monkeypatch.setattr(studies, 'train', None)  # it is refused ahead of the training
    for fingerprint in (info.fingerprint, '', 'another'):
        data = {'dir': 'line', 'fingerprint': fingerprint}
        write_json(folder / 'results.json', {'run': {'data': data}, 'files': []})
        if fingerprint != 'another':
            assert studies.complete(run, tmp_path, data_dirs, split='test')
            continue
        with pytest.raises(FileExistsError, match=f'{folder}: .* other data .*Delete'):
            studies.complete(run, tmp_path, data_dirs, split='test')


def test_a_split_that_is_not_there_is_found_ahead_of_the_training(
    data_dirs: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match="cannot read split 'tset'"):
        studies.complete(
            studies.cross_test(BASE, 0)[0], tmp_path, data_dirs, split='tset'
        )
    assert not list(tmp_path.iterdir())


def test_a_damaged_evaluation_is_named(
    data_dirs: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    run = studies.cross_test(BASE, 0)[0]
    path = tmp_path / run.name / 'evaluation' / 'x' / 'metrics.json'
    path.parent.mkdir(parents=True)
    path.write_text('{"dataset": ')
    with pytest.raises(ValueError, match=f'{path}: damaged.* delete its folder'):
        studies.complete(run, tmp_path, data_dirs, split='test')


def test_fine_tuning_goes_on_from_the_weights_of_another_run(
    data_dirs: dict[str, pathlib.Path], tmp_path: pathlib.Path
) -> None:
    """At a learning rate of nearly nothing, these are the weights that come out."""
    start, tuned, *_ = (
        run._replace(config=configs.replace(run.config, head='segformer'))
        for run in studies.few_labels(BASE, 0)
    )
    with pytest.raises(FileNotFoundError, match=start.name):
        studies.complete(tuned, tmp_path, data_dirs, split='test')
    tuned = tuned._replace(
        config=configs.replace(
            tuned.config, learning_rate=1e-30, label_fraction=0.15, weight_decay=0.0
        )
    )
    assert studies.complete(start, tmp_path, data_dirs, split='test')
    # The start is tested with its last weights: those that are best do not count.
    other = initialize(build_model(start.config.model, 3), seed=7)
    save_variables(tmp_path / 'other', other, {})
    best = pathlib.Path('checkpoints', 'best')
    shutil.rmtree(tmp_path / start.name / best)
    shutil.copytree(tmp_path / 'other' / best, tmp_path / start.name / best)
    assert studies.complete(tuned, tmp_path, data_dirs, split='test')
    before, after = (
        load_variables(tmp_path / run.name, 'latest')[0]['params']['encoder']
        for run in (start, tuned)
    )
    kernel = 'stage_1_patches', 'projection', 'kernel'
    for name in kernel:
        before, after = before[name], after[name]
    assert before.tolist() == after.tolist()
    samples = json.loads((tmp_path / tuned.name / 'train_samples.json').read_text())
    assert len(samples['ids']) == 2
    origin = json.loads((tmp_path / tuned.name / 'started_from.json').read_text())
    assert origin == {
        'init_from': str(tmp_path / start.name / 'checkpoints' / 'latest' / '8'),
        'dataset': 'synlcd/abpt',
        'label_fraction': 1.0,
        'head': 'segformer',
        'seed': 0,
        'paint_defects': False,
        'step': 8,
        'left_out': [],
        'spread': [],
    }
    assert not (tmp_path / start.name / 'started_from.json').exists()


def test_a_run_that_was_stopped_is_not_complete(
    data_dirs: dict[str, pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(studies, 'train', lambda config, workdir: False)
    run = studies.cross_test(BASE, 0)[0]
    assert not studies.complete(run, tmp_path, data_dirs, split='test')
    assert not list(tmp_path.rglob('metrics.json'))
