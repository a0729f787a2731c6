"""The network on images of any size: in tiles of one size, several in one call.

Tiles go through in batches of one size, so that one program serves all images that are
tiled, and a result does not depend, on a CPU in no bit, on what goes through with it.
Two batches are computed at a time: a CPU has parts of the network for one core alone.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from flax import linen as nn

from cadnet_jax.files.ahead import map_ahead
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inference.pixel_maps import (
    empty_scores,
    encode_reference,
    predict_distance,
    predict_pixels,
)
from cadnet_jax.inference.tiling import Tile, tiles
from cadnet_jax.models.cadnet import Features
from cadnet_jax.models.heads import Head

# A 4096 x 4096 pair below 3 GB: the memory of attention grows as the square of a tile.
LARGEST_TILE = 768  # pixels
# Measured (docs/performance.md): nearer to a border, scores depend more on where the
# tile ends than they do further inside. In smaller tiles that is so up to an eighth.
_MARGIN, _LEAST_TILE = 8, 192  # pixels
# Of several tiles in one call. On a CPU more of them leave its caches.
BATCH_PIXELS = {'cpu': 192**2}
_MOST_BATCH_PIXELS = LARGEST_TILE**2

Progress = Callable[[int], object]
"""Is told the number of pixels that were predicted since the last call."""

_Part = tuple[slice, Sequence[Tile]]  # rows of the batch of images; tiles of each
_Result = TypeVar('_Result')


@dataclasses.dataclass(frozen=True, eq=False)
class TiledNetwork:
    """The network's scores of images of any size.

    Attributes:
        model: compiled once for each shape of a batch of tiles.
        variables: its 'params' and 'batch_stats', on the device.
        head: what it answers.
        scales_distance: whether scores depend on DistMap's range over a whole image.
        num_classes: with the background.
        defect_weight: what the odds of a defect are divided by.
        tile_size: images with a longer side, in pixels, are cut into tiles.
        tile_margin: pixels along the borders of a tile that are not used.
    """

    model: nn.Module
    variables: Mapping[str, Any]
    head: Head
    scales_distance: bool
    num_classes: int
    defect_weight: float
    tile_size: int
    tile_margin: int

    def encode(self, reference: np.ndarray) -> tuple[Features, ...]:
        """What the network sees in each batch of tiles of one reference.

        Args:
            reference: uint8 [1, H, W, 3].
        """
        parts = self._parts(reference)

        def compute(number: int) -> Features:
            batch = _cut(reference, *parts[number])
            features = encode_reference(self.model, self.variables, batch)
            jax.block_until_ready(features)
            return features

        return tuple(map_ahead(compute, range(len(parts)), first_alone=True))

    def predict(
        self,
        images: np.ndarray,
        references: np.ndarray | Sequence[Features],
        *,
        with_probabilities: bool = False,
        progress: Progress | None = None,
    ) -> PixelScores:
        """Scores of each pixel.

        Args:
            images: uint8 [B, H, W, 3].
            references: uint8 [B, H, W, 3]; or what `encode` says of one, which all the
                images are then compared with.
            with_probabilities: return those of all classes, too.
            progress: is called after each batch of tiles.
        """
        has_classes = self.head.answer == 'classes'
        num_probabilities = self.num_classes if has_classes else 1
        scores = empty_scores(
            images.shape[:3],
            has_classes=has_classes,
            with_distance=self.head.has_distance,
            num_probabilities=num_probabilities if with_probabilities else 0,
        )
        limits = None
        if self.scales_distance and max(images.shape[1:3]) > self.tile_size:
            limits = self._distance_limits(images, references)

        def run(batch: np.ndarray, others: Any, rows: slice) -> PixelScores:
            of_batch = None
            if limits is not None:  # then all tiles are of one image
                of_batch = np.repeat(limits[rows], len(batch), axis=0)
            return predict_pixels(
                self.model,
                self.variables,
                batch,
                others,
                limits=of_batch,
                has_classes=has_classes,
                defect_weight=self.defect_weight,
                with_probabilities=with_probabilities,
            )

        for (rows, places), result in self._run(run, images, references):
            for whole, values in zip(scores, result, strict=True):
                if whole is not None:
                    _paste(whole[rows], np.asarray(values), places)
            if progress:
                number = len(range(*rows.indices(len(images))))
                progress(number * sum(map(_core_pixels, places)))
        return scores

    def _parts(self, images: np.ndarray) -> list[tuple[_Part, int]]:
        """What goes through in one call, and the tiles that it is filled up to.

        Whole images go together, but for a CPU, on which the size of a batch would
        change the last bits; tiles with those of the same image, so that a reference
        that was encoded once fits the tiles of each image.
        """
        number, height, width, _ = images.shape
        backend = jax.default_backend()
        places = list(
            tiles(height, width, size=self.tile_size, margin=self.tile_margin)
        )
        if len(places) == 1:
            together = 1 if backend == 'cpu' else number
            return [
                ((slice(row, row + together), places), 1)
                for row in range(0, number, together)
            ]
        most = BATCH_PIXELS.get(backend, _MOST_BATCH_PIXELS) // self.tile_size**2
        size = max(1, most)
        return [
            ((slice(row, row + 1), places[start : start + size]), size)
            for row in range(number)
            for start in range(0, len(places), size)
        ]

    def _run(
        self,
        function: Callable[[np.ndarray, Any, slice], _Result],
        images: np.ndarray,
        references: np.ndarray | Sequence[Features],
    ) -> Iterator[tuple[_Part, _Result]]:
        """Calls `function` with the tiles of each part; results in their order."""
        parts = self._parts(images)

        def compute(number: int) -> tuple[_Part, _Result]:
            part, size = parts[number]
            if isinstance(references, np.ndarray):
                others: Any = _cut(references, part, size)
            else:
                others = references[number % len(references)]
            result = function(_cut(images, part, size), others, part[0])
            return part, jax.block_until_ready(result)

        return map_ahead(compute, range(len(parts)), first_alone=True)

    def _distance_limits(
        self, images: np.ndarray, references: np.ndarray | Sequence[Features]
    ) -> np.ndarray:
        """Smallest and largest DistMap of each tiled image, as float32 [B, 2].

        The out-of-class decoder scales DistMap by its range over the whole image, which
        has to be known before the first tile is decoded.
        """

        def run(batch: np.ndarray, others: Any, rows: slice) -> jax.Array:
            del rows
            return predict_distance(self.model, self.variables, batch, others)

        limits = np.tile(np.array([np.inf, -np.inf], np.float32), (len(images), 1))
        for (rows, places), result in self._run(run, images, references):
            for tile, distance in zip(places, np.asarray(result), strict=False):
                # The cells of DistMap, 4 x 4 pixels, that reach into the core.
                cells = distance[
                    tuple(slice(x.start // 4, -(-x.stop // 4)) for x in tile.core)
                ]
                low, high = limits[rows][0]
                limits[rows] = min(low, cells.min()), max(high, cells.max())
        return limits


def default_margin(tile_size: int) -> int:
    """Pixels along the borders of a tile that are not used."""
    return _MARGIN if tile_size >= _LEAST_TILE else tile_size // 8


def _cut(images: np.ndarray, part: _Part, size: int) -> np.ndarray:
    """The part's whole images; or its tiles, the last of them up to `size` times."""
    rows, places = part
    if len(places) == size == 1:
        return images[(rows, *places[0].source)]
    filled = [*places, *[places[-1]] * (size - len(places))]
    return np.concatenate([images[(rows, *tile.source)] for tile in filled])


def _paste(whole: np.ndarray, values: np.ndarray, places: Sequence[Tile]) -> None:
    """Writes the cores of tiles into the images [B, H, W, ...] that they are of."""
    for number, tile in enumerate(places):
        part = values[number * len(whole) : (number + 1) * len(whole)]
        whole[(slice(None), *tile.target)] = part[(slice(None), *tile.core)]


def _core_pixels(tile: Tile) -> int:
    rows, columns = tile.core
    return int((rows.stop - rows.start) * (columns.stop - columns.start))
