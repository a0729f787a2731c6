"""A recipe: a folder that holds everything that decides a verdict.

    recipe.json        the fields below
    references/*.png   defect-free images of the product, named by their SHA-256
    areas/*.png        masks of what is inspected or ignored, named likewise
    calibration/*      what the calibration found, named likewise
    scores/*.npz       what it keeps of the network's scores, named likewise
    challenge/         parts with known verdicts, for verify_recipe.py
    revisions/*.json   recipe.json as it was and is, one file a revision

`recipe_files` reads and writes the other files.

No file is ever written over with another content, but recipe.json: every revision can
be read as it was.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.text import read_object
from cadnet_jax.inspection.fields import check, from_json, setting
from cadnet_jax.inspection.registration import METHODS, Tolerance
from cadnet_jax.inspection.rules import Rules
from cadnet_jax.ranges import (
    AT_LEAST_ONE,
    FRACTION,
    NOT_NEGATIVE,
    ORIENTATION_COUNTS,
    Range,
)

_Path = str | os.PathLike[str]

# Fields that a recipe has itself, or each of its views.
_LISTS = {
    'references': 'Defect-free images; all lie over the first.',
    'inspect': 'What is judged; none: all of the image.',
    'ignore': 'What is not judged, of that.',
}

_NO_REFERENCE = (
    'references is empty; give a recipe one at least: make_recipe.py --reference=IMAGE.'
)


def _list_of(name: str) -> Any:
    return dataclasses.field(default=(), metadata={'help': _LISTS[name]})


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
    orientations: int = setting(
        1,
        'Orientations of each part over which scores are averaged.',
        choices=ORIENTATION_COUNTS,
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class File:
    """A file of the recipe."""

    file: str = setting('', "Its path, from the recipe's folder on.")
    sha256: str = setting('', 'Of the file; another is refused.')


@dataclasses.dataclass(frozen=True)
class Area:
    """A part of the reference; one of the three fields says which."""

    mask: File | None = dataclasses.field(
        default=None,
        metadata={
            'help': 'An image of its size, of two values; what is not black belongs to '
            'it.'
        },
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
            raise ValueError('mask, box or polygon must be given, and only one.')
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
class View:
    """One of several images of a part, such as its top side."""

    references: tuple[File, ...] = _list_of('references')
    inspect: tuple[Area, ...] = _list_of('inspect')
    ignore: tuple[Area, ...] = _list_of('ignore')
    variation: File | None = dataclasses.field(
        default=None,
        metadata={
            'help': 'Mean and spread of the learned distance over good parts at each '
            'pixel; calibrate.py writes it, for rules.deviations.'
        },
    )

    def __post_init__(self) -> None:
        if not self.references:
            raise ValueError(_NO_REFERENCE)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What calibrate.py found; numbers are counted in parts."""

    target: float = setting(0.01, 'False-reject rate asked for.', range=FRACTION)
    confidence: float = setting(0.95, 'That of the bounds.', range=FRACTION)
    good_parts: int = setting(0, 'Good parts that were judged.', range=AT_LEAST_ONE)
    invalid_parts: int = setting(
        0, 'Others that were INVALID, and are not counted.', range=NOT_NEGATIVE
    )
    false_rejects: int = setting(
        0, 'Good parts that are NG at the threshold.', range=NOT_NEGATIVE
    )
    bound: float = setting(
        1.0, 'Clopper-Pearson upper bound of the false-reject rate.', range=FRACTION
    )
    bad_parts: int = setting(
        0, 'Bad parts that were judged; 0: none were given.', range=NOT_NEGATIVE
    )
    escapes: int = setting(0, 'Bad parts that are OK.', range=NOT_NEGATIVE)
    escape_bound: float = setting(
        1.0, 'Clopper-Pearson upper bound of the escape rate.', range=FRACTION
    )
    parts: File | None = dataclasses.field(
        default=None,
        metadata={'help': 'JSON: each part with file hashes and decisive score.'},
    )
    settings_sha256: str = setting(
        '', 'Of all settings that decide; after a change of one no bound holds.'
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides a verdict.

    The recipe of a part with one image has its references and areas itself; that of a
    part with several has `views`.
    """

    name: str = setting('part', 'Of the product.')
    revision: int = setting(
        0, 'Number of this state of the recipe; it is counted up by itself.'
    )
    weights: Weights = dataclasses.field(
        default_factory=Weights,
        metadata={'help': 'Which network gives the scores.'},
    )
    references: tuple[File, ...] = _list_of('references')
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
    inspect: tuple[Area, ...] = _list_of('inspect')
    ignore: tuple[Area, ...] = _list_of('ignore')
    variation: File | None = dataclasses.field(
        default=None,
        metadata={'help': 'As in a view.'},
    )
    views: dict[str, View] = dataclasses.field(
        default_factory=dict,
        metadata={
            'help': 'In place of references, inspect, ignore and variation: those of '
            'each view of a part, by name. The worst view decides.'
        },
    )
    part_pattern: str = setting(
        '',
        'Regular expression for names of files, without their ending, with the groups '
        "part and view, such as '(?P<part>.+)_(?P<view>top|bottom)'. '': each file is "
        'a part.',
    )
    rules: Rules = dataclasses.field(
        default_factory=Rules, metadata={'help': 'What makes a part NG.'}
    )
    calibration: Calibration | None = dataclasses.field(
        default=None, metadata={'help': 'Written by calibrate.py.'}
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.references and not self.views:
            raise ValueError(_NO_REFERENCE)
        own = self.references, self.inspect, self.ignore, self.variation
        if self.views and any(own):
            raise ValueError(
                'views are given together with references, inspect, ignore or '
                'variation; move these into a view.'
            )
        try:
            groups = re.compile(self.part_pattern).groupindex
        except re.error as error:
            raise ValueError(f'part_pattern is invalid: {error}.') from None
        if self.part_pattern and 'part' not in groups:
            raise ValueError('part_pattern has no group (?P<part>...); add it.')
        if self.views and 'view' not in groups:
            raise ValueError(
                'views need a part_pattern with the groups (?P<part>...) and '
                "(?P<view>...); part_pattern is '" + self.part_pattern + "'."
            )

    def all_views(self) -> dict[str, View]:
        """Each view by its name; that of a part with one image is ''."""
        if self.views:
            return self.views
        return {'': View(self.references, self.inspect, self.ignore, self.variation)}

    def naming(self) -> dict[str, Any]:
        """How names of files give parts and views: arguments of `list_parts`."""
        return {'pattern': self.part_pattern, 'views': tuple(self.all_views())}

    def with_variations(self, files: Mapping[str, File | None]) -> 'Recipe':
        """The recipe with the variation of each view."""
        if not self.views:
            return dataclasses.replace(self, variation=files[''])
        views = {
            name: dataclasses.replace(view, variation=files[name])
            for name, view in self.views.items()
        }
        return dataclasses.replace(self, views=views)

    def settings_sha256(self) -> str:
        """Of all that decides a verdict: not name, revision or calibration."""
        plain = dataclasses.replace(self, name='', revision=0, calibration=None)
        return hashlib.sha256(json.dumps(_as_json(plain)).encode()).hexdigest()

    def current_calibration(self) -> Calibration | None:
        """The calibration, if no setting has changed since."""
        found = self.calibration
        same = found and found.settings_sha256 == self.settings_sha256()
        return found if same else None


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


def _revision_path(folder: pathlib.Path, revision: int) -> pathlib.Path:
    return folder / 'revisions' / f'{revision:04}.json'


def _as_json(recipe: Recipe) -> dict[str, object]:
    """As JSON gives it back: lists in place of tuples."""
    values: dict[str, object] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return values
