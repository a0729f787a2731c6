"""DeepPCB: 640x640 pairs of a tested printed circuit board and its template.

The source is a directory `PCBData/` as the authors publish it (all of it, or whole
board groups of it):

    trainval.txt, test.txt          groupX/X/NAME.jpg groupX/X_not/NAME.txt
    groupX/X/NAME_test.jpg          the tested board, binarized
    groupX/X/NAME_temp.jpg          its template
    groupX/X_not/NAME.txt           a defect a line: x1 y1 x2 y2 type

Splits: `val` is every 10th line of trainval.txt (lines 0, 10, 20 and so on, counted
from 0), `train` the others, `test` is test.txt. A pair's group is its board group.
Masks follow from the boxes by the rule of `box_masks`; the boxes are kept beside them.
"""

import pathlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from numpy.typing import NDArray
from tqdm import tqdm

from cadnet_jax.datasets import box_masks, preparation, schema
from cadnet_jax.files.images import read_image

CLASS_NAMES = (
    'background',
    'open',
    'short',
    'mousebite',
    'spur',
    'copper',
    'pin_hole',
)
_VAL_EVERY = 10

_CITATION = """\
@article{tang2019online,
  title={Online PCB Defect Detector On A New PCB Defect Dataset},
  author={Tang, Sanli and He, Fan and Huang, Xiaolin and Yang, Jie},
  journal={arXiv preprint arXiv:1902.06197},
  year={2019}
}"""


class BoardFiles(NamedTuple):
    """Where a pair's files are."""

    id: str
    group: str
    image: pathlib.Path
    reference: pathlib.Path
    boxes: pathlib.Path


class Builder(tfds.core.GeneratorBasedBuilder):
    """Writes DeepPCB as `schema` describes."""

    VERSION = tfds.core.Version('1.1.0')
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        '1.0.0': 'Images, references and masks.',
        '1.1.0': 'The boxes as well, as the authors label them.',
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        'give the directory PCBData of https://github.com/tangsanli5201/DeepPCB, or '
        'the directory that holds it'
    )
    # TFDS looks in the wrong place for it where the package is installed editable.
    pkg_dir_path = epath.Path(__file__).parent

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description='Pairs of a tested printed circuit board and its template.',
            features=schema.features(boxes=True),
            homepage='https://github.com/tangsanli5201/DeepPCB',
            citation=_CITATION,
            metadata=schema.Metadata(),
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        splits = find_pairs(pathlib.Path(dl_manager.manual_dir))
        pairs = [pair for split in splits.values() for pair in split]
        problems = [
            f'{id}: listed twice' for id in _repeated(pair.id for pair in pairs)
        ]
        for pair in tqdm(pairs, desc='checking', unit=' pairs'):
            problems += pair_problems(pair)
        preparation.raise_problems(
            problems, remedy='Get these files again from where the data set came from.'
        )
        self.info.metadata.update(
            class_names=list(CLASS_NAMES), class_pixels={}, unusable_labels={}
        )
        return {
            split: self._generate_examples(split, pairs)
            for split, pairs in splits.items()
        }

    def _generate_examples(
        self, split: str, pairs: list[BoardFiles]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        pixels = np.zeros(len(CLASS_NAMES), np.int64)
        unusable: list[dict[str, str]] = []
        for pair in tqdm(pairs, desc=f'writing {split}', unit=' pairs'):
            image, reference = read_gray(pair.image), read_gray(pair.reference)
            boxes = read_box_list(pair.boxes, size=image.shape)
            mask = box_masks.mask_from_boxes(image, reference, boxes)
            unusable += schema.unusable_labels(
                pair.id,
                [
                    f'{CLASS_NAMES[box.class_id]} in {pair.boxes.name}: {tuple(box)}'
                    for box in box_masks.ignored_boxes(mask, boxes)
                ],
                reason='nothing differs but the contour',
            )
            pixels += schema.count_pixels(mask, len(CLASS_NAMES))
            yield (
                pair.id,
                schema.example(
                    cv2.cvtColor(image, cv2.COLOR_GRAY2RGB),
                    cv2.cvtColor(reference, cv2.COLOR_GRAY2RGB),
                    mask,
                    id=pair.id,
                    group=pair.group,
                    boxes=boxes,
                ),
            )
        self.info.metadata['class_pixels'][split] = pixels.tolist()
        self.info.metadata['unusable_labels'][split] = unusable


def find_pairs(source_dir: pathlib.Path) -> dict[str, list[BoardFiles]]:
    """The pairs of each split; `source_dir` is PCBData or the directory that holds it.

    Raises:
        FileNotFoundError: a list of pairs is missing.
        ValueError: a line of a list is malformed, or a split has no pair.
    """
    inner = source_dir / 'PCBData'
    root = inner if inner.is_dir() else source_dir
    trainval, test = (read_list(root / f'{name}.txt') for name in ('trainval', 'test'))
    splits = {
        'train': [pair for i, pair in enumerate(trainval) if i % _VAL_EVERY],
        'val': trainval[::_VAL_EVERY],
        'test': test,
    }
    if empty := [split for split, pairs in splits.items() if not pairs]:
        raise ValueError(
            f'{root}: no pair for {", ".join(empty)}; trainval.txt must list 2 pairs '
            'or more, test.txt one. Get the lists again.'
        )
    return splits


def read_list(path: pathlib.Path) -> list[BoardFiles]:
    """The pairs that a list names, in its order."""
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: no such file; {Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}.'
        )
    lines = path.read_text('utf-8-sig', errors='replace').splitlines()
    return [_pair_files(line, path) for line in lines if line.strip()]


def _pair_files(line: str, path: pathlib.Path) -> BoardFiles:
    names = line.split()
    if len(names) != 2 or len(pathlib.PurePosixPath(names[0]).parts) != 3:
        raise ValueError(
            f'{path}: the line {line!r} is not of the form '
            "'groupX/X/NAME.jpg groupX/X_not/NAME.txt'; get the file again."
        )
    stem = pathlib.PurePosixPath(names[0]).with_suffix('')
    group = stem.parts[0]
    return BoardFiles(
        id=f'{group}/{stem.name}',
        group=group,
        image=path.parent / f'{stem}_test.jpg',
        reference=path.parent / f'{stem}_temp.jpg',
        boxes=path.parent / names[1],
    )


def read_gray(path: pathlib.Path) -> NDArray[np.uint8]:
    """The image in `path`, gray, uint8 [H, W]."""
    gray = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY)
    return np.asarray(gray, np.uint8)


def read_box_list(path: pathlib.Path, *, size: tuple[int, ...]) -> list[box_masks.Box]:
    """The labeled boxes in `path`, for an image of `size` (H, W) in pixels.

    Raises:
        ValueError: there is no such file, or a line of it is malformed, has an unknown
            type, or a box that is empty or leaves the image.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such file')
    lines = path.read_text('utf-8-sig', errors='replace').splitlines()
    return [
        _read_box(line, f'{path}:{number}', size)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def _read_box(line: str, where: str, size: tuple[int, ...]) -> box_masks.Box:
    try:
        box = box_masks.Box(*map(int, line.replace(',', ' ').split()))
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {line!r} is not 'x1 y1 x2 y2 type'") from None
    height, width = size
    if not 1 <= box.class_id < len(CLASS_NAMES):
        raise ValueError(f'{where}: unknown type {box.class_id}; known: 1 to 6')
    if not (
        0 <= box.x_min < box.x_max <= width and 0 <= box.y_min < box.y_max <= height
    ):
        raise ValueError(
            f'{where}: the box {line!r} is empty or leaves the {width}x{height} image'
        )
    return box


def pair_problems(pair: BoardFiles) -> list[str]:
    """What is wrong with a pair's files, a line each; empty if nothing is."""
    problems, sizes = [], []
    for path in (pair.image, pair.reference):
        try:
            sizes.append(read_gray(path).shape)
        except (ValueError, FileNotFoundError) as error:
            problems.append(str(error))
    if len(set(sizes)) == 2:
        (h1, w1), (h2, w2) = sizes
        problems.append(
            f'{pair.reference}: {w2}x{h2} pixels, but {pair.image.name} has {w1}x{h1}'
        )
    try:
        # Without an image there is no size to hold the boxes against.
        read_box_list(pair.boxes, size=sizes[0] if sizes else (2**31, 2**31))
    except ValueError as error:
        problems.append(str(error))
    return problems


def _repeated(ids: Iterator[str]) -> list[str]:
    return [id for id, count in Counter(ids).items() if count > 1]
