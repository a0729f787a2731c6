"""Overlapping tiles of one size that cover an image.

The network sees a whole tile; of its answer only the core is used, which keeps a margin
to the tile's borders except where these are the image's. The cores cover each pixel of
the image exactly once.
"""

from collections.abc import Iterator
from typing import NamedTuple

_Slices = tuple[slice, slice]


class Tile(NamedTuple):
    """Rows and columns of a tile.

    Attributes:
        source: the tile, in the image.
        target: its core, in the image.
        core: its core, in the tile.
    """

    source: _Slices
    target: _Slices
    core: _Slices


class Span(NamedTuple):
    """One axis of a tile, in pixels of the image; all stops are exclusive."""

    start: int
    stop: int
    core_start: int
    core_stop: int


def spans(length: int, *, size: int, margin: int) -> list[Span]:
    """Tiles along an axis of `length` pixels; one alone where it is not above `size`.

    The last tile is shifted inward to stay inside the image.
    """
    if length <= size:
        return [Span(0, length, 0, length)]
    result: list[Span] = []
    core_start = 0
    for start in range(0, length - 2 * margin, size - 2 * margin):
        start = min(start, length - size)
        stop = start + size
        core_stop = length if stop == length else stop - margin
        result.append(Span(start, stop, core_start, core_stop))
        core_start = core_stop
    return result


def tiles(height: int, width: int, *, size: int, margin: int) -> Iterator[Tile]:
    """Tiles of `size` x `size` pixels (less where the image is smaller), row by row."""
    for row in spans(height, size=size, margin=margin):
        for column in spans(width, size=size, margin=margin):
            axes = (row, column)
            yield Tile(
                source=_slices([(s.start, s.stop) for s in axes]),
                target=_slices([(s.core_start, s.core_stop) for s in axes]),
                core=_slices(
                    [(s.core_start - s.start, s.core_stop - s.start) for s in axes]
                ),
            )


def _slices(bounds: list[tuple[int, int]]) -> _Slices:
    (top, bottom), (left, right) = bounds
    return slice(top, bottom), slice(left, right)
