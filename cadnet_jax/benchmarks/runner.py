"""Parts of a benchmark, one after the other within a time limit.

Each part has a share of the time; what it leaves goes to the parts after it. The parts
run in one other process, which is started anew where a part breaks it or takes too
long. Every row of results is written as soon as it is there.
"""

import importlib.metadata
import math
import multiprocessing
import os
import pathlib
import platform
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from cadnet_jax.files.atomic import write_json

Row = dict[str, Any]

_NOT_SHOWN = 'part', 'ms_low', 'ms_high', 'latency_ms', 'tflops', 'program_gb'
_PACKAGES = 'jax', 'jaxlib', 'flax', 'optax', 'numpy'


class Part(NamedTuple):
    """A part of the benchmark.

    Attributes:
        name: of the part.
        rows: measures, one row after the other, within the seconds that it is given; a
            function that another process can import, or a `functools.partial` of one.
        weight: its share of the time, against those of the other parts.
    """

    name: str
    rows: Callable[[float], Iterator[Row]]
    weight: float = 1.0


def run_parts(
    parts: Sequence[Part],
    output: str | os.PathLike[str],
    *,
    time_limit: float = 480.0,
) -> dict[str, Any]:
    """Measures `parts` in turn, prints a line for each row, and writes them as JSON.

    Args:
        parts: most important first.
        output: the file; written anew with each row.
        time_limit: seconds for all parts, the start of the process among them.

    Returns:
        What the file holds: `machine`; `rows`, each with its `part`; `failures`, of
        which each names a `part` and says the `reason`; and `seconds`.
    """
    log = _Log(pathlib.Path(output))
    worker = None
    try:
        for number, part in enumerate(parts):
            limit = _share(parts[number:], time_limit - log.seconds)
            log.add(part, 'start', f'at most {limit:.0f} s')
            if limit <= 0:
                log.add(part, 'failure', 'no time was left')
                continue
            if worker is None or not worker.is_alive:
                worker = _Worker()
            for kind, value in worker.run(part, limit):
                log.add(part, kind, value)
    finally:
        if worker is not None:
            worker.stop()
    return log.results


def _share(parts: Sequence[Part], seconds: float) -> float:
    """What the first of `parts` may take of the `seconds` that are left for all."""
    return max(seconds, 0) * parts[0].weight / sum(part.weight for part in parts)


class _Log:
    """Results, in a file and on the screen."""

    def __init__(self, output: pathlib.Path) -> None:
        self._output = output
        self._start = time.perf_counter()
        self.results: dict[str, Any] = {'machine': {}, 'rows': [], 'failures': []}

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._start

    def add(self, part: Part, kind: str, value: Any) -> None:
        """Takes what a worker says of a part."""
        if kind == 'machine':
            self.results['machine'] = value
        elif kind == 'row':
            value = {'part': part.name} | _without_infinities(value)
            self.results['rows'].append(value)
        elif kind == 'failure':
            self.results['failures'].append({'part': part.name, 'reason': value})
        text = describe(value) if isinstance(value, dict) else value
        print(f'[{self.seconds:5.1f} s] {part.name}, {kind}: {text}', flush=True)
        self.results['seconds'] = round(self.seconds, 1)
        write_json(self._output, self.results)


def describe(row: Row) -> str:
    """A row on one line, without what only its file has."""
    return ' '.join(
        f'{name}={value:.4g}' if isinstance(value, float) else f'{name}={value}'
        for name, value in row.items()
        if name not in _NOT_SHOWN
    )


def _without_infinities(row: Row) -> Row:
    """A row that JSON can hold: what is infinite or not a number is left out."""
    return {
        name: value
        for name, value in row.items()
        if not isinstance(value, float) or math.isfinite(value)
    }


class _Worker:
    """A process that measures one part after the other."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context('spawn')
        self._connection, other = spawn.Pipe()
        self._process = spawn.Process(target=_measure, args=(other,), daemon=True)
        self._process.start()
        other.close()  # So that the end of the process is the end of the messages.
        self.is_alive = True

    def run(self, part: Part, limit: float) -> Iterator[tuple[str, Any]]:
        """What the process says of a part, ('failure', ...) last if it breaks."""
        deadline = time.perf_counter() + limit
        self._connection.send((part, limit))
        while True:
            if not self._connection.poll(max(deadline - time.perf_counter(), 0)):
                yield 'failure', f'stopped after {limit:.0f} s'
                break
            try:
                kind, value = self._connection.recv()
            except EOFError:
                self._process.join()
                yield 'failure', f'the process ended with {self._process.exitcode}'
                break
            if kind == 'done':
                return
            yield kind, value
        self.stop()

    def stop(self) -> None:
        """Ends the process, whatever it is doing."""
        self.is_alive = False
        self._process.kill()
        self._process.join()
        self._connection.close()


def _measure(connection: Connection) -> None:
    """What the worker does."""
    connection.send(('machine', describe_machine()))
    while True:
        try:
            part, limit = connection.recv()
        except EOFError:
            return
        try:
            for row in part.rows(limit):
                connection.send(('row', row))
        except BrokenPipeError:
            return
        except Exception as error:
            traceback.print_exc()
            connection.send(('failure', _first_line(error)))
        connection.send(('done', None))


def describe_machine() -> dict[str, Any]:
    """Device, versions and number of cores."""
    import jax

    device = jax.devices()[0]
    kind = device.device_kind if device.platform != 'cpu' else _processor()
    return {
        'device': kind,
        'backend': jax.default_backend(),
        'devices': jax.device_count(),
        'cores': os.cpu_count(),
        'python': platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _processor() -> str:
    """Name of the CPU."""
    path = pathlib.Path('/proc/cpuinfo')
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def _first_line(error: Exception) -> str:
    return f'{type(error).__name__}: {error}'.splitlines()[0][:200]
