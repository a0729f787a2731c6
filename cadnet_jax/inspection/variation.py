"""Variation of good parts: mean and spread of the learned distance at each place.

A place that always varies is judged by its own spread, as in the variation models of
machine vision; what varies here is the learned distance, DistMap.
"""

import dataclasses
import io
from typing import NamedTuple, Self

import numpy as np


class Variation(NamedTuple):
    """Of the good parts of one view.

    Attributes:
        mean: float32 [H, W], of DistMap over the parts.
        spread: float32 [H, W], its standard deviation.
    """

    mean: np.ndarray
    spread: np.ndarray

    def is_exceeded(self, distance: np.ndarray, deviations: float) -> np.ndarray:
        """Where DistMap, [H, W], is more than so many spreads above its mean."""
        return np.asarray(distance > self.mean + deviations * self.spread)

    def to_bytes(self) -> bytes:
        """An NPZ file."""
        file = io.BytesIO()
        np.savez_compressed(file, mean=self.mean, spread=self.spread)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` gave."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays['mean'], arrays['spread'])


@dataclasses.dataclass
class VariationSums:
    """Sums over good parts, from which the variation without one part follows, too.

    Attributes:
        count: int [H, W], parts that show the pixel.
        total: float64 [H, W], sum of DistMap.
        squares: float64 [H, W], sum of its squares.
    """

    count: np.ndarray
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Self:
        """Of no part yet."""
        return cls(np.zeros(shape, int), np.zeros(shape), np.zeros(shape))

    def add(self, distance: np.ndarray, shown: np.ndarray) -> None:
        """Adds a part: DistMap and the pixels that it shows, [H, W]."""
        values = np.where(shown, distance, 0).astype(np.float64)
        self.count += shown
        self.total += values
        self.squares += values**2

    def variation(self) -> Variation:
        """Of all parts. Pixels that fewer than two show have an endless spread."""
        return _variation(self.count, self.total, self.squares)

    def without(self, distance: np.ndarray, shown: np.ndarray) -> Variation:
        """Of all parts but one that was added."""
        values = np.where(shown, distance, 0).astype(np.float64)
        return _variation(
            self.count - shown, self.total - values, self.squares - values**2
        )


def _variation(count: np.ndarray, total: np.ndarray, squares: np.ndarray) -> Variation:
    mean = total / np.maximum(count, 1)
    variance = (squares - count * mean**2) / np.maximum(count - 1, 1)
    spread = np.where(count > 1, np.sqrt(np.maximum(variance, 0)), np.inf)
    return Variation(mean.astype(np.float32), spread.astype(np.float32))
