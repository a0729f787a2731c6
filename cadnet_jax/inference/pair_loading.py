"""Files of pairs -> pixels, decoded by threads ahead of the network."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cadnet_jax.files.ahead import map_ahead
from cadnet_jax.files.images import read_image
from cadnet_jax.inference.pair_files import PairFiles, group_by_reference

# Of decoded files that are kept between checking and prediction: a pair of 12
# megapixels takes 72 MB, 200 images of 512 x 512 take 157.
KEPT_BYTES = 2**28


class LoadedPair(NamedTuple):
    """A pair's pixels, uint8 [H, W, 3]."""

    pair: PairFiles
    image: np.ndarray
    reference: np.ndarray


FileStates = dict[str, list[int]]
"""'image' and 'reference' -> size in bytes, and time of the last change in ns."""


class CheckedFiles(NamedTuple):
    """What is known of files that were all read once.

    Attributes:
        pixels: of all inspected images.
        decoded: the images that are kept, uint8 [H, W, 3], so that they need not be
            decoded again: a file is taken out when it is predicted.
        states: see `file_states`; before they were read.
    """

    pixels: int
    decoded: dict[pathlib.Path, np.ndarray]
    states: dict[str, FileStates]


def check_pairs(pairs: Sequence[PairFiles], *, progress: bool = True) -> CheckedFiles:
    """Reads all files once, so that a bad one is known before anything is computed.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no image, or the sizes of a pair differ.
    """
    checked = CheckedFiles(0, {}, file_states(pairs))
    room = KEPT_BYTES
    with tqdm(
        total=len(pairs), desc='check', unit='pairs', leave=False, disable=not progress
    ) as bar:
        for loaded in load_pairs(pairs, {}):
            height, width = loaded.image.shape[:2]
            checked = checked._replace(pixels=checked.pixels + height * width)
            for path, image in (
                (loaded.pair.reference, loaded.reference),
                (loaded.pair.image, loaded.image),
            ):
                if path not in checked.decoded and image.nbytes <= room:
                    checked.decoded[path] = image
                    room -= image.nbytes
            bar.update()
    return checked


def file_states(pairs: Sequence[PairFiles]) -> dict[str, FileStates]:
    """Name of each pair -> its files as they are now.

    Raises:
        FileNotFoundError: a file is missing.
    """
    return {
        pair.name: {'image': _state(pair.image), 'reference': _state(pair.reference)}
        for pair in pairs
    }


def _state(path: pathlib.Path) -> list[int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path}: no such image file; check the path.'
        ) from None
    return [stat.st_size, stat.st_mtime_ns]


def readable_pairs(
    pairs: Sequence[PairFiles],
) -> tuple[list[PairFiles], list[str]]:
    """The pairs that can be predicted, and a line for each of the others.

    Raises:
        ValueError: there are no others than these.
    """
    readable, faults = [], []
    for pair in pairs:
        try:
            check_pairs([pair], progress=False)
        except (ValueError, OSError) as error:
            faults.append(f'skipped: {error}')
        else:
            readable.append(pair)
    if faults and not readable:
        raise ValueError(
            f'none of the {len(pairs)} pairs can be read. The first: {faults[0]}'
        )
    return readable, faults


def load_pairs(
    pairs: Sequence[PairFiles], decoded: dict[pathlib.Path, np.ndarray]
) -> Iterator[LoadedPair]:
    """The pairs' pixels, read ahead by threads; those of one reference together.

    What is in `decoded` is taken out of there.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no image, or the sizes of a pair differ.
    """
    groups = group_by_reference(pairs)
    files = [
        (path, group[0].bit_depth)
        for reference, group in groups.items()
        for path in (reference, *(pair.image for pair in group))
    ]

    def read(file: tuple[pathlib.Path, int]) -> np.ndarray:
        image = decoded.pop(file[0], None)
        return read_image(*file) if image is None else image

    images = map_ahead(read, files, threads=4)  # two pairs ahead
    for group in groups.values():
        reference = next(images)
        for pair in group:
            image = next(images)
            if image.shape != reference.shape:
                raise ValueError(
                    f'{pair.image} is {_size(image)} pixels, but its reference '
                    f'{pair.reference} {_size(reference)}; align and crop them to one '
                    'size.'
                )
            yield LoadedPair(pair, image, reference)


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]} x {image.shape[0]}'
