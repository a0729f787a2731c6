"""Samples from several processes, in order, a bounded number ahead."""

import collections
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import cv2

from cadnet_jax.datasets.synlcd import composition
from cadnet_jax.datasets.synlcd.composition import EncodedSample, Recipe

_AHEAD = 4  # samples a worker, finished or begun, that wait for the reader


def compose_all(
    recipes: Iterable[Recipe], *, workers: int | None = None
) -> Iterator[EncodedSample]:
    """The samples of `recipes`, in their order.

    Args:
        recipes: what is made.
        workers: processes; None takes one for each core that this process may use. One
            means this process itself.

    Raises:
        ChildProcessError: a worker process was killed.
    """
    workers = workers or len(os.sched_getaffinity(0))
    if workers == 1:
        yield from map(composition.compose_encoded, recipes)
        return
    # Spawned, since a fork of a process with JAX's or OpenCV's threads may hang.
    executor = ProcessPoolExecutor(
        workers, multiprocessing.get_context('spawn'), initializer=_start_worker
    )
    pending: collections.deque[Future[EncodedSample]] = collections.deque()
    try:
        for recipe in recipes:
            with _interrupts_held_back():
                pending.append(executor.submit(composition.compose_encoded, recipe))
            if len(pending) > _AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise ChildProcessError(
            'a worker process was killed, which is what happens where memory runs out; '
            'take fewer workers or a smaller size.'
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
