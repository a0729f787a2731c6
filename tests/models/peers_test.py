"""Networks and decoders beside the network: what they are, and how they are kept."""

import jax
import numpy as np
import pytest

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.complexity import count_parameters
from cadnet_jax.models.initialize import initialize, parameter_shapes
from cadnet_jax.models.peers import PEERS, each_network, put_back, without_peers

UNET = build_model(ModelConfig(head='unet'), 2)


@pytest.mark.parametrize(
    ('method', 'parameters'),
    [('cps', 3_627_524), ('ucc', 2_446_772), ('uaps', 3_712_792)],
)
def test_the_networks_have_the_published_parameters(
    method: str, parameters: int
) -> None:
    """Counted in the published code, with U-Net of two classes."""
    assert count_parameters(parameter_shapes(UNET, PEERS[method])) == parameters


@pytest.mark.parametrize('method', PEERS)
def test_each_peer_begins_with_other_values_than_the_network(method: str) -> None:
    variables = initialize(UNET, seed=3, peers=PEERS[method])
    networks = each_network(variables)
    assert len(networks) == PEERS[method].number + 1
    plain = initialize(UNET, seed=3)
    jax.tree.map(np.testing.assert_array_equal, networks[0], plain)
    kernels = [
        network['params']['decoder']['classifier']['kernel'].tobytes()
        for network in networks
    ]
    assert len(set(kernels)) == len(kernels)
    encoders = {
        network['params']['encoder']['level_1']['conv_1']['kernel'].tobytes()
        for network in networks
    }
    assert len(encoders) == (2 if method == 'cps' else 1)


@pytest.mark.parametrize('method', PEERS)
def test_what_is_put_back_is_what_was_taken_out(method: str) -> None:
    variables = initialize(UNET, seed=0, peers=PEERS[method])
    again = put_back(variables, each_network(variables))
    jax.tree.map(np.testing.assert_array_equal, again, variables)


def test_a_network_alone_is_itself() -> None:
    """Not a copy: a checkpoint then has it once."""
    params = initialize(UNET, seed=0)['params']
    assert without_peers(params) is params
