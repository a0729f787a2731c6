"""From a foreign file to the state that training starts from, by the script."""

import pathlib
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import optax
import pytest

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize, parameter_shapes
from cadnet_jax.runs.checkpoint import kept_steps, save_variables
from cadnet_jax.runs.state import TrainState, initial_state
from cadnet_jax.runs.workdir import read_learned_images, write_learned_images
from cadnet_jax.training.optim import make_optimizer
from cadnet_jax.training_config import OptimConfig
from cadnet_jax.weights.initial import init_from
from cadnet_jax.weights.pretrained import encoder_of_run, save_imported
from tests.conftest import ROOT
from tests.support import foreign_names

pytestmark = pytest.mark.unoptimized


def import_weights(
    weights: pathlib.Path, output_dir: pathlib.Path, *flags: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            'experiments/import_weights.py',
            f'--weights={weights}',
            f'--output_dir={output_dir}',
            *flags,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope='module')
def encoder() -> Any:
    """Of other weights than those that a run of seed 0 draws."""
    return initialize(build_model(ModelConfig(), 2), seed=5)['params']['encoder']


def nvlabs(encoder: dict[str, Any]) -> dict[str, Any]:
    """NVlabs' `mit_b0`, with the classifier that it was trained with, and a counter."""
    return {
        **foreign_names.nvlabs(encoder),
        'head.weight': np.zeros((1000, 256), np.float32),
        'head.bias': np.zeros(1000, np.float32),
        'norm.num_batches_tracked': np.array(3),
    }


def _fresh_state() -> TrainState:
    """What a run on data of 4 classes begins with."""
    model = build_model(ModelConfig(), 4)
    optimizer = make_optimizer(OptimConfig(), 2000, parameter_shapes(model)['params'])
    return initial_state(model, optimizer, seed=0)


@pytest.mark.slow
def test_training_starts_from_the_imported_encoder_and_a_fresh_decoder(
    encoder: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    """Bit for bit; statistics, optimizer and step are those of a new run as well."""
    weights = tmp_path / 'mit_b0.npz'
    np.savez(weights, **nvlabs(encoder))
    done = import_weights(weights, tmp_path / 'mit_b0')
    assert (done.returncode, done.stderr) == (0, '')
    assert 'encoder, 3,319,392 parameters' in done.stdout
    assert 'Skipped: head.weight, head.bias.' in done.stdout

    fresh = _fresh_state()
    expected = fresh.replace(params={**fresh.params, 'encoder': encoder})
    started, left_out, _ = init_from(fresh, tmp_path / 'mit_b0')
    assert left_out == ()
    jax.tree.map(np.testing.assert_array_equal, started, expected)
    kernels = [
        params['encoder']['stage_1_block_1']['attention']['query']['kernel']
        for params in (started.params, fresh.params)
    ]
    assert (kernels[0] != kernels[1]).any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ('more', 'flags', 'message'),
    [
        (['block9.0.norm1.weight'], [], '1 unknown: block9.0.norm1.weight.'),
        ([], ['--variant=b1'], ' misshapen: '),
    ],
)
def test_weights_that_do_not_fit_end_in_one_line_and_leave_no_checkpoint(
    encoder: dict[str, Any],
    more: list[str],
    flags: list[str],
    message: str,
    tmp_path: pathlib.Path,
) -> None:
    weights = tmp_path / 'mit_b0.npz'
    named = {**nvlabs(encoder), **{name: np.zeros(3) for name in more}}
    np.savez(weights, **named)
    done = import_weights(weights, tmp_path / 'mit_b0', *flags)
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith(f'error: {weights}: ')
    assert message in done.stderr
    assert done.stderr.count('\n') == 1
    assert not (tmp_path / 'mit_b0').exists()
    assert kept_steps(tmp_path / 'mit_b0') == {'best': [], 'latest': []}
    with pytest.raises(FileNotFoundError, match='no checkpoints'):
        init_from(_fresh_state(), tmp_path / 'mit_b0')


@pytest.mark.slow
def test_the_encoder_of_the_released_weights_is_taken(tmp_path: pathlib.Path) -> None:
    done = import_weights(pathlib.Path('released'), tmp_path / 'encoder')
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith('encoder, 3,319,392 parameters')
    assert kept_steps(tmp_path / 'encoder') == {'best': [0], 'latest': []}


def test_the_encoder_of_a_run_starts_one_on_other_classes(
    tmp_path: pathlib.Path,
) -> None:
    """The decoder, whose classes are others, stays behind; what was learned from is
    still known."""
    old = initialize(build_model(ModelConfig(), 7), seed=1)
    save_variables(tmp_path / 'run', old, {})
    write_learned_images(tmp_path / 'run', ['a', 'b'])
    imported = encoder_of_run(tmp_path / 'run')
    save_imported(imported, tmp_path / 'encoder', source='run')
    assert read_learned_images(tmp_path / 'encoder') == {'a', 'b'}
    fresh = initial_state(build_model(ModelConfig(), 3), optax.sgd(0.1), seed=0)
    state, left_out, _ = init_from(fresh, tmp_path / 'encoder')
    assert left_out == ()
    jax.tree.map(
        np.testing.assert_array_equal, state.params['encoder'], old['params']['encoder']
    )
    jax.tree.map(
        np.testing.assert_array_equal, state.params['decoder'], fresh.params['decoder']
    )
