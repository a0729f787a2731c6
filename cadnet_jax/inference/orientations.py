"""Scores averaged over several orientations of a pair: test-time augmentation.

An image has eight orientations: four quarter turns, each as it is and mirrored. A
network that was trained on all of them makes other mistakes in each, and the mean of
its scores has fewer (docs/performance.md).
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inference.pixel_maps import change_scores, class_scores
from cadnet_jax.inference.tiled_network import Progress, TiledNetwork
from cadnet_jax.models.cadnet import Features


class _Orientation(NamedTuple):
    quarter_turns: int
    mirrored: bool


# The first 2 keep height and width, the first 4 are turns.
_ORIENTATIONS = tuple(
    _Orientation(turns, mirrored)
    for mirrored in (False, True)
    for turns in (0, 2, 1, 3)
)

_Maps = tuple[Any, ...]  # arrays [B, H, W, ...], or None

Encoded = tuple[tuple[Features, ...], ...]
"""Of each orientation, what `TiledNetwork.encode` says of it."""


@dataclasses.dataclass(frozen=True, eq=False)
class OrientedNetwork:
    """A network that sees each pair in several orientations.

    Attributes:
        network: is asked for each orientation.
        count: of orientations, one of `ORIENTATION_COUNTS`. 1: pairs as they are; 2:
            also turned by 180 degrees; 4: all quarter turns; 8: also their mirror
            images.
    """

    network: TiledNetwork
    count: int

    def encode(self, reference: np.ndarray) -> Encoded:
        """What the network sees in one reference.

        Args:
            reference: uint8 [1, H, W, 3].
        """
        return tuple(
            self.network.encode(_orient(reference, orientation))
            for orientation in self._orientations
        )

    def predict(
        self,
        images: np.ndarray,
        references: np.ndarray | Encoded,
        *,
        with_probabilities: bool = False,
        progress: Progress | None = None,
    ) -> PixelScores:
        """Means of probabilities, or of change scores, and of DistMap; what follows.

        Args:
            images: uint8 [B, H, W, 3].
            references: uint8 [B, H, W, 3]; or what `encode` says of one, which all the
                images are then compared with.
            with_probabilities: return those of all classes, too.
            progress: is called after each batch of tiles.
        """
        if self.count == 1:
            return self.network.predict(
                images,
                references if isinstance(references, np.ndarray) else references[0],
                with_probabilities=with_probabilities,
                progress=progress,
            )
        if progress:
            progress = _share_of(progress, self.count)
        all_maps = (
            self._predict_oriented(images, others, orientation, progress)
            for orientation, others in zip(
                self._orientations, self._references(references), strict=True
            )
        )
        probabilities, distance = (
            None if x is None else x / self.count
            for x in functools.reduce(_add, all_maps)
        )
        make = class_scores if self.network.head.answer == 'classes' else change_scores
        mean = make(probabilities, distance, np)
        return mean if with_probabilities else mean._replace(probabilities=None)

    def _predict_oriented(
        self,
        images: np.ndarray,
        references: np.ndarray | Sequence[Features],
        orientation: _Orientation,
        progress: Progress | None,
    ) -> _Maps:
        """Probabilities and DistMap in one orientation, turned back."""
        scores = self.network.predict(
            _orient(images, orientation),
            references,
            with_probabilities=True,
            progress=progress,
        )
        return tuple(
            None if x is None else _orient_back(x, orientation)
            for x in (scores.probabilities, scores.distance)
        )

    @property
    def _orientations(self) -> tuple[_Orientation, ...]:
        return _ORIENTATIONS[: self.count]

    def _references(
        self, references: np.ndarray | Encoded
    ) -> Iterator[np.ndarray | Sequence[Features]]:
        if not isinstance(references, np.ndarray):
            yield from references
            return
        for orientation in self._orientations:
            yield _orient(references, orientation)


def _orient(x: np.ndarray, orientation: _Orientation) -> np.ndarray:
    """Arrays [B, H, W, ...] turned counterclockwise, then mirrored: a view."""
    x = np.rot90(x, orientation.quarter_turns, axes=(1, 2))
    return x[:, :, ::-1] if orientation.mirrored else x


def _orient_back(x: np.ndarray, orientation: _Orientation) -> np.ndarray:
    """The inverse of `_orient`."""
    x = x[:, :, ::-1] if orientation.mirrored else x
    return np.rot90(x, -orientation.quarter_turns, axes=(1, 2))


def _add(total: _Maps, maps: _Maps) -> _Maps:
    """The sum, in place of `total`."""
    for whole, x in zip(total, maps, strict=True):
        if whole is not None:
            whole += x
    return total


def _share_of(progress: Progress, count: int) -> Progress:
    """Progress over `count` passes as that over one."""
    seen = 0

    def report(pixels: int) -> None:
        nonlocal seen
        before, seen = seen // count, seen + pixels
        progress(seen // count - before)

    return report
