"""The other files of a recipe: references, masks of areas, what calibration found.

No file is ever written over with another content: its name is that of its content.
"""

import hashlib
import os
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from cadnet_jax.files.atomic import write_bytes
from cadnet_jax.files.images import png_bytes, read_image
from cadnet_jax.inspection.recipe import Area, File, Recipe, View

_Path = str | os.PathLike[str]


def add_file(folder: _Path, kind: str, data: bytes, suffix: str) -> File:
    """Writes FOLDER/KIND/DIGEST.SUFFIX, named by what is in it."""
    digest = hashlib.sha256(data).hexdigest()
    name = f'{kind}/{digest[:16]}.{suffix}'
    write_bytes(pathlib.Path(folder, name), data)
    return File(name, digest)


def add_image(folder: _Path, kind: str, image: np.ndarray) -> File:
    """Writes FOLDER/KIND/DIGEST.png; `kind` is 'references' or 'areas'."""
    return add_file(folder, kind, png_bytes(image), 'png')


def read_references(view: View | Recipe, folder: _Path) -> list[np.ndarray]:
    """The defect-free images, uint8 [H, W, 3], all of one size.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file has changed, or the sizes differ.
    """
    images = [
        _read_image(folder, file, f'references[{number}]')
        for number, file in enumerate(view.references)
    ]
    for number, image in enumerate(images):
        if image.shape != images[0].shape:
            raise ValueError(
                f'{folder}/recipe.json: references[{number}] is {_size(image)} and '
                f'references[0] {_size(images[0])} pixels; they must have one size.'
            )
    return images


def inspected_pixels(
    view: View | Recipe, folder: _Path, reference: np.ndarray
) -> np.ndarray:
    """What is judged of the reference, bool [H, W].

    Raises:
        FileNotFoundError: a mask is missing.
        ValueError: a mask has changed, more than two values or another size, or
            nothing is left to judge.
    """
    shape = reference.shape[:2]
    inspected = np.full(shape, not view.inspect)
    for number, area in enumerate(view.inspect):
        inspected |= _pixels(area, folder, shape, f'inspect[{number}]')
    for number, area in enumerate(view.ignore):
        inspected &= ~_pixels(area, folder, shape, f'ignore[{number}]')
    if not inspected.any():
        raise ValueError(
            f'{folder}/recipe.json: inspect and ignore leave nothing to judge; '
            'change them.'
        )
    return inspected


def read_mask(path: _Path) -> np.ndarray:
    """The pixels of a mask that are not black, bool [H, W].

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, or has more values than black and another: smooth
            edges, or a JPEG, whose black is not black everywhere.
    """
    values = read_image(path).max(axis=-1)
    highest = values.max()
    between = np.count_nonzero((values > 0) & (values < highest))
    if between:
        raise ValueError(
            f'{path}: {between:,} of {values.size:,} pixels are neither black nor of '
            f'the value {highest}; a mask must have two values. Draw it again without '
            'smooth edges, and save it as PNG: JPEG changes values.'
        )
    return np.asarray(values > 0)


def _pixels(
    area: Area, folder: _Path, shape: tuple[int, ...], field: str
) -> np.ndarray:
    pixels = np.zeros(shape, np.uint8)
    if area.mask is not None:
        read_bytes(folder, area.mask, f'{field}.mask')
        mask = read_mask(pathlib.Path(folder, area.mask.file))
        if mask.shape != shape:
            raise ValueError(
                f'{folder}/recipe.json: {field}.mask is {_size(mask)} and the '
                f'reference {_size(pixels)} pixels; they must have one size.'
            )
        return mask
    if area.box is not None:
        x_min, y_min, x_max, y_max = area.box
        _check_inside(area.box, pixels, folder, f'{field}.box')
        pixels[y_min:y_max, x_min:x_max] = 1
    if area.polygon is not None:
        corners = np.round(area.polygon).astype(np.int32)
        bounds = *corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()
        _check_inside(bounds, pixels, folder, f'{field}.polygon')
        cv2.fillPoly(pixels, [corners], 1)
    return pixels > 0


def _check_inside(
    bounds: Sequence[int], pixels: np.ndarray, folder: _Path, field: str
) -> None:
    """Refuses what was measured on another size: the rest would not be judged."""
    x_min, y_min, x_max, y_max = bounds
    height, width = pixels.shape
    if min(x_min, y_min) < 0 or x_max > width or y_max > height:
        raise ValueError(
            f'{folder}/recipe.json: {field} is from ({x_min}, {y_min}) to '
            f'({x_max}, {y_max}), and the reference has {_size(pixels)} pixels; it '
            'must lie inside.'
        )


def read_bytes(folder: _Path, file: File, field: str) -> bytes:
    """The bytes of a file of the recipe.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it has changed; `field` is named.
    """
    path = pathlib.Path(folder, file.file)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: no such file; {field} in recipe.json names it: restore it.'
        )
    data = path.read_bytes()
    if file.sha256 and hashlib.sha256(data).hexdigest() != file.sha256:
        raise ValueError(
            f'{path}: not the file of {field}.sha256 in recipe.json; restore it, or '
            'make a new revision with experiments/make_recipe.py.'
        )
    return data


def _read_image(folder: _Path, file: File, field: str) -> np.ndarray:
    read_bytes(folder, file, field)
    return read_image(pathlib.Path(folder, file.file))


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]} x {image.shape[0]}'
