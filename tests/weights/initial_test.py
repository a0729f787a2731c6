"""What a run takes of given weights, what it leaves out, and what it keeps of both."""

import pathlib
from typing import Any

import grain
import jax
import numpy as np
import optax
import pytest

from cadnet_jax.config import Config
from cadnet_jax.data_config import DataConfig
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize
from cadnet_jax.runs.checkpoint import (
    Checkpoints,
    kept_steps,
    load_variables,
    save_variables,
)
from cadnet_jax.runs.state import TrainState, initial_state
from cadnet_jax.runs.workdir import Inputs, TrainingData, write_inputs
from cadnet_jax.training_config import TrainConfig
from cadnet_jax.weights import released
from cadnet_jax.weights.initial import describe, describe_origin, init_from
from cadnet_jax.weights.pretrained import encoder_of_run, save_imported


def _params(value: float) -> dict[str, Any]:
    return {
        'encoder': {'norm': {'scale': np.full(5, value, np.float32)}},
        'decoder': {'classifier': {'kernel': np.full((7, 3), value, np.float32)}},
    }


def _state(value: float) -> TrainState:
    stats = {'decoder': {'norm': {'mean': np.full(7, -value, np.float32)}}}
    moments = {'count': np.asarray(value)}
    return TrainState(np.asarray(int(value), np.int32), _params(value), stats, moments)


def _assert_equal(found: Any, expected: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.fixture
def workdir(tmp_path: pathlib.Path) -> pathlib.Path:
    """A work directory with the steps 3 and 4; the best is 2."""
    batches = iter(grain.MapDataset.range(1000).to_iter_dataset())
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (2, 3, 4):
            checkpoints.save(step, _state(step), batches, [])
        checkpoints.save_best(2, _state(2).variables, score=0.1)
    return tmp_path


def test_imported_weights_take_the_place_of_fresh_ones(tmp_path: pathlib.Path) -> None:
    """The encoder alone is enough; what is not there stays fresh."""
    encoder = {'encoder': _params(9)['encoder']}
    save_variables(tmp_path, {'params': encoder}, {'source': 'mit_b0.npz'})
    state, left_out, _ = init_from(_state(1), tmp_path)
    expected = _state(1).replace(params=_params(1) | encoder)
    _assert_equal(state, expected)
    assert left_out == ()
    assert describe_origin(tmp_path) == {
        'init_from': str(tmp_path),
        'step': 0,
        **dict.fromkeys(('dataset', 'label_fraction', 'head', 'seed', 'paint_defects')),
    }
    with pytest.raises(FileExistsError, match='already has checkpoints'):
        save_variables(tmp_path, {'params': encoder}, {})


def test_what_weights_started_from_is_kept_through_the_runs_between(
    workdir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A run on points that itself started from the released weights."""
    data = TrainingData('synlcd/abpt', ('background', 'line', 'abpt'), (9, 1, 1))
    released_weights = {'init_from': 'released', 'dataset': 'synthetic_pairs'}
    write_inputs(workdir, Inputs(Config(), data), origin=released_weights)
    origin = describe_origin(workdir)
    assert (origin['dataset'], origin['step']) == ('synlcd/abpt', 2)
    assert origin['started_from'] == released_weights

    encoder = tmp_path_factory.mktemp('encoder')
    save_imported(encoder_of_run(workdir), encoder, source='run')
    imported = describe_origin(encoder)
    assert imported['dataset'] is None
    assert imported['started_from'] == origin


@pytest.mark.parametrize(('best', 'value'), [(True, 2), (False, 4)])
def test_a_run_starts_from_the_best_weights_of_another_or_its_latest(
    workdir: pathlib.Path, best: bool, value: int
) -> None:
    if not best:
        (workdir / 'checkpoints' / 'best').rename(workdir / 'best')
    state, *_ = init_from(_state(1), workdir)
    _assert_equal(state.params, _params(value))
    _assert_equal(state.opt_state, _state(1).opt_state)


def test_a_run_starts_from_a_checkpoint_that_is_named(workdir: pathlib.Path) -> None:
    step = kept_steps(workdir)['latest'][-1]
    folder = workdir / 'checkpoints' / 'latest'
    state, *_ = init_from(_state(1), folder / str(step))
    _assert_equal(state.params, load_variables(workdir, 'latest')[0]['params'])
    with pytest.raises(FileNotFoundError, match=f'{workdir}: no checkpoint 77'):
        init_from(_state(1), folder / '77')


@pytest.mark.parametrize(
    ('kernel', 'name', 'reason'),
    [
        ((7, 6), 'kernel', '[7, 6], not [7, 3]'),
        ((5, 2), 'kernel', '[5, 2], not [7, 3]'),
        ((7, 3), 'w', 'not in the network'),
    ],
)
def test_what_does_not_fit_is_left_out_and_listed(
    tmp_path: pathlib.Path, kernel: tuple[int, ...], name: str, reason: str
) -> None:
    """The rest is taken; where nothing else is there, the weights are refused."""
    misfit = {'decoder': {'classifier': {name: np.ones(kernel, np.float32)}}}
    params = {'encoder': _params(9)['encoder'], **misfit}
    save_variables(tmp_path / 'some', {'params': params}, {})
    state, left_out, _ = init_from(_state(1), tmp_path / 'some')
    _assert_equal(state.params, _params(1) | {'encoder': _params(9)['encoder']})
    assert left_out == (f'params/decoder/classifier/{name} ({reason})',)
    line, *rest = describe({'init_from': 'x', 'left_out': list(left_out)}).split('\n')
    assert line == f'Started from the weights in x; left out: {left_out[0]}.'
    assert len(rest) == (name == 'kernel') and all(
        'another shape' in line for line in rest
    )

    save_variables(tmp_path / 'none', {'params': misfit}, {})
    message = f'shares no array.*classifier/{name}.*random weights: --init_from='
    with pytest.raises(ValueError, match=message):
        init_from(_state(1), tmp_path / 'none')


def _classifier(params: dict[str, Any]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = params.get('decoder', params)['classifier']
    return found


@pytest.mark.parametrize('head', ['cad', 'unet'])
@pytest.mark.usefixtures('small_b0', 'small_unet')
def test_several_classes_start_as_the_one_of_the_weights(
    head: str, tmp_path: pathlib.Path
) -> None:
    """The background is as probable as it was; the defects share the rest equally."""
    config = ModelConfig(head=head)
    one, several = build_model(config, 2), build_model(config, 5)
    variables = jax.device_get(initialize(one, seed=1))
    known = _classifier(variables['params'])
    known['bias'] = np.asarray([0.3, -0.4], np.float32)
    save_variables(tmp_path, variables, {})
    fresh = jax.device_get(initial_state(several, optax.sgd(0.1), seed=0))
    state, left_out, spread = init_from(fresh, tmp_path)
    assert not left_out
    assert [name.split('/')[-1] for name in spread] == ['bias', 'kernel']
    said = describe({'init_from': 'x', 'left_out': [], 'spread': list(spread)})
    assert said.endswith('starts as the one that these weights know.')

    inputs = known['kernel'][..., 0].size
    features = np.random.default_rng(0).normal(0, 30, (100, inputs))
    before, after = (
        jax.nn.softmax(features @ x['kernel'].reshape(inputs, -1) + x['bias'][None])
        for x in (known, _classifier(state.params))
    )
    assert np.ptp(before[:, 0]) > 0.5
    np.testing.assert_allclose(after[:, 0], before[:, 0], rtol=1e-4)
    shares = np.repeat(before[:, 1:] / 4, 4, axis=-1)
    np.testing.assert_allclose(after[:, 1:], shares, rtol=1e-4)


def test_each_classifier_of_danet_starts_as_the_one_of_the_weights(
    tmp_path: pathlib.Path,
) -> None:
    names = 'classifier', 'position_classifier', 'channel_classifier'

    def state(num_classes: int, value: float) -> TrainState:
        kernel = np.full((7, num_classes), value, np.float32)
        params = {'decoder': {name: {'kernel': kernel} for name in names}}
        return TrainState(np.int32(0), params, {}, (), None)

    save_variables(tmp_path, {'params': state(2, 9.0).params}, {})
    started, left_out, spread = init_from(state(4, 1.0), tmp_path)
    assert not left_out and len(spread) == 3
    _assert_equal(started.params, state(4, 9.0).params)


def test_weights_that_are_not_finite_are_refused(tmp_path: pathlib.Path) -> None:
    with Checkpoints(tmp_path, keep=1) as checkpoints:
        checkpoints.save_best(1, {'params': _params(np.nan)}, score=0.5)
    with pytest.raises(ValueError, match='classifier/kernel is not finite'):
        init_from(_state(1), tmp_path)


@pytest.mark.parametrize(
    ('head', 'num_classes'), [('cad', 2), ('cad', 7), ('plain', 7), ('ooc', 4)]
)
def test_released_weights_start_any_head_and_any_classes(
    head: str,
    num_classes: int,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each array of equal name and shape, as float16 has it; the others stay fresh."""
    monkeypatch.setattr(released, 'FOLDER', tmp_path)
    monkeypatch.setattr(released, 'MODULE', tmp_path / 'released.py')
    (tmp_path / 'released.py').write_text("SHA256 = ''\n")
    config = Config(
        data=DataConfig(label_fraction=0.5), train=TrainConfig(seed=3, steps=9)
    )
    variables = initialize(build_model(ModelConfig(), 2), seed=1)
    names = 'background', 'defect'
    weights = released.Released(config, names, 'synthetic_pairs', 9, 0.5, variables)
    digest = released.write(weights, '| SHA-256 | `` |\n')
    monkeypatch.setattr(released, 'SHA256', digest)

    model = build_model(ModelConfig(head=head), num_classes)
    fresh = jax.device_get(initial_state(model, optax.sgd(0.1), seed=0))
    state, left_out, spread = init_from(fresh, 'released')
    assert bool(spread) == (num_classes == 7)
    if head == 'cad':
        assert not left_out
    if head == 'ooc':
        assert any('classifier/kernel' in name for name in left_out)
        _assert_equal(
            state.params['decoder']['classifier'],
            fresh.params['decoder']['classifier'],
        )
    encoder = variables['params']['encoder']
    for found, expected in zip(
        jax.tree.leaves(state.params['encoder']), jax.tree.leaves(encoder), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)
    jax.tree.map(lambda one, other: None, state, fresh)  # The same structure.
    assert describe_origin('released') == {
        'init_from': 'released',
        'step': 9,
        'sha256': digest,
        'dataset': 'synthetic_pairs',
        'label_fraction': 0.5,
        'head': 'cad',
        'seed': 3,
        'paint_defects': False,
    }
