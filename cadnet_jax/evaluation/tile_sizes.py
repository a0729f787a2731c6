"""Measures sizes of tiles: speed, accuracy, and how far a border has an effect."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cadnet_jax.evaluation.detection import count_detections, no_detections
from cadnet_jax.evaluation.measuring import (
    DataSet,
    Options,
    network_thresholds,
    read_pairs,
)
from cadnet_jax.files.markdown import markdown_table
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.runs.learned import warn_of_learned

CHANGE = 0.01  # of a score, above which a border has changed it
_DISTANCES = 0, 4, 8, 12, 16, 24, 32, 48, 64, 96  # pixels from a border
_FALSE_RATE = 1.0  # false regions a megapixel
_TIMED_SIDE = 1000  # pixels, about, of the image that is timed


class Tiling(NamedTuple):
    """Side of a tile, and the margin along its borders that is not used, in pixels."""

    size: int
    margin: int

    def of(self, predictor: Predictor) -> Predictor:
        """The predictor with such tiles."""
        return dataclasses.replace(
            predictor, tile_size=self.size, tile_margin=self.margin
        )


def parse_tiling(text: str) -> Tiling:
    """Reads 'SIZE:MARGIN'.

    Raises:
        ValueError: it is not of this form, or the margins leave nothing of a tile.
    """
    size, _, margin = text.partition(':')
    if not (size.isdecimal() and margin.isdecimal()):
        raise ValueError(
            f'--tiling={text}: invalid; give SIZE:MARGIN in pixels, such as 96:12.'
        )
    tiling = Tiling(int(size), int(margin))
    if tiling.size <= 2 * tiling.margin:
        raise ValueError(
            f'--tiling={text}: invalid; SIZE:MARGIN needs a tile that is larger than '
            'its two margins, such as 96:12.'
        )
    return tiling


def time_tilings(
    predictor: Predictor, tilings: Sequence[Tiling], *, rounds: int
) -> list[dict[str, Any]]:
    """Times the prediction of a pair of random pixels in tiles of each kind, in turn.

    The sides of the image are chosen so that the tiles fit: none is moved inward.

    Args:
        predictor: the network.
        tilings: what is compared.
        rounds: measurements of each kind, after one that compiles.

    Returns:
        For each kind of tiles `tile_size`, `tile_margin`, and the median speed in
        megapixels of the image per second: `megapixels_per_s`, and with an encoded
        reference `cached_megapixels_per_s`.
    """
    rng = np.random.default_rng(0)
    runs: list[list[Any]] = []
    pixels = []
    for tiling in tilings:
        core = tiling.size - 2 * tiling.margin
        side = max(2, _TIMED_SIDE // core) * core + 2 * tiling.margin
        image, reference = rng.integers(0, 256, (2, 1, side, side, 3), np.uint8)
        tiled = tiling.of(predictor)
        fixed = tiled.with_reference(reference[0])
        runs.append(
            [
                lambda p=tiled, x=image, y=reference: p.predict_batch(x, y),
                lambda p=fixed, x=image: p.predict_batch(x),
            ]
        )
        pixels.append(side**2)
    seconds = np.empty((rounds + 1, len(tilings), 2))
    for turn in seconds:  # The first one compiles.
        for times, of_tiling in zip(turn, runs, strict=True):
            for number, run in enumerate(of_tiling):
                start = time.perf_counter()
                run()
                times[number] = time.perf_counter() - start
    speeds = np.array(pixels)[:, None] / np.median(seconds[1:], axis=0) / 1e6
    return [
        {
            'tile_size': tiling.size,
            'tile_margin': tiling.margin,
            'megapixels_per_s': float(pair),
            'cached_megapixels_per_s': float(cached),
        }
        for tiling, (pair, cached) in zip(tilings, speeds, strict=True)
    ]


def measure_tilings(
    predictor: Predictor,
    tilings: Sequence[Tiling],
    data_sets: Sequence[DataSet],
    *,
    limit: int,
) -> list[dict[str, Any]]:
    """Predicts prepared sets in tiles of each kind.

    Args:
        predictor: the network; a defect is any class but the background.
        tilings: what is compared.
        data_sets: that are predicted.
        limit: pairs of each set; 0: all.

    Returns:
        For each set and kind of tiles `data`, `tile_size`, `tile_margin`, `best_iou`,
        `hit_rate` at one false region a megapixel (both None where no defect is
        labeled), and `reach`: `border_reach`, or None where no image is large enough.
    """
    for data_set in data_sets:
        warn_of_learned(predictor.workdir, data_set.data_dir, data_set.split)
    return [
        {
            'data': data_set.name,
            'tile_size': tiling.size,
            'tile_margin': tiling.margin,
            **_measure(tiling.of(predictor), data_set, limit),
        }
        for data_set in data_sets
        for tiling in tilings
    ]


def border_changes(
    predictor: Predictor, image: NDArray[np.uint8], reference: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """How much the scores of two tiles in the middle of an image differ.

    The tiles lie half a tile apart. Where they overlap, a pixel that is d pixels from
    the right border of the first is half a tile minus d from the left border of the
    second. So within a quarter of a tile of one border, the other border is farther
    away, and the difference shows the effect of the nearer one.

    Args:
        predictor: whose `tile_size` is used.
        image: uint8 [H, W, 3]; H is at least one tile, W one and a half.
        reference: of the same shape.

    Returns:
        Absolute differences of the scores by the distance from the nearer border,
        float32 [tile_size // 4, N].

    Raises:
        ValueError: the image is too small.
    """
    size = predictor.tile_size
    height, width = image.shape[:2]
    half = size // 2
    if height < size or width < size + half:
        raise ValueError(
            f'the image is {width} x {height} pixels; tiles of {size} need '
            f'{size + half} x {size}.'
        )
    row, column = (height - size) // 2, (width - size - half) // 2
    scores = []
    for start in (column, column + half):
        place = slice(row, row + size), slice(start, start + size)
        maps = predictor.predict_batch(image[place][None], reference[place][None])
        scores.append(maps.score[0])
    change = np.abs(scores[0][:, half : 2 * half] - scores[1][:, :half])
    quarter = size // 4
    # Columns 0, 1, ... are those next to the left border of the second tile.
    sides = change[:, :quarter], change[:, ::-1][:, :quarter]
    return np.concatenate(sides).T


def border_reach(changes: NDArray[np.float32]) -> dict[int, float]:
    """The share of the scores that a border changes by more than `CHANGE`.

    Args:
        changes: see `border_changes`.

    Returns:
        Distance from the border in pixels -> the share from there to the next distance.
    """
    ends = *_DISTANCES[1:], len(changes)
    return {
        start: float(np.mean(changes[start:end] > CHANGE))
        for start, end in zip(_DISTANCES, ends, strict=True)
        if start < len(changes)
    }


def format_speeds(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of what `time_tilings` returned."""
    names = 'tile', 'margin', 'megapixels/s', 'with an encoded reference'
    lines = [
        (
            str(row['tile_size']),
            str(row['tile_margin']),
            f'{row["megapixels_per_s"]:.2f}',
            f'{row["cached_megapixels_per_s"]:.2f}',
        )
        for row in rows
    ]
    return markdown_table(names, lines)


def format_tilings(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of what `measure_tilings` returned."""
    names = 'data', 'tile', 'margin', 'best IoU', 'hit at 1', 'border changes'
    lines = [
        (
            row['data'],
            str(row['tile_size']),
            str(row['tile_margin']),
            '-' if row['best_iou'] is None else f'{row["best_iou"]:.3f}',
            '-' if row['hit_rate'] is None else f'{row["hit_rate"]:.3f}',
            ', '.join(f'{d}: {share:.2%}' for d, share in (row['reach'] or {}).items()),
        )
        for row in rows
    ]
    return markdown_table(names, lines)


def _measure(predictor: Predictor, data_set: DataSet, limit: int) -> dict[str, Any]:
    thresholds = network_thresholds(predictor)
    counts, changes = no_detections(thresholds), []
    size = predictor.tile_size
    description = f'{data_set.name}, {size}'
    for pair in tqdm(read_pairs(data_set, Options(limit)), description, leave=False):
        maps = predictor.predict_batch(pair.image[None], pair.reference[None])
        counts += count_detections(pair.mask, maps.score[0], thresholds)
        height, width = pair.mask.shape
        if height >= size and width >= size + size // 2:
            changes.append(border_changes(predictor, pair.image, pair.reference))
    reach = border_reach(np.concatenate(changes, axis=1)) if changes else None
    return {
        'best_iou': float(counts.iou.max()) if counts.defects else None,
        'hit_rate': counts.hit_rate_at(_FALSE_RATE),
        'reach': reach,
    }
