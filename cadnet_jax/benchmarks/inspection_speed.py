"""Images a second from files to verdicts, beside the bare network, and the memory."""

import os
import pathlib
import resource
import sys
import time
from typing import NamedTuple

import cv2
import numpy as np

from cadnet_jax.files.images import write_png
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.inspection.inspector import make_inspector
from cadnet_jax.inspection.part_files import inspect_parts
from cadnet_jax.inspection.parts import list_parts
from cadnet_jax.inspection.recipe import Alignment, File, Recipe

_SIDE = 512  # pixels


class Speed(NamedTuple):
    """Of one run.

    Attributes:
        name: of what is timed.
        rate: images a second.
        memory: largest memory of the process so far, in GB.
    """

    name: str
    rate: float
    memory: float


def measure_speed(
    predictor: Predictor, folder: str | os.PathLike[str], count: int
) -> list[Speed]:
    """Times the bare network, then inspection with `shift` and with `affine`.

    Args:
        predictor: the network; programs are compiled before anything is timed.
        folder: an empty one, for drawn images and results.
        count: images.
    """
    folder = pathlib.Path(folder)
    reference = draw_part(0, moved=False)
    for seed in range(count):
        write_png(folder / 'parts' / f'{seed:05}.png', draw_part(seed))
    encoded = predictor.with_reference(reference)
    image = draw_part(1)
    encoded(image)
    start = time.perf_counter()
    for _ in range(count):
        encoded(image)
    speeds = [_speed('network alone', count, start)]
    parts = list_parts(folder / 'parts')
    for method in ('shift', 'affine'):
        recipe = Recipe(references=(File(),), registration=Alignment(method))
        inspector = make_inspector(recipe, predictor, [reference])
        inspector(image)
        for share in (4, 1):  # a quarter, then the rest: memory must not grow
            start = time.perf_counter()
            some = parts[: count // share]
            done = 0 if share == 4 else count // 4
            inspect_parts({'': inspector}, some, folder / method, progress=False)
        speeds.append(_speed(method, count - done, start))
    return speeds


def draw_part(seed: int, *, moved: bool = True) -> np.ndarray:
    """A pattern of bars and discs, uint8 [512, 512, 3]; moved and with noise."""
    random = np.random.default_rng(0)
    canvas = np.full((_SIDE, _SIDE, 3), 190, np.uint8)
    for _ in range(60):
        x, y = random.integers(0, _SIDE, 2).tolist()
        size = int(random.integers(8, 40))
        color = random.integers(20, 160, 3).tolist()
        cv2.circle(canvas, (x, y), size // 2, color, -1)
        cv2.rectangle(canvas, (y, x), (y + 3 * size, x + size // 3), color, -1)
    if not moved:
        return canvas
    random = np.random.default_rng([1, seed])
    matrix = np.eye(2, 3)
    matrix[:, 2] = random.uniform(-8, 8, 2)
    image = cv2.warpAffine(
        canvas, matrix, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE
    )
    return (image + random.normal(0, 3, image.shape)).clip(0, 255).astype(np.uint8)


def _speed(name: str, count: int, start: float) -> Speed:
    seconds = time.perf_counter() - start
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1e9 if sys.platform == 'darwin' else 1e6
    return Speed(name, count / seconds, largest / unit)
