"""A request to stop is noted, obeyed where work can be done again, and forgotten."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from cadnet_jax.training.stop_signal import StopRequested, StopSignal

pytestmark = pytest.mark.slow

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _handler(number: int, frame: Any) -> None:
    raise AssertionError(f'The handler from before the block got signal {number}.')


@pytest.fixture(autouse=True)
def previous() -> Iterator[None]:
    """Handlers of ours around each test, which has to leave them in place."""
    before = {number: signal.signal(number, _handler) for number in SIGNALS}
    try:
        yield
        assert all(signal.getsignal(number) is _handler for number in SIGNALS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize('number', SIGNALS)
def test_a_request_is_noted_and_the_block_goes_on(number: int) -> None:
    with StopSignal() as stop:
        assert not stop.should_stop(1, 10)
        send(number)
        assert stop.should_stop(1, 10)


def test_a_hangup_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignal() as stop:
            send(signal.SIGHUP)
            assert not stop.requested
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_sigterm_can_come_again() -> None:
    with StopSignal() as stop:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert stop.should_stop(1, 10)


@pytest.mark.parametrize('number', SIGNALS)
def test_ctrl_c_after_a_request_ends_the_run_at_once(number: int) -> None:
    """The interrupt leaves the block, too."""
    with pytest.raises(KeyboardInterrupt), StopSignal():
        send(number)
        send(signal.SIGINT)
        raise AssertionError('not interrupted')


@pytest.mark.parametrize('number', SIGNALS)
def test_interruptible_work_is_left_and_the_block_with_it(number: int) -> None:
    """What follows in the block is not done; what follows the block is."""
    done = []
    with StopSignal() as stop:
        with stop.interrupting():
            done.append('begun')
            send(number)
            done.append('ended')
        done.append('next')
    assert done == ['begun']


def test_no_library_takes_the_request_for_an_error_of_its_own() -> None:
    with StopSignal() as stop, stop.interrupting():
        try:
            send(signal.SIGTERM)
        except Exception:
            raise AssertionError('taken for an error') from None
        raise AssertionError('not interrupted')
    assert not issubclass(StopRequested, Exception)


def test_work_is_not_begun_after_a_request() -> None:
    with StopSignal() as stop:
        send(signal.SIGTERM)
        with stop.interrupting():
            raise AssertionError('begun')
        raise AssertionError('the block went on')


def test_after_the_work_a_request_is_noted_again() -> None:
    with StopSignal() as stop:
        with stop.interrupting():
            pass
        send(signal.SIGTERM)
        assert stop.should_stop(1, 10)


def test_other_errors_pass_through() -> None:
    error = pytest.raises(ValueError, match='of the work')
    with error, StopSignal() as stop, stop.interrupting():
        raise ValueError('of the work')


def test_a_second_block_knows_nothing_of_the_first() -> None:
    with StopSignal():
        send(signal.SIGINT)
    with StopSignal() as stop:
        assert not stop.should_stop(1, 10)
        send(signal.SIGINT)
        assert stop.should_stop(1, 10)


@pytest.mark.parametrize('others', [False, True])
@pytest.mark.parametrize('own', [False, True])
def test_several_processes_stop_together(
    own: bool, others: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They ask each other at the same steps alone, and leave no work to the rest."""
    asked = []

    def allgather(requested: np.ndarray) -> np.ndarray:
        asked.append(bool(requested))
        return np.array([others, requested])

    monkeypatch.setattr(jax, 'process_count', lambda: 2)
    monkeypatch.setattr(multihost_utils, 'process_allgather', allgather)
    with StopSignal() as stop:
        with stop.interrupting():
            if own:
                send(signal.SIGTERM)
        assert [stop.should_stop(step, 3) for step in (1, 2)] == [False, False]
        assert not asked
        assert stop.should_stop(3, 3) is (own or others)
        assert asked == [own]
