"""Multiply-adds of programs whose layers are counted by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.complexity import multiply_adds
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.models.kernels.operations import attention, resize_bilinear
from cadnet_jax.models.layers import BatchNorm, Conv, Dense, DepthwiseConv
from cadnet_jax.models.program_counts import ProgramCounts, count_program
from cadnet_jax.models.rivals.layers import average_pool, max_pool


class Example(nn.Module):
    """One layer of each kind."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(Conv(8, 3, 2, pad=1)(x))  # 16 x 16 -> 8 x 8
        x = Conv(8, 3, dilation=4, use_bias=False)(x)
        x = BatchNorm()(DepthwiseConv(use_bias=False)(x), train=False)
        x = nn.leaky_relu(Dense(4)(x))
        tokens = x.reshape(1, 64, 1, 4)
        x = x + attention(tokens, tokens, tokens).reshape(x.shape)
        x = resize_bilinear(max_pool(x), (7, 9))
        pooled: jax.Array = average_pool(x, 3)
        return pooled


def test_each_kind_of_layer_counts_what_it_should() -> None:
    """Neither norms nor resizes, nor the mean's product with its weights."""
    x = jnp.zeros((1, 16, 16, 3))
    variables = jax.eval_shape(Example().init, jax.random.key(0), x)
    variables = nn.meta.unbox(variables)
    found = count_program(Example().apply, variables, x)
    convolutions = 64 * (9 * 3 * 8 + 9 * 8 * 8 + 9 * 8 + 8 * 4)
    assert found == ProgramCounts(
        convolutions=convolutions,
        attention=2 * 64 * 64 * 4,
        biases=64 * (8 + 4),
        activations=64 * (8 + 4),
        pooled=64 * 4 + 7 * 9 * 4,
    )


@pytest.mark.parametrize('head', ['segformer', 'plain'])
def test_the_program_of_a_network_agrees_with_its_formula(head: str) -> None:
    """Of convolutions and projections together; attention's products alone."""
    config = ModelConfig(head=head)
    model = build_model(config, 3)
    image: Any = jax.ShapeDtypeStruct((1, 64, 128, 3), np.float32)
    found = count_program(model.apply, parameter_shapes(model), image, image)
    expected = multiply_adds(config, 3, 64, 128, as_computed=True)
    products = expected.convolutions + expected.projections
    assert found.convolutions / 1e9 == pytest.approx(products)
    assert found.attention / 1e9 == pytest.approx(expected.attention)
