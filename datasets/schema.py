"""What every prepared directory holds.

A prepared directory is a TFDS directory of array_record files, e.g.
`OUTPUT_DIR/deep_pcb/1.1.0/`, that `tfds.builder_from_directory` reads without
TensorFlow. Its `metadata.json` holds

    class_names   ["background", ...], a pixel's class id is its index here
    class_pixels  {split: [pixels of class 0, of class 1, ...]}
    options       {name: value},
    statistics    {split: {what: {value: how many}}} and
    unusable_labels  {split: [{id, label, reason}]}, where the builder has them: the
                  pixels of such a label are ignored
    records       digest of all records

Ids in a mask: 0 background, 1..K defects, 255 ignored (counted nowhere).

Where a data set's own labels are boxes, each record has them as well, `boxes`: those of
its authors, from which the mask was made.
"""

import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from numpy.typing import NDArray

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.datasets.encoding import encode_png

_DIGITS = 16  # of a SHA-256, which is 64 hexadecimal digits long


class Metadata(tfds.core.MetadataDict):
    """`metadata.json`, which tells its records apart from any others."""

    def save_metadata(self, data_dir: os.PathLike[str]) -> None:
        """Writes the file; all records are there by then."""
        self['records'] = digest_records(pathlib.Path(data_dir))
        super().save_metadata(data_dir)


def digest_records(data_dir: pathlib.Path) -> str:
    """Digest of the files of records in a prepared directory, and of their names."""
    state = hashlib.sha256()
    for path in sorted(data_dir.glob('*.array_record*')):
        state.update(path.name.encode())
        with path.open('rb') as file:
            state.update(hashlib.file_digest(file, 'sha256').digest())
    return state.hexdigest()[:_DIGITS]


def features(*, boxes: bool = False) -> tfds.features.FeaturesDict:
    """The schema of every prepared directory; images are given as PNG bytes.

    Args:
        boxes: whether the pairs have boxes, int32 [N, 5]; see `example`.
    """

    def image(channels: int) -> tfds.features.Image:
        return tfds.features.Image(
            shape=(None, None, channels), dtype=np.uint8, encoding_format='png'
        )

    optional = {'boxes': tfds.features.Tensor(shape=(None, 5), dtype=np.int32)}
    return tfds.features.FeaturesDict(
        {
            'image': image(3),
            'reference': image(3),
            'mask': image(1),
            'id': tfds.features.Text(),
            'group': tfds.features.Text(),
        }
        | (optional if boxes else {})
    )


def example(
    image: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray,
    *,
    id: str,
    group: str,
    boxes: Sequence[Sequence[int]] | None = None,
) -> dict[str, Any]:
    """What a builder yields for a pair.

    Args:
        image: RGB, uint8 [H, W, 3].
        reference: RGB, uint8 [H, W, 3].
        mask: class ids, uint8 [H, W].
        id: of the pair.
        group: of the pair.
        boxes: x_min, y_min, x_max, y_max, class id of each labeled defect, as the data
            set's authors give them; None where it has no boxes.
    """
    pair = {
        'image': encode_png(image),
        'reference': encode_png(reference),
        'mask': encode_png(mask),
        'id': id,
        'group': group,
    }
    if boxes is None:
        return pair
    return pair | {'boxes': np.array(boxes, np.int32).reshape(-1, 5)}


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


def unusable_labels(
    id: str, labels: Sequence[str], *, reason: str
) -> list[dict[str, str]]:
    """What `metadata.json` keeps of the labels of a pair that became ignored pixels."""
    return [{'id': id, 'label': label, 'reason': reason} for label in labels]
