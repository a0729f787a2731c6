"""Threads work ahead: in order, not too far, and what goes wrong is not lost."""

import threading
from collections.abc import Iterator

import pytest

from cadnet_jax.files.ahead import map_ahead


def test_results_come_in_the_order_of_the_items() -> None:
    """Also where a later one is done first."""
    second_is_done = threading.Event()

    def wait_for_the_second(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10)
        if item == 1:
            second_is_done.set()
        return 10 * item

    results = map_ahead(wait_for_the_second, range(5), threads=2)
    assert list(results) == [0, 10, 20, 30, 40]


def test_items_are_taken_no_further_ahead_than_there_are_threads() -> None:
    """Images that wait take memory."""
    taken = []

    def items() -> Iterator[int]:
        for item in range(10):
            taken.append(item)
            yield item

    results = map_ahead(lambda item: item, items(), threads=3)
    assert next(results) == 0
    assert taken == [0, 1, 2, 3]
    assert next(results) == 1
    assert taken == [0, 1, 2, 3, 4]


def test_an_error_stands_where_its_result_would() -> None:
    def fail_at_two(item: int) -> int:
        if item == 2:
            raise ValueError('item 2')
        return item

    results = map_ahead(fail_at_two, range(5))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match='item 2'):
        next(results)


def test_an_error_of_the_items_is_raised_too() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise OSError('no more')

    with pytest.raises(OSError, match='no more'):
        list(map_ahead(lambda item: item, items()))


def test_the_others_wait_for_the_first_where_it_is_to_be_alone() -> None:
    """The first is computed by the caller before any other is begun."""
    begun: list[int] = []

    def note(item: int) -> int:
        begun.append(item)
        return item

    results = map_ahead(note, range(4), first_alone=True)
    assert next(results) == 0
    assert begun == [0]
    assert list(results) == [1, 2, 3]
