"""Time and memory of several workloads, measured in turn.

Each workload runs in its own process, so its peak memory can be measured. Only one of
the processes is busy at a time.
"""

import concurrent.futures
import contextlib
import multiprocessing
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cadnet_jax.config import Config
from cadnet_jax.files.atomic import write_json

_WARM_UP = 2  # runs after the first


class Job(NamedTuple):
    """What is timed.

    Attributes:
        run: runs the job once, and returns when it is done.
        pairs: number of pairs that one run processes.
        waited: seconds that the last run waited for its input; None: it reads none.
        gmacs: multiply-adds of a pair in 1e9, without those of attention; see
            `complexity.multiply_adds`.
        cost: XLA's analysis of the compiled program of a run.
    """

    run: Callable[[], object]
    pairs: int
    waited: Callable[[], float] | None = None
    gmacs: float | None = None
    cost: Mapping[str, float] | None = None


class Settings(NamedTuple):
    """What a job is prepared from.

    Attributes:
        config: settings of the network, the data, the losses and the optimizer.
        image_size: side of predicted images in pixels; other jobs use crops.
        devices: virtual devices that the CPU is split into; 0: it is not split.
        files: number of images, or of pairs, in a folder.
    """

    config: Config
    image_size: int = 512
    devices: int = 0
    files: int = 200


class Workload(NamedTuple):
    """A job by name, which another process prepares.

    Attributes:
        name: as it is printed.
        start: prepares the job; a function of a module, so the process can import it.
        settings: argument of `start`.
    """

    name: str
    start: Callable[[Settings], Job]
    settings: Settings


def measure(
    workloads: Sequence[Workload], *, rounds: int = 5, runs: int = 4
) -> list[dict[str, Any]]:
    """Times workloads in turn.

    Args:
        workloads: what is timed.
        rounds: turns of each workload.
        runs: runs in each turn.

    Returns:
        For each workload its name as `work`, `start_s` (until the end of the first run,
        with compilation, without imports), `median_ms` and `p95_ms` of a run,
        `ms_per_pair` and `pairs_per_s` (from the median), `round_medians_ms`, and
        `peak_gb`, the largest resident set of its process. If known, also
        `device_peak_gb`; `wait_ms`, the median time that a run waited for input;
        `gmacs`; `gflops` and `gbytes` of a run by XLA's cost analysis; and their rates
        as shares of those of a large matrix product (`matmul_share`) and of a large
        copy (`copy_share`) on the same machine.
    """
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_worker()) for _ in workloads]
        results = [
            worker.submit(_start_job, workload).result()
            for worker, workload in zip(workers, workloads, strict=True)
        ]
        times: list[list[list[tuple[float, float]]]] = [[] for _ in workloads]
        for _ in range(rounds):
            for worker, timings in zip(workers, times, strict=True):
                timings.append(worker.submit(_time_runs, runs).result())
        for worker, timings, result in zip(workers, times, results, strict=True):
            result |= _summarize_times(timings, result['pairs'])
            result |= worker.submit(_finish_job, result['median_ms'] / 1e3).result()
    return results


def report(
    groups: Sequence[Sequence[Workload]],
    output: str | os.PathLike[str] | None,
    *,
    rounds: int,
    runs: int,
) -> None:
    """Measures groups of workloads, prints a table for each, and writes JSON.

    Args:
        groups: the workloads of a group are timed in turn, see `measure`.
        output: the JSON file; None: none is written.
        rounds: turns of each workload.
        runs: runs in each turn.
    """
    results = []
    for group in groups:
        results += measure(group, rounds=rounds, runs=runs)
        print(format_table(results[-len(group) :]))
    if output:
        write_json(output, results)


def ratios(result: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, float]:
    """Time of a pair divided by that of `base`: of the medians, and the range.

    Args:
        result: of `measure`.
        base: another one, of the same number of rounds.
    """
    by_round = [
        (mine / result['pairs']) / (other / base['pairs'])
        for mine, other in zip(
            result['round_medians_ms'], base['round_medians_ms'], strict=True
        )
    ]
    return {
        'ratio': result['ms_per_pair'] / base['ms_per_pair'],
        'smallest': min(by_round),
        'largest': max(by_round),
    }


def format_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A line for each result, then ratios to the first; empty columns are left out."""
    columns = {
        'start_s': '.1f',
        'median_ms': '.1f',
        'p95_ms': '.1f',
        'ms_per_pair': '.2f',
        'pairs_per_s': '.2f',
        'wait_ms': '.1f',
        'peak_gb': '.2f',
        'device_peak_gb': '.2f',
        'gmacs': '.3f',
        'gflops': '.2f',
        'gbytes': '.2f',
        'matmul_share': '.1%',
        'copy_share': '.1%',
    }
    rows = [['', *columns]] + [
        [result['work']]
        + [
            format(result[name], columns[name]) if name in result else ''
            for name in columns
        ]
        for result in results
    ]
    filled = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in filled]
    lines = [
        '  '.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in zip(*filled, strict=True)
    ]
    for result in results[1:]:
        ratio = ratios(result, results[0])
        lines.append(
            f'{result["work"]} / {results[0]["work"]}, time of a pair: '
            f'{ratio["ratio"]:.3f} ({ratio["smallest"]:.3f} to {ratio["largest"]:.3f})'
        )
    return '\n'.join(lines)


def _summarize_times(
    timings: Sequence[Sequence[tuple[float, float]]], pairs: int
) -> dict[str, float | list[float]]:
    """The times of a result of `measure`.

    Args:
        timings: for each round, seconds of each run and seconds that it waited.
        pairs: number of pairs that one run processes.
    """
    rounds = np.array(timings) * 1e3
    seconds, waits = rounds[..., 0], rounds[..., 1]
    median = float(np.median(seconds))
    summary: dict[str, float | list[float]] = {
        'median_ms': median,
        'p95_ms': float(np.percentile(seconds, 95)),
        'ms_per_pair': median / pairs,
        'pairs_per_s': pairs / median * 1e3,
        'round_medians_ms': np.median(seconds, axis=1).tolist(),
    }
    if not np.isnan(waits).any():
        summary['wait_ms'] = float(np.median(waits))
    return summary


@contextlib.contextmanager
def _worker() -> Iterator[concurrent.futures.Executor]:
    """A pool of one process, which ends with the context."""
    # On a GPU the first process would take most of the memory.
    os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
    spawn = multiprocessing.get_context('spawn')
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        yield pool


# From here on: functions that run in the worker, which keeps its job between the calls.
_current: tuple[Workload, Job] | None = None


def _start_job(workload: Workload) -> dict[str, Any]:
    """Prepares the job and warms it up; the first figures of a result."""
    global _current
    if workload.settings.devices:
        jax.config.update('jax_num_cpu_devices', workload.settings.devices)
    start = time.perf_counter()
    job = workload.start(workload.settings)
    job.run()
    seconds = time.perf_counter() - start
    for _ in range(_WARM_UP):
        job.run()
    _current = workload, job
    return {'work': workload.name, 'pairs': job.pairs, 'start_s': seconds}


def _time_runs(runs: int) -> list[tuple[float, float]]:
    """Seconds of each run, and seconds that it waited for its input (NaN: none)."""
    assert _current is not None
    _, job = _current
    timings = []
    for _ in range(runs):
        start = time.perf_counter()
        job.run()
        seconds = time.perf_counter() - start
        timings.append((seconds, job.waited() if job.waited else float('nan')))
    return timings


def _finish_job(seconds: float) -> dict[str, Any]:
    """Memory, multiply-adds and cost; `seconds` is the median time of a run."""
    assert _current is not None
    workload, job = _current
    result: dict[str, Any] = {'peak_gb': _peak_memory()}
    # Some backends know their own memory.
    if statistics := jax.local_devices()[0].memory_stats():
        result['device_peak_gb'] = statistics['peak_bytes_in_use'] / 1e9
    if job.gmacs is not None:
        result['gmacs'] = job.gmacs
    if job.cost is not None:
        flops, moved = job.cost['flops'], job.cost['bytes accessed']
        operations, traffic = _ceilings(jnp.dtype(workload.settings.config.model.dtype))
        result |= {
            'gflops': flops / 1e9,
            'gbytes': moved / 1e9,
            'matmul_share': flops / seconds / operations,
            'copy_share': moved / seconds / traffic,
        }
    return result


def _peak_memory() -> float:
    """Largest resident set of this process, in GB."""
    # Not `getrusage`: its figure starts at that of the process that spawned this one.
    status = pathlib.Path('/proc/self/status').read_text()
    kibibytes = status.partition('VmHWM:')[2].split()[0]
    return int(kibibytes) * 1024 / 1e9


def _ceilings(dtype: Any) -> tuple[float, float]:
    """Operations per second of a matrix product, and bytes per second of a copy."""
    side = 2048 if jax.default_backend() == 'cpu' else 8192
    x = jax.random.normal(jax.random.key(0), (side, side), dtype)
    y = jnp.zeros((8 * side, side), jnp.float32)
    product = _best_time(jax.jit(jnp.dot), x, x)
    copy = _best_time(jax.jit(lambda y: y + 1), y)
    return 2 * side**3 / product, 2 * y.nbytes / copy


def _best_time(function: Callable[..., Any], *args: jax.Array) -> float:
    """Seconds of the fastest of six calls."""
    times = []
    for _ in range(6):
        start = time.perf_counter()
        jax.block_until_ready(function(*args))
        times.append(time.perf_counter() - start)
    return min(times)
