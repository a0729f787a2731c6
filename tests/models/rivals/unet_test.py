"""U-Net's size, and what FC-Siam-diff compares."""

import functools
from typing import Any

import jax
import numpy as np
import pytest

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.complexity import multiply_adds
from cadnet_jax.models.initialize import initialize, parameter_shapes

pytestmark = pytest.mark.unoptimized


def count(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize('head', ['unet', 'fc_siam_diff'])
def test_parameters_are_those_of_the_semi_supervised_methods(head: str) -> None:
    """FC-Siam-diff shares its encoder, and has none more."""
    two, three = (
        parameter_shapes(build_model(ModelConfig(head=head), classes))['params']
        for classes in (2, 3)
    )
    assert count(two['encoder']) == 1_180_752
    assert count(two['decoder']) == 633_010
    assert count(three) == 1_813_907


def test_multiply_adds_of_the_convolutions() -> None:
    """By the shapes of the layers."""
    channels, pixels = (16, 32, 64, 128, 256), 64**2
    encoder = decoder = 0
    for level, c in enumerate(channels):
        inputs = channels[level - 1] if level else 3
        encoder += pixels // 4**level * 9 * (inputs * c + c * c)
        if level < 4:
            decoder += pixels // 4**level * 9 * (2 * c * c + c * c)
            decoder += pixels // 4 ** (level + 1) * 2 * c * c
    decoder += pixels * 9 * channels[0] * 3

    def counted(head: str, **options: bool) -> float:
        counts = multiply_adds(ModelConfig(head=head), 3, 64, 64, **options)
        return counts.convolutions * 1e9

    assert counted('unet') == pytest.approx(encoder + decoder)
    assert counted('fc_siam_diff') == pytest.approx(2 * encoder + decoder)
    cached = counted('fc_siam_diff', cached_reference=True)
    assert cached == pytest.approx(encoder + decoder)


@pytest.mark.parametrize('size', [(64, 64), (37, 53)])
@pytest.mark.parametrize('head', ['unet', 'fc_siam_diff'])
def test_logits_have_the_size_of_the_image(head: str, size: tuple[int, int]) -> None:
    model = build_model(ModelConfig(head=head), 5)
    image = jax.ShapeDtypeStruct((2, *size, 3), np.float32)
    outputs = jax.eval_shape(model.apply, parameter_shapes(model), image, image)
    assert outputs.logits.shape == (2, *size, 5)
    assert outputs.distance is None and outputs.differences == ()


@functools.partial(jax.jit, static_argnums=0)
def evaluate(model: Any, variables: Any, image: Any, reference: Any) -> Any:
    return model.apply(variables, image, reference)


@pytest.mark.slow
def test_fc_siam_diff_looks_at_the_reference_and_unet_does_not() -> None:
    rng = np.random.default_rng(0)
    image, reference = rng.standard_normal((2, 1, 32, 32, 3), np.float32)
    for head, changes in (('unet', False), ('fc_siam_diff', True)):
        model = build_model(ModelConfig(head=head), 3)
        variables = initialize(model, seed=0)
        pair, same = (
            evaluate(model, variables, image, other).logits
            for other in (reference, image)
        )
        assert bool(np.any(pair != same)) == changes
