"""What is written comes back, also after a kill, and without what is not needed."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from cadnet_jax.data.prepared_set import DatasetInfo
from cadnet_jax.runs.checkpoint import Checkpoints, kept_steps, load_variables
from cadnet_jax.runs.workdir import (
    Kind,
    TrainingData,
    read_dataset_info,
    training_data,
    write_dataset_info,
)
from cadnet_jax.training.optim import make_optimizer
from cadnet_jax.training_config import OptimConfig
from cadnet_jax.weights.initial import init_from
from tests.support.small_state import (
    assert_equal,
    number_batches,
    small_params,
    small_state,
)

pytestmark = pytest.mark.unoptimized


@pytest.fixture
def workdir(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A work directory with steps 1 to 4 saved, of which 2 are kept; the best is 2."""
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in range(1, 5):
            checkpoints.save(step, small_state(step), number_batches(), [])
            if step <= 2:
                checkpoints.save_best(
                    step, small_state(step).variables, score=0.1 * step
                )
    yield tmp_path


def test_a_run_is_restored_exactly(tmp_path: pathlib.Path) -> None:
    """State, place in the data and metrics still to be written, bit for bit."""
    batches, pending = number_batches(), [{'loss': 0.1}, {'loss': 1 / 3}]
    read = [next(batches) for _ in range(3)]
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(3, small_state(3), batches, pending)
    following = [next(batches) for _ in range(3)]
    assert read != following

    other = number_batches()
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        assert checkpoints.latest_step == 3
        state, restored = checkpoints.restore(small_state(0), other)
    assert_equal(state, small_state(3))
    assert [next(other) for _ in range(3)] == following
    assert restored == pending


def test_the_state_of_muon_is_restored_exactly(tmp_path: pathlib.Path) -> None:
    params = small_params(1)
    optimizer = make_optimizer(
        OptimConfig(warmup_steps=0, optimizer='muon'), 10, params
    )
    state = small_state(3).replace(opt_state=jax.device_get(optimizer.init(params)))
    _, opt_state = optimizer.update(small_params(2), state.opt_state, params)
    state = state.replace(opt_state=jax.device_get(opt_state))
    empty = state.replace(opt_state=jax.tree.map(np.zeros_like, state.opt_state))
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(3, state, number_batches(), [])
        restored, _ = checkpoints.restore(empty, number_batches())
    assert_equal(restored, state)


def test_averages_are_what_others_read_and_the_raw_weights_resume(
    tmp_path: pathlib.Path,
) -> None:
    """Also the statistics that fit the averages; a run without any has no `raw`."""
    state = small_state(3).replace(ema_params=small_params(0.5))
    fitting = {'decoder': {'norm': {'mean': np.full(7, 9, np.float32)}}}
    variables = {'params': small_params(0.5), 'batch_stats': fitting}
    with Checkpoints(tmp_path, keep=3) as checkpoints:
        checkpoints.save(2, small_state(2), number_batches(), [])
        checkpoints.save(3, state, number_batches(), [])
        checkpoints.save(4, state, number_batches(), [], variables)
        checkpoints.save_best(4, variables, score=1.0)
        template = small_state(0).replace(ema_params=small_params(0))
        restored, _ = checkpoints.restore(template, number_batches())
    assert_equal(restored, state.replace(step=4))
    assert_equal(load_variables(tmp_path, 3)[0], state.variables)
    assert_equal(load_variables(tmp_path, 'latest')[0], variables)
    assert_equal(load_variables(tmp_path, 'best')[0], variables)
    assert_equal(init_from(small_state(1), tmp_path).state.params, small_params(0.5))
    latest = tmp_path / 'checkpoints' / 'latest'
    assert [(latest / step / 'raw').exists() for step in '234'] == [False, True, True]


def test_statistics_for_raw_weights_do_not_change_what_resumes(
    tmp_path: pathlib.Path,
) -> None:
    fitting = {'decoder': {'norm': {'mean': np.full(7, 9, np.float32)}}}
    variables = small_state(3).variables | {'batch_stats': fitting}
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(3, small_state(3), number_batches(), [], variables)
        restored, _ = checkpoints.restore(small_state(0), number_batches())
    assert_equal(restored, small_state(3))
    assert_equal(load_variables(tmp_path, 3)[0], variables)


def test_the_latest_and_the_best_are_kept(workdir: pathlib.Path) -> None:
    assert kept_steps(workdir) == {'best': [2], 'latest': [3, 4]}
    with Checkpoints(workdir, keep=2) as checkpoints:
        assert checkpoints.best_score == pytest.approx(0.2)


@pytest.mark.parametrize(
    ('asked', 'step'), [('best', 2), ('latest', 4), (3, 3), (2, 2)]
)
def test_weights_are_loaded_without_the_optimizer(
    workdir: pathlib.Path, asked: Any, step: int
) -> None:
    variables, found = load_variables(workdir, asked)
    assert found == step
    state = small_state(step)
    assert_equal(variables, {'params': state.params, 'batch_stats': state.batch_stats})
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(variables))


@pytest.mark.slow
def test_weights_are_loaded_on_another_number_of_devices(
    workdir: pathlib.Path, run_with_devices: Any
) -> None:
    shown = run_with_devices(
        f"""
        import jax
        from cadnet_jax.runs.checkpoint import load_variables
        variables, step = load_variables({str(workdir)!r}, 'latest')
        sums = jax.tree.map(lambda x: float(x.sum()), variables)
        print(jax.device_count(), step, sums)
        """,
        3,
    )
    state = small_state(4)
    sums = jax.tree.map(
        lambda x: float(x.sum()),
        {'batch_stats': state.batch_stats, 'params': state.params},
    )
    assert shown == f'3 4 {sums}\n'


def test_a_step_that_is_not_there_is_named_with_those_that_are(
    workdir: pathlib.Path,
) -> None:
    with pytest.raises(FileNotFoundError, match=r' 1\..*best: 2; latest: 3, 4'):
        load_variables(workdir, 1)
    with pytest.raises(FileNotFoundError, match='no checkpoints'):
        load_variables(workdir / 'elsewhere')


def _save_until_killed(workdir: pathlib.Path, seconds: float) -> None:
    """Saves without end in a process of its own, which is killed in a save.

    Args:
        workdir: of the run.
        seconds: from the moment that the third save is seen on disk until the kill.
    """
    script = f"""
        import itertools, pathlib
        from tests.support.small_state import number_batches, small_state
        from cadnet_jax.runs.checkpoint import Checkpoints
        checkpoints = Checkpoints(pathlib.Path({str(workdir)!r}), keep=1)
        for step in itertools.count((checkpoints.latest_step or 0) + 1):
            checkpoints.save(step, small_state(step), number_batches(), [])
            checkpoints.save_best(step, small_state(step).variables, score=step)
    """
    before = max(kept_steps(workdir)['latest'], default=0)
    process = subprocess.Popen([sys.executable, '-c', textwrap.dedent(script)])
    try:
        while not list((workdir / 'checkpoints' / 'best').glob(f'{before + 3}*')):
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(seconds)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_kill_in_a_save_leaves_what_goes_on(tmp_path: pathlib.Path) -> None:
    """Killed at several moments; each time the latest complete step is read, and more
    is saved."""
    for seconds in (0.0, 0.02, 0.05):
        _save_until_killed(tmp_path, seconds)
        with Checkpoints(tmp_path, keep=1) as checkpoints:
            step = checkpoints.latest_step
            assert step is not None and step >= 2
            state, _ = checkpoints.restore(small_state(0), number_batches())
            assert_equal(state, small_state(step))
            assert checkpoints.best_score in (step, step - 1)
            checkpoints.save(step + 1, small_state(step + 1), number_batches(), [])
        assert kept_steps(tmp_path)['latest'] == [step + 1]


@pytest.mark.parametrize('kind', ['latest', 'best'])
def test_a_save_that_was_cut_short_is_not_there(
    workdir: pathlib.Path, kind: Kind
) -> None:
    """As a kill leaves it: a part of the files, under the temporary name."""
    directory = workdir / 'checkpoints' / kind
    step = kept_steps(workdir)[kind][-1]
    partial = directory / f'{step + 5}.orbax-checkpoint-tmp'
    (directory / str(step)).rename(partial)
    for file in sorted(partial.rglob('*'))[::2]:
        if file.is_file():
            file.unlink()
    expected = {'best': 4, 'latest': 3}[kind]
    assert load_variables(workdir, 'latest')[1] == expected
    with Checkpoints(workdir, keep=2) as checkpoints:
        assert checkpoints.latest_step == expected
        checkpoints.save(step + 5, small_state(9), number_batches(), [])
        checkpoints.save_best(step + 5, small_state(9).variables, score=0.9)
    assert load_variables(workdir, step + 5)[1] == step + 5
    assert load_variables(workdir, 'best')[1] == step + 5


INFO = DatasetInfo(
    name='tiny_pairs',
    class_names=('background', 'missing'),
    num_examples={'train': 4, 'val': 2, 'test': 2},
    class_pixels={'train': (4000, 40), 'val': (200, 2), 'test': (90, 1)},
)


@pytest.mark.parametrize(
    ('split', 'pixels'),
    [
        ('train', (4000, 40)),
        ('train[:10%]', (4000, 40)),
        ('train+val', (4200, 42)),
        ('train + val', (4200, 42)),
        ('val[:1] + train[50%:]', (4200, 42)),
        ('train[:50%]+train[50%:]', (4000, 40)),
        ('all', (4290, 43)),
        ('all[:50%]', (4290, 43)),
        ('train+all', (4290, 43)),
    ],
)
def test_pixels_are_those_of_the_splits_that_are_learned_from(
    split: str, pixels: tuple[int, ...]
) -> None:
    """Each split as a whole, and once."""
    data = training_data(INFO, split)
    assert data == TrainingData('tiny_pairs', ('background', 'missing'), pixels)


def test_what_dataset_json_says_comes_back(tmp_path: pathlib.Path) -> None:
    data = training_data(INFO, 'train')
    write_dataset_info(tmp_path, data)
    assert read_dataset_info(tmp_path) == data
    with pytest.raises(FileNotFoundError, match=r'dataset\.json: no such file'):
        read_dataset_info(tmp_path / 'elsewhere')


@pytest.mark.parametrize(
    'damage',
    [
        b'',
        b'{"name": "tiny_pairs", "class_names": ["backg',
        b'{"name": "tiny_pairs", "class_names": ["background", "missing"]}',
        b'{"name": "tiny_pairs", "class_names": null, "class_pixels": [9, 1]}',
        b'null',
        b'\0\0\0\0',
        b'\xff\xfe\xff',
    ],
)
def test_a_damaged_dataset_json_is_named(damage: bytes, tmp_path: pathlib.Path) -> None:
    (tmp_path / 'dataset.json').write_bytes(damage)
    with pytest.raises(ValueError, match=r'dataset\.json: damaged.*Restore') as error:
        read_dataset_info(tmp_path)
    assert str(error.value).startswith(f'{tmp_path}/') and '\n' not in str(error.value)
