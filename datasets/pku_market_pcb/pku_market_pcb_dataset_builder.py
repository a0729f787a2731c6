"""PKU-Market-PCB: crops of photographed circuit boards, and of their templates.

The source is a directory `PCB_DATASET/` as the authors publish it:

    images/CLASS/BOARD_CLASS_NUMBER.jpg         a board with defects, painted in
    Annotations/CLASS/BOARD_CLASS_NUMBER.xml    its boxes, see `annotation`
    PCB_USED/BOARD.JPG                          the board's template

with the folders Missing_hole, Mouse_bite and so on. Turned copies of the images, which
have no boxes, stand in `rotation/` and are not read.

As in the paper, images are resized and cut into squares, of which those with defects
are kept. Each side becomes the nearest multiple of `size` pixels, so that the squares
cover the board and no two overlap (the paper does not say how it resizes). Masks follow
from the boxes by the rule for photographs of `box_masks`, before the resizing.

Configs say what is shuffled and split 70 to 30 into `train` and `test`:

    by_crop     the crops, as in the paper: each board is in both splits
    by_board    the boards: those of the test split are new to the network
"""

import itertools
import pathlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from numpy.typing import NDArray
from tqdm import tqdm

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.datasets import box_masks, preparation, schema
from cadnet_jax.datasets.pku_market_pcb import annotation
from cadnet_jax.files.images import read_image

CLASS_NAMES = (
    'background',
    'missing_hole',
    'mouse_bite',
    'open_circuit',
    'short',
    'spur',
    'spurious_copper',
)
SIZES = range(32, 4097)
SEEDS = range(2**32)

_JPEG = ('.jpg', '.jpeg')
_NAME = re.compile(r'([0-9]+)_([a-z_]+)_([0-9]+)', re.ASCII)

_CITATION = """\
@article{huang2019pcb,
  title={A PCB Dataset for Defects Detection and Classification},
  author={Huang, Weibo and Wei, Peng},
  journal={arXiv preprint arXiv:1901.08204},
  year={2019}
}"""


class Photo(NamedTuple):
    """A photographed board, and where its files are."""

    id: str
    board: str
    image: pathlib.Path
    template: pathlib.Path
    boxes: pathlib.Path


class Crop(NamedTuple):
    """A square of a resized photo, counted from 0 in squares."""

    photo: Photo
    row: int
    column: int


class Pixels(NamedTuple):
    """Image and reference, RGB uint8 [H, W, 3], and class ids, uint8 [H, W]."""

    image: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    mask: NDArray[np.uint8]


class Builder(tfds.core.GeneratorBasedBuilder):
    """Writes PKU-Market-PCB as `schema` describes."""

    VERSION = tfds.core.Version('1.0.0')
    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS reads it off the class)
        tfds.core.BuilderConfig(name='by_crop', description='Crops are shuffled.'),
        tfds.core.BuilderConfig(name='by_board', description='Boards are shuffled.'),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        'give the directory PCB_DATASET of '
        'https://robotics.pkusz.edu.cn/resources/dataset/, or the directory that '
        'holds it'
    )
    # TFDS looks in the wrong place for it where the package is installed editable.
    pkg_dir_path = epath.Path(__file__).parent

    def __init__(self, *, size: int = 1000, seed: int = 0, **options: Any) -> None:
        """A builder.

        Args:
            size: pixels a side of the crops.
            seed: of the split.
            **options: of TFDS: `data_dir` and `config`.

        Raises:
            ValueError: an option is out of range.
        """
        preparation.check_range('size', size, SIZES)
        preparation.check_range('seed', seed, SEEDS)
        self.options = {'size': size, 'seed': seed}
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description='Crops of photographed circuit boards and their templates.',
            features=schema.features(),
            homepage='https://robotics.pkusz.edu.cn/resources/dataset/',
            citation=_CITATION,
            metadata=schema.Metadata(),
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        photos, problems = find_photos(pathlib.Path(dl_manager.manual_dir))
        crops: list[Crop] = []
        for photo in tqdm(photos, desc='checking', unit=' images'):
            try:
                crops += defective_crops(photo, self.options['size'])
            except (ValueError, FileNotFoundError) as error:
                problems.append(str(error))
        preparation.raise_problems(
            # A bad template is found once for each of its photos.
            list(dict.fromkeys(problems)),
            remedy='Get these files again from where the data set came from.',
        )
        splits = split_crops(
            crops, by=self.builder_config.name, seed=self.options['seed']
        )
        self.info.metadata.update(
            class_names=list(CLASS_NAMES),
            class_pixels={},
            unusable_labels={},
            options=self.options,
            statistics={},
        )
        return {
            split: self._generate_examples(split, crops)
            for split, crops in splits.items()
        }

    def _generate_examples(
        self, split: str, crops: list[Crop]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        class_pixels = np.zeros(len(CLASS_NAMES), np.int64)
        ignored = 0
        unusable: list[dict[str, str]] = []
        bar = tqdm(crops, desc=f'writing {split}', unit=' pairs')
        for photo, of_photo in itertools.groupby(bar, key=lambda crop: crop.photo):
            whole, faint = read_photo(photo, self.options['size'])
            unusable += schema.unusable_labels(
                photo.id,
                faint,
                reason='too faint to be told from noise',
            )
            for crop in of_photo:
                pixels = cut(whole, crop, self.options['size'])
                class_pixels += schema.count_pixels(pixels.mask, len(CLASS_NAMES))
                ignored += bool(np.any(pixels.mask == IGNORED))
                id = f'{photo.id}/{crop.row}_{crop.column}'
                yield id, schema.example(*pixels, id=id, group=photo.board)
        self.info.metadata['class_pixels'][split] = class_pixels.tolist()
        self.info.metadata['unusable_labels'][split] = unusable
        self.info.metadata['statistics'][split] = {
            'crops of board': dict(Counter(crop.photo.board for crop in crops)),
            'crops with': {'defects': len(crops), 'ignored box': ignored},
        }


def find_photos(source_dir: pathlib.Path) -> tuple[list[Photo], list[str]]:
    """The photos, those of a board together, and what is wrong with names, by line.

    `source_dir` is PCB_DATASET or the directory that holds it.

    Raises:
        FileNotFoundError: one of the three folders is missing.
    """
    inner = source_dir / 'PCB_DATASET'
    root = inner if inner.is_dir() else source_dir
    folders = [root / name for name in ('images', 'Annotations', 'PCB_USED')]
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(
                f'{folder}: no such directory; {Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}.'
            )
    images, annotations, templates = map(preparation.list_visible, folders)
    template_of = {path.stem: path for path in templates}
    photos: list[Photo] = []
    problems: list[str] = []
    for image in _files(images, problems):
        match = _NAME.fullmatch(image.stem.lower())
        class_name = image.parent.name.lower()
        if not match or match[2] != class_name or image.suffix.lower() not in _JPEG:
            problems.append(
                f'{str(image)!r}: its name is not of the form '
                f'BOARD_{class_name}_NUMBER.jpg; rename or remove it'
            )
            continue
        board = match[1]
        photos.append(
            Photo(
                id=image.stem,
                board=board,
                image=image,
                template=template_of.get(board, folders[2] / f'{board}.JPG'),
                boxes=folders[1] / image.parent.name / f'{image.stem}.xml',
            )
        )
    count = Counter(photo.id for photo in photos)
    problems += [f'{id}: two images of this name' for id, n in count.items() if n > 1]
    known = {photo.boxes for photo in photos}
    problems += [
        f'{str(path)!r}: its image is missing'
        for path in _files(annotations, problems)
        if path not in known
    ]
    return sorted(photos, key=lambda photo: (photo.board, photo.id)), problems


def _files(folders: Sequence[pathlib.Path], problems: list[str]) -> list[pathlib.Path]:
    """What is in folders named as the classes; others are added to `problems`."""
    files = []
    for folder in folders:
        if folder.name.lower() in CLASS_NAMES[1:] and folder.is_dir():
            files += preparation.list_visible(folder)
        else:
            problems.append(
                f'{str(folder)!r}: not one of the folders '
                f'{", ".join(CLASS_NAMES[1:])}; rename or remove it'
            )
    return files


def defective_crops(photo: Photo, size: int) -> list[Crop]:
    """The crops of a photo that have a defect.

    Raises:
        FileNotFoundError: image or template is missing.
        ValueError: one of its files is damaged, or they do not fit together.
    """
    mask = read_photo(photo, size)[0].mask
    rows, columns = (side // size for side in mask.shape)
    squares = mask.reshape(rows, size, columns, size)
    defective = np.any((squares > 0) & (squares != IGNORED), axis=(1, 3))
    return [Crop(photo, *place) for place in np.argwhere(defective).tolist()]


def read_photo(photo: Photo, size: int) -> tuple[Pixels, list[str]]:
    """A photo, its template and its mask, resized to whole squares of `size` pixels.

    With them, a line for each box in which nothing can be told from noise.

    Raises:
        FileNotFoundError: image or template is missing.
        ValueError: one of its files is damaged, or they do not fit together.
    """
    image, template = read_image(photo.image), read_image(photo.template)
    (height, width), (h, w) = image.shape[:2], template.shape[:2]
    if (height, width) != (h, w):
        raise ValueError(
            f'{photo.image}: {width}x{height} pixels, but {photo.template.name} has '
            f'{w}x{h}'
        )
    boxes = annotation.read_boxes(photo.boxes, CLASS_NAMES, size=(height, width))
    mask = box_masks.mask_from_photo_boxes(image, template, boxes)
    pixels = Pixels(
        _resize(image, size, cv2.INTER_LINEAR),
        _resize(template, size, cv2.INTER_LINEAR),
        _resize(mask, size, cv2.INTER_NEAREST_EXACT),
    )
    faint = [
        f'{CLASS_NAMES[box.class_id]} in {photo.boxes.name}: {tuple(box)}'
        for box in box_masks.ignored_boxes(mask, boxes)
    ]
    return pixels, faint


def _resize(
    pixels: NDArray[np.uint8], size: int, interpolation: int
) -> NDArray[np.uint8]:
    """`pixels` with each side the nearest multiple of `size`, one at least."""
    height, width = (
        max(1, (2 * side + size) // (2 * size)) * size for side in pixels.shape[:2]
    )
    resized = cv2.resize(pixels, (width, height), interpolation=interpolation)
    return np.asarray(resized, np.uint8)


def cut(whole: Pixels, crop: Crop, size: int) -> Pixels:
    """One square out of a resized photo."""
    y, x = crop.row * size, crop.column * size
    return Pixels(*(pixels[y : y + size, x : x + size] for pixels in whole))


def split_crops(crops: Sequence[Crop], *, by: str, seed: int) -> dict[str, list[Crop]]:
    """The crops of each split; `by` is a config's name.

    Raises:
        ValueError: there are fewer than two crops, or boards.
    """
    if by == 'by_crop':
        return preparation.shuffle_70_30(crops, seed=seed, what='crops with defects')
    boards = sorted({crop.photo.board for crop in crops})
    split_boards = preparation.shuffle_70_30(
        boards, seed=seed, what='boards with defects'
    )
    return {
        split: [crop for crop in crops if crop.photo.board in chosen]
        for split, chosen in split_boards.items()
    }
