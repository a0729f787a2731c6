"""All that changes in training: what a checkpoint holds."""

from typing import Any

import jax
import numpy as np
import optax
from flax import struct

from cadnet_jax.models.cadnet import CADNet
from cadnet_jax.models.initialize import initialize
from cadnet_jax.models.peers import NO_PEERS, Peers, without_peers


class TrainState(struct.PyTreeNode):
    """All that changes in training.

    Attributes:
        step: number of updates that were made.
        params: the parameters that the updates change, those of peers among them.
        batch_stats: running BatchNorm statistics, of peers too.
        opt_state: of the optimizer.
        ema_params: exponential moving average of `params`, without those of peers;
            None: there is none.
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
        trees = {'params': params, 'batch_stats': self.batch_stats}
        return {name: without_peers(tree) for name, tree in trees.items()}


def initial_state(
    model: CADNet,
    optimizer: optax.GradientTransformation,
    *,
    seed: int,
    peers: Peers = NO_PEERS,
) -> TrainState:
    """A fresh state on the host, the same for the same seed."""
    variables = initialize(model, seed=seed, peers=peers)
    params = variables['params']
    # As one program: `init` by itself would compile one for each shape.
    opt_state = jax.device_get(jax.jit(optimizer.init)(params))
    return TrainState(
        np.zeros((), np.int32), params, variables['batch_stats'], opt_state
    )
