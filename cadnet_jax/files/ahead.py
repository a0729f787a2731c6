"""Work of threads, a little ahead of who needs it."""

import collections
import concurrent.futures
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar('_Item')
_Result = TypeVar('_Result')


def map_ahead(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    threads: int = 2,
    first_alone: bool = False,
) -> Iterator[_Result]:
    """Yields `function` of each item, in their order; threads compute the next ones.

    No more than `threads` results wait to be taken. What an item raises is raised where
    its result would stand. With `first_alone` the others wait for the first: a function
    that compiles its program then does so once.
    """
    items = iter(items)
    if first_alone:
        yield from map(function, itertools.islice(items, 1))
    waiting: collections.deque[concurrent.futures.Future[_Result]] = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                if len(waiting) == threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
