"""Networks and decoders that some methods train beside the network.

Their parameters and statistics lie in its own under 'peers', by number. A peer without
an encoder is a decoder on the network's. The network that is evaluated is the first.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cadnet_jax.models.cadnet import ENCODER

_NAME = 'peers'

Variables = Mapping[str, Any]  # 'params' and 'batch_stats'


class Peers(NamedTuple):
    """How many there are, and whether each has an encoder."""

    number: int = 0
    with_encoder: bool = False


NO_PEERS = Peers()
# Of the semi-supervised methods; the others train the network alone.
PEERS = {'cps': Peers(1, with_encoder=True), 'ucc': Peers(1), 'uaps': Peers(3)}


def add_peers(
    network: Variables, peers: Peers, fresh: Callable[[int], Variables]
) -> dict[str, Any]:
    """Variables of a network and its peers; peer k has its parts of `fresh(k)`."""
    if not peers.number:
        return dict(network)
    others = {str(k): fresh(k) for k in range(1, peers.number + 1)}
    return {
        name: {**tree, _NAME: {k: _own(v[name], peers) for k, v in others.items()}}
        for name, tree in network.items()
    }


def _own(tree: Mapping[str, Any], peers: Peers) -> dict[str, Any]:
    return {
        part: values
        for part, values in tree.items()
        if peers.with_encoder or part != ENCODER
    }


def without_peers(tree: Any) -> Any:
    """Parameters, or statistics, of the network alone; `tree` itself if it is."""
    if _NAME not in tree:
        return tree
    return {part: values for part, values in tree.items() if part != _NAME}


def each_network(variables: Variables) -> list[dict[str, Any]]:
    """Whole variables of the network, and of it with the parts of each peer."""
    network = {name: without_peers(tree) for name, tree in variables.items()}
    numbers = variables['params'].get(_NAME, {})
    return [
        network,
        *(
            {
                name: {**network[name], **tree[_NAME][k]}
                for name, tree in variables.items()
            }
            for k in numbers
        ),
    ]


def put_back(
    variables: Variables, networks: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """`variables` with the values of `networks`, in the order of `each_network`."""
    first, *others = networks
    updated: dict[str, Any] = {name: dict(first[name]) for name in variables}
    for name, tree in variables.items():
        if _NAME in tree:
            updated[name][_NAME] = {
                k: {part: other[name][part] for part in tree[_NAME][k]}
                for k, other in zip(tree[_NAME], others, strict=True)
            }
    return updated
