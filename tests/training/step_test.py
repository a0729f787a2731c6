"""The training step: devices, randomness, and what it reports."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest

from cadnet_jax.devices import AXIS, replicate, shard
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.runs.state import TrainState, initial_state
from cadnet_jax.training import step as ts
from cadnet_jax.training_config import LossConfig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures('small_b0'),
    pytest.mark.unoptimized,
]

CLASS_PIXELS = (100, 2, 1)
# Run on several devices: SGD, since Adam hides a gradient of a wrong scale; no random
# draws; ignored pixels on one device only; batch shares of the classes.
DEVICES = """
    import jax, numpy as np, optax
    from cadnet_jax.model_config import ModelConfig
    from cadnet_jax.training_config import LossConfig
    from cadnet_jax.devices import AXIS, replicate, shard, unreplicate
    from cadnet_jax.models.cadnet import build_model
    from cadnet_jax.runs.state import initial_state
    from cadnet_jax.training.step import make_train_step
    from cadnet_jax.models.mix_transformer import VARIANTS
    from tests.support.tiny_networks import TINY

    VARIANTS['b0'] = TINY
    config = ModelConfig(drop_path=0, dropout=0)
    model = build_model(config, 3, axis_name=AXIS)
    optimizer = optax.sgd(0.01)
    state = replicate(initial_state(model, optimizer, seed=0))
    step = make_train_step(
        model, optimizer, LossConfig(balance='batch'), (100, 2, 1), seed=0
    )
    rng = np.random.default_rng(0)
    for _ in range(2):
        mask = rng.integers(0, 3, (4, 32, 32), np.uint8)
        mask[0, :20] = 255
        state, metrics = step(state, shard({
            'image': rng.integers(0, 256, (4, 32, 32, 3), np.uint8),
            'reference': rng.integers(0, 256, (4, 32, 32, 3), np.uint8),
            'mask': mask,
        }))
    state = unreplicate(state)
    leaves = jax.tree.leaves((state.params, state.batch_stats))
    print(jax.local_device_count(), float(metrics['loss'][0]))
    np.save(OUTPUT, np.concatenate([np.ravel(leaf) for leaf in leaves]))
"""


def test_many_devices_do_what_one_does(
    run_with_devices: Callable[[str, int], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Four devices with one pair each equal one device with four, with SGD, to 1e-5."""
    folder = tmp_path_factory.mktemp('devices')
    losses, parameters = [], []
    for count in (1, 4):
        output = folder / f'{count}.npy'
        code = DEVICES.replace('OUTPUT', repr(str(output)))
        devices, loss = run_with_devices(code, count).split()
        assert int(devices) == count
        losses.append(float(loss))
        parameters.append(np.load(output))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    np.testing.assert_allclose(parameters[0], parameters[1], atol=1e-5)


def random_batch(size: int, side: int = 64) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        'image': rng.integers(0, 256, (size, side, side, 3), np.uint8),
        'reference': rng.integers(0, 256, (size, side, side, 3), np.uint8),
        'mask': rng.integers(0, 3, (size, side, side), np.uint8),
    }


@pytest.fixture(scope='module')
def steps() -> tuple[TrainState, list[tuple[TrainState, ts.Metrics]]]:
    """A first state, and what seeds 0, 0 and 1 of the same step make of it."""
    model = build_model(ModelConfig(drop_path=0.2, dropout=0.5), 3)
    optimizer = optax.adam(1e-3)
    state = initial_state(model, optimizer, seed=0)

    def run(seed: int) -> Any:
        step = functools.partial(
            ts.train_step,
            model=model,
            optimizer=optimizer,
            loss_config=LossConfig(),
            class_pixels=CLASS_PIXELS,
            key=jax.random.key(seed),
            axis_name=None,
        )
        return jax.jit(step)(state, random_batch(2))

    return state, [run(0), run(0), run(1)]


def test_a_step_is_a_function_of_state_batch_and_seed(steps: Any) -> None:
    _, (first, again, other) = steps
    assert first[1]['loss'] == again[1]['loss'] != other[1]['loss']
    for a, b in zip(jax.tree.leaves(first[0]), jax.tree.leaves(again[0]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_step_changes_every_parameter_and_counts_itself(steps: Any) -> None:
    before, ((after, metrics), *_) = steps
    assert after.step == before.step + 1
    paths = jax.tree.leaves_with_path(before.params)
    pairs = zip(paths, jax.tree.leaves(after.params), strict=True)
    unchanged = {
        jax.tree_util.keystr(path, simple=True, separator='/')
        for (path, old), new in pairs
        if not (np.asarray(new) != old).any()
    }
    # A bias ahead of a BatchNorm has no gradient, nor has one that the subtraction of
    # the reference cancels.
    assert unchanged <= {
        'decoder/coordinate_attention/reduce/bias',
        'encoder/stage_4_norm/bias',
    }
    assert set(metrics) == {'loss', 'cross_entropy', 'contrastive', 'gradient_norm'}
    assert metrics['gradient_norm'] > 0


def test_averages_follow_the_parameters_with_a_memory_that_grows() -> None:
    """Oracle: the sum with weights 9/10, 9/11, ... and later 1 - decay, in float64."""
    rng = np.random.default_rng(0)
    first, *others = values = rng.standard_normal((40, 3))
    average = {'kernel': np.float32(first)}
    expected, decays = first, []
    for step, new in enumerate(others):
        average = ts.update_average(average, {'kernel': np.float32(new)}, step, 0.75)
        decays.append(min(0.75, (1 + step) / (10 + step)))
        expected = decays[-1] * expected + (1 - decays[-1]) * new
    assert decays[0] == 0.1 and decays[-1] == 0.75
    np.testing.assert_allclose(average['kernel'], expected, rtol=1e-5)
    assert not np.allclose(average['kernel'], values[-1])


def test_a_step_with_averages_changes_nothing_else(steps: Any) -> None:
    before, ((plain, _), *_) = steps
    before = before.replace(ema_params=before.params)
    model = build_model(ModelConfig(drop_path=0.2, dropout=0.5), 3)
    step = functools.partial(
        ts.train_step,
        model=model,
        optimizer=optax.adam(1e-3),
        loss_config=LossConfig(),
        class_pixels=CLASS_PIXELS,
        key=jax.random.key(0),
        ema_decay=0.999,
        axis_name=None,
    )
    after, _ = jax.jit(step)(before, random_batch(2))
    assert plain.ema_params is None and plain.variables['params'] is plain.params
    jax.tree.map(np.testing.assert_array_equal, after.params, plain.params)
    assert after.variables['params'] is after.ema_params
    jax.tree.map(
        lambda average, old, new: np.testing.assert_allclose(
            average, 0.1 * old + 0.9 * new, rtol=1e-4, atol=1e-6
        ),
        after.ema_params,
        before.params,
        after.params,
    )


def test_seeds_and_label_counts_are_no_part_of_the_program() -> None:
    """Runs that differ in them alone find the compiled step of the first one."""
    config = ModelConfig(drop_path=0.2, dropout=0.5)
    model = build_model(config, 3, axis_name=AXIS)
    optimizer = optax.sgd(0.01)
    state = replicate(initial_state(model, optimizer, seed=0))

    def program(seed: int, class_pixels: tuple[int, ...]) -> str:
        step: Any = ts.make_train_step(
            model, optimizer, LossConfig(), class_pixels, seed=seed
        )
        batch = shard(random_batch(jax.local_device_count()))
        return str(step.func.lower(*step.args, state, batch).as_text())

    assert program(0, CLASS_PIXELS) == program(2**40 + 1, (2 * 10**10, 7, 5))
