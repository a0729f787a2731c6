"""The photographs that collages show: two of installed packages, and a user's own."""

import functools
import hashlib
import pathlib

import cv2
import numpy as np

from cadnet_jax.datasets.synlcd import screen_parts
from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.files.images import SUFFIXES, list_images, read_image

SIDE = 512  # pixels
PACKAGED = ('collins', 'hopper')  # in the public domain; see `screen_parts.face`
_SMALLEST = 64  # pixels


@functools.cache
def own_photographs(folder: str) -> tuple[str, ...]:
    """The paths of the image files of a folder, in order.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no image file.
    """
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f'--photo_dir={root}: there is no such folder.')
    files = list_images(root)
    if not files:
        raise ValueError(
            f'--photo_dir={root}: it holds no image file ({", ".join(SUFFIXES)}). '
            'Folders inside it are not searched.'
        )
    return tuple(map(str, files))


def digest(folder: str) -> str:
    """Of the pixels that are shown of all photographs of a folder.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no image file, or one that cannot be read or is too small.
    """
    shown = hashlib.blake2b(digest_size=8)
    for path in own_photographs(folder):
        shown.update(_own(path).tobytes())
    return shown.hexdigest()


@functools.lru_cache(maxsize=64)
def photograph(name: str) -> Pixels:
    """Of `PACKAGED`, or of a path: the middle, RGB uint8 [SIDE, SIDE, 3]."""
    if name in PACKAGED:
        return screen_parts.face(name, SIDE, SIDE)
    return _own(name)


def _own(path: str) -> Pixels:
    image = read_image(path)
    height, width = image.shape[:2]
    side = min(height, width)
    if side < _SMALLEST:
        raise ValueError(
            f'{path}: {width} x {height} pixels; a photograph must have at least '
            f'{_SMALLEST} on each side. Remove it from --photo_dir.'
        )
    top, left = (height - side) // 2, (width - side) // 2
    middle = image[top : top + side, left : left + side]
    kind = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(middle, (SIDE, SIDE), interpolation=kind), np.uint8)
