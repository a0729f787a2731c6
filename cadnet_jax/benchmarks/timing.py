"""Compiled programs, timed one after the other."""

import concurrent.futures
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

Row = dict[str, Any]
"""One line of results, as it stands in the JSON file."""

_ROUNDS = 5
_MOST_RUNS = 50  # in a round
_THREADS = 12  # that compile
_LONGEST_REASON = 200  # characters of an error


class Program(NamedTuple):
    """What is timed.

    Attributes:
        dispatch: starts one run, and returns its results before they are there.
        compiled: the program, which knows its memory; None: it is not at hand.
    """

    dispatch: Callable[[], Any]
    compiled: Any = None


class Case(NamedTuple):
    """A row of results before it is measured.

    Attributes:
        labels: what tells the row from the others.
        prepare: compiles the program.
        pairs: number of pairs that a run takes; 0: it takes none.
        flops: floating-point operations of a run; 0: not counted.
    """

    labels: Mapping[str, Any]
    prepare: Callable[[], Program]
    pairs: int = 0
    flops: float = 0.0


def measure_cases(
    cases: Sequence[Case], seconds: float, compile_limit: float
) -> Iterator[Row]:
    """Compiles all cases in threads, and then times them in turn.

    Args:
        cases: one for each row.
        seconds: how long each is timed; a run that takes longer is timed five times.
        compile_limit: seconds after which those are timed that are compiled.

    Yields:
        For each case its labels and `ms` (a run among others, median of five rounds),
        `ms_low` and `ms_high` (range of the rounds), `latency_ms` (a run by itself);
        where they are known `pairs_per_s`, `tflops` (a second), `program_gb` (of
        arguments, results and intermediate values) and `device_peak_gb` (of the process
        so far); and `compiling`, where programs that took too long were still being
        compiled beside it (a thread cannot be stopped): their number.
        If it fails, its labels and `error`.
    """
    pool = concurrent.futures.ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS))
    waiting = [pool.submit(case.prepare) for case in cases]
    concurrent.futures.wait(waiting, compile_limit)
    pool.shutdown(wait=False, cancel_futures=True)
    running = [future for future in waiting if not future.done()]
    waiting.reverse()
    for case in cases:
        future = waiting.pop()  # A program is dropped as soon as it is measured.
        running = [other for other in running if not other.done()]
        try:
            row = _measure(case, future.result(timeout=0), seconds)
            if running:
                row['compiling'] = len(running)
        except (TimeoutError, concurrent.futures.CancelledError):
            row = {'error': f'not compiled within {compile_limit:.0f} s'}
        except Exception as error:
            row = {'error': describe_error(error)}
        del future
        yield dict(case.labels) | row
    # Nothing can stop them; the cases after these are not to be timed beside them.
    concurrent.futures.wait(running)


def time_runs(dispatch: Callable[[], Any], seconds: float) -> dict[str, float]:
    """Milliseconds of a run, `ms`, `ms_low`, `ms_high`, `latency_ms`."""
    jax.block_until_ready(dispatch())
    latencies = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        jax.block_until_ready(dispatch())
        latencies.append(time.perf_counter() - start)
    runs = int(seconds / _ROUNDS / np.median(latencies))
    runs = min(max(runs, 1), _MOST_RUNS)
    rounds = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for _ in range(runs):
            results = dispatch()
        jax.block_until_ready(results)
        rounds.append((time.perf_counter() - start) / runs)
    return {
        'ms': 1e3 * float(np.median(rounds)),
        'ms_low': 1e3 * min(rounds),
        'ms_high': 1e3 * max(rounds),
        'latency_ms': 1e3 * float(np.median(latencies)),
    }


def describe_error(error: BaseException) -> str:
    """The first line of an error, cut to a readable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = f': {lines[0][:_LONGEST_REASON]}' if lines else ''
    return f'{type(error).__name__}{reason}'


def program_of(function: Callable[..., Any], *args: Any, **options: Any) -> Program:
    """Compiles `function` for `args`; `options` are those of `jax.jit`."""
    compiled = jax.jit(function, **options).lower(*args).compile()
    return Program(lambda: compiled(*args), compiled)


def _measure(case: Case, program: Program, seconds: float) -> Row:
    row: Row = dict(time_runs(program.dispatch, seconds))
    if case.pairs:
        row['pairs_per_s'] = 1e3 * case.pairs / row['ms']
    if case.flops:
        row['tflops'] = case.flops / row['ms'] / 1e9
    return row | _memory(program.compiled)


def _memory(compiled: Any) -> Row:
    row = {}
    if compiled and (analysis := compiled.memory_analysis()):
        size = (
            analysis.argument_size_in_bytes
            + analysis.output_size_in_bytes
            - analysis.alias_size_in_bytes
            + analysis.temp_size_in_bytes
        )
        row['program_gb'] = size / 1e9
    if statistics := jax.local_devices()[0].memory_stats():
        row['device_peak_gb'] = statistics['peak_bytes_in_use'] / 1e9
    return row
