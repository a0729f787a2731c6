"""Damages files at random and reads them: each is refused in one line, or read.

    python -m tests.support.fuzz --minutes=60      # for hours
    python -m tests.support.fuzz --flips=1000      # bits of weights

What is read of a damaged PNG, checkpoint or weights file must equal what was written:
these have checksums. Other files may be read as something else. Nothing may raise
another error than ValueError or OSError, take longer than `LONGEST`, or leave memory
behind. tests/files/fuzz_test.py does the same for seconds.
"""

import argparse
import collections
import io
import pathlib
import resource
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest import mock

import cv2
import jax
import numpy as np
import tifffile
from PIL import Image

from cadnet_jax import config
from cadnet_jax.datasets.paired_folder.class_map import read_class_map, read_mask
from cadnet_jax.files.csv_files import read_rows
from cadnet_jax.files.images import read_image
from cadnet_jax.runs.checkpoint import Checkpoints, load_variables
from cadnet_jax.runs.workdir import read_dataset_info
from cadnet_jax.weights import released
from tests.support.small_state import number_batches, small_state
from tests.support.tiny_pairs import tiny_reference

LONGEST = 20.0  # seconds to read a small file


class Target(NamedTuple):
    """A kind of file.

    Attributes:
        whole: the bytes of a good one.
        name: of the file.
        read: of the path.
        is_checked: whether what is read has to be what was written.
    """

    whole: bytes
    name: str
    read: Callable[[pathlib.Path], Any]
    is_checked: bool = False


def targets() -> list[Target]:
    """Image files, masks, tables and settings."""
    pixels = tiny_reference(0, (40, 56))
    pillow: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        'png': (Image.fromarray(pixels), {}),
        'gray.png': (Image.fromarray(pixels[..., 0]), {}),
        'jpg': (Image.fromarray(pixels), {'quality': 90}),
        'progressive.jpg': (Image.fromarray(pixels), {'progressive': True}),
        'bmp': (Image.fromarray(pixels), {}),
        'webp': (Image.fromarray(pixels), {'lossless': True}),
        'lzw.tif': (Image.fromarray(pixels), {'compression': 'tiff_lzw'}),
    }
    found = []
    for name, (image, options) in pillow.items():
        buffer = io.BytesIO()
        kind = {'jpg': 'jpeg', 'tif': 'tiff'}.get(name.split('.')[-1], name[-4:])
        image.save(buffer, kind.split('.')[-1], **options)
        is_png = name.endswith('png')
        found.append(Target(buffer.getvalue(), f'image.{name}', read_image, is_png))
    buffer = io.BytesIO()
    wide = pixels.astype(np.uint16) * 257
    tifffile.imwrite(buffer, wide, photometric='rgb', tile=(16, 16))
    found.append(Target(buffer.getvalue(), 'tiles.tif', read_image))
    mask = cv2.imencode('.png', pixels[..., 0] // 99)[1].tobytes()
    found.append(
        Target(mask, 'mask.png', lambda x: read_mask(x, colored=False).values, True)
    )
    rows = 'image,reference\n' + ''.join(f'{n}.png,"r {n}.png"\n' for n in range(20))
    found += [
        Target(
            rows.encode(),
            'pairs.csv',
            lambda x: list(read_rows(x, required=['image', 'reference'], others=True)),
        ),
        Target(
            b'value,name\n0,background\n128-255,scratch\n7,ignored\n',
            'classes.csv',
            read_class_map,
        ),
        Target(
            b'{"train": {"steps": 5, "seed": 1}, "data": {"crop_size": 64}}',
            'config.json',
            config.load,
        ),
        Target(
            b'{"name": "a", "class_names": ["background", "b"], '
            b'"class_pixels": [9, 1]}',
            'dataset.json',
            lambda x: read_dataset_info(x.parent),
        ),
    ]
    return found


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """Flips bits, cuts, inserts, repeats or replaces a part."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, length = rng.integers(len(changed) + 1), int(rng.geometric(0.1))
        match rng.integers(6):
            case 0 | 1 if at < len(changed):
                changed[at] ^= 1 << rng.integers(8)
            case 2:
                del changed[at:]
            case 3:
                changed[at:at] = rng.bytes(length)
            case 4:
                changed[at : at + length] = rng.bytes(length)
            case _:
                changed[at:at] = changed[at : at + length * 10]
    return bytes(changed)


def is_refused(target: Target, path: pathlib.Path, expected: Any) -> bool:
    """Whether a file is refused; if it is read, it is read right.

    Raises:
        AssertionError: it is read wrong, the error is not one line or does not begin
            with the file, or reading it takes too long.
    """
    began = time.monotonic()
    try:
        found = target.read(path)
    except (ValueError, OSError) as error:
        text = str(error)
        assert '\n' not in text and str(path.parent) in text, text
        return True
    finally:
        assert time.monotonic() - began < LONGEST, path
    if target.is_checked:
        np.testing.assert_array_equal(found, expected)
    return False


def fuzz(folder: pathlib.Path, *, seconds: float, seed: int) -> dict[str, list[int]]:
    """Name -> how many files were tried, and how many of them refused."""
    rng = np.random.default_rng(seed)
    counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    all_targets, end = targets(), time.monotonic() + seconds
    expected = {}
    for target in all_targets:
        (folder / target.name).write_bytes(target.whole)
        expected[target.name] = target.read(folder / target.name)
    while time.monotonic() < end:
        for target in all_targets:
            path = folder / target.name
            path.write_bytes(damage(target.whole, rng))
            counts[target.name][0] += 1
            counts[target.name][1] += is_refused(target, path, expected[target.name])
    return dict(counts)


def flip_bits(
    files: list[pathlib.Path], read: Callable[[], Any], *, flips: int, seed: int
) -> tuple[int, int]:
    """Changes one bit at a time; how many changes were noticed, and how many were in
    bytes that are not read: what is read is the same.

    Raises:
        AssertionError: something else is read.
    """
    rng, noticed, whole = np.random.default_rng(seed), 0, read()
    sizes = np.array([path.stat().st_size for path in files], float)
    for _ in range(flips):
        path = files[rng.choice(len(files), p=sizes / sizes.sum())]
        data = path.read_bytes()
        changed = bytearray(data)
        changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            found = read()
        except ValueError as error:
            assert '\n' not in str(error), error
            noticed += 1
        else:
            same = jax.tree.map(np.array_equal, found, whole)
            assert all(jax.tree.leaves(same)), path
        finally:
            path.write_bytes(data)
    return noticed, flips - noticed


def flip_checkpoint(folder: pathlib.Path, *, flips: int, seed: int) -> tuple[int, int]:
    """`flip_bits` in all files of a checkpoint that weights are read of."""
    with Checkpoints(folder, keep=1) as checkpoints:
        checkpoints.save(1, small_state(1), number_batches(), [])
    files = [
        path
        for name in ('variables', 'about')
        for path in sorted((folder / f'checkpoints/latest/1/{name}').rglob('*'))
        if path.is_file()
    ]
    return flip_bits(
        files, lambda: load_variables(folder, 'latest')[0], flips=flips, seed=seed
    )


def flip_released(folder: pathlib.Path, *, flips: int, seed: int) -> tuple[int, int]:
    """`flip_bits` in a copy of the weights that come with the package."""
    path = folder / 'weights.safetensors'
    path.write_bytes(released.weights_path().read_bytes())
    with mock.patch.object(released, 'weights_path', lambda: path):
        return flip_bits(
            [path], lambda: released.read().variables, flips=flips, seed=seed
        )


def resident() -> int:
    """Memory of this process in MiB."""
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


def main() -> None:
    """Prints what was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--minutes', type=float, default=0)
    parser.add_argument('--flips', type=int, default=0)
    parser.add_argument('--seed', type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if given.flips:
            for what, flip in (
                ('released weights', flip_released),
                ('checkpoint', flip_checkpoint),
            ):
                noticed, unread = flip(folder, flips=given.flips, seed=given.seed)
                print(
                    f'{what}: {noticed} noticed, {unread} changed nothing', flush=True
                )
        if given.minutes:
            fuzz(folder, seconds=3, seed=given.seed)  # caches are filled
            before = resident()
            counts = fuzz(folder, seconds=60 * given.minutes, seed=given.seed + 1)
            for target, (tried, refused) in counts.items():
                print(f'{target}: {tried:,} tried, {refused:,} refused')
            print(f'memory: {before:,} MiB before, {resident():,} MiB after')


if __name__ == '__main__':
    main()
