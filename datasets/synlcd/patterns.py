"""Ten defect-free display patterns, as LCD screens are tested with.

Their content is fixed: drawn at 512 x 512, resized for other sizes. Patterns 1 to 7
are for training, 8 to 10 for testing; the two share neither a layout nor a photograph.
"""

import functools
from collections.abc import Callable

import cv2
import numpy as np

from cadnet_jax.datasets.synlcd import screen_parts as parts
from cadnet_jax.datasets.synlcd.screen_parts import Pixels

DRAWN_SIZE = 512  # pixels; widths and diameters of defects are stated at this size

_WHITE, _GRAY, _BLACK = 0xFFFFFF, 0x808080, 0x000000
_BARS = [0xFFFFFF, 0xFFFF00, 0x00FFFF, 0x00FF00, 0xFF00FF, 0xFF0000, 0x0000FF, 0]
_PANGRAMS = """\
The quick brown fox jumps over the lazy dog. 0123456789
Pack my box with five dozen liquor jugs. (a+b)/c = 42 %
Sphinx of black quartz, judge my vow; how vexingly quick
daft zebras jump. RESOLUTION 1920 x 1080, 60 Hz, 8 bit.
Waltz, bad nymph, for quick jigs vex! #FF8000 [ok] {ng}"""


@functools.lru_cache(maxsize=2)
def draw(name: str, size: int) -> Pixels:
    """The pattern `name`, one of `TRAIN` or `TEST`, RGB uint8 [size, size, 3]."""
    pixels = _DRAW[name]()
    if size != DRAWN_SIZE:
        resized = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
        pixels = np.asarray(resized, np.uint8)
    pixels.flags.writeable = False  # all samples of the pattern share it
    return pixels


def _color_blocks() -> Pixels:
    canvas = parts.plain(512, 512, _BLACK)
    parts.paste(canvas, parts.blocks(256, 512, [_BARS]), top=0, left=0)
    middle = [[0x0000C0, 0, 0xC000C0, 0, 0x00C0C0, 0, 0xC0C0C0, 0]]
    parts.paste(canvas, parts.blocks(48, 512, middle), top=256, left=0)
    squares = [
        [0xC00000, 0xE08020, 0xE0E040, 0x60C020],
        [0x206040, 0x2080C0, 0x203080, 0x802080],
    ]
    parts.paste(canvas, parts.blocks(208, 304, squares), top=304, left=0)
    grays = [[0xFFFFFF, 0xC0C0C0], [0x808080, 0x404040]]
    parts.paste(canvas, parts.blocks(208, 208, grays), top=304, left=304)
    return canvas


def _gray_transitions() -> Pixels:
    canvas = parts.plain(512, 512, _GRAY)
    parts.paste(canvas, parts.ramp(96, 512), top=0, left=0)
    parts.paste(canvas, parts.ramp(64, 512, steps=16)[:, ::-1], top=96, left=0)
    parts.paste(canvas, parts.ramp(64, 512, steps=8), top=160, left=0)
    downwards = parts.ramp(256, 224).transpose(1, 0, 2)
    parts.paste(canvas, downwards, top=224, left=0)
    parts.paste(canvas, downwards[::-1], top=224, left=256)
    for i, color in enumerate((0xFF0000, 0x00FF00, 0x0000FF, _WHITE)):
        strip = parts.ramp(16, 512, last=color)
        parts.paste(canvas, strip, top=448 + 16 * i, left=0)
    return canvas


def _text_page() -> Pixels:
    canvas = parts.plain(512, 512, 0xF8F8F4)
    parts.write(canvas, 'LCD Test Page', top=14, left=20, size=40, bold=True)
    parts.write_chinese(canvas, '中国天工', top=18, left=362, size=34, color=0xC01010)
    parts.write(canvas, _PANGRAMS, top=78, left=20, size=16)
    parts.write_chinese(canvas, '日本大田山出上下正目由口王', top=190, left=20, size=36)
    parts.paste(canvas, parts.plain(130, 512, 0x101418), top=240, left=0)
    parts.write(canvas, _PANGRAMS, top=250, left=20, size=13, color=0xE8E8E8, bold=True)
    chinese = '木土十中国日目田由口王工上下'
    parts.write_chinese(canvas, chinese, top=338, left=20, size=24, color=0xFFD040)
    samples = [
        (378, 26, _BLACK, 'Hamburgefonstiv 0123456789'),
        (412, 21, 0x1040A0, 'Hamburgefonstiv AaBb 0123456789'),
        (440, 17, 0x108030, 'Hamburgefonstiv AaBbCcDd 0123456789'),
        (464, 13, 0xA01010, 'Hamburgefonstiv AaBbCcDdEeFfGg 0123456789 0123456789'),
        (484, 10, 0x404040, f'Hamburgefonstiv AaBbCcDd {_PANGRAMS[:55]}'),
        (498, 8, _BLACK, f'Hamburgefonstiv AaBbCcDdEeFfGgHhIi {_PANGRAMS[:55]}'),
    ]
    for top, size, color, text in samples:
        parts.write(canvas, text, top=top, left=20, size=size, color=color)
    return canvas


def _color_maps() -> Pixels:
    canvas = parts.plain(512, 512, _WHITE)
    parts.paste(canvas, parts.color_disc(320), top=8, left=8)
    for i, name in enumerate((cv2.COLORMAP_JET, cv2.COLORMAP_HSV, cv2.COLORMAP_HOT)):
        strip = parts.color_map(52, 312, name).transpose(1, 0, 2)
        parts.paste(canvas, strip, top=12, left=340 + 56 * i)
    maps = (cv2.COLORMAP_VIRIDIS, cv2.COLORMAP_PLASMA, cv2.COLORMAP_COOL)
    for i, name in enumerate(maps):
        parts.paste(canvas, parts.color_map(48, 488, name), top=340 + 56 * i, left=12)
    return canvas


def _portrait() -> Pixels:
    return parts.face('collins', 512, 512)


def _test_card() -> Pixels:
    """Blocks, a checkered grid, ramps, a disc, text and a face with rounded corners."""
    canvas = parts.plain(512, 512, _WHITE)
    blocks = [[0xFF0000, 0x00FF00, 0x0000FF], [0x00FFFF, 0xFF00FF, 0xFFFF00]]
    parts.paste(canvas, parts.blocks(120, 180, blocks), top=0, left=0)
    parts.paste(canvas, parts.checker(120, 120, 10), top=0, left=180)
    for i, steps in enumerate((256, 16, 8)):
        strip = parts.ramp(40, 212, steps=steps)
        parts.paste(canvas, strip[:, :: (-1) ** i], top=40 * i, left=300)
    parts.paste(canvas, parts.color_disc(176), top=126, left=10)
    parts.paste(canvas, parts.face('collins', 206, 150, tight=True), top=306, left=0)
    parts.paste(canvas, parts.plain(206, 146, 0x1C2430), top=306, left=150)
    parts.write_chinese(canvas, '中国', top=314, left=160, size=60, color=0xF0F0F0)
    parts.write(
        canvas, 'PIXEL\n1234', top=380, left=160, size=36, color=_WHITE, bold=True
    )
    parts.write_chinese(canvas, '天大田', top=470, left=160, size=32, color=0xFFC000)
    parts.write(canvas, 'RGB Test', top=126, left=206, size=52, bold=True)
    parts.write(canvas, _PANGRAMS[:111], top=192, left=206, size=11)
    parts.write(canvas, 'ABCDEF abcdef 0123456', top=228, left=206, size=24)
    parts.write_chinese(canvas, '上下工日本目由口王', top=262, left=206, size=32)
    parts.paste(canvas, parts.color_map(70, 216, cv2.COLORMAP_JET), top=306, left=296)
    parts.paste(canvas, parts.plain(136, 108, 0x404040), top=376, left=296)
    parts.paste(canvas, parts.plain(136, 108, 0xB0B0B0), top=376, left=404)
    parts.paste(canvas, parts.plain(68, 108, 0x909090), top=410, left=350)
    parts.round_corners(canvas, 40)
    return canvas


def _dark_desktop() -> Pixels:
    """A monitor's test picture: a grid, bars, a circle, ramps, text, a tinted face."""
    canvas = parts.grid(512, 512, 32, ground=0x303438, line=0xA0A4A8)
    cv2.circle(canvas, (256, 256), 248, (255, 255, 255), 2, cv2.LINE_AA)
    parts.paste(canvas, parts.blocks(96, 320, [_BARS[::-1]]), top=65, left=97)
    parts.paste(canvas, parts.ramp(32, 320, steps=11), top=161, left=97)
    portrait = parts.face('collins', 190, 159, tight=True)[:, ::-1]
    parts.paste(canvas, portrait, top=193, left=97)
    parts.paste(canvas, parts.plain(190, 161, _BLACK), top=193, left=256)
    words = 'Focus\nConvergence\nGamma 2.2'
    parts.write(canvas, words, top=199, left=264, size=22, color=_WHITE)
    for i, color in enumerate((0xFF4040, 0x40FF40, 0x4080FF)):
        parts.write_chinese(
            canvas, '出山木本正土十', top=286 + 22 * i, left=264, size=20, color=color
        )
    parts.write(canvas, _PANGRAMS[:29], top=358, left=264, size=9, color=0xC0C0C0)
    parts.paste(canvas, parts.checker(32, 80, 2), top=383, left=97)
    parts.paste(canvas, parts.checker(32, 80, 4), top=383, left=177)
    parts.paste(canvas, parts.checker(32, 80, 8, dark=0x800000), top=383, left=257)
    parts.paste(canvas, parts.checker(32, 80, 16, light=0xFFFF00), top=383, left=337)
    spectrum = parts.color_map(32, 320, cv2.COLORMAP_HSV)
    parts.paste(canvas, spectrum, top=415, left=97)
    return canvas


def _plain_areas() -> Pixels:
    """For testing: nested plain areas."""
    canvas = parts.plain(512, 512, 0x606060)
    areas = [
        (0, 0, 512, 170, 0x20A060),
        (0, 170, 150, 342, 0xE06030),
        (150, 170, 212, 342, 0x606060),
        (190, 210, 132, 262, 0xFFFFFF),
        (222, 242, 68, 198, 0x101010),
        (362, 170, 150, 171, 0x3050D0),
        (362, 341, 150, 171, 0xD0C0A0),
        (30, 30, 110, 110, 0xC02040),
        (200, 30, 110, 110, 0xF0D020),
        (372, 30, 110, 110, 0x7030A0),
        (30, 210, 90, 120, 0xA8D8F0),
        (30, 372, 90, 110, 0x181870),
    ]
    for top, left, height, width, color in areas:
        parts.paste(canvas, parts.plain(height, width, color), top=top, left=left)
    return canvas


def _magazine() -> Pixels:
    """For testing: text beside a photograph."""
    canvas = parts.plain(512, 512, 0xE8E4DC)
    parts.paste(canvas, parts.face('hopper', 400, 300), top=96, left=212)
    parts.paste(canvas, parts.plain(84, 512, 0x203850), top=0, left=0)
    parts.write(
        canvas, 'Panel Inspector', top=12, left=16, size=46, color=0xF8F0E0, bold=True
    )
    parts.write_chinese(canvas, '大国工正', top=100, left=14, size=46, color=0x902018)
    column = (
        'A line of dead pixels\nis seen best upon an\neven ground, a spot in\n'
        'fine print hardly at all.\nThis page has both, and\na portrait with hair, a\n'
        'collar and ribbons: the\nmany edges where faults\nhide. Set in sizes\n'
        'of 15 and of 10 pixels.'
    )
    parts.write(canvas, column, top=158, left=14, size=15, color=0x202020)
    parts.write(canvas, column, top=354, left=16, size=10, color=0x504840)
    parts.write_chinese(
        canvas, '天山出日中田上下由目木', top=486, left=16, size=17, color=0x204020
    )
    caption = 'No. 8  |  1984  |  640 x 480'
    parts.write(canvas, caption, top=498, left=330, size=10, color=0x404040)
    return canvas


def _mosaic() -> Pixels:
    """For testing: all kinds of parts in a layout of its own, with rounded corners."""
    canvas = parts.plain(512, 512, 0xD8D8D8)
    parts.paste(canvas, parts.face('hopper', 230, 230, tight=True), top=0, left=282)
    for i, last in enumerate((0xFF8000, 0x8000FF, 0x00C0A0, _WHITE)):
        strip = parts.ramp(36, 230, last=last, steps=(256, 12)[i % 2])
        parts.paste(canvas, strip.transpose(1, 0, 2), top=0, left=138 + 36 * i)
    left_blocks = [[0xF04040, 0x40B040], [0x4040F0, 0xF0F040], [0x202020, 0xF8F8F8]]
    parts.paste(canvas, parts.blocks(230, 138, left_blocks), top=0, left=0)
    parts.paste(canvas, parts.plain(142, 300, _WHITE), top=230, left=0)
    parts.write(canvas, 'Display 10', top=236, left=14, size=40, bold=True)
    parts.write(
        canvas,
        'contrast, gamma, viewing angle\nghosting, flicker, 5 ms',
        top=288,
        left=16,
        size=16,
        color=0x303030,
    )
    parts.write_chinese(canvas, '中天本王国由出口', top=332, left=14, size=34)
    parts.paste(canvas, parts.color_disc(212, ground=0x202428), top=230, left=300)
    parts.paste(canvas, parts.checker(140, 140, 20, dark=0x204060), top=372, left=0)
    spectrum = parts.color_map(70, 160, cv2.COLORMAP_TURBO)
    parts.paste(canvas, spectrum, top=372, left=140)
    lines = parts.grid(70, 160, 5, ground=_WHITE, line=0x606060)
    parts.paste(canvas, lines, top=442, left=140)
    parts.paste(canvas, parts.plain(70, 212, 0x500810), top=442, left=300)
    parts.write(
        canvas, 'End of test', top=456, left=312, size=30, color=0xF0E0C0, bold=True
    )
    parts.round_corners(canvas, 56)
    return canvas


_TRAIN: list[Callable[[], Pixels]] = [
    _color_blocks,
    _gray_transitions,
    _text_page,
    _color_maps,
    _portrait,
    _test_card,
    _dark_desktop,
]
_TEST: list[Callable[[], Pixels]] = [_plain_areas, _magazine, _mosaic]
_DRAW = {f'pattern_{i:02}': f for i, f in enumerate(_TRAIN + _TEST, start=1)}

NAMES = tuple(_DRAW)
TRAIN, TEST = NAMES[: len(_TRAIN)], NAMES[len(_TRAIN) :]
