"""The weights that come with the package: one file, which is checked when it is read.

    released_weights/weights.safetensors   arrays by name; in its header the settings
    released_weights/CARD.md               the model card

The SHA-256 of the file stands below and in the card. `write` keeps the three together.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from flax import traverse_util

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.files.atomic import write_bytes

NAME = 'released'  # what stands for these weights in place of a work directory
FOLDER = pathlib.Path(__file__).with_name('released_weights')
SHA256 = '23bc40fcd64135a868a1b01d28b97ee3a4d48749525b9e902c3f7f7b21d1e368'
# Larger images are predicted in tiles of this side: the fastest that loses nothing on
# boards; smaller ones are better on screens (docs/performance.md).
TILE_SIZE = 192  # pixels

MODULE = pathlib.Path(__file__)
_LARGEST_FILE = 9_000_000  # bytes; each release stays in the history of the repository
_HEADER = 'cadnet_jax'  # one entry: the order of several is not defined
_IN_MODULE = re.compile(r"^SHA256 = '([^']*)'$", re.MULTILINE)
_IN_CARD = re.compile(r'^\| SHA-256 \| `([^`]*)` \|$', re.MULTILINE)


class Released(NamedTuple):
    """Released weights, and what they are of.

    Attributes:
        config: of the run; without its paths.
        class_names: index = id in the masks; 0 is the background.
        dataset: name of the data set that they were trained on.
        step: number of training steps.
        threshold: probability of a defect above which a pixel is one.
        variables: {'params': ..., 'batch_stats': ...} of float32 arrays.
    """

    config: Config
    class_names: tuple[str, ...]
    dataset: str
    step: int
    threshold: float
    variables: dict[str, Any]


def is_released(workdir: str | os.PathLike[str]) -> bool:
    """Whether `workdir` stands for the released weights; './released' is a folder."""
    return workdir == NAME


def read() -> Released:
    """Reads the weights of the package, and compares their SHA-256.

    Raises:
        FileNotFoundError: this package has none.
        ValueError: the file is not, byte for byte, the one that was released.
    """
    path = weights_path()
    if not path.exists():
        raise FileNotFoundError(
            f'{NAME}: no weights come with this package ({path} is missing). Install '
            'the package again, or name the work directory of a training run.'
        )
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError(f'{path}: damaged: install the package again.')
    header = _read_header(data)
    config = configs.from_dict(header['config'], source=str(path))
    arrays = {
        name: array.astype(np.float32)
        for name, array in safetensors.numpy.load(data).items()
    }
    return Released(
        config=_with_threshold(config, header['threshold']),
        class_names=tuple(header['class_names']),
        dataset=header['dataset'],
        step=header['step'],
        threshold=header['threshold'],
        variables=traverse_util.unflatten_dict(arrays, sep='/'),
    )


def write(weights: Released, card: str) -> str:
    """Writes the file, the card, and the SHA-256 into this module and the card.

    Kernels and biases are rounded to float16; batch statistics and the scales and
    biases of norms keep float32.

    Args:
        weights: to release. Paths in its settings are left out.
        card: the model card, Markdown with the row "| SHA-256 | `` |".

    Returns:
        The SHA-256 of the file.

    Raises:
        ValueError: a weight is not finite in its format, the file would be too large,
            the threshold cannot be, or the card has no such row.
    """
    if not 0 < weights.threshold < 1:
        raise ValueError(f'threshold is {weights.threshold}; it must be in (0, 1).')
    config = configs.replace(weights.config, data_dir='', init_from='')
    header = {
        'config': dataclasses.asdict(_with_threshold(config, weights.threshold)),
        'class_names': list(weights.class_names),
        'dataset': weights.dataset,
        'step': weights.step,
        'threshold': weights.threshold,
    }
    data = safetensors.numpy.save(
        _rounded(weights.variables), {_HEADER: json.dumps(header)}
    )
    if len(data) >= _LARGEST_FILE:
        raise ValueError(
            f'the weights take {len(data):,} bytes; they must stay below '
            f'{_LARGEST_FILE:,}. Release a smaller --variant.'
        )
    digest = hashlib.sha256(data).hexdigest()
    card = _with_digest(card, _IN_CARD, digest, 'the card has no row | SHA-256 | `` |')
    module = _with_digest(
        MODULE.read_text(), _IN_MODULE, digest, f'{MODULE} has no line SHA256'
    )
    write_bytes(weights_path(), data)
    write_bytes(FOLDER / 'CARD.md', card.encode())
    write_bytes(MODULE, module.encode())
    return digest


def weights_path() -> pathlib.Path:
    """The file; it need not be there."""
    return FOLDER / 'weights.safetensors'


def card_digest() -> str:
    """The SHA-256 that the model card states; '' where nothing is released yet."""
    match = _IN_CARD.search((FOLDER / 'CARD.md').read_text())
    return match[1] if match else ''


def _rounded(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays by name, in the formats of the file."""
    flat = traverse_util.flatten_dict(dict(variables))
    arrays = {}
    for path, array in flat.items():
        of_norm = path[0] == 'batch_stats' or (*path[:-1], 'scale') in flat
        with np.errstate(over='ignore'):  # It is found below.
            stored = np.asarray(array, np.float32 if of_norm else np.float16)
        if not np.isfinite(stored).all():
            raise ValueError(
                f'{"/".join(path)} is not finite as {stored.dtype}: such weights are '
                'not released. Take an earlier --step.'
            )
        arrays['/'.join(path)] = np.ascontiguousarray(stored)
    return arrays


def _with_threshold(config: Config, threshold: float) -> Config:
    """Settings with which a pixel is a defect above `threshold`."""
    return configs.replace(config, defect_odds=(1 - threshold) / threshold)


def _read_header(data: bytes) -> dict[str, Any]:
    """The header's own entry: 8 bytes give the length of the JSON that follows."""
    end = 8 + int.from_bytes(data[:8], 'little')
    header: dict[str, Any] = json.loads(
        json.loads(data[8:end])['__metadata__'][_HEADER]
    )
    return header


def _with_digest(
    text: str, pattern: re.Pattern[str], digest: str, complaint: str
) -> str:
    """`text` with `digest` as the one group of `pattern`."""
    match = pattern.search(text)
    if not match:
        raise ValueError(f'{complaint}, which is to hold the SHA-256.')
    return text[: match.start(1)] + digest + text[match.end(1) :]
