"""All that changes in training: what a checkpoint holds."""

from typing import Any

import jax
import numpy as np
import optax
from flax import struct

from cadnet_jax.models.cadnet import CADNet
from cadnet_jax.models.initialize import initialize


class TrainState(struct.PyTreeNode):
    """All that changes in training.

    Attributes:
        step: number of updates that were made.
        params: the parameters that the updates change.
        batch_stats: running BatchNorm statistics.
        opt_state: of the optimizer.
        ema_params: exponential moving average of `params`; None: there is none.
    """

    step: Any
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    ema_params: Any = None

    @property
    def variables(self) -> dict[str, Any]:
        """The network that is evaluated: of the averages, if there are any."""
        params = self.params if self.ema_params is None else self.ema_params
        return {'params': params, 'batch_stats': self.batch_stats}


def initial_state(
    model: CADNet, optimizer: optax.GradientTransformation, *, seed: int
) -> TrainState:
    """A fresh state on the host, the same for the same seed."""
    variables = initialize(model, seed=seed)
    params = variables['params']
    # As one program: `init` by itself would compile one for each shape.
    opt_state = jax.device_get(jax.jit(optimizer.init)(params))
    return TrainState(
        np.zeros((), np.int32), params, variables['batch_stats'], opt_state
    )
