"""What `benchmark` times from files to regions, and the bare network beside it.

Weights are random, and so high a threshold marks nothing: the time of writing regions
depends on how many there are.
"""

import pathlib
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from cadnet_jax.benchmarks.benchmark import Job, Settings
from cadnet_jax.benchmarks.workloads_network import CLASS_NAMES, cached_forward, forward
from cadnet_jax.config import Config
from cadnet_jax.files.images import write_png
from cadnet_jax.inference.pair_files import check_pairs, list_pairs, predict_files
from cadnet_jax.inference.predictor import default_tile_size, make_predictor
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize

LARGE = (3000, 4000)  # height and width
_THRESHOLD = 0.999


def files_large(settings: Settings) -> Job:
    """One pair of 4000 x 3000 pixels in files, to the files that say what it shows."""
    return _files_job(settings.config, LARGE, 1, shared=False)


def network_large(settings: Settings) -> Job:
    """The bare network on as many pixels as `files_large`, without any overlap."""
    return _network_job(settings, LARGE[0] * LARGE[1], forward)


def network_shared(settings: Settings) -> Job:
    """The bare network on an image of `files_shared`."""
    return _network_job(settings, settings.image_size**2, cached_forward)


def network_pairs(settings: Settings) -> Job:
    """The bare network on a pair of `files_pairs`."""
    return _network_job(settings, settings.image_size**2, forward)


def files_shared(settings: Settings) -> Job:
    """Images of the image size in files, against one reference."""
    size = settings.image_size
    return _files_job(settings.config, (size, size), settings.files, shared=True)


def files_pairs(settings: Settings) -> Job:
    """Pairs of the image size in files."""
    size = settings.image_size
    return _files_job(settings.config, (size, size), settings.files, shared=False)


FILE_WORKLOADS: dict[str, Callable[[Settings], Job]] = {
    function.__name__: function
    for function in (
        network_large,
        files_large,
        network_shared,
        files_shared,
        network_pairs,
        files_pairs,
    )
}
# Timed in turn; the first is what the second is compared with.
FILE_GROUPS = (
    ('network_large', 'files_large'),
    ('network_shared', 'files_shared'),
    ('network_pairs', 'files_pairs'),
)


def _network_job(
    settings: Settings, pixels: int, start: Callable[[Settings], Job]
) -> Job:
    """Runs of the network on tiles of one pair that make up `pixels`, for one pair."""
    config = settings.config
    side = min(default_tile_size(config), round(pixels**0.5))
    data = replace(config.data, crop_size=side, batch_size=1)
    job = start(settings._replace(config=replace(config, data=data)))
    number = max(1, round(pixels / side**2))

    def run() -> None:
        for _ in range(number):
            job.run()

    return Job(run, 1)


def _files_job(
    config: Config, size: tuple[int, int], number: int, *, shared: bool
) -> Job:
    """Predicts `number` pairs of files in a folder that goes with the process."""
    variables = initialize(build_model(config.model, len(CLASS_NAMES)), seed=0)
    predictor = make_predictor(
        config, CLASS_NAMES, variables, workdir='', step=0, threshold=_THRESHOLD
    )
    root = pathlib.Path(tempfile.mkdtemp(prefix='cadnet-benchmark-'))
    _write_images(root, size, number, shared=shared)
    reference = root / 'reference'

    def run() -> None:
        pairs = list_pairs(
            image=root / 'image',
            reference=reference / '0000.png' if shared else reference,
        )
        check_pairs(pairs, progress=False)
        predict_files(predictor, pairs, root / 'output', progress=False)

    weakref.finalize(run, shutil.rmtree, root)
    return Job(run, number)


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
