"""The learning rate over a run, what decays, and at which rate each part learns."""

import math
from typing import Any

import jax
import numpy as np
import optax
import pytest

from cadnet_jax.training.optim import learning_rate_schedule, make_optimizer
from cadnet_jax.training_config import OptimConfig

PARAMS = {
    'encoder': {'kernel': np.full((2, 3), 2, 'f4'), 'bias': np.full(3, 2, 'f4')},
    'decoder': {'kernel': np.full((3, 1), 2, 'f4'), 'scale': np.full(1, 2, 'f4')},
}


def _first_updates(config: OptimConfig, gradients: Any) -> Any:
    optimizer = make_optimizer(config, 10, PARAMS)
    return optimizer.update(gradients, optimizer.init(PARAMS), PARAMS)[0]


@pytest.mark.parametrize(
    ('schedule', 'after_a_quarter'),
    [('linear', 0.75), ('cosine', (1 + math.cos(math.pi / 4)) / 2)],
)
def test_the_rate_rises_from_a_millionth_of_its_peak_and_falls_to_0(
    schedule: str, after_a_quarter: float
) -> None:
    config = OptimConfig(learning_rate=0.5, warmup_steps=100, schedule=schedule)
    rate = learning_rate_schedule(config, 1100)
    expected = {0: 5e-7, 50: 0.25, 100: 0.5, 350: 0.5 * after_a_quarter, 1100: 0.0}
    for step, value in expected.items():
        assert rate(step) == pytest.approx(value, abs=1e-6), step


def test_without_a_warm_up_the_first_rate_is_the_peak() -> None:
    rate = learning_rate_schedule(OptimConfig(learning_rate=0.5, warmup_steps=0), 10)
    assert (rate(0), rate(9)) == (0.5, pytest.approx(0.05))


@pytest.mark.parametrize(
    ('cooldown_steps', 'expected'),
    [
        (200, {0: 5e-7, 50: 0.25, 100: 0.5, 900: 0.5, 950: 0.375, 1100: 0.0}),
        (0, {50: 0.25, 100: 0.5, 900: 0.5, 1099: 0.5}),
    ],
)
def test_a_constant_rate_falls_to_0_over_the_cool_down(
    cooldown_steps: int, expected: dict[int, float]
) -> None:
    config = OptimConfig(
        learning_rate=0.5,
        warmup_steps=100,
        schedule='constant',
        cooldown_steps=cooldown_steps,
    )
    rate = learning_rate_schedule(config, 1100)
    for step, value in expected.items():
        assert rate(step) == pytest.approx(value, abs=1e-6), step


@pytest.mark.parametrize(
    ('schedule', 'cooldown_steps', 'message'),
    [
        ('linear', 2, '--schedule is linear.*only --schedule=constant'),
        ('constant', 8, 'cooldown_steps is 8.*0 to the 7 steps'),
        ('constant', -1, 'cooldown_steps is -1'),
    ],
)
def test_a_cool_down_that_does_not_fit_is_refused(
    schedule: str, cooldown_steps: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        config = OptimConfig(
            warmup_steps=3, schedule=schedule, cooldown_steps=cooldown_steps
        )
        learning_rate_schedule(config, 10)


@pytest.mark.parametrize('warmup_steps', [10, 11])
def test_a_warm_up_that_does_not_fit_is_refused(warmup_steps: int) -> None:
    config = OptimConfig(warmup_steps=warmup_steps)
    with pytest.raises(
        ValueError, match=f'--warmup_steps is {warmup_steps} and --steps'
    ):
        learning_rate_schedule(config, 10)


def test_weights_decay_but_biases_and_scales_do_not() -> None:
    """With no gradient, what is left of AdamW is -rate * decay * weight."""
    config = OptimConfig(
        learning_rate=0.1, warmup_steps=0, weight_decay=0.01, decoder_rate_factor=10
    )
    updates = _first_updates(config, jax.tree.map(np.zeros_like, PARAMS))
    np.testing.assert_allclose(updates['encoder']['kernel'], -0.1 * 0.01 * 2, rtol=1e-6)
    np.testing.assert_allclose(updates['decoder']['kernel'], -1.0 * 0.01 * 2, rtol=1e-6)
    np.testing.assert_array_equal(updates['encoder']['bias'], 0)
    np.testing.assert_array_equal(updates['decoder']['scale'], 0)


@pytest.mark.parametrize('part', ['encoder', 'decoder'])
def test_each_part_learns_as_by_plain_adamw_of_its_own_rate(part: str) -> None:
    """Oracle: `optax.adamw`, over three steps of random gradients."""
    rng = np.random.default_rng(0)
    rate = 0.1 if part == 'encoder' else 0.3
    config = OptimConfig(
        learning_rate=0.1, warmup_steps=0, weight_decay=0.02, decoder_rate_factor=3
    )
    ours = make_optimizer(config, 10, PARAMS)
    plain = optax.adamw(
        optax.linear_schedule(rate, 0, 10),
        weight_decay=0.02,
        mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params),
    )
    state, plain_state = ours.init(PARAMS), plain.init(PARAMS[part])
    for _ in range(3):
        gradients = jax.tree.map(
            lambda x: rng.standard_normal(x.shape, np.float32), PARAMS
        )
        updates, state = ours.update(gradients, state, PARAMS)
        expected, plain_state = plain.update(gradients[part], plain_state, PARAMS[part])
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
            updates[part],
            expected,
        )


@pytest.mark.parametrize(('clip_norm', 'factor'), [(0.0, 1.0), (1.0, 0.2), (6.0, 1.0)])
def test_gradients_are_clipped_by_their_norm_over_all_parts(
    clip_norm: float, factor: float
) -> None:
    """The moments of Adam show what gradient it was given: here of norm 5."""
    gradients = jax.tree.map(np.zeros_like, PARAMS)
    gradients['encoder']['bias'][0] = 3.0
    gradients['decoder']['scale'][0] = 4.0
    optimizer = make_optimizer(
        OptimConfig(warmup_steps=0, clip_norm=clip_norm), 10, PARAMS
    )
    state = optimizer.update(gradients, optimizer.init(PARAMS), PARAMS)[1]
    moment = optax.tree_utils.tree_get(state, 'mu')
    assert moment['encoder']['bias'][0] == pytest.approx(0.1 * 3 * factor)
    assert moment['decoder']['scale'][0] == pytest.approx(0.1 * 4 * factor)


def test_muon_makes_matrices_and_kernels_orthogonal_and_leaves_the_rest_to_adam() -> (
    None
):
    """Oracle: the singular values of an update are alike; AdamW's update elsewhere."""
    rng = np.random.default_rng(0)
    shapes = {'matrix': (8, 4), 'conv': (3, 3, 2, 4), 'depthwise': (3, 3, 1, 4)}
    layer = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    gradients = {'encoder': {**layer, 'bias': rng.standard_normal(5)}}
    gradients = jax.tree.map(np.float32, gradients)
    updates = {}
    for name in ('adamw', 'muon'):
        config = OptimConfig(
            learning_rate=0.5, warmup_steps=0, weight_decay=0.1, optimizer=name
        )
        optimizer = make_optimizer(config, 10, gradients)
        params = jax.tree.map(np.zeros_like, gradients)
        state = optimizer.init(params)
        updates[name] = optimizer.update(gradients, state, params)[0]['encoder']
    for name in ('depthwise', 'bias'):
        np.testing.assert_array_equal(updates['muon'][name], updates['adamw'][name])
    for name in ('matrix', 'conv'):
        update = np.asarray(updates['muon'][name])
        values = np.linalg.svd(update.reshape(-1, 4), compute_uv=False)
        assert values.max() < 2 * values.min()
        assert np.sum(update * gradients['encoder'][name]) < 0
        assert np.sqrt(np.mean(update**2)) == pytest.approx(0.5 * 0.2, rel=0.3)
