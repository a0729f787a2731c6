"""What `benchmark` times from files to regions, and the bare network beside it."""

from collections.abc import Callable
from dataclasses import replace

from cadnet_jax.benchmarks.benchmark import Job, Settings
from cadnet_jax.benchmarks.pair_folders import NO_DEFECT, folder_of_pairs
from cadnet_jax.benchmarks.workloads_network import CLASS_NAMES, cached_forward, forward
from cadnet_jax.config import Config
from cadnet_jax.inference.predictor import default_tile_size, make_predictor
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize

LARGE = (3000, 4000)  # height and width


def files_large(settings: Settings) -> Job:
    """One pair of 4000 x 3000 pixels in files, to the files that say what it shows."""
    return _files_job(settings.config, LARGE, 1, shared=False)


def files_large_shared(settings: Settings) -> Job:
    """Three images of that size in files, against one reference."""
    return _files_job(settings.config, LARGE, 3, shared=True)


def network_large(settings: Settings) -> Job:
    """The bare network on as many pixels as `files_large`, without any overlap."""
    return _network_job(settings, LARGE[0] * LARGE[1], forward)


def network_large_shared(settings: Settings) -> Job:
    """The bare network on an image of `files_large_shared`."""
    return _network_job(settings, LARGE[0] * LARGE[1], cached_forward)


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
        network_large_shared,
        files_large_shared,
        network_shared,
        files_shared,
        network_pairs,
        files_pairs,
    )
}
# Timed in turn; the first is what the second is compared with.
FILE_GROUPS = (
    ('network_large', 'files_large'),
    ('network_large_shared', 'files_large_shared'),
    ('network_shared', 'files_shared'),
    ('network_pairs', 'files_pairs'),
)


def _network_job(
    settings: Settings, pixels: int, start: Callable[[Settings], Job]
) -> Job:
    """Runs of the network on tiles of one pair that make up `pixels`, for one pair."""
    config = settings.config
    side = min(default_tile_size(config, ''), round(pixels**0.5))
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
    """Predicts `number` pairs of files, with random weights."""
    variables = initialize(build_model(config.model, len(CLASS_NAMES)), seed=0)
    predictor = make_predictor(
        config, CLASS_NAMES, variables, workdir='', step=0, threshold=NO_DEFECT
    )
    return Job(folder_of_pairs(predictor, size, number, shared=shared), number)
