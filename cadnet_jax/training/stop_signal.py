"""Ending a run on request: SIGTERM (a scheduler, `kill`), SIGHUP and Ctrl-C."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Self

import jax

from cadnet_jax.devices import any_process


class StopRequested(BaseException):
    """Leaves the block of a `StopSignal`, which swallows it.

    No Exception, since libraries swallow these.
    """


class StopSignal:
    """Within its block SIGTERM and the first Ctrl-C are noted, not obeyed at once.

    So is SIGHUP, of a terminal that is closed, unless `nohup` has it ignored.
    """

    def __init__(self) -> None:
        self._requested = False
        self._interrupting = False

    def __enter__(self) -> Self:
        self._previous = {
            number: signal.signal(number, self._note)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        return kind is StopRequested

    @property
    def requested(self) -> bool:
        """Whether this process was asked to stop, also when the block has ended."""
        return self._requested

    def should_stop(self, step: int, interval: int) -> bool:
        """Whether to stop now, the same on all processes.

        A process alone knows after each step; several ask each other when `step` is a
        multiple of `interval`, as asking waits for the devices.
        """
        if jax.process_count() == 1:
            return self._requested
        if step % interval:
            return False
        return any_process(self._requested)

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Around work that can be done again: a request ends it by `StopRequested`.

        Several processes do not stop here, as others would wait for them.
        """
        self._interrupting = jax.process_count() == 1
        try:
            if self._interrupting and self._requested:
                raise StopRequested
            yield
        finally:
            self._interrupting = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._requested = True
        # Ctrl-C a second time ends the run at once.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._interrupting:
            raise StopRequested
