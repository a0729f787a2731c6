"""A run, whole or in pieces, is the same; one that cannot go well is refused."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import pytest

from cadnet_jax.config import Config, differences, load
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data.split_contents import read_labeled_subset
from cadnet_jax.data_config import DataConfig
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize, parameter_shapes
from cadnet_jax.runs.checkpoint import (
    Checkpoints,
    kept_steps,
    load_variables,
    save_variables,
)
from cadnet_jax.runs.state import TrainState, initial_state
from cadnet_jax.runs.workdir import read_dataset_info, write_config
from cadnet_jax.training import loop
from cadnet_jax.training.log import read_log
from cadnet_jax.training.optim import make_optimizer
from cadnet_jax.training.step import make_train_step
from cadnet_jax.training_config import OptimConfig, TrainConfig
from tests.conftest import ROOT
from tests.support.tiny_data import CLASS_NAMES, prepare_tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures('small_b0'),
    pytest.mark.unoptimized,
]

STEPS = 12


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A run of a few small steps, each of them saved."""
    data_dir = prepare_tiny(tmp_path_factory.mktemp('data'), sizes=[(32, 32)])
    return Config(
        data=DataConfig(
            data_dir=str(data_dir), batch_size=2, eval_batch_size=2, crop_size=32
        ),
        optim=OptimConfig(warmup_steps=2),
        train=TrainConfig(steps=STEPS, log_every=4, eval_every=5, checkpoint_every=1),
    )


def _made_once() -> Callable[..., Any]:
    """`make_train_step` for runs of the same settings: they share a compiled step."""
    made: list[Any] = []

    def make(*args: Any, **options: Any) -> Any:
        if not made:
            made.append(make_train_step(*args, **options))
        return made[0]

    return make


@pytest.fixture(scope='module', autouse=True)
def compiled_once() -> Iterator[None]:
    """The runs of this module differ in no setting, but where a test says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, 'make_train_step', _made_once())
        yield


@pytest.fixture(scope='module')
def whole(config: Config, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The work directory of a run that was not interrupted."""
    workdir = tmp_path_factory.mktemp('whole')
    loop.train(config, workdir)
    return workdir


def _restore(config: Config, workdir: pathlib.Path) -> tuple[TrainState, Any]:
    """The latest state, and the batches that follow."""
    model = build_model(config.model, len(CLASS_NAMES))
    optimizer = make_optimizer(config.optim, STEPS, parameter_shapes(model)['params'])
    state = jax.device_get(initial_state(model, optimizer, seed=1))
    if config.optim.ema_decay:
        state = state.replace(ema_params=state.params)
    batches = loop.training_batches(config.data, seed=config.train.seed)
    with Checkpoints(workdir, keep=1) as checkpoints:
        return checkpoints.restore(state, batches)[0], batches


def _assert_same_run(
    config: Config, workdir: pathlib.Path, whole: pathlib.Path
) -> None:
    """Parameters, optimizer, data order, metrics and best: bit for bit."""
    (state, batches), (expected, following) = (
        _restore(config, path) for path in (workdir, whole)
    )
    jax.tree.map(np.testing.assert_array_equal, state, expected)
    jax.tree.map(np.testing.assert_array_equal, next(batches), next(following))
    name = 'metrics.jsonl'
    assert (workdir / name).read_text() == (whole / name).read_text()
    assert kept_steps(workdir) == kept_steps(whole)
    jax.tree.map(
        np.testing.assert_array_equal,
        load_variables(workdir, 'best')[0],
        load_variables(whole, 'best')[0],
    )


def _on_call(function: Callable[..., Any], call: int, act: Callable[[], None]) -> Any:
    """`function`, with `act` done ahead of its call number `call`, counted from 1."""
    calls = iter(range(1, 1000))

    def wrapper(*args: Any, **options: Any) -> Any:
        if next(calls) == call:
            act()
        return function(*args, **options)

    return wrapper


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_leaves_what_others_read(config: Config, whole: pathlib.Path) -> None:
    """Settings, checkpoints, a line for each interval and evaluation, and events."""
    assert load(whole / 'config.json') == config
    lines = read_log(whole)
    assert [line['step'] for line in lines] == [4, 5, 8, 10, 12, 12]
    evaluations = [line for line in lines if 'evaluation' in line]
    assert [line['step'] for line in evaluations] == [5, 10, 12]
    for line in lines:
        if line not in evaluations:
            assert line['loss'] > 0 and line['gradient_norm'] > 0
            assert 0 < line['learning_rate'] <= config.optim.learning_rate
    assert list((whole / 'tensorboard').iterdir())
    kept = kept_steps(whole)
    assert kept['latest'] == [11, 12]
    scores = {line['step']: line['evaluation']['miou'] for line in evaluations}
    assert kept['best'] == [max(scores, key=lambda step: (scores[step], step))]


@pytest.mark.parametrize(
    ('function', 'call', 'stopped_at'),
    [('shard', 1, 1), ('shard', 6, 6), ('evaluate', 1, 5), ('evaluate', 3, STEPS)],
    ids=['in the first step', 'in step 6', 'in an evaluation', 'in the last one'],
)
def test_stopped_and_resumed_equals_not_stopped(
    config: Config,
    whole: pathlib.Path,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    function: str,
    call: int,
    stopped_at: int,
) -> None:
    """SIGTERM ends `train` without an error, with the step under way saved."""
    with monkeypatch.context() as patch:
        wrapper = _on_call(getattr(loop, function), call, _terminate)
        patch.setattr(loop, function, wrapper)
        assert not loop.train(config, tmp_path)
    assert kept_steps(tmp_path)['latest'][-1] == stopped_at
    said = capsys.readouterr().out
    assert f'Stopped at step {stopped_at}; the same command goes on.' in said
    assert 'are done' not in said
    assert loop.train(config, tmp_path)
    _assert_same_run(config, tmp_path, whole)


def test_best_weights_of_another_branch_are_no_best_ones(
    config: Config, whole: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """A copy goes on from an earlier step, as the later checkpoints were removed."""
    workdir = shutil.copytree(whole, tmp_path / 'run')
    with Checkpoints(workdir, keep=2) as checkpoints:
        checkpoints.remove_after(0)
        checkpoints.save_best(STEPS, load_variables(whole, STEPS - 1)[0], score=1.0)
    last = f'checkpoints/latest/{STEPS - 1}'
    shutil.copytree(whole / last, workdir / last)
    assert loop.train(config, workdir)
    best, step = load_variables(workdir, 'best')
    assert step == STEPS
    jax.tree.map(
        np.testing.assert_array_equal, best, load_variables(whole, 'latest')[0]
    )


@pytest.fixture(scope='module')
def averaged(
    config: Config, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Config, pathlib.Path, Callable[..., Any]]:
    """A run that was not interrupted, with all that a long run uses.

    Averaged weights, statistics that fit them, and the hardest unchanged crops. The
    last item makes the same step.
    """
    data_dir = prepare_tiny(
        tmp_path_factory.mktemp('data'), sizes=[(32, 32)], unchanged_every=2
    )
    config = _changed(
        config,
        'data',
        data_dir=str(data_dir),
        unchanged_fraction=0.5,
        hard_candidates=2,
    )
    config = _changed(config, 'optim', ema_decay=0.9)
    config = _changed(config, 'train', norm_batches=2, steps=5, eval_every=3)
    workdir, make = tmp_path_factory.mktemp('averaged'), _made_once()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, 'make_train_step', make)
        loop.train(config, workdir)
    return config, workdir, make


def test_the_averages_are_evaluated_and_kept(
    averaged: tuple[Config, pathlib.Path, Callable[..., Any]],
) -> None:
    """As `best` and `latest`, with statistics that are not the running ones."""
    config, workdir, _ = averaged
    state, _ = _restore(config, workdir)
    latest, step = load_variables(workdir, 'latest')
    assert step == 5
    jax.tree.map(np.testing.assert_array_equal, latest['params'], state.ema_params)
    for name, other in (('params', state.params), ('batch_stats', state.batch_stats)):
        leaves = zip(jax.tree.leaves(latest[name]), jax.tree.leaves(other), strict=True)
        assert any((a != b).any() for a, b in leaves), name
    best, step = load_variables(workdir, 'best')
    kept, _ = load_variables(workdir, step)
    jax.tree.map(np.testing.assert_array_equal, best, kept)
    metrics, _ = loop.evaluate_with_panels(
        config, read_dataset_info(workdir), latest, workdir, 5
    )
    logged = [line for line in read_log(workdir) if 'evaluation' in line][-1]
    assert logged['evaluation']['miou'] == pytest.approx(metrics['miou'])


@pytest.mark.parametrize(
    ('function', 'call'), [('shard', 2), ('evaluate', 1), ('evaluate', 2)]
)
def test_averages_stopped_and_resumed_equal_those_not_stopped(
    averaged: tuple[Config, pathlib.Path, Callable[..., Any]],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    call: int,
) -> None:
    config, workdir, make = averaged
    monkeypatch.setattr(loop, 'make_train_step', make)
    with monkeypatch.context() as patch:
        wrapper = _on_call(getattr(loop, function), call, _terminate)
        patch.setattr(loop, function, wrapper)
        assert not loop.train(config, tmp_path)
    assert loop.train(config, tmp_path)
    _assert_same_run(config, tmp_path, workdir)
    jax.tree.map(
        np.testing.assert_array_equal,
        load_variables(tmp_path, 'latest')[0],
        load_variables(workdir, 'latest')[0],
    )


@contextlib.contextmanager
def _started(
    config: Config, workdir: pathlib.Path
) -> Iterator[subprocess.Popen[bytes]]:
    """experiments/train.py in a process of its own, with the flags `config` needs."""
    changed = differences(Config(), config)
    flags = [f'--{name}={value}' for name, (_, value) in changed.items()]
    script = ('-m', 'tests.support.tiny_script', 'experiments/train.py')
    command = [sys.executable, *script, f'--workdir={workdir}', *flags]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for(process: subprocess.Popen[bytes], seen: Callable[[], object]) -> None:
    while not seen():
        assert process.poll() is None, 'the run has ended'
        time.sleep(0.001)


def test_killed_terminated_and_finished_equals_not_interrupted(
    config: Config, whole: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """kill -9 in the middle of a save, then SIGTERM to the run that resumes: exit 0."""
    latest = tmp_path / 'checkpoints' / 'latest'
    with _started(config, tmp_path) as process:
        _wait_for(process, lambda: any(latest.glob('2.orbax-checkpoint-tmp*')))
    assert process.returncode == -signal.SIGKILL

    with _started(config, tmp_path) as process:
        _wait_for(process, lambda: max(kept_steps(tmp_path)['latest'], default=0) >= 4)
        process.terminate()
        assert process.wait(timeout=120) == 0
    assert 4 <= kept_steps(tmp_path)['latest'][-1] < STEPS

    loop.train(config, tmp_path)
    _assert_same_run(config, tmp_path, whole)


def test_a_loss_that_is_not_finite_stops_the_run(
    config: Config, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the step; the last checkpoint is the one before it, and good."""
    make = loop.make_train_step

    def make_failing(*args: Any, **options: Any) -> Any:
        """Steps of which the fourth is given parameters that are not numbers."""
        step = make(*args, **options)

        def failing(state: TrainState, batch: Any) -> Any:
            if int(state.step[0]) == 3:
                state = state.replace(
                    params=jax.tree.map(lambda x: x * np.nan, state.params)
                )
            return step(state, batch)

        return failing

    monkeypatch.setattr(loop, 'make_train_step', make_failing)
    with pytest.raises(ValueError, match=r'at step 4.*loss nan.*--learning_rate'):
        loop.train(config, tmp_path)
    assert kept_steps(tmp_path)['latest'] == [2, 3]
    variables, _ = load_variables(tmp_path, 'latest')
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(variables))


def test_a_state_that_is_not_finite_is_not_saved(
    config: Config, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finite loss whose update overflows: the step is named before it is saved."""
    unreplicate = loop.unreplicate

    def overflown(state: TrainState) -> TrainState:
        saved = unreplicate(state)
        if int(saved.step) < 3:
            return saved
        infinite = jax.tree.map(lambda x: np.full_like(x, np.inf), saved.params)
        return saved.replace(params=infinite)

    monkeypatch.setattr(loop, 'unreplicate', overflown)
    with pytest.raises(ValueError, match=r'at step 3.*params'):
        loop.train(config, tmp_path)
    assert kept_steps(tmp_path)['latest'] == [1, 2]


def _changed(config: Config, section: str, **values: Any) -> Config:
    part = dataclasses.replace(getattr(config, section), **values)
    return dataclasses.replace(config, **{section: part})


def test_a_finished_run_says_so(
    config: Config, whole: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where settings changed that neither training nor its results depend on."""
    before = (whole / 'metrics.jsonl').read_text()
    loop.train(_changed(config, 'data', reader_threads=1), whole)
    assert f'all of the {STEPS} steps are done' in capsys.readouterr().out
    assert (whole / 'metrics.jsonl').read_text() == before


def test_a_work_directory_of_other_settings_is_refused(
    config: Config, whole: pathlib.Path
) -> None:
    other = _changed(config, 'optim', learning_rate=0.1, clip_norm=1.0)
    message = (
        r'config.json.*learning_rate: 6e-05 -> 0.1, clip_norm: 0.0 -> 1.0.*--workdir'
    )
    with pytest.raises(ValueError, match=message):
        loop.train(other, whole)
    longer = _changed(config, 'train', steps=STEPS + 1)
    message = f'steps: {STEPS} -> .*; --init_from={whole} starts another run'
    with pytest.raises(ValueError, match=message):
        loop.train(longer, whole)


@pytest.fixture(scope='module')
def constant(
    config: Config, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Config, pathlib.Path]:
    """A run of four steps at a constant rate, and its work directory."""
    config = _changed(config, 'optim', schedule='constant')
    config = _changed(config, 'train', steps=4)
    workdir = tmp_path_factory.mktemp('constant')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, 'make_train_step', make_train_step)
        loop.train(config, workdir)
    return config, workdir


@pytest.mark.parametrize(
    ('steps', 'cooldown_steps', 'resume_from'), [(6, 2, None), (4, 1, 3)]
)
def test_a_cool_down_that_branches_off_equals_an_uninterrupted_run(
    constant: tuple[Config, pathlib.Path],
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    cooldown_steps: int,
    resume_from: int | None,
) -> None:
    """A copy of the work directory resumes from where the rate was still constant."""
    monkeypatch.setattr(loop, 'make_train_step', _made_once())
    config, workdir = constant
    cooled = _changed(config, 'train', steps=steps)
    cooled = _changed(cooled, 'optim', cooldown_steps=cooldown_steps)
    shutil.copytree(workdir, tmp_path / 'branch')
    loop.train(cooled, tmp_path / 'branch', resume_from=resume_from)
    loop.train(cooled, tmp_path / 'uninterrupted')
    branch, uninterrupted = (
        _restore(config, tmp_path / name) for name in ('branch', 'uninterrupted')
    )
    jax.tree.map(np.testing.assert_array_equal, branch[0], uninterrupted[0])
    jax.tree.map(np.testing.assert_array_equal, next(branch[1]), next(uninterrupted[1]))
    assert load(tmp_path / 'branch' / 'config.json') == cooled


@pytest.mark.parametrize(
    ('section', 'values', 'message'),
    [
        ('train', {'steps': 3}, r'steps: 4 -> 3'),
        ('optim', {'cooldown_steps': 1}, r'cooldown_steps: 0 -> 1'),
        ('optim', {'schedule': 'linear'}, r"schedule: 'constant' -> 'linear'"),
    ],
)
def test_a_branch_that_begins_after_its_constant_phase_is_refused(
    constant: tuple[Config, pathlib.Path],
    section: str,
    values: dict[str, Any],
    message: str,
) -> None:
    config, workdir = constant
    with pytest.raises(ValueError, match=message):
        loop.train(_changed(config, section, **values), workdir)


def test_a_run_whose_rate_falls_cannot_be_made_longer(
    config: Config, whole: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match=r'steps: 12 -> 13.*--workdir'):
        loop.train(_changed(config, 'train', steps=13), whole)


def test_scores_of_other_settings_are_refused_also_without_checkpoints(
    config: Config, whole: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """They would pass for scores of the new ones."""
    for name in ('config.json', 'dataset.json'):
        shutil.copy(whole / name, tmp_path / name)
    (tmp_path / 'evaluation' / 'x').mkdir(parents=True)
    (tmp_path / 'evaluation' / 'x' / 'metrics.json').touch()
    with pytest.raises(ValueError, match=r'learning_rate: 6e-05 -> 0\.1.*--workdir'):
        loop.train(_changed(config, 'optim', learning_rate=0.1), tmp_path)


def test_a_work_directory_of_other_data_is_refused(
    config: Config, whole: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Moved data are the same; data with other classes are not."""
    moved = tmp_path / 'moved'
    shutil.copytree(config.data.data_dir, moved)
    loop.train(_changed(config, 'data', data_dir=str(moved)), whole)

    metadata = moved / 'metadata.json'
    metadata.write_text(metadata.read_text().replace('excess', 'scratch'))
    with pytest.raises(ValueError, match=r"dataset.json.*'excess'.*moved.*'scratch'"):
        loop.train(_changed(config, 'data', data_dir=str(moved)), whole)


@pytest.mark.parametrize(
    ('section', 'values', 'message'),
    [
        ('data', {'data_dir': ''}, 'prepare_data.py'),
        ('data', {'data_dir': 'nowhere'}, 'nowhere: no such directory'),
        ('train', {'steps': 0}, '--steps is 0'),
        ('data', {'train_split': 'night'}, "'night'.*train"),
        ('data', {'eval_split': 'night'}, "'night'.*val"),
        ('data', {'batch_size': 0}, 'batch_size is 0'),
        ('data', {'crop_size': 31}, '--crop_size is 31'),
        ('optim', {'warmup_steps': STEPS}, f'--warmup_steps is {STEPS}'),
        ('train', {'log_every': 0}, '--log_every is 0'),
        ('train', {'keep_checkpoints': 0}, '--keep_checkpoints is 0'),
        ('data', {'unchanged_fraction': 0.5}, 'no pair without a defect'),
        ('train', {'norm_batches': -1}, '--norm_batches is -1'),
        ('train', {'init_from': 'nowhere'}, 'nowhere: no checkpoints'),
    ],
)
def test_what_cannot_be_trained_is_refused_and_nothing_is_written(
    config: Config,
    tmp_path: pathlib.Path,
    section: str,
    values: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        loop.train(_changed(config, section, **values), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_weights_for_other_classes_give_all_but_the_classifier(
    config: Config, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is left out is printed, and stands in started_from.json; so is the end."""
    variables = initialize(build_model(ModelConfig(), len(CLASS_NAMES) + 4), seed=7)
    save_variables(tmp_path / 'weights', variables, {})
    other = _changed(config, 'train', init_from=str(tmp_path / 'weights'), steps=3)
    loop.train(other, tmp_path / 'run')
    origin = json.loads((tmp_path / 'run' / 'started_from.json').read_text())
    assert origin['left_out'] == [
        'params/decoder/classifier/bias ([7], not [3])',
        'params/decoder/classifier/kernel ([256, 7], not [256, 3])',
    ]
    line = f'left out: {", ".join(origin["left_out"])}.\n'
    said = capsys.readouterr().out
    assert line in said and said.endswith('all of the 3 steps are done.\n')


def _good_pairs(config: Config, folder: pathlib.Path, *class_names: str) -> Config:
    """`config` with data of good pairs alone, which have no defect to learn."""
    data_dir = prepare_tiny(folder, sizes=[(32, 32)], unchanged_every=1)
    path = data_dir / 'metadata.json'
    values = json.loads(path.read_text())
    names = ['background', *class_names]
    pixels = {name: [9000] + [0] * len(class_names) for name in values['class_pixels']}
    path.write_text(json.dumps({'class_names': names, 'class_pixels': pixels}))
    return _changed(config, 'data', data_dir=str(data_dir))


def test_pairs_without_a_defect_are_refused_with_the_way_on(
    config: Config, tmp_path: pathlib.Path
) -> None:
    good = _good_pairs(config, tmp_path, 'defect')
    message = "no pixel of 'train'.*predict.py without --workdir.*--paint_defects"
    with pytest.raises(ValueError, match=message):
        loop.train(good, tmp_path / 'run')
    several = _good_pairs(config, tmp_path / 'several', 'dent', 'scratch')
    several = _changed(several, 'data', paint_defects=True)
    with pytest.raises(ValueError, match=r'of defects dent, scratch.*one name'):
        loop.train(several, tmp_path / 'run')
    both = _changed(good, 'data', paint_defects=True, unchanged_fraction=0.5)
    with pytest.raises(ValueError, match='Leave out --unchanged_fraction'):
        loop.train(both, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('painted', [False, True])
def test_pairs_without_a_pixel_that_counts_are_refused(
    painted: bool, config: Config, tmp_path: pathlib.Path
) -> None:
    """Paint leaves ignored pixels as they are, so it would teach nothing either."""
    ignored = _good_pairs(config, tmp_path, 'defect')
    path = pathlib.Path(ignored.data.data_dir, 'metadata.json')
    values = json.loads(path.read_text())
    values['class_pixels'] = {name: [0, 0] for name in values['class_pixels']}
    path.write_text(json.dumps(values))
    ignored = _changed(ignored, 'data', paint_defects=painted)
    with pytest.raises(ValueError, match=r'ignored.*--without_mask=defect_free'):
        loop.train(ignored, tmp_path / 'run')


@pytest.mark.parametrize(
    ('defects', 'scores', 'kept'),
    [
        ([0, 0, 0], [None, 0.0, 0.0], 3),
        ([0, 0, 0], [0.0, None, None], 3),
        ([9, 9, 9], [0.2, 0.3, 0.1], 2),
        ([9, 9, 9], [0.2, 0.3, 0.3], 3),
        ([9, 9, 9], [0.0, 0.0, 0.0], 3),
    ],
    ids=['undefined', 'false alarms', 'defined', 'a tie', 'nothing found'],
)
def test_weights_that_a_split_cannot_choose_are_the_last_ones(
    config: Config,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    defects: list[int],
    scores: list[float | None],
    kept: int,
) -> None:
    """An undefined score is never kept over a later one; ties go to the later."""
    steps = iter(zip(defects, scores, strict=True))

    def scored(*_: Any, **__: Any) -> Any:
        pixels, score = next(steps)
        classes = {
            'background': {'pixels': 1000, 'iou': 1.0},
            'missing': {'pixels': pixels, 'iou': score},
        }
        return {'classes': classes, 'miou': score, 'defect_iou': score}, []

    monkeypatch.setattr(loop, 'evaluate_with_panels', scored)
    short = _changed(config, 'train', steps=3, eval_every=1, checkpoint_every=3)
    short = _changed(short, 'optim', warmup_steps=1)
    loop.train(short, tmp_path / 'run')
    assert kept_steps(tmp_path / 'run')['best'] == [kept]


def test_good_pairs_are_learned_from_once_they_are_painted(
    config: Config, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluated pairs are painted too, always the same, so that weights compare."""
    monkeypatch.setattr(loop, 'make_train_step', make_train_step)
    good = _good_pairs(config, tmp_path, 'defect')
    good = _changed(good, 'data', paint_defects=True)
    good = _changed(good, 'train', steps=3, eval_every=1)
    loop.train(good, tmp_path / 'run')
    lines = [
        line['evaluation']
        for line in read_log(tmp_path / 'run')
        if 'evaluation' in line
    ]
    assert len({line['classes']['defect']['pixels'] for line in lines}) == 1
    assert lines[0]['classes']['defect']['pixels'] > 0
    assert lines[0]['defect_iou'] is not None


def test_paint_beside_several_classes_is_not_evaluated(
    config: Config, tmp_path: pathlib.Path
) -> None:
    """It has no class, so the labels alone are what the weights are measured by."""
    painted = _changed(config, 'data', paint_defects=True)
    painted = _changed(painted, 'train', steps=3, eval_every=3)
    loop.train(painted, tmp_path / 'run')
    (line,) = (x for x in read_log(tmp_path / 'run') if 'evaluation' in x)
    info = read_info(painted.data.data_dir)
    found = [of['pixels'] for of in line['evaluation']['classes'].values()]
    assert found == list(info.class_pixels[painted.data.eval_split])


def test_weights_without_a_run_are_no_work_directory(
    config: Config, tmp_path: pathlib.Path
) -> None:
    save_variables(tmp_path, initialize(build_model(ModelConfig(), 3), seed=0), {})
    with pytest.raises(ValueError, match=r'no config.json.*--init_from'):
        loop.train(config, tmp_path)
    write_config(tmp_path, config)
    with pytest.raises(ValueError, match=r'no latest checkpoint.*--init_from'):
        loop.train(config, tmp_path)


def test_a_share_of_the_labels_is_noted(config: Config, tmp_path: pathlib.Path) -> None:
    """Which pairs, and what they count in the balance of the classes."""
    data = dataclasses.replace(config.data, label_fraction=0.25)
    config = dataclasses.replace(
        config, data=data, train=dataclasses.replace(config.train, steps=3)
    )
    loop.train(config, tmp_path)
    subset = read_labeled_subset(data, seed=config.train.seed)
    noted = json.loads((tmp_path / 'train_samples.json').read_text())
    assert noted == {
        'dataset': 'tiny_pairs',
        'split': 'train',
        'label_fraction': 0.25,
        'leave_out': [],
        'seed': config.train.seed,
        'ids': list(subset.ids),
    }
    assert len(subset.ids) == 3
    assert read_dataset_info(tmp_path).class_pixels == subset.class_pixels


def test_a_run_whose_latest_checkpoint_is_damaged_goes_on_from_an_older_one(
    config: Config, whole: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """And ends as one that was never damaged, bit for bit."""
    workdir = shutil.copytree(whole, tmp_path / 'run')
    latest = workdir / 'checkpoints' / 'latest'
    (latest / f'{STEPS}/optimizer/manifest.ocdbt').write_bytes(b'?')
    says = f'latest/{STEPS}: damaged checkpoint.*--resume_from={STEPS - 1}$'
    with pytest.raises(ValueError, match=says):
        loop.train(config, workdir)
    with pytest.raises(FileNotFoundError, match=f'no checkpoint of step 3.*{STEPS}'):
        loop.train(config, workdir, resume_from=3)
    assert loop.train(config, workdir, resume_from=STEPS - 1)
    _assert_same_run(config, workdir, whole)


def test_a_run_is_not_resumed_on_other_records(
    config: Config, whole: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Also where names, classes and pixel counts are equal; both are named."""
    workdir = shutil.copytree(whole, tmp_path / 'run')
    file = workdir / 'dataset.json'
    written = json.loads(file.read_text())
    assert len(written['fingerprint']) == 16
    file.write_text(json.dumps(written | {'fingerprint': 'another'}))
    says = f"other data, fingerprint 'another'.*{written['fingerprint']!r}"
    with pytest.raises(ValueError, match=says):
        loop.train(config, workdir)
    # Of a run that an earlier version began it is not known: that one goes on.
    del written['fingerprint']
    file.write_text(json.dumps(written))
    (workdir / 'learned_images.json').unlink()
    assert loop.train(config, workdir)
    for name in ('dataset.json', 'learned_images.json'):
        assert (workdir / name).read_text() == (whole / name).read_text()
