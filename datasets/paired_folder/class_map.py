"""Which value or color of a user's masks is which class: `classes.csv`.

    value,name          value,name
    0,background        #000000,background
    255,scratch         #ff0000,scratch
    128,ignored         #ffffff,ignored

A value is a gray level (0 to 65535; the index, where a mask has a palette), a range of
them (`128-255`, for soft masks) or a color, `#rrggbb`; not both in one file. A class
that a manifest gives to whole masks may have none. Classes are numbered in the order in
which their names first appear, `background` is 0; several values may have one name.
Pixels of the name `ignored` count nowhere.
"""

import io
import os
import pathlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.files.csv_files import read_rows, write_rows
from cadnet_jax.files.images import decode, read_bytes, stored_pixels

BACKGROUND, IGNORED_NAME = 'background', 'ignored'
COLUMNS = ('value', 'name')

_LISTED_VALUES = 3
_MOST_VALUES = 32  # of a first class map; more of them are no labels
_MOST_OWN_VALUES = 8  # that a mask has and no other; more of them are noise
_CHANGED_VALUES = (
    'if JPEG or smoothing changed its values, also before it was saved as PNG, export '
    'it again from the labeling tool; if its edges are soft, give ranges such as '
    '128-255,NAME'
)
_Level = TypeVar('_Level', int, NDArray[np.int32])
_LEVELS = re.compile('([0-9]{1,5})(?:-([0-9]{1,5}))?')
_COLOR = re.compile(r'#[0-9a-fA-F]{6}')


class MaskPixels(NamedTuple):
    """A mask as it is stored."""

    values: NDArray[np.int32]  # [H, W]: gray levels, or red << 16 | green << 8 | blue
    colored: bool
    has_palette: bool
    hint: str  # the remedy where a value is unknown, if it is a special one


class ClassMap(NamedTuple):
    """What `classes.csv` says."""

    path: pathlib.Path
    class_names: tuple[str, ...]  # index = id; 0 is the background
    colored: bool
    ids: dict[int, int]  # value as in MaskPixels -> id, or 255

    def class_id(self, name: str) -> int:
        """Of a class, or 255 of 'ignored'.

        Raises:
            ValueError: there is no such class.
        """
        if name == IGNORED_NAME:
            return IGNORED
        if name not in self.class_names[1:]:
            raise ValueError(
                f'{name!r} is not a class in {self.path}; add a line with the name '
                f'there: ,{name}'
            )
        return self.class_names.index(name)

    def convert(self, path: pathlib.Path, class_name: str = '') -> NDArray[np.uint8]:
        """Class ids of the mask in the file `path`, uint8 [H, W]; 255 is ignored.

        Args:
            path: of the file.
            class_name: class of all that is not black; '' to look values up.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no image, or has a value that is not in the map.
        """
        if class_name:
            labeled = read_mask(path, colored=True).values != 0
            return np.where(labeled, self.class_id(class_name), 0).astype(np.uint8)
        pixels = read_mask(path, colored=self.colored)
        if pixels.colored and not self.colored:
            raise ValueError(
                f'{path}: a mask in colors, but {self.path} has gray values; give '
                'colors there as #rrggbb, or export the mask in gray.'
            )
        values = pixels.values
        if self.colored and not pixels.colored:
            if values.max() > 255:
                raise ValueError(f'{path}: a gray mask of 16 bits, not colors.')
            values = _gray_color(values)
        known = np.array(sorted(self.ids), np.int32)
        ids = np.array([self.ids[value] for value in known], np.uint8)
        index = np.searchsorted(known, values)
        np.minimum(index, len(known) - 1, out=index)
        unknown = values[known[index] != values]
        if unknown.size:
            raise ValueError(self._describe(path, unknown, pixels.hint))
        return ids[index]

    def _describe(
        self, path: pathlib.Path, unknown: NDArray[np.int32], hint: str
    ) -> str:
        values, counts = np.unique(unknown, return_counts=True)
        order = np.argsort(-counts, kind='stable')
        names = [format_value(int(value), self.colored) for value in values[order]]
        listed = ', '.join(
            f'{name} ({count} pixels)'
            for name, count in zip(
                names[:_LISTED_VALUES], counts[order][:_LISTED_VALUES], strict=True
            )
        )
        if len(names) > _LISTED_VALUES:
            listed += f' and {len(names) - _LISTED_VALUES} more'
        remedy = hint or f"add a line '{names[0]},NAME' there, or correct the mask"
        if not hint and len(names) > _LISTED_VALUES:
            remedy = _CHANGED_VALUES
        return f'{path}: has {listed}, not in {self.path}; {remedy}.'


def read_class_map(path: pathlib.Path) -> ClassMap:
    """Reads a class map.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is malformed, a value is repeated, gray values and colors
            are mixed, or there is no background or no other class.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'{path}: no such CSV file. Write it, with the columns value,name: '
            'check_data.py --init_manifest writes a first one, and --classes names '
            'another.'
        )
    ids: dict[int, int] = {}
    names = [BACKGROUND]
    kinds = set()
    for line, row in read_rows(path, required=COLUMNS):
        where = f'{path}, line {line}'
        values, colored = _parse_values(row['value'], where)
        kinds |= {colored} if values else set()
        name = row['name']
        if name.lower() in (BACKGROUND, IGNORED_NAME):
            name = name.lower()
        twice = [format_value(value, colored) for value in values if value in ids]
        if twice:
            raise ValueError(f'{where}: the value {twice[0]} appears twice.')
        if not name:
            raise ValueError(f'{where}: no name for the value {row["value"]}.')
        if name not in names and name.lower() in map(str.lower, names):
            raise ValueError(f'{where}: {name!r} also appears with other capitals.')
        if name not in (*names, IGNORED_NAME):
            names.append(name)
        id = IGNORED if name == IGNORED_NAME else names.index(name)
        ids |= dict.fromkeys(values, id)
    if len(kinds) == 2:
        raise ValueError(f'{path}: gray values and colors are mixed; use one of them.')
    if 0 not in ids.values() or len(names) == 1:
        raise ValueError(
            f"{path}: there must be a value with the name '{BACKGROUND}', and at least "
            'one with another name, which is a class of defects.'
        )
    if len(names) > IGNORED:
        raise ValueError(
            f'{path}: {len(names)} classes, but at most {IGNORED} are allowed.'
        )
    return ClassMap(path, tuple(names), kinds == {True}, ids)


def write_first_map(path: pathlib.Path, masks: Iterable[pathlib.Path]) -> list[str]:
    """Writes a class map with each value that `masks` have, to be given good names.

    Black is taken for the background; the most frequent color, where none is black.
    Values are written as colors where a mask has a palette, whatever its colors are.

    Returns:
        What is to be warned of: masks whose values may be noise.

    Raises:
        FileNotFoundError: a mask is missing.
        ValueError: a mask is no image or changed by JPEG, or there are more than 32
            values, or colors and gray levels of 16 bits.
    """
    gray, colors = Counter[int](), Counter[int]()
    values_of: dict[pathlib.Path, list[int]] = {}
    for mask in masks:
        pixels = read_mask(mask, colored=True)
        values, counts = np.unique(pixels.values, return_counts=True)
        if pixels.has_palette and not pixels.colored:
            values = _gray_color(values)
        found = colors if pixels.colored or pixels.has_palette else gray
        found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        values_of[mask] = values.tolist()
        if pixels.hint and len(values) > 2:
            raise ValueError(f'{mask}: has {len(values)} values; {pixels.hint}.')
        if len(colors.keys() | gray.keys()) > _MOST_VALUES:
            raise ValueError(
                f'{mask}: with it the masks have more than {_MOST_VALUES} values, too '
                f'many for classes; {_CHANGED_VALUES}, in {path}.'
            )
    if colors and max(gray, default=0) > 255:
        raise ValueError(
            f'{path}: some masks have colors and some gray levels of 16 bits; no map '
            'can hold both.'
        )
    if colors:  # a mask that is black all over tells nothing
        colors.update({_gray_color(value): n for value, n in gray.items()})
    elif gray.keys() <= {0}:
        gray[255] = 0
    found = colors or gray
    background = 0 if 0 in found or not colors else found.most_common(1)[0][0]
    ordered = sorted(
        {*found, background}, key=lambda value: (value != background, value)
    )
    rows = [
        (format_value(value, bool(colors)), f'defect_{i}' if i else BACKGROUND)
        for i, value in enumerate(ordered)
    ]
    write_rows(path, COLUMNS, rows)
    return _noisy_masks(values_of)


def _noisy_masks(values_of: dict[pathlib.Path, list[int]]) -> list[str]:
    """Lines on masks with many values that no other mask has."""
    masks_with = Counter(value for values in values_of.values() for value in values)
    lines = []
    for mask, values in values_of.items():
        own = sum(masks_with[value] == 1 for value in values)
        if own > _MOST_OWN_VALUES:
            lines.append(
                f'{mask}: has {own} values that no other mask has; {_CHANGED_VALUES}'
            )
    return lines


def read_mask(path: str | os.PathLike[str], *, colored: bool) -> MaskPixels:
    """Reads a mask's values as they are stored.

    Args:
        path: a PNG, JPEG, BMP, TIFF or WebP file, of 8 or 16 bits, gray, in colors or
            with a palette. Transparency is dropped, the EXIF orientation is applied.
        colored: whether colors are wanted: those of a palette instead of its indices,
            and those of gray levels of 8 bits.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no image, its pixels are not of 8 or 16 bits, or nothing but
            its transparency varies.
    """
    data = read_bytes(path)
    indices = _palette_indices(data)
    has_palette = indices is not None
    hint = ''
    if data.startswith(b'\xff\xd8'):
        hint = 'JPEG changes values: export masks as PNG, from the labeling tool'
    elif has_palette and not colored:
        hint = 'these are indices of its palette; add lines for them, or use colors'
    array = None if colored else indices
    if array is None:
        array = stored_pixels(path, data)
    if (array == array[:1, :1]).all() and _transparency_varies(data):
        raise ValueError(
            f'{path}: one color, of which parts are transparent; export the mask '
            'without transparency.'
        )
    values = array.astype(np.int32)
    if values.ndim == 2:
        return MaskPixels(values, False, has_palette, hint)
    blue, green, red = (values[..., i] for i in range(3))
    if (red == green).all() and (green == blue).all():
        return MaskPixels(red, False, has_palette, hint)
    if array.dtype != np.uint8:
        raise ValueError(f'{path}: colors of 16 bits; give a mask of 8 bits.')
    return MaskPixels(red << 16 | green << 8 | blue, True, has_palette, hint)


def palette_colors(path: str | os.PathLike[str]) -> dict[int, int]:
    """Index -> color (red << 16 | green << 8 | blue) of a mask with a palette.

    Of the indices that pixels have; empty for another image, or a damaged one.
    """
    try:
        with Image.open(path) as image:
            # Ahead of the palette, for which Pillow decodes the pixels of any image.
            if image.mode != 'P':
                return {}
            palette = image.getpalette('RGB')
            if not palette:
                return {}
            used = np.flatnonzero(np.bincount(np.array(image).ravel()))
    except Exception:  # Pillow raises much; `read_mask` says what is wrong
        return {}
    colors = np.array(palette).reshape(-1, 3) @ (1 << 16, 1 << 8, 1)
    return {int(i): int(colors[i]) for i in used if i < len(colors)}


def format_value(value: int, colored: bool) -> str:
    """As it stands in a class map."""
    return f'#{value:06x}' if colored else str(value)


def _gray_color(level: _Level) -> _Level:
    """The color of a gray level, or of an array of them."""
    return level * 0x010101


def _palette_indices(data: bytes) -> NDArray[np.uint8] | None:
    """What a palette image stores, [H, W]; None for another image."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode != 'P':
                return None
            if image.format != 'TIFF':  # Pillow turns these by itself
                ImageOps.exif_transpose(image, in_place=True)
            return np.array(image)
    except Exception:  # Pillow raises much; left to OpenCV
        return None


def _transparency_varies(data: bytes) -> bool:
    array = decode(data, cv2.IMREAD_UNCHANGED)
    return array is not None and array.shape[2:] == (4,) and np.ptp(array[..., 3]) > 0


def _parse_values(text: str, where: str) -> tuple[Sequence[int], bool]:
    """The values that a line is about, and whether they are colors."""
    if not text:
        return (), False
    if _COLOR.fullmatch(text):
        return (int(text[1:], 16),), True
    if match := _LEVELS.fullmatch(text):
        first, last = int(match[1]), int(match[2] or match[1])
        if first <= last < 2**16:
            return range(first, last + 1), False
    raise ValueError(
        f'{where}: {text!r} is neither a gray value from 0 to 65535, nor a range of '
        'them such as 128-255, nor a color of the form #rrggbb.'
    )
