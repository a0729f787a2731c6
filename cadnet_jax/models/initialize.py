"""Initial parameters without compiling Linen's initialisers (20 to 30 s on a CPU).

The distributions are those of the published code: attention's projections are normal
with deviation 0.02, cut off at two deviations; every other kernel is He normal over its
fan-out in the encoder and over its fan-in in the decoder; the classifier 0.01.
"""

import functools
import math
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from cadnet_jax.models.cadnet import CADNet
from cadnet_jax.models.mix_transformer import SMALLEST_SIDE, VARIANTS, Variant


def parameter_shapes(model: CADNet) -> dict[str, Any]:
    """The variables of `model` ('params', 'batch_stats') as shapes, not computed."""
    return _shapes(model, VARIANTS[model.config.variant])


# It takes most of a second, and is asked for several times. VARIANTS is open to others.
@functools.cache
def _shapes(model: CADNet, variant: Variant) -> dict[str, Any]:
    del variant
    image = jax.ShapeDtypeStruct((1, SMALLEST_SIDE, SMALLEST_SIDE, 3), np.float32)
    shapes: dict[str, Any] = jax.eval_shape(model.init, jax.random.key(0), image, image)
    return shapes


def initialize(model: CADNet, *, seed: int) -> dict[str, Any]:
    """Fresh variables of `model` as numpy arrays, the same for the same seed."""
    rng = np.random.default_rng(seed)
    flat = traverse_util.flatten_dict(parameter_shapes(model))
    values = {path: _initial(path, leaf.shape, rng) for path, leaf in flat.items()}
    variables: dict[str, Any] = traverse_util.unflatten_dict(values)
    return variables


def _initial(
    path: tuple[str, ...], shape: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    name = path[-1]
    if name in ('scale', 'var'):
        return np.ones(shape, np.float32)
    if name in ('bias', 'mean'):
        return np.zeros(shape, np.float32)
    values = rng.standard_normal(shape)
    if 'attention' in path and path[-2] != 'reduction':
        return (0.02 * np.clip(values, -2, 2)).astype(np.float32)
    if 'classifier' in path:
        return (0.01 * values).astype(np.float32)
    if path[1] == 'decoder':
        fan = math.prod(shape[:-1])
    else:  # a depthwise kernel [3, 3, 1, C] has a fan-out of 9
        fan = math.prod(shape[:-2]) * (1 if 'depthwise' in path else shape[-1])
    return (math.sqrt(2 / fan) * values).astype(np.float32)
