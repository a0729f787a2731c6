"""All that is to be known of a device: what `benchmark.py --workload=all` measures."""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from cadnet_jax.benchmarks.ceilings import ceilings
from cadnet_jax.benchmarks.forms import compare_convolutions, compare_operations
from cadnet_jax.benchmarks.network import forward, prediction, training
from cadnet_jax.benchmarks.parity import parity
from cadnet_jax.benchmarks.runner import Part, run_parts
from cadnet_jax.benchmarks.subject import released_subject
from cadnet_jax.benchmarks.tables import format_device
from cadnet_jax.benchmarks.timing import Row

# Most important first: a device may be at hand for a few minutes. Each has the name
# under which its rows stand, and, where it has one, the precision.
PARTS: tuple[tuple[str, Callable[..., Iterator[Row]], dict[str, Any]], ...] = (
    ('ceilings', ceilings, {}),
    ('parity', parity, {}),
    ('forward', forward, {'precision': 'default', 'cached': False}),
    ('training', training, {'precision': 'default'}),
    ('cached_forward', forward, {'precision': 'default', 'cached': True}),
    ('convolutions', compare_convolutions, {'precision': 'default'}),
    ('prediction', prediction, {'precision': 'default'}),
    ('forward', forward, {'precision': 'bfloat16', 'cached': False}),
    ('training', training, {'precision': 'bfloat16'}),
    ('operations', compare_operations, {'precision': 'default'}),
    ('cached_forward', forward, {'precision': 'bfloat16', 'cached': True}),
    ('convolutions', compare_convolutions, {'precision': 'bfloat16'}),
    ('operations', compare_operations, {'precision': 'bfloat16'}),
    ('forward', forward, {'precision': 'float32', 'cached': False}),
)


def measure_device(
    output: str | os.PathLike[str], *, time_limit: float
) -> dict[str, Any]:
    """Measures this device with the released weights, and prints the tables.

    See `run_parts`.

    Args:
        output: the JSON file.
        time_limit: seconds for everything.
    """
    parts = [
        Part(name, functools.partial(_of_released, function, options))
        for name, function, options in PARTS
    ]
    results = run_parts(parts, output, time_limit=time_limit)
    print(format_device(results))
    return results


def _of_released(
    function: Callable[..., Iterator[Row]], options: dict[str, Any]
) -> Iterator[Row]:
    subject = released_subject()
    precision = options.get('precision')
    if precision is None or precision in subject.sizes.precisions:
        yield from function(subject, **options)
