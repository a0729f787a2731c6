"""Measures everything of a device: `benchmark.py --workload=all`."""

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from absl import flags

from cadnet_jax.benchmarks.ceilings import ceilings
from cadnet_jax.benchmarks.forms import compare_convolutions, compare_operations
from cadnet_jax.benchmarks.network import forward, prediction, training
from cadnet_jax.benchmarks.pair_folders import files
from cadnet_jax.benchmarks.parity import parity
from cadnet_jax.benchmarks.runner import Part, run_parts
from cadnet_jax.benchmarks.subject import released_subject
from cadnet_jax.benchmarks.tables import format_device
from cadnet_jax.benchmarks.timing import Row
from cadnet_jax.config_flags import flag_groups

_COMPILING = 0.6  # of the time of a part; the rest is for runs

# The most important first: a device may be available for only a few minutes. Each has
# the name of its rows, its weight (see `Part`), and its options. Training steps take
# longest to compile.
PARTS: tuple[tuple[str, float, Callable[..., Iterator[Row]], dict[str, Any]], ...] = (
    ('ceilings', 4, ceilings, {}),
    ('forward', 5, forward, {'precision': 'default', 'cached': False}),
    ('training', 9, training, {'precision': 'default'}),
    ('parity', 6, parity, {}),
    ('cached_forward', 4, forward, {'precision': 'default', 'cached': True}),
    ('files', 4, files, {}),
    ('convolutions', 5, compare_convolutions, {'precision': 'default'}),
    ('prediction', 3, prediction, {'precision': 'default'}),
    ('forward', 3, forward, {'precision': 'bfloat16', 'cached': False}),
    ('training', 5, training, {'precision': 'bfloat16'}),
    ('operations', 3, compare_operations, {'precision': 'default'}),
    ('cached_forward', 2, forward, {'precision': 'bfloat16', 'cached': True}),
    ('convolutions', 3, compare_convolutions, {'precision': 'bfloat16'}),
    ('operations', 2, compare_operations, {'precision': 'bfloat16'}),
    ('forward', 2, forward, {'precision': 'float32', 'cached': False}),
)

# Flags of benchmark.py for other workloads than all, beside those of the settings.
WORKLOAD_FLAGS = 'compare', 'image_size', 'devices', 'files', 'rounds', 'runs'


def check_flags(values: flags.FlagValues) -> None:
    """Refuses what was given beside `--workload=all` and would have no effect.

    Args:
        values: the flags of benchmark.py.

    Raises:
        ValueError: such a flag, or a further workload, is given.
    """
    if set(values.workload) != {'all'}:
        raise ValueError(
            '--workload=all: it measures a whole device; time other workloads in a '
            'run of their own.'
        )
    settings = [name for group in flag_groups().values() for name in group]
    for name in (*WORKLOAD_FLAGS, *settings):
        if values[name].present:
            raise ValueError(
                f'--{name}: --workload=all takes the released weights and sizes for '
                'the device; leave this flag out.'
            )


def measure_device(
    output: str | os.PathLike[str], *, time_limit: float
) -> dict[str, Any]:
    """Measures this device with the released weights, and prints the tables.

    Args:
        output: JSON file that is written with each row; see `run_parts`.
        time_limit: seconds for all parts together.

    Returns:
        What the file holds.
    """
    parts = [
        Part(name, functools.partial(_of_released, function, options), weight)
        for name, weight, function, options in PARTS
    ]
    results = run_parts(parts, output, time_limit=time_limit)
    print(format_device(results))
    return results


def _of_released(
    function: Callable[..., Iterator[Row]], options: dict[str, Any], limit: float
) -> Iterator[Row]:
    subject = released_subject()
    sizes = subject.sizes._replace(compiling=_COMPILING * limit)
    subject = subject._replace(sizes=sizes)
    precision = options.get('precision')
    if precision is None or precision in subject.sizes.precisions:
        yield from function(subject, **options)
