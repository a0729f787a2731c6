"""Random access to the decoded pairs of a split, or of a share of them."""

import contextlib
import hashlib
import pathlib
import threading
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.data.prepared_set import DAMAGED, open_split
from cadnet_jax.data.selection import (
    ALL,
    Selection,
    learned_pairs,
    take_groups,
    take_share,
)
from cadnet_jax.data.transforms import Pair
from cadnet_jax.data_config import DataConfig

# Pairs are decoded in parallel; OpenCV's own threads would only get in their way.
cv2.setNumThreads(0)

IMAGES = Pair._fields  # of a pair, beside its 'id' and 'group'
READER_THREADS = 4  # outside of training, which has a setting for them


class PairSource:
    """Random access to the decoded examples of a split, or of a share of them.

    Those that are read first are kept, as far as `cache_gb` goes. None gives way to
    another: in a shuffled order each is as likely to be read next.
    """

    def __init__(
        self,
        data_dir: str | pathlib.Path,
        split: str,
        selection: Selection = ALL,
        *,
        cache_gb: float = 0.0,
    ) -> None:
        builder = open_split(data_dir, split)
        self._name = f'{data_dir}, split {split}'
        self.num_classes = len(builder.info.metadata['class_names'])
        # The images are left encoded: decoding them here, straight to RGB, is faster.
        self._records = builder.as_data_source(
            split, decoders=dict.fromkeys(IMAGES, tfds.decode.SkipDecoding())
        )
        self._chosen: Sequence[int] = range(len(self._records))
        if selection.groups or selection.leave_out:
            groups = [self.read_group(index) for index in range(len(self))]
            self._chosen = take_groups(groups, selection, source=self._name)
        self._chosen = take_share(self._chosen, selection, source=self._name)
        self._kept: dict[int, dict[str, Any]] = {}
        self._room = round(cache_gb * 1e9)  # bytes
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._chosen)

    def __repr__(self) -> str:
        return f'PairSource({self._name})'

    def __getitem__(self, index: int) -> dict[str, Any]:
        """'image', 'reference' [H, W, 3], 'mask' [H, W], 'id', 'group'; maybe 'boxes'.

        The arrays are not to be changed.

        Raises:
            ValueError: a file is cut short or damaged, or a label is outside the
                class map.
        """
        example = self._kept.get(index)
        if example is None:
            example = self._decode(index)
            self._keep(index, example)
        return example

    def read_mask(self, index: int) -> np.ndarray:
        """The mask alone, uint8 [H, W]; labels outside the class map are let through.

        Raises:
            ValueError: a file is cut short or damaged.
        """
        return self._decode_image(self._read(index), 'mask')

    def read_digest(self, index: int) -> tuple[str, str]:
        """Digest of the stored image, and the id of its pair.

        Raises:
            ValueError: a file is cut short or damaged.
        """
        record = self._read(index)
        digest = hashlib.blake2b(record['image'], digest_size=8).hexdigest()
        return digest, record['id'].decode()

    def read_names(self, index: int) -> tuple[str, str]:
        """The id and the group of a pair.

        Raises:
            ValueError: a file is cut short or damaged.
        """
        record = self._read(index)
        return record['id'].decode(), record['group'].decode()

    def read_group(self, index: int) -> str:
        """The group of a pair.

        Raises:
            ValueError: a file is cut short or damaged.
        """
        return self.read_names(index)[1]

    def _keep(self, index: int, example: dict[str, Any]) -> None:
        size = sum(example[name].nbytes for name in IMAGES)
        with self._lock:  # several threads read
            if index not in self._kept and size <= self._room:
                self._kept[index] = example
                self._room -= size

    def _decode(self, index: int) -> dict[str, Any]:
        record = self._read(index)
        example: dict[str, Any] = {key: record[key].decode() for key in ('id', 'group')}
        for name in IMAGES:
            example[name] = self._decode_image(record, name)
            example[name].flags.writeable = False  # it may be kept
        if 'boxes' in record:
            example['boxes'] = record['boxes']
        self._check_labels(example)
        return example

    def _read(self, index: int) -> dict[str, Any]:
        record: dict[str, Any] = {}
        with contextlib.suppress(TypeError, RuntimeError):
            record = self._records[self._chosen[index]]
        # Of a file that is cut at a multiple of its block size, fields are None.
        if any(record.get(name) is None for name in ('id', 'group', *IMAGES)):
            raise ValueError(f'{self._name}: cannot read pair {index}. {DAMAGED}')
        return record

    def _decode_image(self, record: dict[str, Any], name: str) -> np.ndarray:
        mode = cv2.IMREAD_GRAYSCALE if name == 'mask' else cv2.IMREAD_COLOR_RGB
        image = cv2.imdecode(np.frombuffer(record[name], np.uint8), mode)
        if image is None:
            raise ValueError(
                f'{self._name}: the {name} of {record["id"].decode()!r} is not an '
                f'image. {DAMAGED}'
            )
        return image

    def _check_labels(self, example: dict[str, Any]) -> None:
        mask = example['mask']
        unknown = mask[(mask >= self.num_classes) & (mask != IGNORED)]
        if unknown.size:
            raise ValueError(
                f'{self._name}: the mask of {example["id"]!r} has the value '
                f'{unknown[0]} ({unknown.size} pixels), outside the class map: 0 to '
                f'{self.num_classes - 1}, or {IGNORED} for pixels to '
                'ignore. Correct the mask and prepare the data again.'
            )


def training_source(
    config: DataConfig, seed: int, *, unlabeled: bool = False
) -> PairSource:
    """The pairs of `train_split` that a run of `seed` learns from.

    Args:
        config: what is read.
        seed: draws the share of the labels.
        unlabeled: instead the pairs that `label_fraction` leaves out.

    Raises:
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: no such split, an empty split, damaged data, or no pair is left.
    """
    selection = learned_pairs(config, seed)._replace(rest=unlabeled)
    return PairSource(
        config.data_dir, config.train_split, selection, cache_gb=config.cache_gb
    )
