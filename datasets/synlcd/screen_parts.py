"""What the display patterns are put together from: blocks, ramps, text, photographs.

All parts are RGB, uint8 [H, W, 3]; colors are hexadecimal (0xFF8000 is orange), sizes
in pixels. Nothing is random, and nothing is downloaded: the photographs (NASA and US
Navy, public domain) and the font come with scikit-image and matplotlib.
"""

import functools
import pathlib
from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

# Strokes of Chinese characters: the ends of each line, `xy` on a grid of 10 x 10.
_BOX = '21 81 21 29 81 89 29 89'
_STROKES = {
    '中': '13 93 13 17 17 97 93 97 50 59',
    '国': '11 91 11 19 91 99 19 99 33 73 35 75 37 77 53 57 65 76',
    '日': f'{_BOX} 25 85',
    '目': f'{_BOX} 23 83 26 86',
    '田': '11 91 11 19 91 99 19 99 15 95 51 59',
    '由': '13 93 13 19 93 99 19 99 16 96 50 59',
    '口': '22 82 22 28 82 88 28 88',
    '王': '11 91 25 85 09 99 51 59',
    '工': '11 91 08 98 51 58',
    '土': '24 84 08 98 51 58',
    '上': '08 98 51 58 54 84',
    '下': '02 92 52 59 54 76',
    '十': '04 94 50 59',
    '木': '03 93 50 59 53 18 53 98',
    '本': '03 93 50 59 53 18 53 98 37 67',
    '大': '03 93 51 53 53 09 53 99',
    '天': '11 91 04 94 51 54 54 09 54 99',
    '山': '50 57 14 17 17 97 94 97',
    '出': '50 59 22 24 24 84 82 84 16 19 19 99 96 99',
    '正': '11 91 51 58 54 84 24 28 08 98',
}
_SUPERSAMPLING = 4


def rgb(color: int) -> tuple[int, int, int]:
    """0xRRGGBB -> (red, green, blue)."""
    return color >> 16 & 255, color >> 8 & 255, color & 255


def plain(height: int, width: int, color: int) -> Pixels:
    """One color, [height, width, 3]."""
    return np.full((height, width, 3), rgb(color), np.uint8)


def blocks(height: int, width: int, rows: Sequence[Sequence[int]]) -> Pixels:
    """Rows of color blocks that share [height, width, 3] evenly."""
    canvas = plain(height, width, 0)
    tops = np.linspace(0, height, len(rows) + 1).astype(int)
    for top, bottom, row in zip(tops, tops[1:], rows, strict=False):
        lefts = np.linspace(0, width, len(row) + 1).astype(int)
        for left, right, color in zip(lefts, lefts[1:], row, strict=False):
            canvas[top:bottom, left:right] = rgb(color)
    return canvas


def ramp(
    height: int, width: int, *, first: int = 0, last: int = 0xFFFFFF, steps: int = 256
) -> Pixels:
    """A transition from `first` (left) to `last` (right) in `steps` equal steps."""
    share = np.floor(np.linspace(0, steps, width, endpoint=False)) / (steps - 1)
    row = np.outer(1 - share, rgb(first)) + np.outer(share, rgb(last))
    return np.tile(row.round().astype(np.uint8), (height, 1, 1))


def checker(
    height: int, width: int, cell: int, *, dark: int = 0, light: int = 0xFFFFFF
) -> Pixels:
    """A checkered field with cells of `cell` pixels."""
    rows, columns = np.indices((height, width)) // cell
    odd = ((rows + columns) % 2).astype(np.bool_)
    return np.where(odd[..., None], rgb(light), rgb(dark)).astype(np.uint8)


def grid(height: int, width: int, cell: int, *, ground: int, line: int) -> Pixels:
    """Lines of one pixel around cells of `cell` pixels."""
    canvas = plain(height, width, ground)
    canvas[::cell] = rgb(line)
    canvas[:, ::cell] = rgb(line)
    return canvas


def color_disc(size: int, *, ground: int = 0xFFFFFF) -> Pixels:
    """All hues around a disc, paler toward its center, [size, size, 3]."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(x, y) / (0.47 * size)
    hue = (np.arctan2(y, x) % (2 * np.pi)) * (180 / (2 * np.pi))
    hsv = np.stack([hue % 180, 255 * radius.clip(0, 1), np.full_like(hue, 255)], -1)
    disc = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    return np.where((radius <= 1)[..., None], disc, plain(size, size, ground))


def color_map(height: int, width: int, name: int) -> Pixels:
    """OpenCV's color map `name` (such as `cv2.COLORMAP_JET`) from left to right."""
    values = np.ascontiguousarray(ramp(height, width)[..., 0])
    return np.asarray(cv2.applyColorMap(values, name)[..., ::-1], np.uint8)


def paste(canvas: Pixels, part: Pixels, *, top: int, left: int) -> None:
    """Sets `part` into `canvas`; what reaches beyond is cut off."""
    window = canvas[top : top + part.shape[0], left : left + part.shape[1]]
    window[:] = part[: window.shape[0], : window.shape[1]]


def write(
    canvas: Pixels,
    lines: str,
    *,
    top: int,
    left: int,
    size: int,
    color: int = 0,
    bold: bool = False,
) -> None:
    """Writes Latin text in DejaVu Sans of `size` pixels, one line below the other."""
    image = Image.fromarray(canvas)
    ImageDraw.Draw(image).multiline_text(
        (left, top), lines, fill=rgb(color), font=_font(size, bold), spacing=size // 4
    )
    canvas[:] = np.asarray(image)


@functools.cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(
        pathlib.Path(matplotlib.get_data_path(), 'fonts/ttf', name),
        size,
        layout_engine=ImageFont.Layout.BASIC,
    )


def write_chinese(
    canvas: Pixels, text: str, *, top: int, left: int, size: int, color: int = 0
) -> None:
    """Writes a row of the Chinese characters above, each `size` x `size` pixels."""
    for i, character in enumerate(text):
        at = slice(top, top + size), slice(left + i * size, left + (i + 1) * size)
        ink = _character(character, size)[..., None]
        mixed = canvas[at] * (1 - ink) + ink * np.array(rgb(color))
        canvas[at] = mixed.round().astype(np.uint8)


@functools.cache
def _character(character: str, size: int) -> NDArray[np.float64]:
    """The share of ink in each pixel, [size, size]."""
    large = size * _SUPERSAMPLING
    ink = np.zeros((large, large), np.uint8)
    points = [
        [large * (2 * int(place) + 1) // 20 for place in point]
        for point in _STROKES[character].split()
    ]
    for first, last in zip(points[::2], points[1::2], strict=True):
        cv2.line(ink, first, last, 255, max(large // 12, 1), cv2.LINE_AA)
    return cv2.resize(ink, (size, size), interpolation=cv2.INTER_AREA) / 255


def face(name: str, height: int, width: int, *, tight: bool = False) -> Pixels:
    """A portrait, [height, width, 3]: `collins` (1992) or `hopper` (1984).

    Args:
        tight: cut to the face; otherwise to head and shoulders.
    """
    photograph, (y, x), (near, far) = _photograph(name)
    # The cut-out has the shape that is asked for, around the middle of the face.
    reach = near if tight else far
    scale = reach / max(height, width)
    part_h, part_w = round(height * scale), round(width * scale)
    top = int(np.clip(y - part_h // 2, 0, photograph.shape[0] - part_h))
    left = int(np.clip(x - part_w // 2, 0, photograph.shape[1] - part_w))
    part = photograph[top : top + part_h, left : left + part_w]
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (width, height), interpolation=method), np.uint8)


@functools.cache
def _photograph(name: str) -> tuple[Pixels, tuple[int, int], tuple[int, int]]:
    """The picture, the face's middle (y, x) in it, and two lengths to cut it to."""
    if name == 'collins':
        from skimage import data  # slow to import

        return data.astronaut(), (110, 224), (180, 512)
    path = pathlib.Path(matplotlib.get_data_path(), 'sample_data/grace_hopper.jpg')
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise FileNotFoundError(
            f'{path}: no such image; install matplotlib again from its wheel, which '
            'brings it.'
        )
    return np.asarray(picture, np.uint8), (200, 265), (290, 512)


def round_corners(canvas: Pixels, radius: int, *, around: int = 0) -> None:
    """Rounds the corners of `canvas`; outside of them it takes the color `around`."""
    height, width = canvas.shape[:2]
    y, x = np.ogrid[:height, :width]
    dy = np.maximum(radius - y, y - (height - 1 - radius)).clip(0)
    dx = np.maximum(radius - x, x - (width - 1 - radius)).clip(0)
    canvas[np.hypot(dx, dy) > radius] = rgb(around)
