"""The values that a numeric setting can have, of a run as of a recipe."""

import math
from typing import NamedTuple


class Range(NamedTuple):
    """The values that a numeric setting can have.

    Attributes:
        low: the smallest.
        high: the largest.
        above: what they are above of, in place of `low`.
        below: what they are below of, in place of `high`.
        off: one more, which turns the setting off.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    off: float | None = None

    def __contains__(self, value: object) -> bool:
        return value == self.off or (
            isinstance(value, int | float)
            and math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """As it ends the sentence 'it must be'."""
        left = f'[{self.low:g}' if self.above is None else f'({self.above:g}'
        if self.high is not None:
            text = f'in {left}, {self.high:g}]'
        elif self.below is not None:
            text = f'in {left}, {self.below:g})'
        elif self.above is None:
            text = f'at least {self.low:g}'
        else:
            text = 'positive' if self.above == 0 else f'above {self.above:g}'
        return text if self.off is None else f'{text}, or {self.off:g}'


NOT_NEGATIVE = Range(low=0)
POSITIVE = Range(above=0)
AT_LEAST_ONE = Range(low=1)
FRACTION = Range(low=0, high=1)
RATE = Range(low=0, below=1)
ORIENTATION_COUNTS = (1, 2, 4, 8)  # see `inference.orientations`
