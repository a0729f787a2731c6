"""Text in several scripts, in matplotlib's fonts, as coverage to lay on a canvas."""

import functools
import pathlib
from typing import Any

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color, Points

_FONTS = (
    'DejaVuSans',
    'DejaVuSans-Bold',
    'DejaVuSans-Oblique',
    'DejaVuSansMono',
    'DejaVuSansMono-Bold',
    'DejaVuSerif',
    'DejaVuSerif-Bold',
    'DejaVuSerif-Italic',
)
_ALPHABETS = (
    'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789',
    '0123456789.,-/%',
    'abcdefghijklmnopqrstuvwxyz',
    'αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΣΦΨΩ',
    'абвгдежзиклмнопрстуфхцчшщыэюяБГДЖЛФЦЧШЩЮЯ',
    '∂∑∏√∞∫≈≠≤≥±÷∆∇∈∉∩⊂⊃',
    '←↑→↓↔■□▲△●○◆◇★☆☎✓✗',
)


def random_font(rng: np.random.Generator) -> str:
    return str(rng.choice(_FONTS))


def random_alphabet(rng: np.random.Generator) -> str:
    """The letters of a script; Latin ones most often."""
    shares = np.array([4, 3, 2, 3, 1, 1, 0.5, 0.5])
    return _ALPHABETS[int(rng.choice(len(_ALPHABETS), p=shares / shares.sum()))]


@functools.lru_cache(maxsize=256)
def _font(name: str, height: int) -> ImageFont.FreeTypeFont:
    folder = pathlib.Path(matplotlib.get_data_path(), 'fonts/ttf')
    return ImageFont.truetype(str(folder / f'{name}.ttf'), height)


@functools.lru_cache(maxsize=2048)
def render(text: str, font: str, height: int) -> NDArray[np.uint8]:
    """The coverage of `text`, 0 to 255, [1.25 height, width]."""
    face = _font(font, height)
    width = max(1, int(face.getlength(text)) + 2)
    picture = Image.new('L', (width, height + height // 4 + 1))
    ImageDraw.Draw(picture).text((0, -height // 8), text, fill=255, font=face)
    return np.asarray(picture)


def lay(canvas: Pixels, coverage: NDArray[Any], place: Points, color: Color) -> None:
    """Covers `canvas` with a color; the top left corner (x, y) may be fractional."""
    height, width = canvas.shape[:2]
    left, top = np.floor(place).astype(int).tolist()
    move = np.array([[1, 0, place[0] - left], [0, 1, place[1] - top]], np.float32)
    size = (coverage.shape[1] + 1, coverage.shape[0] + 1)
    moved = cv2.warpAffine(coverage, move, size)
    first_y, first_x = max(0, -top), max(0, -left)
    moved = moved[first_y : max(height - top, 0), first_x : max(width - left, 0)]
    if not moved.size:
        return
    rows = slice(top + first_y, top + first_y + moved.shape[0])
    columns = slice(left + first_x, left + first_x + moved.shape[1])
    under = canvas[rows, columns].astype(np.float32)
    share = moved.astype(np.float32)[..., None] / 255
    canvas[rows, columns] = under + share * (np.asarray(color, np.float32) - under)
