"""Work shared among processes: results in order, a bounded number ahead."""

import collections
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

_Item = TypeVar('_Item')
_Result = TypeVar('_Result')

_AHEAD = 4  # results a worker, finished or begun, that wait for the reader


def map_in_order(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    workers: int | None = None,
) -> Iterator[_Result]:
    """`function` of each of `items`, in their order.

    Args:
        function: at the top of a module, since it goes to other processes by name.
        items: small, and so should the results be: they are sent to and fro.
        workers: processes; None takes one for each core that this process may use. One
            means this process itself.

    Raises:
        ChildProcessError: a worker process was killed.
    """
    workers = workers or len(os.sched_getaffinity(0))
    if workers == 1:
        yield from map(function, items)
        return
    # Spawned, since a fork of a process with JAX's or OpenCV's threads may hang.
    executor = ProcessPoolExecutor(
        workers, multiprocessing.get_context('spawn'), initializer=_start_worker
    )
    pending: collections.deque[Future[_Result]] = collections.deque()
    try:
        for item in items:
            with _interrupts_held_back():
                pending.append(executor.submit(function, item))
            if len(pending) > _AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            'a worker process was killed, which happens if memory runs out; '
            'use fewer workers or smaller images.'
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C waits, and a process started meanwhile never sees it.

    It reaches all processes of a terminal; this one stops the others.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    cv2.setNumThreads(1)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Ends this process when the one that started it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
