"""One step of training, over all devices.

The step is written for one device of the named axis `data`; `jax.pmap` stands here and
in `norm_statistics` alone. Gradients and BatchNorm statistics are averaged over the
axis, and the losses of the heads count the pixels of all devices, so that N devices
with B/N pairs each do what one does with B, but for the random draws. Semi-supervised
losses are those of each device, and their mean is what is learned: Dice and the means
over some pixels are not what they would be over the whole batch.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from cadnet_jax.data.transforms import normalize
from cadnet_jax.devices import AXIS, replicate
from cadnet_jax.models.cadnet import CADNet
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.peers import without_peers
from cadnet_jax.runs.state import TrainState
from cadnet_jax.training.hard_candidates import keep_hardest
from cadnet_jax.training.losses import total_loss
from cadnet_jax.training.semi_supervised.objective import semi_supervised_loss
from cadnet_jax.training_config import LossConfig

Batch = Mapping[str, Any]
Metrics = dict[str, jax.Array]
Step = functools.partial[tuple[TrainState, Metrics]]
"""Of state and batch, each with a leading axis for the devices."""


def train_step(
    state: TrainState,
    batch: Batch,
    *,
    key: jax.Array,
    class_pixels: jax.Array | Sequence[int],
    model: CADNet,
    optimizer: optax.GradientTransformation,
    loss_config: LossConfig,
    ema_decay: float = 0.0,
    num_unchanged: int = 0,
    hard_candidates: int = 1,
    axis_name: str | None = AXIS,
) -> tuple[TrainState, Metrics]:
    """One update on this device's share of a batch.

    Args:
        state: parameters and all that belongs to them.
        batch: `image`, `reference` uint8 `[B, H, W, 3]`, `mask` uint8 `[B, H, W]`; of a
            semi-supervised method also `unlabeled_image` and so on.
        key: root of the random draws, which depend on it, the step and the device.
        class_pixels: pixels of each class in the training split, `[K]`.
        model: built with the same `axis_name`.
        optimizer: what turns gradients into updates.
        loss_config: weights and thresholds.
        ema_decay: of the averaged parameters, if the state has any.
        num_unchanged: how many unchanged crops the update is made on, of this device.
        hard_candidates: the last `num_unchanged * hard_candidates` of the batch are
            candidates for them, of which the hardest are taken.
        axis_name: the device axis; None on a single device outside `jax.pmap`.

    Returns:
        The new state, and scalars by name: `loss`, its terms, `gradient_norm`.
    """
    key = jax.random.fold_in(key, state.step)
    if axis_name is not None:
        key = jax.random.fold_in(key, lax.axis_index(axis_name))
    drop_path, dropout = jax.random.split(key)
    if hard_candidates > 1:
        variables = {'params': state.params, 'batch_stats': state.batch_stats}
        batch = keep_hardest(
            batch,
            model,
            variables,
            num_unchanged,
            num_unchanged * hard_candidates,
            has_classes=HEADS[model.config.head].answer == 'classes',
        )

    def semi_supervised(params: Any) -> tuple[jax.Array, tuple[Metrics, Any]]:
        teacher = {'params': state.ema_params, 'batch_stats': state.batch_stats}
        loss, (terms, variables) = semi_supervised_loss(
            loss_config,
            model,
            {'params': params, 'batch_stats': state.batch_stats},
            batch,
            key,
            state.step,
            teacher=teacher,
        )
        return loss, ({'loss': loss, **terms}, variables['batch_stats'])

    def supervised(params: Any) -> tuple[jax.Array, tuple[Metrics, Any]]:
        outputs, updates = model.apply(
            {'params': params, 'batch_stats': state.batch_stats},
            normalize(batch['image']),
            normalize(batch['reference']),
            train=True,
            rngs={'drop_path': drop_path, 'dropout': dropout},
            mutable=['batch_stats'],
        )
        loss, terms = total_loss(
            outputs,
            batch['mask'],
            loss_config,
            head=model.config.head,
            class_pixels=class_pixels,
            axis_name=axis_name,
        )
        return loss, ({'loss': loss, **terms}, updates['batch_stats'])

    loss_function = (
        supervised if loss_config.semi_supervised == 'none' else semi_supervised
    )
    gradient_function = jax.value_and_grad(loss_function, has_aux=True)
    (_, (metrics, batch_stats)), gradients = gradient_function(state.params)
    if axis_name is not None:
        gradients, metrics = lax.pmean((gradients, metrics), axis_name)
    metrics['gradient_norm'] = optax.tree.norm(gradients)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema_params = state.ema_params
    if ema_params is not None:
        network = without_peers(params)
        ema_params = update_average(ema_params, network, state.step, ema_decay)
    return (
        TrainState(state.step + 1, params, batch_stats, opt_state, ema_params),
        metrics,
    )


def update_average(average: Any, params: Any, step: Any, decay: float) -> Any:
    """Exponential moving average, of a short memory in the first steps.

    Otherwise the initial weights would last for 1 / (1 - decay) steps (as
    tf.train.ExponentialMovingAverage does it with `num_updates`).
    """
    weight = 1 - jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(lambda old, new: old + weight * (new - old), average, params)


def make_train_step(
    model: CADNet,
    optimizer: optax.GradientTransformation,
    loss_config: LossConfig,
    class_pixels: Sequence[int],
    *,
    seed: int,
    ema_decay: float = 0.0,
    num_unchanged: int = 0,
    hard_candidates: int = 1,
) -> Step:
    """`train_step` over all local devices: state and batch with a leading device axis.

    The state passed in is donated: it is no longer to be used. `model` must have been
    built with `axis_name=AXIS`. Seed and counts are inputs of the program, so that runs
    that differ in them alone are compiled once.
    """

    def step(
        key_data: jax.Array, class_pixels: jax.Array, state: TrainState, batch: Batch
    ) -> tuple[TrainState, Metrics]:
        return train_step(
            state,
            batch,
            key=jax.random.wrap_key_data(key_data),
            class_pixels=class_pixels,
            model=model,
            optimizer=optimizer,
            loss_config=loss_config,
            ema_decay=ema_decay,
            num_unchanged=num_unchanged,
            hard_candidates=hard_candidates,
        )

    key_data = jax.random.key_data(jax.random.key(seed))
    return functools.partial(
        jax.pmap(step, axis_name=AXIS, donate_argnums=2),
        *replicate((key_data, np.asarray(class_pixels, np.float32))),
    )
