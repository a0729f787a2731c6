"""MVTec AD: photographs of fifteen kinds of objects, with and without defects.

The source is a directory as the authors publish it (all of it, or whole objects of it):

    OBJECT/train/good/NAME.png                  defect-free
    OBJECT/test/good/NAME.png                   defect-free
    OBJECT/test/DEFECT/NAME.png                 with defects of one kind
    OBJECT/ground_truth/DEFECT/NAME_mask.png    white where the defect is

As in the paper, all images are shuffled and split 70 to 30 into `train` and `test`,
whatever folder they are in. The images of an object have one size, 700 to 1,024 pixels
a side; they are stored as they are. A pair's group is its object.

Configs say what the classes are:

    by_object   one for each object, as in the paper
    binary      any defect

The set has no reference for an image; the option `reference` says what is taken:

    similar     of the defect-free images of the object in the training split, the one
                that is most like the image (never the image itself), see `references`
    first       train/good/000.png for all images of the object, as in the published
                code; it is its own reference as well
"""

import functools
import pathlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from numpy.typing import NDArray
from tqdm import tqdm

from cadnet_jax.datasets import preparation, schema
from cadnet_jax.datasets.mvtec_ad import references
from cadnet_jax.files.images import read_image

OBJECTS = (
    'bottle',
    'cable',
    'capsule',
    'carpet',
    'grid',
    'hazelnut',
    'leather',
    'metal_nut',
    'pill',
    'screw',
    'tile',
    'toothbrush',
    'transistor',
    'wood',
    'zipper',
)
REFERENCES = ('similar', 'first')
SEEDS = range(2**32)

_INNER = 'mvtec_anomaly_detection'  # what the archive unpacks to
_NAME = re.compile(r'[\w.+-]+', re.ASCII)

_CITATION = """\
@inproceedings{bergmann2019mvtec,
  title={{MVTec AD} -- A Comprehensive Real-World Dataset for Unsupervised Anomaly
    Detection},
  author={Bergmann, Paul and Fauser, Michael and Sattlegger, David and Steger, Carsten},
  booktitle={CVPR},
  pages={9592--9600},
  year={2019}
}"""


class Photo(NamedTuple):
    """A photographed object, and where its files are."""

    id: str
    object: str
    image: pathlib.Path
    mask: pathlib.Path | None  # None: defect-free


class Builder(tfds.core.GeneratorBasedBuilder):
    """Writes MVTec AD as `schema` describes."""

    VERSION = tfds.core.Version('1.0.0')
    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS reads it off the class)
        tfds.core.BuilderConfig(name='by_object', description='A class an object.'),
        tfds.core.BuilderConfig(name='binary', description='Any defect is one class.'),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        'give the directory with the folders of the objects (bottle, cable and so on) '
        'of https://www.mvtec.com/company/research/datasets/mvtec-ad'
    )
    # TFDS looks in the wrong place for it where the package is installed editable.
    pkg_dir_path = epath.Path(__file__).parent

    def __init__(
        self, *, seed: int = 0, reference: str = 'similar', **options: Any
    ) -> None:
        """A builder.

        Args:
            seed: of the split.
            reference: one of REFERENCES.
            **options: of TFDS: `data_dir` and `config`.

        Raises:
            ValueError: an option is out of range.
        """
        preparation.check_range('seed', seed, SEEDS)
        if reference not in REFERENCES:
            raise ValueError(
                f'reference={reference!r} is unknown; it can be: '
                f'{", ".join(REFERENCES)}.'
            )
        self.options: dict[str, Any] = {'seed': seed, 'reference': reference}
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description='Photographs of fifteen kinds of objects with their defects.',
            features=schema.features(),
            homepage='https://www.mvtec.com/company/research/datasets/mvtec-ad',
            citation=_CITATION,
            metadata=schema.Metadata(),
        )

    @property
    def _class_names(self) -> tuple[str, ...]:
        defects = OBJECTS if self.builder_config.name == 'by_object' else ('defect',)
        return ('background', *defects)

    def _class_id(self, photo: Photo) -> int:
        by_object = self.builder_config.name == 'by_object'
        return self._class_names.index(photo.object) if by_object else 1

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        photos, problems = find_photos(pathlib.Path(dl_manager.manual_dir))
        thumbnails: dict[str, NDArray[np.float32]] = {}
        size_of: dict[str, tuple[int, ...]] = {}
        for photo in tqdm(photos, desc='checking', unit=' images'):
            try:
                image, _ = read_pixels(photo)
            except (ValueError, FileNotFoundError) as error:
                problems.append(str(error))
                continue
            size = size_of.setdefault(photo.object, image.shape)
            if image.shape != size:
                problems.append(
                    f'{photo.image}: {image.shape[1]}x{image.shape[0]} pixels, but '
                    f'others of {photo.object} have {size[1]}x{size[0]}'
                )
            thumbnails[photo.id] = references.thumbnail(image)
        preparation.raise_problems(
            problems,
            remedy='Get these files again from where the data set came from.',
        )
        splits = preparation.shuffle_70_30(
            photos, seed=self.options['seed'], what='images'
        )
        if self.options['reference'] == 'first':
            reference_of = first_defect_free(photos)
        else:
            reference_of = most_similar(photos, splits['train'], thumbnails)
        self.info.metadata.update(
            class_names=list(self._class_names),
            class_pixels={},
            options=self.options,
            statistics={
                split: {'images of': dict(Counter(photo.object for photo in of_split))}
                for split, of_split in splits.items()
            },
        )
        return {
            split: self._generate_examples(split, of_split, reference_of)
            for split, of_split in splits.items()
        }

    def _generate_examples(
        self, split: str, photos: list[Photo], reference_of: Mapping[str, pathlib.Path]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        class_pixels = np.zeros(len(self._class_names), np.int64)
        # With `first` the images of an object share their reference.
        read_reference = functools.lru_cache(maxsize=1)(read_image)
        for photo in tqdm(photos, desc=f'writing {split}', unit=' pairs'):
            image, defect = read_pixels(photo)
            mask = np.where(defect, self._class_id(photo), 0).astype(np.uint8)
            class_pixels += schema.count_pixels(mask, len(self._class_names))
            reference = read_reference(reference_of[photo.id])
            yield (
                photo.id,
                schema.example(image, reference, mask, id=photo.id, group=photo.object),
            )
        self.info.metadata['class_pixels'][split] = class_pixels.tolist()


def find_photos(source_dir: pathlib.Path) -> tuple[list[Photo], list[str]]:
    """The photos by object, and what is wrong with the names of files, by line.

    `source_dir` holds the folders of the objects, or the directory
    `mvtec_anomaly_detection` with them.

    Raises:
        FileNotFoundError: there is no folder of an object.
    """
    inner = source_dir / _INNER
    root = inner if inner.is_dir() else source_dir
    folders = [path for path in preparation.list_visible(root) if path.is_dir()]
    if not any(folder.name in OBJECTS for folder in folders):
        raise FileNotFoundError(
            f'{root}: it has no folder of an object; '
            f'{Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}.'
        )
    photos: list[Photo] = []
    problems: list[str] = []
    for folder in folders:
        if folder.name not in OBJECTS:
            problems.append(
                f'{str(folder)!r}: not one of the folders {", ".join(OBJECTS)}; rename '
                'or remove it'
            )
            continue
        photos += _photos_of(folder, problems)
    return photos, problems


def _photos_of(folder: pathlib.Path, problems: list[str]) -> list[Photo]:
    """The photos in an object's folder; what is wrong is added to `problems`."""
    masks = {
        (path.parent.name, path.name)
        for path in _files(folder / 'ground_truth', problems)
    }
    photos = []
    for split in ('train', 'test'):
        for image in _files(folder / split, problems):
            kind, stem = image.parent.name, image.stem
            mask = None
            if split == 'test' and kind != 'good':
                mask = folder / 'ground_truth' / kind / f'{stem}_mask.png'
                masks.discard((kind, mask.name))
            elif kind != 'good':
                problems.append(
                    f'{image}: only train/good has images for training; remove it'
                )
            id = f'{folder.name}/{split}/{kind}/{stem}'
            photos.append(Photo(id, folder.name, image, mask))
    problems += [
        f'{folder / "ground_truth" / kind / name}: its image is missing'
        for kind, name in sorted(masks)
    ]
    return photos


def _files(folder: pathlib.Path, problems: list[str]) -> list[pathlib.Path]:
    """The PNG files in the folders of `folder`; others are added to `problems`."""
    if not folder.is_dir():
        problems.append(f'{folder}: no such directory')
        return []
    files = []
    for kind in preparation.list_visible(folder):
        for path in preparation.list_visible(kind) if kind.is_dir() else [kind]:
            names = path.relative_to(folder).parts
            if (
                len(names) == 2
                and path.suffix == '.png'
                and all(map(_NAME.fullmatch, names))
            ):
                files.append(path)
            else:
                problems.append(
                    f'{str(path)!r}: not of the form FOLDER/NAME.png with letters, '
                    'digits and _.+- alone; rename or remove it'
                )
    return files


def read_pixels(photo: Photo) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The image, RGB uint8 [H, W, 3], and where its defects are, bool [H, W].

    Raises:
        FileNotFoundError: image or mask is missing.
        ValueError: one of them is damaged, they differ in size, or no pixel of the
            mask is white.
    """
    image = read_image(photo.image)
    if photo.mask is None:
        return image, np.zeros(image.shape[:2], np.bool_)
    defect = read_image(photo.mask)[..., 0] > 127
    (height, width), (h, w) = image.shape[:2], defect.shape
    if (height, width) != (h, w):
        raise ValueError(
            f'{photo.mask}: {w}x{h} pixels, but its image has {width}x{height}'
        )
    if not defect.any():
        raise ValueError(f'{photo.mask}: no pixel is white, so no defect is marked')
    return image, defect


def first_defect_free(photos: Sequence[Photo]) -> dict[str, pathlib.Path]:
    """Photo id -> the first image of train/good of its object.

    Raises:
        ValueError: an object has none.
    """
    first: dict[str, pathlib.Path] = {}
    for photo in photos:
        if photo.image.parts[-3:-1] == ('train', 'good'):
            first.setdefault(photo.object, photo.image)
    for photo in photos:
        if photo.object not in first:
            raise ValueError(
                f'{photo.object}: there is no image in train/good, which reference='
                'first takes. Get the images of this object again.'
            )
    return {photo.id: first[photo.object] for photo in photos}


def most_similar(
    photos: Sequence[Photo],
    training: Sequence[Photo],
    thumbnails: Mapping[str, NDArray[np.float32]],
) -> dict[str, pathlib.Path]:
    """Photo id -> the defect-free training image of its object that is most like it.

    Raises:
        ValueError: an object has no other defect-free image in `training`.
    """
    chosen = {}
    for name in dict.fromkeys(photo.object for photo in photos):
        of_object = [photo for photo in photos if photo.object == name]
        candidates = [
            photo for photo in training if photo.object == name and photo.mask is None
        ]
        best = references.most_correlated(
            {photo.id: thumbnails[photo.id] for photo in of_object},
            {photo.id: thumbnails[photo.id] for photo in candidates},
        )
        path_of = {photo.id: photo.image for photo in candidates}
        for id, reference in best.items():
            if reference is None:
                raise ValueError(
                    f'{name}: no other defect-free image is in the training split, so '
                    f'that {id} has no reference. Get the images of this object again, '
                    'or give another --seed.'
                )
            chosen[id] = path_of[reference]
    return chosen
