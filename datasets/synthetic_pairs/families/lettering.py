"""Lines of text in several scripts and fonts, as coverage of ink.

The fonts come with matplotlib: DejaVu, and STIX, whose letters are like Times. Letters
are set one after the other, without ligatures, so that each has a place of its own.
"""

import bisect
import functools
import pathlib
from typing import NamedTuple

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cadnet_jax.datasets.synlcd import screen_parts
from cadnet_jax.datasets.synthetic_pairs.families.plates import Coverage

_FONTS = (
    'DejaVuSans',
    'DejaVuSans-Bold',
    'DejaVuSans-Oblique',
    'DejaVuSansMono',
    'DejaVuSansMono-Bold',
    'DejaVuSerif',
    'DejaVuSerif-Bold',
    'DejaVuSerif-Italic',
    'STIXGeneral',
    'STIXGeneralBol',
)
_COMPLETE_FONTS = 2  # the first ones, which have Hebrew, Arabic, Armenian, signs
_LINES = 8  # in stock of each script, font and height
_HEIGHTS = (6, 7, 8, 9, 10, 12, 14, 16, 19, 22, 26, 31, 37, 44, 53, 64, 80)  # pixels
_STOCK_WIDTH = 420  # pixels, at least

_WORDS = (
    'net weight ingredients sugar salt water best before lot store cool dry place made '
    'in keep away from children open here fresh organic natural premium quality grade '
    'voltage power model serial warning caution read manual zucker wasser farine sucre '
    'leche azúcar größe für déjà façon niño smörgås kød olio pane gluten free vitamin '
    'energy protein fat of which fibre carbohydrates contains per serving recycle'
)
_CHINESE = '中国日目田由口王工土上下十木本大天山出正'
_SCRIPTS = (  # words of Latin first; of the others, letters
    _WORDS,
    'αβγδεζηθικλμνξοπρστυφχψω',
    'ΑΒΓΔΘΛΞΠΣΦΨΩ',
    'абвгдежзиклмнопрстуфхцчшщыэюя',
    'БГДЖЗИЛПФЦЧШЩЭЮЯ',
    '0123456789',
    'אבגדהוזחטיכלמנסעפצקרשת',
    'ابتثجحخدذرزسشصضطظعغفقكلمنهوي',
    'աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ',
    '∂∑∏√∞∫≈≠≤≥±÷∆∇∈∉∩⊂⊃←↑→↓↔■□▲△●○◆◇★☆☎✓✗',
    _CHINESE,
)
_LATIN, _DIGITS, _FIRST_RARE, _STROKES = 0, 5, 6, len(_SCRIPTS) - 1
_SCRIPT_SHARES = np.array([8, 1, 0.5, 1.5, 0.7, 2, 0.7, 0.7, 0.4, 0.6, 1])


class Type(NamedTuple):
    """Script and font."""

    script: int
    font: int


class Line(NamedTuple):
    """A line of text, and where its letters and words stand."""

    coverage: Coverage  # [about 1.2 heights, width]
    letters: NDArray[np.intp]  # left ends, and the end of the last one
    words: list[tuple[int, int]]  # left and right ends


def random_type(rng: np.random.Generator) -> Type:
    shares = _SCRIPT_SHARES / _SCRIPT_SHARES.sum()
    return _type(rng, int(rng.choice(len(_SCRIPTS), p=shares)))


def latin(rng: np.random.Generator) -> Type:
    return _type(rng, _LATIN)


def digits(rng: np.random.Generator) -> Type:
    return _type(rng, _DIGITS)


def _type(rng: np.random.Generator, script: int) -> Type:
    choice = _COMPLETE_FONTS if script >= _FIRST_RARE else len(_FONTS)
    return Type(script, int(rng.integers(choice)))


def random_line(rng: np.random.Generator, style: Type, height: int, width: int) -> Line:
    """A line from stock, cut to the words that `width` has room for.

    Letters have the next smaller of the heights that are in stock.
    """
    height = _HEIGHTS[max(0, bisect.bisect(_HEIGHTS, height) - 1)]
    line = _stock_line(style, height, int(rng.integers(_LINES)))
    first = int(rng.integers(max(1, len(line.words) // 2)))
    start = line.words[first][0]
    ends = [end for _, end in line.words[first:] if end - start <= width]
    return cut(line, start, ends[-1] if ends else start + width)


def cut(line: Line, start: int, end: int) -> Line:
    """The part from `start` to `end`, in pixels."""
    letters = line.letters[(line.letters >= start) & (line.letters <= end)] - start
    words = [(a - start, b - start) for a, b in line.words if a >= start and b <= end]
    return Line(line.coverage[:, start:end], letters, words)


@functools.lru_cache(maxsize=4096)
def _stock_line(style: Type, height: int, number: int) -> Line:
    rng = np.random.default_rng([style.script, style.font, height, number])
    if style.script == _STROKES:
        return _chinese_line(rng, height)
    words = _random_words(rng, style.script, count=max(2, 110 // height))
    return set_line(' '.join(words), style.font, height)


def _random_words(rng: np.random.Generator, script: int, count: int) -> list[str]:
    if script != _LATIN:
        lengths = rng.integers(1, 5 if script == _DIGITS else 9, count)
        return [''.join(rng.choice(list(_SCRIPTS[script]), n)) for n in lengths]
    words = rng.choice(_WORDS.split(), count).tolist()
    case = rng.random()
    if case < 0.3:
        return [word.upper() for word in words]
    return [word.title() for word in words] if case < 0.5 else words


def set_line(text: str, font: int, height: int) -> Line:
    """Sets `text` in a size of `height` pixels."""
    glyphs = [_glyph(letter, font, height) for letter in text]
    letters = np.cumsum([0, *(advance for _, advance in glyphs)])
    tall = sum(_face(font, height).getmetrics())
    coverage = np.zeros((tall, int(letters[-1]) + height), np.uint8)
    for start, (glyph, _) in zip(letters.tolist(), glyphs, strict=False):
        window = coverage[:, start : start + glyph.shape[1]]
        np.maximum(window, glyph[:, : window.shape[1]], out=window)
    words, start = [], 0
    for word in text.split(' '):
        end = start + len(word)
        words.append((int(letters[start]), int(letters[end]) + 1))
        start = end + 1
    return Line(coverage[:, : letters[-1] + 2], letters, words)


@functools.lru_cache(maxsize=16384)
def _glyph(letter: str, font: int, height: int) -> tuple[Coverage, int]:
    """A letter, and how far the next one is, in pixels."""
    face = _face(font, height)
    advance = max(1, round(face.getlength(letter)))
    picture = Image.new('L', (advance + 1 + height // 8, sum(face.getmetrics())))
    ImageDraw.Draw(picture).text((0, 0), letter, fill=255, font=face)
    return np.asarray(picture), advance


@functools.lru_cache(maxsize=256)
def _face(font: int, height: int) -> ImageFont.FreeTypeFont:
    path = pathlib.Path(matplotlib.get_data_path(), 'fonts/ttf', f'{_FONTS[font]}.ttf')
    return ImageFont.truetype(path, height, layout_engine=ImageFont.Layout.BASIC)


def _chinese_line(rng: np.random.Generator, height: int) -> Line:
    """Characters of strokes, in groups like words."""
    count = max(2, _STOCK_WIDTH // height)
    text = ''.join(rng.choice(list(_CHINESE), count))
    canvas = np.full((height + height // 4, count * height, 3), 255, np.uint8)
    screen_parts.write_chinese(canvas, text, top=height // 8, left=0, size=height)
    letters = np.arange(count + 1) * height
    words = [(k * height, min(k + 2, count) * height) for k in range(0, count, 2)]
    ink = np.uint8(255) - canvas[..., 0]
    return Line(ink, letters, words)
