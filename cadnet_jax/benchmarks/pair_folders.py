"""From files to regions: folders of random images, and what a device takes for them."""

import pathlib
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from cadnet_jax.benchmarks.subject import Subject
from cadnet_jax.benchmarks.timing import Row
from cadnet_jax.files.images import write_png
from cadnet_jax.inference.pair_files import list_pairs
from cadnet_jax.inference.pair_loading import check_pairs
from cadnet_jax.inference.predict_files import predict_files
from cadnet_jax.inference.predictor import Predictor, make_predictor

# Nothing is marked: the time of writing regions depends on how many there are.
NO_DEFECT = 0.999
_CLASS_NAMES = 'background', 'defect'


def files(subject: Subject) -> Iterator[Row]:
    """What `predict.py` does with folders of pairs, each timed once after a first run.

    Yields:
        Rows with `pairs`, their `height` and `width`, `shared` (they have one
        reference), `ms`, `pairs_per_s` and `megapixels_per_s`.
    """
    predictor = make_predictor(
        subject.config,
        _CLASS_NAMES,
        subject.variables,
        workdir='',
        step=0,
        threshold=NO_DEFECT,
    )
    for number, height, width, shared in subject.sizes.files:
        run = folder_of_pairs(predictor, (height, width), number, shared=shared)
        run()
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        yield {
            'pairs': number,
            'height': height,
            'width': width,
            'shared': shared,
            'ms': 1e3 * seconds,
            'pairs_per_s': number / seconds,
            'megapixels_per_s': number * height * width / seconds / 1e6,
        }


def folder_of_pairs(
    predictor: Predictor, size: tuple[int, int], number: int, *, shared: bool
) -> Callable[[], None]:
    """A function that predicts `number` pairs, from files to files.

    Args:
        predictor: the network.
        size: height and width of the images, in pixels.
        number: of pairs. Their folder goes when the function does.
        shared: whether they have one reference.
    """
    root = pathlib.Path(tempfile.mkdtemp(prefix='cadnet-benchmark-'))
    _write_images(root, size, number, shared=shared)
    reference = root / 'reference'

    def run() -> None:
        pairs = list_pairs(
            image=root / 'image',
            reference=reference / '0000.png' if shared else reference,
        )
        checked = check_pairs(pairs, progress=False)
        output = root / 'output'
        shutil.rmtree(output, ignore_errors=True)  # What is there is not done again.
        predict_files(predictor, pairs, output, checked=checked, progress=False)

    weakref.finalize(run, shutil.rmtree, root)
    return run


def _write_images(
    root: pathlib.Path, size: tuple[int, int], number: int, *, shared: bool
) -> None:
    """PNGs that compress as photographs do: smooth, with noise of some gray levels."""
    rng = np.random.default_rng(0)
    for name, count in (('image', number), ('reference', 1 if shared else number)):
        for index in range(count):
            coarse = rng.integers(0, 240, (*(-(-x // 16) for x in size), 3), np.uint8)
            smooth = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
            noise = rng.integers(0, 8, (*size, 3), np.uint8)
            write_png(root / name / f'{index:04}.png', cv2.add(smooth, noise))
