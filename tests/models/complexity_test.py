"""Counts of parameters and multiply-adds against the published figures."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import jaxprs_in_params

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.complexity import count_parameters, gmacs, multiply_adds
from cadnet_jax.models.decoder import CHANNELS
from cadnet_jax.models.initialize import initialize, parameter_shapes
from cadnet_jax.models.mix_transformer import MLP_RATIO, VARIANTS


@pytest.mark.parametrize(
    ('head', 'expected'),
    [
        ('cad', 3_896_867),
        ('plain', 3_715_939),
        ('ooc', 3_846_497),
        ('segformer', 3_715_939),
    ],
)
def test_parameters_are_those_of_the_paper(head: str, expected: int) -> None:
    """3.90 M with the change-aware decoder, 3.72 M without."""
    model = build_model(ModelConfig(head=head), 3)
    assert count_parameters(initialize(model, seed=0)) == expected


@pytest.mark.parametrize(
    ('head', 'convolutions', 'projected', 'all_of_it', 'published'),
    [
        ('cad', 8.094, 8.903, 10.984, 8.21),
        ('plain', 8.085, 8.894, 10.975, 8.16),
        ('ooc', 8.077, 8.886, 10.967, 8.18),
    ],
)
def test_multiply_adds_at_512_pixels(
    head: str, convolutions: float, projected: float, all_of_it: float, published: float
) -> None:
    """Counted layer by layer on the published implementation; last, by the paper."""
    counted = multiply_adds(ModelConfig(head=head), 3, 512, 512)
    assert counted.convolutions == pytest.approx(convolutions, abs=1e-3)
    assert sum(counted[:2]) == pytest.approx(projected, abs=1e-3)
    assert sum(counted) == pytest.approx(all_of_it, abs=1e-3)
    assert round(gmacs(ModelConfig(head=head), 3, 512, 512), 2) == published


def test_segformer_is_as_large_as_that_of_mmsegmentation() -> None:
    """Parameters for 3, 7 and 16 classes; GMACs as mmcv counts, convolutions alone.

    The paper's table 3 has 6.37: one image is encoded, where CADNet encodes two.
    """
    config = ModelConfig(head='segformer')
    found = [
        count_parameters(parameter_shapes(build_model(config, classes)))
        for classes in (3, 7, 16)
    ]
    assert found == [3_715_939, 3_716_967, 3_719_280]
    counted = gmacs(config, 3, 512, 512)
    assert counted == pytest.approx(6.368018, abs=1e-6)
    assert round(counted, 2) == 6.37
    products = multiply_adds(config, 3, 512, 512)
    assert products.convolutions == pytest.approx(6.326, abs=1e-3)


def _products(jaxpr: Any) -> int:
    """Multiply-adds of all matrix products that a program makes."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == 'dot_general':
            (contracted, _), _ = equation.params['dimension_numbers']
            left = equation.invars[0].aval.shape
            inner = math.prod(left[axis] for axis in contracted)
            total += inner * equation.outvars[0].aval.size
        for inside in jaxprs_in_params(equation.params):
            total += _products(inside)
    return total


def _depthwise(height: int, width: int) -> float:
    """Of one image, in 1e9: nine for each element, and none of them in a product."""
    channels, blocks = VARIANTS['b0']
    total: float = sum(
        blocks[i] * 9 * MLP_RATIO * channels[i] * (height * width // 16 // 4**i) / 1e9
        for i in range(4)
    )
    return total


@pytest.mark.parametrize('head', ['cad', 'plain', 'ooc', 'segformer'])
def test_what_is_computed_is_what_the_program_multiplies(head: str) -> None:
    """On the CPU, where convolutions are matrix products or shifts."""
    config = ModelConfig(head=head)
    model = build_model(config, 3)
    image = jax.ShapeDtypeStruct((1, 64, 128, 3), jnp.float32)
    program = jax.make_jaxpr(model.apply)(parameter_shapes(model), image, image)
    images = 1 if head == 'segformer' else 2
    counted = sum(multiply_adds(config, 3, 64, 128, as_computed=True))
    depthwise = images * _depthwise(64, 128)
    # Coordinate attention's means are products as well, at stride 4.
    means = 2 * 16 * 32 * CHANNELS / 1e9 if head == 'cad' else 0
    assert _products(program.jaxpr) / 1e9 == pytest.approx(counted - depthwise + means)


def test_a_cached_reference_saves_its_encoding() -> None:
    config = ModelConfig()
    model = build_model(config, 3)
    variables = parameter_shapes(model)
    image = jax.ShapeDtypeStruct((1, 64, 128, 3), jnp.float32)
    encoder = jax.make_jaxpr(lambda v, x: model.apply(v, x, method='encode'))
    saved = _products(encoder(variables, image).jaxpr) / 1e9 + _depthwise(64, 128)
    pair = sum(multiply_adds(config, 3, 64, 128, as_computed=True))
    cached = multiply_adds(config, 3, 64, 128, as_computed=True, cached_reference=True)
    assert pair - sum(cached) == pytest.approx(saved)


def test_what_is_computed_is_a_fifth_less_than_the_paper_counts() -> None:
    """At 512 pixels below 6.5, and below 4.7 with a cached reference."""
    config = ModelConfig()
    how = {'as_computed': True}
    assert multiply_adds(config, 3, 512, 512, **how).convolutions < 6.5
    cached = multiply_adds(config, 3, 512, 512, **how, cached_reference=True)
    assert cached.convolutions < 4.7
