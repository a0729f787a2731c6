"""What all builders share: one schema, and the writing itself.

A prepared directory is a TFDS directory of array_record files, e.g.
`OUTPUT_DIR/deep_pcb/1.0.0/`, that `tfds.builder_from_directory` reads without
TensorFlow. Its `metadata.json` holds

    class_names   ["background", ...], a pixel's class id is its index here
    class_pixels  {split: [pixels of class 0, of class 1, ...]}

Ids in a mask: 0 background, 1..K defects, 255 ignored (counted nowhere).
"""

import contextlib
import io
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds
from numpy.typing import NDArray

IGNORED = 255

_LISTED_PROBLEMS = 20


def features() -> tfds.features.FeaturesDict:
    """The schema of every prepared directory; images are given as PNG bytes."""

    def image(channels: int) -> tfds.features.Image:
        return tfds.features.Image(
            shape=(None, None, channels), dtype=np.uint8, encoding_format='png'
        )

    return tfds.features.FeaturesDict(
        {
            'image': image(3),
            'reference': image(3),
            'mask': image(1),
            'id': tfds.features.Text(),
            'group': tfds.features.Text(),
        }
    )


def example(
    image: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    *,
    id: str,
    group: str,
) -> dict[str, Any]:
    """What a builder yields for a pair: RGB [H, W, 3] twice and class ids [H, W]."""
    return {
        'image': encode_png(image),
        'reference': encode_png(reference),
        'mask': encode_png(mask),
        'id': id,
        'group': group,
    }


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of an RGB image [H, W, 3] or a mask [H, W], uint8.

    Compressed lightly: training decodes each pair many times, and that is its cost.
    """
    if pixels.ndim == 3:
        pixels = pixels[..., ::-1]  # cv2 expects BGR
    pixels = np.ascontiguousarray(pixels)
    return cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def count_pixels(mask: NDArray[np.uint8], num_classes: int) -> NDArray[np.int64]:
    """Pixels of each class in `mask` [H, W], int64 [num_classes].

    Raises:
        ValueError: a value is neither a class id nor 255.
    """
    counts = np.bincount(mask.ravel(), minlength=IGNORED + 1)
    unknown = np.flatnonzero(counts[num_classes:IGNORED]) + num_classes
    if unknown.size:
        raise ValueError(
            f'mask value {unknown[0]} is outside the class map: 0 to '
            f'{num_classes - 1}, or {IGNORED} for pixels to ignore'
        )
    return counts[:num_classes].astype(np.int64)


def raise_problems(problems: Sequence[str], *, remedy: str) -> None:
    """Raises a ValueError that lists `problems` (the first 20), if there are any."""
    if not problems:
        return
    listed = '; '.join(problems[:_LISTED_PROBLEMS])
    if len(problems) > _LISTED_PROBLEMS:
        listed += f'; and {len(problems) - _LISTED_PROBLEMS} more'
    raise ValueError(f'bad files ({len(problems)}): {listed}. {remedy}')


def prepare(
    make_builder: Callable[..., tfds.core.GeneratorBasedBuilder],
    output_dir: pathlib.Path,
    *,
    source_dir: pathlib.Path,
    overwrite: bool = False,
) -> pathlib.Path:
    """Writes `output_dir/NAME/VERSION` and returns its path.

    It appears under its name when it is whole; after an error or an interruption what
    stood there before stands there again. One that exists is left as it is, unless
    `overwrite`.

    Args:
        make_builder: the builder's class; it is called with `data_dir`.
        output_dir: where prepared directories stand.
        source_dir: the files as their authors publish them.
        overwrite: whether a prepared directory that exists is replaced.

    Raises:
        FileNotFoundError: there is no directory `source_dir`, or nothing is in it.
        ValueError: files of the source are bad (all are listed).
    """
    builder = make_builder(data_dir=output_dir)
    target = pathlib.Path(builder.data_path)
    previous = target.with_name(f'{target.name}.previous')
    if previous.exists() and not target.exists():
        os.replace(previous, target)  # a run with `overwrite` was killed
    if target.exists() and not overwrite:
        return target
    if not source_dir.is_dir() or not any(source_dir.iterdir()):
        raise FileNotFoundError(
            f'{source_dir}: no such directory, or nothing is in it; '
            f'{builder.MANUAL_DOWNLOAD_INSTRUCTIONS}.'
        )
    shutil.rmtree(previous, ignore_errors=True)
    if target.exists():
        os.replace(target, previous)
    try:
        # A builder takes over the description of what it finds: this one finds nothing.
        _download_and_prepare(make_builder(data_dir=output_dir), source_dir)
    except BaseException:
        if previous.exists():
            os.replace(previous, target)
        raise
    shutil.rmtree(previous, ignore_errors=True)
    return target


def _download_and_prepare(
    builder: tfds.core.GeneratorBasedBuilder, source_dir: pathlib.Path
) -> None:
    tfds.disable_progress_bar()  # the builders' own bars know the total
    # TFDS wants a place for downloads, and announces some, where there are none.
    with (
        tempfile.TemporaryDirectory() as downloads,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        builder.download_and_prepare(
            file_format='array_record',
            download_dir=downloads,
            download_config=tfds.download.DownloadConfig(manual_dir=source_dir),
        )
