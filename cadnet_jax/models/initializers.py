"""How parameters begin: each layer declares it, and `initialize` draws it.

A declaration takes the place of a Linen initializer. Linen calls it to learn a
parameter's shape, and gets the declaration back with it; nothing is drawn then.
"""

import dataclasses
import math
from typing import Any, Literal, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct
from jax.typing import DTypeLike

_CUT_OFF = 2.0  # standard deviations


@dataclasses.dataclass(frozen=True)
class Initializer:
    """The initial value of a parameter.

    Attributes:
        kind: 'constant'; 'normal', around 0; 'truncated', a normal one whose values
            beyond two deviations are set to two; 'fan_in' or 'fan_out', He's normal
            distribution over the number of inputs of an output, or of outputs of an
            input.
        value: the constant, or the standard deviation of a normal distribution.
    """

    kind: Literal['constant', 'normal', 'truncated', 'fan_in', 'fan_out']
    value: float = 0.0

    def __call__(
        self, key: object, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
    ) -> jax.Array:
        """What Linen calls for a parameter, or a running statistic, of a `shape`."""
        del key
        # Linen takes the array out; its own `init` returns what is around it, too.
        return cast(jax.Array, Declared(jnp.zeros(shape, dtype), self))

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """float32 values of a `shape`: [inputs, outputs] or [height, width, I, O]."""
        if self.kind == 'constant':
            return np.full(shape, self.value, np.float32)
        values = rng.standard_normal(shape)
        if self.kind == 'truncated':
            values = np.clip(values, -_CUT_OFF, _CUT_OFF)
        if self.kind in ('normal', 'truncated'):
            return (self.value * values).astype(np.float32)
        window = math.prod(shape[:-2])
        fan = window * (shape[-2] if self.kind == 'fan_in' else shape[-1])
        return (math.sqrt(2 / fan) * values).astype(np.float32)


ZEROS = Initializer('constant', 0.0)
ONES = Initializer('constant', 1.0)
FAN_IN = Initializer('fan_in')
FAN_OUT = Initializer('fan_out')


class Declared(struct.PyTreeNode, nn.meta.AxisMetadata[Any]):
    """A parameter's shape with its declaration, as Linen keeps metadata."""

    value: Any
    initializer: Initializer = struct.field(pytree_node=False)

    def unbox(self) -> Any:
        return self.value

    def replace_boxed(self, val: Any) -> 'Declared':
        return self.replace(value=val)

    def add_axis(self, index: int, params: dict[Any, Any]) -> 'Declared':
        raise NotImplementedError('No layer is mapped or scanned over.')

    def remove_axis(self, index: int, params: dict[Any, Any]) -> 'Declared':
        raise NotImplementedError('No layer is mapped or scanned over.')
