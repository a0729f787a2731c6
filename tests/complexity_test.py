"""Counts of parameters and multiply-adds against the published figures."""

import pytest

from cadnet_jax.config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.complexity import count_parameters, gmacs, multiply_adds
from cadnet_jax.models.initialize import initialize


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
    ('head', 'convolutions', 'projected', 'all_of_it'),
    [
        ('cad', 8.094, 8.903, 10.984),
        ('plain', 8.085, 8.894, 10.975),
        ('ooc', 8.077, 8.886, 10.967),
    ],
)
def test_multiply_adds_at_512_pixels(
    head: str, convolutions: float, projected: float, all_of_it: float
) -> None:
    """Figures counted layer by layer on the published implementation."""
    counted = multiply_adds(ModelConfig(head=head), 3, 512, 512)
    assert counted.convolutions == pytest.approx(convolutions, abs=1e-3)
    assert sum(counted[:2]) == pytest.approx(projected, abs=1e-3)
    assert sum(counted) == pytest.approx(all_of_it, abs=1e-3)
    assert gmacs(ModelConfig(head=head), 3, 512, 512) == counted.convolutions


def test_segformer_encodes_one_image_where_cadnet_encodes_two() -> None:
    """The paper's table: 6.37 against 8.16, by a counter that adds activations."""
    segformer = gmacs(ModelConfig(head='segformer'), 3, 512, 512)
    assert segformer == pytest.approx(6.37, abs=0.1)
