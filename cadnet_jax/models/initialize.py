"""Initial parameters without compiling Linen's initializers (20 to 30 s on a CPU).

The layers declare what they begin with (`initializers`): as NVlabs' SegFormer in the
encoder and as mmsegmentation in the rivals. docs/deviations.md says where the published
CADNet differs.
"""

import functools
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from flax import traverse_util

from cadnet_jax.models.cadnet import CADNet
from cadnet_jax.models.initializers import Declared
from cadnet_jax.models.mix_transformer import VARIANTS, Variant
from cadnet_jax.models.peers import NO_PEERS, Peers, add_peers


def parameter_shapes(model: CADNet, peers: Peers = NO_PEERS) -> dict[str, Any]:
    """The variables of `model` ('params', 'batch_stats') as shapes, not computed."""
    shapes = _shapes(model, VARIANTS[model.config.variant])
    return add_peers(shapes, peers, lambda _: shapes) if peers.number else shapes


@functools.cache
def _shapes(model: CADNet, variant: Variant) -> dict[str, Any]:
    shapes: dict[str, Any] = nn.meta.unbox(_declared(model, variant))
    return shapes


# It takes most of a second, and is asked for several times. VARIANTS is open to others.
@functools.cache
def _declared(model: CADNet, variant: Variant) -> dict[str, Any]:
    """The variables as `Declared` shapes."""
    del variant
    side = model.smallest_side
    image = jax.ShapeDtypeStruct((1, side, side, 3), np.float32)
    shapes: dict[str, Any] = jax.eval_shape(model.init, jax.random.key(0), image, image)
    return shapes


def initialize(model: CADNet, *, seed: int, peers: Peers = NO_PEERS) -> dict[str, Any]:
    """Fresh variables of `model` as numpy arrays, the same for the same seed.

    Each of its `peers` has other values.

    Raises:
        ValueError: a layer declares no initial value of a parameter.
    """
    network = _draw(model, np.random.default_rng(seed))
    return add_peers(
        network, peers, lambda k: _draw(model, np.random.default_rng([seed, k]))
    )


def _draw(model: CADNet, rng: np.random.Generator) -> dict[str, Any]:
    declared = _declared(model, VARIANTS[model.config.variant])
    values = {}
    for path, leaf in traverse_util.flatten_dict(declared).items():
        if not isinstance(leaf, Declared):
            raise ValueError(
                f'{"/".join(path)}: its layer declares no initial value; give it one '
                'of `models.initializers`.'
            )
        values[path] = leaf.initializer.draw(leaf.value.shape, rng)
    variables: dict[str, Any] = traverse_util.unflatten_dict(values)
    return variables
