"""Processes and devices: what is laid on each, and what all of them agree on.

Each process has some devices, and each device a part of every batch. The devices are
one named axis, `AXIS`, for `jax.pmap` and the reductions over it.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = 'data'

Tree = TypeVar('Tree')
_Counted = TypeVar('_Counted')


def replicate(state: Tree) -> Tree:
    """`state` once for each local device, along a new leading axis.

    Placed as `jax.pmap` places its results: otherwise the second step compiles anew.
    """
    devices = jax.local_devices()
    placement = NamedSharding(Mesh(np.array(devices), (AXIS,)), PartitionSpec(AXIS))
    copies = jax.tree.map(
        lambda x: np.broadcast_to(x, (len(devices), *np.shape(x))), state
    )
    placed: Tree = jax.device_put(copies, placement)
    return placed


def unreplicate(state: Tree) -> Tree:
    """The state of the first device, as numpy arrays on the host.

    They are copies: the state itself is donated to the next step.
    """
    first: Tree = jax.tree.map(lambda x: np.array(x.addressable_data(0))[0], state)
    return first


def shard(batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Splits `[B, ...]` arrays over the local devices: `[N, B/N, ...]`.

    Device d gets the entries d, d + N, ...: of each kind of crops the same number.

    Raises:
        ValueError: the devices do not divide B.
    """
    count = jax.local_device_count()
    size = len(batch['image'])
    if size % count:
        raise ValueError(
            f'A batch of {size} pairs cannot be split over {count} devices: make '
            'batch_size a multiple of the number of devices.'
        )
    return {
        name: values.reshape(size // count, count, *values.shape[1:]).swapaxes(0, 1)
        for name, values in batch.items()
    }


def sum_over_processes(counts: _Counted) -> _Counted:
    """The counts of all processes together; with one process, `counts`.

    Args:
        counts: a dataclass of integers and int64 arrays, which all add up.
    """
    if jax.process_count() == 1:
        return counts
    fields = [np.asarray(value, np.int64) for value in vars(counts).values()]
    values = np.concatenate([field.ravel() for field in fields])
    # JAX would cut 64-bit integers down to 32 bits: they travel as pairs of 32 bits.
    gathered = multihost_utils.process_allgather(values.view(np.uint32))
    total = np.ascontiguousarray(gathered).view(np.int64).sum(axis=0)
    parts = np.split(total, np.cumsum([field.size for field in fields])[:-1])
    sums: Any = (
        part.reshape(field.shape) if field.ndim else int(part[0])
        for part, field in zip(parts, fields, strict=True)
    )
    return type(counts)(*sums)


def text_of_first_process(text: str) -> str:
    """What the first process gives as `text`; waits for all of them."""
    own = np.frombuffer(text.encode(), np.uint8)
    length = int(multihost_utils.broadcast_one_to_all(np.array(len(own), np.int32)))
    padded = np.pad(own, (0, max(0, length - len(own))))[:length]
    return bytes(multihost_utils.broadcast_one_to_all(padded)).decode()


def any_process(value: bool) -> bool:
    """Whether `value` is true in any process; waits for all of them."""
    return bool(multihost_utils.process_allgather(np.array(value)).any())
