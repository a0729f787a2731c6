"""Hits and false regions of pairs whose image is moved, by method of registration."""

import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.data.labels import IGNORED
from cadnet_jax.evaluation.detection import (
    DetectionCounts,
    count_detections,
    no_detections,
)
from cadnet_jax.files.markdown import markdown_table
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.inspection.inspector import Inspector, make_inspector
from cadnet_jax.inspection.recipe import Alignment, Checks, File, Recipe
from cadnet_jax.inspection.registration import METHODS
from cadnet_jax.runs.learned import warn_of_learned

SHIFTS = (0, 2, 5, 10, 20, 40)  # pixels, along a diagonal
TURNS = (1, 3, 5, 10)  # degrees
SCALES = (0.96, 1.02, 1.04)


class Move(NamedTuple):
    """What is done to an image, about its center."""

    shift: float = 0.0
    degrees: float = 0.0
    scale: float = 1.0


class Row(NamedTuple):
    """What a method finds after a move; rates are NaN if all is INVALID."""

    method: str
    move: Move
    hit_rate: float
    false_per_megapixel: float
    invalid: float


MOVES = (
    *(Move(shift=shift) for shift in SHIFTS),
    *(Move(degrees=degrees) for degrees in TURNS),
    *(Move(scale=scale) for scale in SCALES),
    Move(20, 5, 1.0),
)


def measure_curve(
    predictor: Predictor,
    data_dir: str | pathlib.Path,
    split: str,
    *,
    limit: int,
    threshold: float,
) -> list[Row]:
    """A row for each method and move.

    Args:
        predictor: the network.
        data_dir: prepared pairs; their labels lie over the references.
        split: of it.
        limit: most pairs; the first ones.
        threshold: score above which a pixel is a defect.
    """
    warn_of_learned(predictor.workdir, data_dir, split)
    counts = {
        (method, move): no_detections([threshold])
        for method in METHODS
        for move in MOVES
    }
    number = 0
    for pair in tqdm(_pairs(data_dir, split, limit), unit='pairs'):
        number += 1
        for method in METHODS:
            inspector = _inspector(predictor, pair['reference'], method)
            for move in MOVES:
                image = apply_move(pair['image'], move)
                found = _count(inspector, image, pair['mask'], threshold)
                if found is not None:
                    counts[method, move] += found
    return [
        _row(method, move, found, number) for (method, move), found in counts.items()
    ]


def apply_move(image: np.ndarray, move: Move) -> np.ndarray:
    """The image of a part that lies elsewhere; its border is repeated.

    Args:
        image: uint8 [H, W, 3].
        move: shift along the diagonal, turn and scale.
    """
    height, width = image.shape[:2]
    center = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(center, move.degrees, move.scale)
    matrix[:, 2] += move.shift / np.sqrt(2)
    if np.array_equal(matrix, np.eye(2, 3)):
        return image
    return np.asarray(
        cv2.warpAffine(
            image,
            matrix,
            (width, height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
    )


def format_rows(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    names = (
        'method',
        'shift, px',
        'turn, degrees',
        'scale',
        'hits',
        'false/MP',
        'INVALID',
    )
    cells = [
        (
            method,
            f'{move.shift:g}',
            f'{move.degrees:g}',
            f'{move.scale:g}',
            f'{hits:.3f}',
            f'{false:.2f}',
            f'{invalid:.0%}',
        )
        for method, move, hits, false, invalid in rows
    ]
    return markdown_table(names, cells)


def _pairs(
    data_dir: str | os.PathLike[str], split: str, limit: int
) -> Iterator[dict[str, np.ndarray]]:
    batches = evaluation_batches(os.fspath(data_dir), split, batch_size=1)
    for _, batch in zip(range(limit), batches, strict=False):
        yield {name: batch[name][0] for name in ('image', 'reference', 'mask')}


def _inspector(predictor: Predictor, reference: np.ndarray, method: str) -> Inspector:
    recipe = Recipe(
        references=(File(),),
        registration=Alignment(method),
        checks=Checks(0, 1e9, 1, 0, -1),  # INVALID says the registration alone
    )
    return make_inspector(recipe, predictor, [reference])


def _count(
    inspector: Inspector, image: np.ndarray, mask: np.ndarray, threshold: float
) -> DetectionCounts | None:
    """None if the image is INVALID. What it does not show is ignored."""
    registered = inspector.register(image)
    scores = inspector.score(registered)
    if scores is None or registered.registration is None:
        return None
    shown = registered.registration.valid
    label = np.where(shown, mask, np.uint8(IGNORED))
    score = np.where(shown, scores.score, np.float32(0))
    return count_detections(label, score, [threshold])


def _row(method: str, move: Move, found: DetectionCounts, number: int) -> Row:
    nothing = float('nan')
    return Row(
        method,
        move,
        float(found.hit_rate[0]) if found.defects else nothing,
        float(found.false_per_megapixel[0]) if found.pixels else nothing,
        1 - found.images / number,
    )
