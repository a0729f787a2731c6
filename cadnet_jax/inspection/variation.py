"""Variation of good parts: mean and spread of the learned distance at each pixel.

A pixel at which good parts vary is judged by its own spread, as in the variation models
of machine vision. Here it is not the gray level that varies but the learned distance,
DistMap.
"""

import dataclasses
import io
from typing import NamedTuple, Self

import numpy as np


class Variation(NamedTuple):
    """How much the good parts of one view vary.

    Attributes:
        mean: float32 [H, W], mean of DistMap over the parts.
        spread: float32 [H, W], its standard deviation; infinite if fewer than two parts
            show the pixel.
    """

    mean: np.ndarray
    spread: np.ndarray

    def is_exceeded(self, distance: np.ndarray, deviations: float) -> np.ndarray:
        """Where a part is unlike the good ones, bool [H, W].

        Args:
            distance: DistMap of the part, [H, W].
            deviations: spreads above the mean from which on it is.
        """
        return np.asarray(distance > self.mean + deviations * self.spread)

    def to_bytes(self) -> bytes:
        """The contents of an NPZ file."""
        file = io.BytesIO()
        np.savez_compressed(file, mean=self.mean, spread=self.spread)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of `to_bytes`."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays['mean'], arrays['spread'])


@dataclasses.dataclass
class VariationSums:
    """Sums over good parts, which give the variation with or without one of them.

    Attributes:
        count: int [H, W], number of parts that show the pixel.
        total: float64 [H, W], sum of DistMap.
        squares: float64 [H, W], sum of its squares.
    """

    count: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Self:
        """The sums before the first part; `shape` is (H, W)."""
        return cls(np.zeros(shape, int), np.zeros(shape), np.zeros(shape))

    def add(self, distance: np.ndarray, shown: np.ndarray) -> None:
        """Adds a part.

        Args:
            distance: its DistMap, [H, W].
            shown: bool [H, W], the pixels that its image shows.
        """
        values = np.where(shown, distance, 0).astype(np.float64)
        self.count += shown
        self.total += values
        self.squares += values**2

    def variation(self) -> Variation:
        """The variation of all parts."""
        return _variation(self.count, self.total, self.squares)

    def without(self, distance: np.ndarray, shown: np.ndarray) -> Variation:
        """The variation of all parts but one that was added; see `add`."""
        values = np.where(shown, distance, 0).astype(np.float64)
        return _variation(
            self.count - shown, self.total - values, self.squares - values**2
        )


def _variation(count: np.ndarray, total: np.ndarray, squares: np.ndarray) -> Variation:
    mean = total / np.maximum(count, 1)
    variance = (squares - count * mean**2) / np.maximum(count - 1, 1)
    spread = np.where(count > 1, np.sqrt(np.maximum(variance, 0)), np.inf)
    return Variation(mean.astype(np.float32), spread.astype(np.float32))
