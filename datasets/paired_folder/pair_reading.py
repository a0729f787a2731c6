"""A pair's files -> arrays: what worker processes do for `paired_folder`."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.datasets import checks
from cadnet_jax.datasets.checks import Examined, Finding, LabeledPair
from cadnet_jax.datasets.encoding import encode_png
from cadnet_jax.datasets.paired_folder.class_map import ClassMap, palette_colors
from cadnet_jax.datasets.paired_folder.pair_files import (
    UNLABELED,
    MaskFile,
    PairFiles,
)
from cadnet_jax.files.images import (
    has_fourth_band,
    read_bytes,
    read_image,
    stored_pixels,
)


class EncodedPair(NamedTuple):
    """What a worker process hands back to be written."""

    files: PairFiles
    image: bytes  # PNG
    reference: bytes  # PNG
    mask: bytes  # PNG
    class_pixels: list[int]


def read_pair(files: PairFiles, class_map: ClassMap) -> LabeledPair:
    """The pair as it will be learned from; a pair that is unlabeled is ignored, 255.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no image, or the mask has an unknown value.
    """
    image = read_image(files.image, files.bit_depth)
    return LabeledPair(
        id=files.id,
        image=image,
        reference=read_image(files.reference, files.bit_depth),
        mask=_read_mask(files, class_map, image.shape[:2]),
        split=files.split,
        group=files.group,
        files=[str(path) for path in files.paths],
    )


def examine_files(class_map: ClassMap, files: PairFiles) -> Examined:
    """`checks.examine`, for a pair whose files may be missing or bad."""
    try:
        pair = read_pair(files, class_map)
    except (ValueError, OSError):
        findings = _faults_of_files(files, class_map)
        name = str(files.image)
        return Examined(files.id, files.split, files.group, name, findings=findings)
    palette: dict[int, int] = {}
    for path, class_name in files.masks:
        if not (class_map.colored or class_name):
            palette |= palette_colors(path)
    examined = checks.examine(pair)._replace(palette=palette)
    return examined._replace(findings=[*examined.findings, *_left_out(files)])


def encode_files(class_map: ClassMap, files: PairFiles) -> EncodedPair:
    """Reads and encodes a pair.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no image, or the mask has an unknown value.
    """
    pair = read_pair(files, class_map)
    counts = np.bincount(pair.mask.ravel(), minlength=IGNORED + 1)
    return EncodedPair(
        files,
        encode_png(pair.image),
        encode_png(pair.reference),
        encode_png(pair.mask),
        counts[: len(class_map.class_names)].tolist(),
    )


def _left_out(files: PairFiles) -> list[Finding]:
    """That image or reference has a band that is not looked at."""
    names = [path.name for path in files.paths[:2] if has_fourth_band(path)]
    if not names:
        return []
    file = str(files.image)
    text = f'{file}: the fourth of four bands is left out: {" and ".join(names)}'
    return [Finding('fourth_band', files.split, files.id, file, text)]


def _faults_of_files(files: PairFiles, class_map: ClassMap) -> list[Finding]:
    """Reads each file by itself, so that all that is wrong is known at once."""
    findings = []

    def add(kind: str, path: pathlib.Path, error: Exception) -> None:
        text = str(error)
        if not text.startswith(f'{path}: '):  # of the operating system
            text = f'{path}: {text}'
        findings.append(Finding(kind, files.split, files.id, str(path), text))

    for path in files.paths[:2]:
        try:
            read_image(path, files.bit_depth)
        except (ValueError, OSError) as error:
            add('unreadable', path, error)
    for mask in files.masks:
        kind = 'unreadable'
        try:
            stored_pixels(mask.path, read_bytes(mask.path))
            kind = 'value'
            class_map.convert(*mask)
        except (ValueError, OSError) as error:
            add(kind, mask.path, error)
    if not findings:
        try:
            _join_masks(files.masks, class_map)
        except ValueError as error:
            add('value', files.masks[0].path, error)
    return findings


def _read_mask(
    files: PairFiles, class_map: ClassMap, size: tuple[int, ...]
) -> NDArray[np.uint8]:
    if files.masks:
        return _join_masks(files.masks, class_map)
    return np.full(size, IGNORED if files.without_mask == UNLABELED else 0, np.uint8)


def _join_masks(masks: Sequence[MaskFile], class_map: ClassMap) -> NDArray[np.uint8]:
    """Class ids of several masks of one image; what one ignores is ignored.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no image or has an unknown value, or two masks differ in
            size or in the class of a pixel.
    """
    joined = class_map.convert(*masks[0])
    for mask in masks[1:]:
        ids = class_map.convert(*mask)
        first = masks[0].path
        if ids.shape != joined.shape:
            sizes = ', not '.join(f'{w} x {h}' for h, w in (joined.shape, ids.shape))
            raise ValueError(
                f'{first}: of {sizes} pixels as {mask.path}; both are of one image.'
            )
        both = (joined != 0) & (ids != 0) & (joined != IGNORED) & (ids != IGNORED)
        if differing := int((joined[both] != ids[both]).sum()):
            raise ValueError(
                f'{first}: {differing} pixels have another class in {mask.path}; '
                'correct one of the two.'
            )
        np.maximum(joined, ids, out=joined)
    return joined
