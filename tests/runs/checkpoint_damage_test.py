"""A damaged, copied or impossible checkpoint is named, and never taken for a whole one.

The oracle is what was saved: what is read is equal to it, or it is refused.
"""

import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

from cadnet_jax.runs import checkpoint
from cadnet_jax.runs.checkpoint import (
    Checkpoints,
    kept_steps,
    load_variables,
    save_variables,
)
from cadnet_jax.runs.state import TrainState
from tests.support.small_state import (
    assert_equal,
    number_batches,
    small_params,
    small_state,
)

FLIPS = (
    30  # of each kind of checkpoint; `python -m tests.support.fuzz` makes any number
)
PENDING = [{'loss': 0.25}]


@pytest.fixture(scope='module')
def saved(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Steps 1 to 3 of a run with averages; the best is 2."""
    workdir = tmp_path_factory.mktemp('saved')
    with Checkpoints(workdir, keep=3) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, _averaged(step), number_batches(), PENDING)
            if step < 3:
                checkpoints.save_best(step, _averaged(step).variables, score=0.1 * step)
    return workdir


@pytest.fixture
def workdir(saved: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    return shutil.copytree(saved, tmp_path / 'run')


def _averaged(value: float) -> TrainState:
    return small_state(value).replace(ema_params=small_params(value / 2))


def _flips(folder: pathlib.Path, seed: int) -> Iterator[pathlib.Path]:
    """Yields a file with one bit changed; puts it right again."""
    rng = np.random.default_rng(seed)
    files = [path for path in sorted(folder.rglob('*')) if path.is_file()]
    for _ in range(FLIPS):
        path = files[rng.integers(len(files))]
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        yield path
        path.write_bytes(whole)


def _assert_one_line(error: pytest.ExceptionInfo[Exception], folder: Any) -> None:
    assert str(error.value).startswith(str(folder)) and '\n' not in str(error.value)


@pytest.mark.parametrize(('step', 'seed'), [('best', 0), (3, 1)])
def test_a_changed_bit_is_noticed_or_changes_no_weight(
    workdir: pathlib.Path, step: Any, seed: int
) -> None:
    folder = workdir / 'checkpoints' / {'best': 'best/2', 3: 'latest/3'}[step]
    weights, noticed = _averaged(3 if step == 3 else 2).variables, 0
    for _ in _flips(folder / 'variables', seed):
        try:
            variables, _ = load_variables(workdir, step)
        except ValueError as error:
            assert str(error).startswith(str(folder)) and '\n' not in str(error)
            noticed += 1
        else:
            assert_equal(variables, weights)
    assert noticed > 2, 'or nothing was tried'


@pytest.mark.slow
def test_a_changed_bit_never_changes_what_resumes(workdir: pathlib.Path) -> None:
    """State, place in the data and pending metrics."""
    noticed = 0
    for _ in _flips(workdir / 'checkpoints/latest/3', 2):
        batches = number_batches()
        with Checkpoints(workdir, keep=3) as checkpoints:
            try:
                state, pending = checkpoints.restore(_averaged(0), batches)
            except ValueError as error:
                assert '--resume_from=2' in str(error) and '\n' not in str(error)
                noticed += 1
                continue
        assert_equal(state, _averaged(3))
        assert pending == PENDING and next(batches) == next(number_batches())
    assert noticed > 2, 'or nothing was tried'


def test_a_changed_record_is_noticed(workdir: pathlib.Path) -> None:
    """It has the score that chooses the best weights."""
    path = workdir / 'checkpoints/best/2/about/metadata'
    whole = path.read_bytes()
    for position in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 7
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r'best/2: damaged checkpoint'):
            load_variables(workdir, 'best')
    with (
        Checkpoints(workdir, keep=3) as checkpoints,
        pytest.raises(ValueError, match=r'best/2: damaged.* Delete this folder'),
    ):
        assert checkpoints.best_score


def test_a_copy_under_another_step_is_refused(workdir: pathlib.Path) -> None:
    latest = workdir / 'checkpoints' / 'latest'
    shutil.copytree(latest / '1', latest / '4')
    says = r'latest/4: damaged.*is the checkpoint of step 1, copied or renamed'
    with pytest.raises(ValueError, match=f'{says}.*step 3 is whole'):
        load_variables(workdir, 'latest')
    with (
        Checkpoints(workdir, keep=4) as checkpoints,
        pytest.raises(ValueError, match=f'{says}.*--resume_from=3$'),
    ):
        checkpoints.restore(_averaged(0), number_batches())


def test_a_damaged_older_one_is_not_recommended(workdir: pathlib.Path) -> None:
    latest = workdir / 'checkpoints' / 'latest'
    for step in '32':
        (latest / step / 'optimizer/manifest.ocdbt').write_bytes(b'?')
        (latest / step / 'variables/manifest.ocdbt').write_bytes(b'?')
    with Checkpoints(workdir, keep=3) as checkpoints:
        with pytest.raises(ValueError, match=r'--resume_from=1$') as error:
            checkpoints.restore(_averaged(0), number_batches())
        _assert_one_line(error, latest / '3')
    shutil.rmtree(workdir / 'checkpoints/best/2')
    with pytest.raises(ValueError, match=r'damaged.*step 1 is whole'):
        load_variables(workdir, 3)


def test_a_run_goes_on_from_an_older_checkpoint(workdir: pathlib.Path) -> None:
    """Later ones are written anew, the best as well."""
    with Checkpoints(workdir, keep=3) as checkpoints:
        state, _ = checkpoints.restore(_averaged(0), number_batches(), 1)
        assert_equal(state, _averaged(1))
        checkpoints.remove_after(1)
        assert kept_steps(workdir) == {'best': [], 'latest': [1]}
        checkpoints.save(2, _averaged(7), number_batches(), [])
        checkpoints.save_best(2, _averaged(7).variables, score=0.7)
        with pytest.raises(FileNotFoundError, match=r'no checkpoint of step 5.*1, 2'):
            checkpoints.restore(_averaged(0), number_batches(), 5)
    assert_equal(load_variables(workdir, 'best')[0], _averaged(7).variables)


def test_best_weights_are_never_dropped_in_silence(workdir: pathlib.Path) -> None:
    """Orbax writes no step below the latest of a folder."""
    with (
        Checkpoints(workdir, keep=3) as checkpoints,
        pytest.raises(ValueError, match=r'best/2: best weights of a later step.*Del'),
    ):
        checkpoints.save_best(1, _averaged(7).variables, score=0.7)


@pytest.mark.parametrize('name', ['raw', 'optimizer', 'pending', 'data'])
def test_a_missing_item_is_noticed(workdir: pathlib.Path, name: str) -> None:
    """Without `raw` the averages would go on in place of the weights."""
    shutil.rmtree(workdir / 'checkpoints/latest/3' / name)
    with (
        Checkpoints(workdir, keep=3) as checkpoints,
        pytest.raises(ValueError, match=r'latest/3: damaged.*--resume_from=2$'),
    ):
        checkpoints.restore(_averaged(0), number_batches())


def test_checkpoints_of_earlier_versions_are_read(workdir: pathlib.Path) -> None:
    """They keep no record, but for the score of the best."""
    shutil.rmtree(workdir / 'checkpoints/latest/3/about')
    record = workdir / 'checkpoints/best/2/about/metadata'
    record.write_text(json.dumps({'score': 0.2}))
    assert_equal(load_variables(workdir, 'best')[0], _averaged(2).variables)
    with Checkpoints(workdir, keep=3) as checkpoints:
        assert checkpoints.best_score == 0.2
        state, _ = checkpoints.restore(_averaged(0), number_batches())
    assert_equal(state, _averaged(3))


def test_best_weights_that_a_run_replaces_meanwhile_are_read_again(
    workdir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = checkpoint.read_variables

    def read_late(folder: pathlib.Path) -> dict[str, Any]:
        if folder.name == '2':
            with Checkpoints(workdir, keep=3) as checkpoints:
                checkpoints.save_best(3, _averaged(3).variables, score=0.3)
        return read(folder)

    monkeypatch.setattr(checkpoint, 'read_variables', read_late)
    variables, step = load_variables(workdir, 'best')
    assert step == 3
    assert_equal(variables, _averaged(3).variables)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_neither_read_nor_imported(
    tmp_path: pathlib.Path, value: float
) -> None:
    """They would find no defect: no comparison with a number that is none is true."""
    variables = jax.tree.map(np.copy, _averaged(1).variables)
    variables['params']['decoder']['classifier']['kernel'][3, 1] = value
    says = 'params/decoder/classifier/kernel is not finite'
    with pytest.raises(ValueError, match=says):
        save_variables(tmp_path / 'imported', variables, {})
    assert not (tmp_path / 'imported').exists()
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save(1, small_state(1), number_batches(), [], variables)
    with pytest.raises(ValueError, match=f'latest/1.*{says}') as error:
        load_variables(tmp_path, 'latest')
    _assert_one_line(error, tmp_path)
