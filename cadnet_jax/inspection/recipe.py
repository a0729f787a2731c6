"""A recipe: a folder that holds everything that decides a verdict.

    recipe.json        the fields below
    references/*.png   defect-free images of the product, named by their SHA-256
    areas/*.png        masks of what is inspected or ignored, named likewise
    revisions/*.json   recipe.json as it was and is, one file a revision

No file is ever written over with another content, but recipe.json: every revision can
be read as it was.
"""

import dataclasses
import hashlib
import json
import os
import pathlib

import cv2
import numpy as np

from cadnet_jax.config import FRACTION, NOT_NEGATIVE, Range
from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.files.text import read_object
from cadnet_jax.inspection.fields import check, from_json, setting
from cadnet_jax.inspection.registration import METHODS, Tolerance
from cadnet_jax.inspection.rules import Rules

_Path = str | os.PathLike[str]


@dataclasses.dataclass(frozen=True)
class Weights:
    """Which network gives the scores."""

    workdir: str = setting(
        'released',
        "Work directory of a run, from the recipe's folder on if it is relative; or "
        "'released': the weights that come with the package.",
    )
    step: str = setting('best', "'best', 'latest' or the number of a checkpoint.")
    sha256: str = setting('', 'Of all weights; others are refused.')
    tile_size: int | None = setting(
        None,
        'Side of the tiles that larger images are predicted in, in pixels. null: that '
        'of the training crops, 768 at most.',
        range=Range(low=32),
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class File:
    """A PNG file of the recipe."""

    file: str = setting('', "Its path, from the recipe's folder on.")
    sha256: str = setting('', 'Of the file; another is refused.')


@dataclasses.dataclass(frozen=True)
class Area:
    """A part of the reference; one of the three fields says which."""

    mask: File | None = dataclasses.field(
        default=None,
        metadata={'help': 'An image of its size; what is not black belongs to it.'},
    )
    box: tuple[int, ...] | None = setting(
        None, 'x_min, y_min, x_max, y_max in pixels, the maxima exclusive.'
    )
    polygon: tuple[tuple[float, ...], ...] | None = setting(
        None, 'Its corners in turn, each x, y in pixels.'
    )

    def __post_init__(self) -> None:
        given = [self.mask, self.box, self.polygon]
        if sum(value is not None for value in given) != 1:
            raise ValueError('mask, box or polygon must be given, and one of them.')
        if self.box is not None and (
            len(self.box) != 4
            or not (self.box[0] < self.box[2] and self.box[1] < self.box[3])
        ):
            raise ValueError(
                f'box is {list(self.box)}; it must be x_min, y_min, x_max, y_max.'
            )
        if self.polygon is not None and (
            len(self.polygon) < 3 or any(len(corner) != 2 for corner in self.polygon)
        ):
            raise ValueError('polygon must have three corners or more, each x, y.')


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How an image is brought over the reference."""

    method: str = setting(
        'affine',
        'What is undone: none, shift, rigid, affine, perspective.',
        choices=METHODS,
    )
    tolerance: Tolerance = dataclasses.field(
        default_factory=Tolerance,
        metadata={'help': 'Beyond it the part is INVALID.'},
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class Checks:
    """What an image must be like to be judged; otherwise the part is INVALID."""

    min_brightness: float = setting(
        0.3, "Smallest mean gray level, over the reference's.", range=NOT_NEGATIVE
    )
    max_brightness: float = setting(
        3.0, "Largest mean gray level, over the reference's.", range=NOT_NEGATIVE
    )
    max_saturated: float = setting(
        0.2,
        'Largest share of pixels at 255 that are not in the reference.',
        range=FRACTION,
    )
    min_sharpness: float = setting(
        0.2,
        'Smallest sharpness (variance of the Laplacian over that of the gray levels) '
        "over the reference's.",
        range=NOT_NEGATIVE,
    )
    min_similarity: float = setting(
        0.3,
        'Smallest correlation of the registered image with the reference. Take -1 for '
        'products whose texture is never the same.',
        range=Range(low=-1, high=1),
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides a verdict."""

    name: str = setting('part', 'Of the product.')
    revision: int = setting(
        0, 'Number of this state of the recipe; it is counted up by itself.'
    )
    weights: Weights = dataclasses.field(
        default_factory=Weights,
        metadata={'help': 'Which network gives the scores.'},
    )
    references: tuple[File, ...] = dataclasses.field(
        default=(),
        metadata={'help': 'Defect-free images; all lie over the first.'},
    )
    compare: str = setting(
        'best',
        'With several references: the one that is most similar (best), or all: a pixel '
        'is a defect if it differs from each.',
        choices=('best', 'all'),
    )
    bit_depth: int = setting(
        16,
        'Bits that the camera fills of 16, counted from the lowest; files of 8 bits '
        'are read as they are.',
        range=Range(low=8, high=16),
    )
    registration: Alignment = dataclasses.field(
        default_factory=Alignment,
        metadata={'help': 'How an image is brought over the reference.'},
    )
    checks: Checks = dataclasses.field(
        default_factory=Checks,
        metadata={'help': 'What an image must be like to be judged.'},
    )
    inspect: tuple[Area, ...] = dataclasses.field(
        default=(), metadata={'help': 'What is judged; none: all of the image.'}
    )
    ignore: tuple[Area, ...] = dataclasses.field(
        default=(), metadata={'help': 'What is not judged, of that.'}
    )
    rules: Rules = dataclasses.field(
        default_factory=Rules, metadata={'help': 'What makes a part NG.'}
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.references:
            raise ValueError('references is empty; a recipe needs one at least.')


def read(folder: _Path, revision: int | None = None) -> Recipe:
    """Reads a recipe.

    If recipe.json was edited, it gets the next number here.

    Args:
        folder: of the recipe.
        revision: an earlier one; None: recipe.json.

    Raises:
        FileNotFoundError: there is no such recipe or revision.
        ValueError: names file, field and remedy.
    """
    folder = pathlib.Path(folder)
    path = folder / 'recipe.json'
    if revision is not None:
        path = _revision_path(folder, revision)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: no such file; experiments/make_recipe.py makes a recipe.'
        )
    values = read_object(path, remedy='Correct it, or take it from revisions/.')
    try:
        recipe = from_json(Recipe, values)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    return save(recipe, folder) if revision is None else recipe


def save(recipe: Recipe, folder: _Path) -> Recipe:
    """Writes recipe.json; a recipe that changed gets the next number.

    Returns:
        The recipe with its number.
    """
    folder = pathlib.Path(folder)
    last = max(
        (int(path.stem) for path in (folder / 'revisions').glob('[0-9]*.json')),
        default=0,
    )
    numbered = dataclasses.replace(recipe, revision=last)
    kept = _revision_path(folder, last)
    if not last or read_object(kept, remedy='Restore it.') != _as_json(numbered):
        numbered = dataclasses.replace(recipe, revision=last + 1)
        write_json(_revision_path(folder, last + 1), _as_json(numbered))
    write_json(folder / 'recipe.json', _as_json(numbered))
    return numbered


def add_image(folder: _Path, kind: str, image: np.ndarray) -> File:
    """Writes FOLDER/KIND/DIGEST.png; `kind` is 'references' or 'areas'."""
    folder = pathlib.Path(folder)
    temporary = folder / kind / 'new.png'
    write_png(temporary, image)
    digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    temporary.replace(folder / kind / f'{digest[:16]}.png')
    return File(f'{kind}/{digest[:16]}.png', digest)


def read_references(recipe: Recipe, folder: _Path) -> list[np.ndarray]:
    """The defect-free images, uint8 [H, W, 3], all of one size.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file has changed, or the sizes differ.
    """
    images = [
        _read_file(folder, file, f'references[{number}]')
        for number, file in enumerate(recipe.references)
    ]
    for number, image in enumerate(images):
        if image.shape != images[0].shape:
            raise ValueError(
                f'{folder}/recipe.json: references[{number}] is {_size(image)} and '
                f'references[0] {_size(images[0])} pixels; they must have one size.'
            )
    return images


def inspected_pixels(
    recipe: Recipe, folder: _Path, reference: np.ndarray
) -> np.ndarray:
    """What is judged of the reference, bool [H, W].

    Raises:
        FileNotFoundError: a mask is missing.
        ValueError: a mask has changed or another size, or nothing is left to judge.
    """
    shape = reference.shape[:2]
    inspected = np.full(shape, not recipe.inspect)
    for number, area in enumerate(recipe.inspect):
        inspected |= _pixels(area, folder, shape, f'inspect[{number}]')
    for number, area in enumerate(recipe.ignore):
        inspected &= ~_pixels(area, folder, shape, f'ignore[{number}]')
    if not inspected.any():
        raise ValueError(
            f'{folder}/recipe.json: inspect and ignore leave nothing to judge; '
            'change them.'
        )
    return inspected


def _pixels(
    area: Area, folder: _Path, shape: tuple[int, ...], field: str
) -> np.ndarray:
    pixels = np.zeros(shape, np.uint8)
    if area.mask is not None:
        mask = _read_file(folder, area.mask, f'{field}.mask')
        if mask.shape[:2] != shape:
            raise ValueError(
                f'{folder}/recipe.json: {field}.mask is {_size(mask)} and the '
                f'reference {_size(pixels)} pixels; they must have one size.'
            )
        return np.asarray(mask.any(axis=-1))
    if area.box is not None:
        x_min, y_min, x_max, y_max = (max(0, value) for value in area.box)
        pixels[y_min:y_max, x_min:x_max] = 1
    if area.polygon is not None:
        corners = np.round(area.polygon).astype(np.int32)
        cv2.fillPoly(pixels, [corners], 1)
    return pixels > 0


def _read_file(folder: _Path, file: File, field: str) -> np.ndarray:
    path = pathlib.Path(folder, file.file)
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: no such file; {field} in recipe.json names it: restore it.'
        )
    if file.sha256 and hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
        raise ValueError(
            f'{path}: not the file of {field}.sha256 in recipe.json; restore it, or '
            'make a new revision by experiments/make_recipe.py.'
        )
    return read_image(path)


def _revision_path(folder: pathlib.Path, revision: int) -> pathlib.Path:
    return folder / 'revisions' / f'{revision:04}.json'


def _as_json(recipe: Recipe) -> dict[str, object]:
    """As JSON gives it back: lists in place of tuples."""
    values: dict[str, object] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return values


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]} x {image.shape[0]}'
