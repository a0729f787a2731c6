"""Multiply-adds of a network, counted from its traced program.

A product with a kernel is that of a convolution; a product of two arrays that both
depend on the input is attention's; one with a constant, as of an interpolation or a
mean, counts nothing. So it is followed from input to output where a kernel, a bias or
the network's input goes. Nothing is compiled or computed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
from jax.extend.core import Literal as Constant
from jax.extend.core import jaxprs_in_params

from cadnet_jax.models.kernels.backend import plain_forms

Role = Literal['constant', 'kernel', 'bias', 'value']

# Functions that are compiled by themselves, and so have their names in the program.
_ACTIVATIONS = ('relu', 'leaky_relu')
_POOLS = ('average_pool',)


class ProgramCounts(NamedTuple):
    """What a program computes.

    Attributes:
        convolutions: multiply-adds of products with kernels.
        attention: multiply-adds of products of two arrays that depend on the input.
        biases: additions of the biases of convolutions.
        activations: values that go into a ReLU.
        pooled: values that go into a pooling.
    """

    convolutions: int = 0
    attention: int = 0
    biases: int = 0
    activations: int = 0
    pooled: int = 0

    def plus(self, other: 'ProgramCounts') -> 'ProgramCounts':
        """The sum of two counts."""
        return ProgramCounts(*(x + y for x, y in zip(self, other, strict=True)))


def count_program(
    function: Callable[..., Any], variables: Mapping[str, Any], *inputs: Any
) -> ProgramCounts:
    """Counts `function(variables, *inputs)`.

    Args:
        function: a network's `apply`.
        variables: 'params' and 'batch_stats', or their shapes.
        inputs: arrays, or their shapes.
    """
    with plain_forms():
        program = jax.make_jaxpr(function)(variables, *inputs)
    roles = _parameter_roles(variables)
    roles += ['value'] * (len(program.jaxpr.invars) - len(roles))
    return _count(program.jaxpr, roles)[0]


def _parameter_roles(variables: Mapping[str, Any]) -> list[Role]:
    """The role of each array of `variables`: a norm's scale and bias are values."""
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    names = {tuple(key.key for key in path) for path, _ in leaves}
    roles: list[Role] = []
    for path, leaf in leaves:
        *module, name = (key.key for key in path)
        if len(leaf.shape) > 1:
            roles.append('kernel')
        elif name == 'bias' and (*module, 'kernel') in names:
            roles.append('bias')
        else:
            roles.append('value')
    return roles


def _count(jaxpr: Any, roles: Sequence[Role]) -> tuple[ProgramCounts, list[Role]]:
    """The counts of a (part of a) program, and the roles of its results."""
    known: dict[Any, Role] = dict.fromkeys(jaxpr.constvars, 'constant')
    known.update(zip(jaxpr.invars, roles, strict=True))

    def role(variable: Any) -> Role:
        return 'constant' if isinstance(variable, Constant) else known[variable]

    total = ProgramCounts()
    for equation in jaxpr.eqns:
        counts, results = _count_equation(equation, [role(x) for x in equation.invars])
        total = total.plus(counts)
        known.update(zip(equation.outvars, results, strict=True))
    return total, [role(x) for x in jaxpr.outvars]


def _count_equation(
    equation: Any, roles: Sequence[Role]
) -> tuple[ProgramCounts, list[Role]]:
    name = equation.params.get('name', equation.primitive.name)
    outputs = equation.outvars
    size = sum(x.aval.size for x in equation.invars)
    results: list[Role] = [_common(roles)] * len(outputs)
    if name in _ACTIVATIONS:
        return ProgramCounts(activations=size), results
    if name in _POOLS or name == 'reduce_window_max':
        return ProgramCounts(pooled=size), results
    for inside in jaxprs_in_params(equation.params):
        if len(inside.invars) == len(roles):
            return _count(inside, roles)
    result = outputs[0].aval.size
    if name == 'add' and set(roles) == {'value', 'bias'}:
        return ProgramCounts(biases=result), results
    if name not in ('dot_general', 'conv_general_dilated') or 'constant' in roles:
        return ProgramCounts(), results
    products = result * _products(equation)
    if 'kernel' in roles:
        return ProgramCounts(convolutions=products), results
    return ProgramCounts(attention=products), results


def _products(equation: Any) -> int:
    """Multiply-adds of each value of a matrix product or a convolution."""
    left, right = (x.aval.shape for x in equation.invars)
    if equation.primitive.name == 'dot_general':
        (contracted, _), _ = equation.params['dimension_numbers']
        return math.prod(left[axis] for axis in contracted)
    return math.prod(right[:-1])  # [height, width, inputs of a group, outputs]


def _common(roles: Sequence[Role]) -> Role:
    """The role of what is made of arrays with `roles`."""
    found = set(roles) - {'constant'}
    if not found:
        return 'constant'
    return found.pop() if len(found) == 1 else 'value'
