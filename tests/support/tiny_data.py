"""A tiny prepared data set, written by a real (minimal) TFDS builder."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from cadnet_jax.datasets import schema
from cadnet_jax.files.images import write_png

CLASS_NAMES = ('background', 'missing', 'excess')
SPLITS: Mapping[str, int] = {'train': 12, 'val': 5, 'test': 7}


def tiny_board(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One synthetic board of `size` (H, W), both at least 16 pixels.

    Returns:
        image uint8 [H, W, 3], reference uint8 [H, W, 3], mask uint8 [H, W]: bright
        rectangles on dark ground as reference; one square defect of each class in the
        image, 'missing' (1) dark red, 'excess' (2) light blue; the border pixel row at
        the top is labeled 255 (ignored).
    """
    height, width = size
    reference = np.full((height, width, 3), 40, np.uint8)
    for _ in range(4):
        top, left = rng.integers((height // 2, width // 2))
        h, w = rng.integers(4, (height // 2, width // 2))
        reference[top : top + h, left : left + w] = (200, 190, 170)
    image, mask = reference.copy(), np.zeros((height, width), np.uint8)
    side = max(4, min(height, width) // 8)
    for label, color in ((1, (90, 10, 10)), (2, (140, 180, 255))):
        y = int(rng.integers(1, height - side))
        x = int(rng.integers(width // 2 - side)) + (label - 1) * (width // 2)
        image[y : y + side, x : x + side] = color
        mask[y : y + side, x : x + side] = label
    mask[0] = 255
    return image, reference, mask


def write_board(
    folder: pathlib.Path, name: str, size: tuple[int, int] = (40, 64)
) -> np.ndarray:
    """Writes FOLDER/image/NAME and FOLDER/reference/NAME; returns the label."""
    image, reference, mask = tiny_board(np.random.default_rng(0), size)
    write_png(folder / 'image' / name, image)
    write_png(folder / 'reference' / name, reference)
    return mask


def boards(
    number: int, size: tuple[int, int], seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images and references uint8 [B, H, W, 3], masks uint8 [B, H, W]."""
    rng = np.random.default_rng(seed)
    pairs = [tiny_board(rng, size) for _ in range(number)]
    images, references, masks = zip(*pairs, strict=True)
    return np.stack(images), np.stack(references), np.stack(masks)


class TinyPairs(tfds.core.GeneratorBasedBuilder):
    """The boards of `tiny_board`, in the schema that every prepared set has."""

    VERSION = tfds.core.Version('1.0.0')
    pkg_dir_path = epath.Path(__file__).parent

    def __init__(
        self,
        *,
        sizes: Sequence[tuple[int, int]],
        num: Mapping[str, int],
        unchanged_every: int,
        boxes: bool = False,
        **kwargs: Any,
    ) -> None:
        self._sizes, self._num, self._unchanged_every = sizes, num, unchanged_every
        self._boxes = boxes
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=schema.features(boxes=self._boxes),
            metadata=schema.Metadata(class_names=list(CLASS_NAMES), class_pixels={}),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self._num}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, Any]]:
        rng = np.random.default_rng(list(split.encode()))
        pixels = np.zeros(len(CLASS_NAMES), np.int64)
        for index in range(self._num[split]):
            size = self._sizes[index % len(self._sizes)]
            image, reference, mask = tiny_board(rng, size)
            if self._unchanged_every and index % self._unchanged_every == 0:
                image, mask = reference, np.where(mask == 255, mask, 0)
            pixels += np.bincount(mask.ravel(), minlength=256)[: len(pixels)]
            key = f'{split}_{index:03}'
            pair: dict[str, Any] = {
                'image': encode_png(image),
                'reference': encode_png(reference),
                'mask': encode_png(mask),
                'id': key,
                'group': f'group_{index % 2}',
            }
            if self._boxes:
                pair['boxes'] = np.array(label_boxes(mask), np.int32).reshape(-1, 5)
            yield key, pair
        self.info.metadata['class_pixels'][split] = pixels.tolist()


def label_boxes(mask: np.ndarray) -> list[list[int]]:
    """The box around each class in `mask`, 3 pixels wider on each side, inside it."""
    height, width = mask.shape
    boxes = []
    for label in (1, 2):
        y, x = np.nonzero(mask == label)
        if len(x):
            low = max(x.min() - 3, 0), max(y.min() - 3, 0)
            high = min(x.max() + 4, width), min(y.max() + 4, height)
            boxes.append([int(value) for value in (*low, *high, label)])
    return boxes


def prepare_tiny(
    directory: str | pathlib.Path,
    *,
    sizes: Sequence[tuple[int, int]] = ((64, 64),),
    num: Mapping[str, int] = SPLITS,
    unchanged_every: int = 0,
    boxes: bool = False,
) -> pathlib.Path:
    """Writes a prepared data set and returns its directory (about 0.3 s).

    Args:
        directory: where to write; the set stands in `directory/tiny_pairs/1.0.0`. What
            is there already is left as it is.
        sizes: (H, W) of the pairs, taken in turn within a split.
        num: number of pairs in each split, at least 1.
        unchanged_every: the pairs 0, n, 2 n, ... of a split have no defect; 0: all
            pairs have some.
        boxes: store the boxes of `label_boxes`.

    The pairs are those of `tiny_board`, the same in every call; ids are 'train_000',
    'train_001' and so on (they are not read in this order); groups are 'group_0' and
    'group_1' in turn.
    """
    builder = TinyPairs(
        sizes=sizes,
        num=num,
        unchanged_every=unchanged_every,
        boxes=boxes,
        data_dir=str(directory),
        file_format='array_record',
    )
    builder.download_and_prepare()
    return pathlib.Path(builder.data_dir)


def encode_png(image: np.ndarray) -> bytes:
    """PNG of uint8 [H, W, 3] RGB or [H, W]."""
    bgr = image[..., ::-1] if image.ndim == 3 else image
    # Level 1: OpenCV decodes it two to four times as fast as its default.
    return cv2.imencode('.png', bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
