"""Line defects: straight lines that cross the whole screen, faint or strong."""

from typing import NamedTuple

import numpy as np

from cadnet_jax.datasets.synlcd import blending
from cadnet_jax.datasets.synlcd.blending import COLORS, Bits, Window
from cadnet_jax.datasets.synlcd.patterns import DRAWN_SIZE
from cadnet_jax.datasets.synlcd.screen_parts import Pixels

AREAS = 4  # at most, in each a line
WIDTHS = range(3, 34, 3)  # pixels at 512 x 512

# Each value is rarer than the one before by this: thin and faint lines prevail.
_WIDTH_DECAY = 0.7
_OPACITY_DECAY = 0.8
_DIRECTIONS = {'vertical': 0.45, 'horizontal': 0.3, 'slanted': 0.25}
_BLUR = (0.4, 1.2)  # pixels at 512 x 512
_TRIES = 8


class Line(NamedTuple):
    """A line through a point of the screen."""

    color: str
    opacity: int  # percent
    width: int  # pixels at 512 x 512
    blur: float  # standard deviation, pixels at 512 x 512
    at: tuple[float, float]  # (y, x) in shares of the screen
    steep: bool  # whether it is nearer to vertical than to horizontal
    slope: float  # columns a row, -1 to 1; rows a column where it is not steep


def draw_lines(
    clean: Pixels, rng: np.random.Generator
) -> tuple[Pixels, Bits, list[Line]]:
    """Lines on a clean pattern: one in each of 1 to 4 areas that share the screen.

    A line that cannot be seen, or that hides one drawn before, is drawn anew: at most
    8 times, at last in the color that contrasts most; then its area stays empty.

    Args:
        clean: RGB, [size, size, 3].

    Returns:
        The screen [size, size, 3], the lines' pixels [size, size], and one line at
        least.
    """
    screen = clean
    drawn: list[tuple[Line, Bits]] = []
    for area in _areas(rng):
        for attempt in range(_TRIES):
            line = _random_line(area, rng)
            window = line_window(line, clean.shape[0])
            if attempt == _TRIES - 1:
                color = blending.contrasting(window.cut(clean)[window.support])
                line = line._replace(color=color, opacity=100)
            candidate, support = _add(screen, line, window)
            supports = [*(bits for _, bits in drawn), support]
            if all(blending.is_visible(candidate[b], clean[b]) for b in supports):
                screen = candidate
                drawn.append((line, support))
                break
    if not drawn:
        raise RuntimeError('no line could be seen on this pattern')
    support = np.any([bits for _, bits in drawn], axis=0)
    return screen, support, [line for line, _ in drawn]


def _areas(rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    """(top, left, height, width) of the areas of an even grid, in shares."""
    count = int(rng.integers(1, AREAS + 1))
    rows = int(rng.choice([n for n in range(1, count + 1) if count % n == 0]))
    columns = count // rows
    return [
        (row / rows, column / columns, 1 / rows, 1 / columns)
        for row in range(rows)
        for column in range(columns)
    ]


def _random_line(
    area: tuple[float, float, float, float], rng: np.random.Generator
) -> Line:
    top, left, height, width = area
    direction = str(rng.choice(list(_DIRECTIONS), p=list(_DIRECTIONS.values())))
    steep = direction == 'vertical' or (direction == 'slanted' and rng.random() < 0.5)
    at = (top + height * rng.random(), left + width * rng.random())
    return Line(
        color=str(rng.choice(list(COLORS))),
        opacity=_falling(blending.OPACITIES, _OPACITY_DECAY, rng),
        width=_falling(WIDTHS, _WIDTH_DECAY, rng),
        blur=float(rng.uniform(*_BLUR)),
        at=at,
        steep=steep,
        slope=_random_slope(*(at if steep else at[::-1]), rng)
        if direction == 'slanted'
        else 0.0,
    )


def _falling(values: range, decay: float, rng: np.random.Generator) -> int:
    """One of `values`, each `decay` times as probable as the one before."""
    odds = decay ** np.arange(len(values))
    return int(rng.choice(values, p=odds / odds.sum()))


def _random_slope(along: float, across: float, rng: np.random.Generator) -> float:
    """A slope at which a line through this point joins two opposite borders.

    The point's distances from the border where the line begins, and from one that it
    runs along, are shares of the screen.
    """
    before, after = max(along, 1e-6), max(1 - along, 1e-6)
    least = max(-across / after, (across - 1) / before)
    most = min((1 - across) / after, across / before)
    return float(rng.uniform(least, most))


def line_window(line: Line, size: int) -> Window:
    """Where `line` is on a screen of `size` x `size` pixels.

    The window has a row for each row of the screen (a column where the line is not
    steep) and some more at both ends, so that the fusion leaves the ends alone.
    """
    scale = size / DRAWN_SIZE
    # Along a row, a slanted line is wider than across.
    width = max(line.width * scale, 1) * float(np.hypot(1, line.slope))
    half = int(np.ceil(width / 2)) + blending.margin(scale) + 1
    y, x = ((size - 1) * share for share in (line.at if line.steep else line.at[::-1]))
    along = np.arange(-2 * half, size + 2 * half)
    center = (x + line.slope * (along - y))[:, None]
    across = np.floor(center).astype(np.int64) + np.arange(-half, half + 1)
    along = np.broadcast_to(along[:, None], across.shape)
    # Half open, so that an upright line of 3 pixels is never one of 4.
    support = (across > center - width / 2) & (across <= center + width / 2)
    if line.steep:
        return Window(along, across, support)
    return Window(across, along, support)


def _add(screen: Pixels, line: Line, window: Window) -> tuple[Pixels, Bits]:
    """`screen` with the line, and the line's pixels [size, size]."""
    size = screen.shape[0]
    fused, region = blending.fuse(
        window.cut(screen),
        window.support,
        color=line.color,
        opacity=line.opacity,
        blur=line.blur,
        scale=size / DRAWN_SIZE,
    )
    inside = window.inside(size)
    support = np.zeros((size, size), np.bool_)
    drawn = inside & window.support
    support[window.rows[drawn], window.columns[drawn]] = True
    # Where a slanted window steps aside, its neighbors are not those of the screen.
    near = blending.grow(support, blending.reach(size / DRAWN_SIZE))
    region &= inside & window.cut(near)
    screen = screen.copy()
    screen[window.rows[region], window.columns[region]] = fused[region]
    return screen, support
