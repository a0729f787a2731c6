"""A tiny folder of pairs, as a user may have it."""

import pathlib
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:  # slow to import
    from cadnet_jax.datasets.paired_folder.source import Source

SIZE = (40, 56)  # (H, W) of every pair, in pixels
NUM_PAIRS = 10
SQUARE = (slice(12, 20), slice(20, 28))  # what is labeled in the image, 64 pixels


def tiny_reference(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A smooth random picture, uint8 [H, W, 3], RGB."""
    coarse = np.random.default_rng(seed).integers(60, 180, (8, 10, 3), np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def tiny_pair(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image and reference, uint8 [H, W, 3], and mask, uint8 [H, W] of 0 and 255."""
    reference = tiny_reference(seed)
    image, mask = reference.copy(), np.zeros(SIZE, np.uint8)
    image[SQUARE] = (250, 20, 30)
    mask[SQUARE] = 255
    return image, reference, mask


def write(path: pathlib.Path, pixels: np.ndarray) -> pathlib.Path:
    """Writes an image file of any kind, from RGB or gray; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]
    assert cv2.imwrite(str(path), pixels)
    return path


def write_classes(folder: pathlib.Path, *lines: str) -> pathlib.Path:
    """Writes `folder/classes.csv`; by default 0 is background and 255 a scratch."""
    path = folder / 'classes.csv'
    lines = lines or ('0,background', '255,scratch')
    path.write_text('\n'.join(('value,name', *lines)) + '\n')
    return path


def write_tiny_pairs(folder: pathlib.Path) -> pathlib.Path:
    """Writes image/0.png to image/9.png, reference/, mask/ and classes.csv."""
    for number in range(NUM_PAIRS):
        names = ('image', 'reference', 'mask')
        for name, pixels in zip(names, tiny_pair(number), strict=True):
            write(folder / name / f'{number}.png', pixels)
    write_classes(folder)
    return folder


def write_images(folder: pathlib.Path, *names: str) -> None:
    """Writes one image under each name, and classes.csv if there is none."""
    for name in names:
        write(folder / name, tiny_pair(0)[0])
    if not (folder / 'classes.csv').exists():
        write_classes(folder)


def write_manifest(folder: pathlib.Path, *lines: str) -> pathlib.Path:
    """Writes `folder/manifest.csv`, with all columns."""
    path = folder / 'manifest.csv'
    path.write_text('\n'.join(('image,reference,mask,split,group', *lines)) + '\n')
    return path


def described(source: 'Source') -> set[tuple[str, ...]]:
    """Each pair as (id, reference, mask or what it is without one, group)."""
    return {
        (
            pair.id,
            pair.reference.relative_to(source.directory).as_posix(),
            pair.masks[0].path.relative_to(source.directory).as_posix()
            if pair.masks
            else pair.without_mask,
            pair.group,
        )
        for pair in source.pairs
    }
