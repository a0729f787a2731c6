"""Abnormal points: chains of soft dots along edges, hair and text."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synlcd import blending
from cadnet_jax.datasets.synlcd.blending import COLORS, Bits, Window
from cadnet_jax.datasets.synlcd.patterns import DRAWN_SIZE
from cadnet_jax.datasets.synlcd.screen_parts import Pixels

DIAMETERS = range(3, 8)  # pixels at 512 x 512
THRESHOLDS = range(50, 201)  # gray levels

_EDGE_POINTS = 2000  # drawn of those of all thresholds, with repeats
_CLUSTERS = (6, 20)  # of the edge points
_CHAINS = (2, 6)  # clusters that get dots
_CHAIN_DOTS = (6, 20)
_GAP = (4, 16)  # pixels at 512 x 512, at least, between the rims of two dots
_STEP = 40  # pixels at 512 x 512, at most, from a dot to the next of its chain,
_LEAST_STEP = 10  # but so many pixels where screens are small, for their gaps are wide
_TURN = 60  # degrees, at most, between two such steps
_BLUR = (0.4, 1.0)  # pixels at 512 x 512
_TRIES = 8


class Dot(NamedTuple):
    """A soft disc."""

    color: str
    opacity: int  # percent
    diameter: int  # pixels at 512 x 512
    blur: float  # standard deviation, pixels at 512 x 512
    at: tuple[int, int]  # (y, x) in pixels


class _Chain(NamedTuple):
    points: NDArray[np.int32]  # (y, x) on edges, [n, 2], in random order
    style: Dot
    gaps: NDArray[np.float64]  # pixels that each dot keeps off all others, [dots]


def draw_dots(
    screen: Pixels, clean: Pixels, lines: Bits, rng: np.random.Generator
) -> tuple[Pixels, Bits, list[Dot]]:
    """Dots on a screen, behind its lines.

    A dot goes where it can be seen, half of it at least is on the screen and beside
    the lines, and it is clear of all others; a chain without such a point ends. Where
    there is no dot at all they are drawn anew: at most 8 times, at last in the colors
    that contrast most.

    Args:
        screen: RGB, [size, size, 3].
        clean: the pattern without any defect, [size, size, 3].
        lines: pixels that stay as they are, [size, size].

    Returns:
        The screen [size, size, 3], the dots' pixels [size, size], and one dot at least.
    """
    canvas = _Canvas(screen, clean, lines)
    for attempt in range(_TRIES):
        for chain in _random_chains(clean, rng):
            canvas.lay(chain, contrasting=attempt == _TRIES - 1)
        if canvas.dots:
            return canvas.screen, canvas.support, canvas.dots
    raise RuntimeError('no dot could be seen on this pattern')


def edge_points(clean: Pixels, threshold: int) -> NDArray[np.int32]:
    """Where the gray image crosses `threshold`: (x, y), [n, 2]."""
    gray = cv2.cvtColor(clean, cv2.COLOR_RGB2GRAY)
    bright = (gray > threshold).astype(np.uint8)
    edges = cv2.morphologyEx(bright, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    return np.argwhere(edges)[:, ::-1].astype(np.int32)


def _random_chains(clean: Pixels, rng: np.random.Generator) -> list[_Chain]:
    thresholds = rng.choice(THRESHOLDS, size=int(rng.integers(1, 4)), replace=False)
    points = np.concatenate([edge_points(clean, int(t)) for t in thresholds])
    if not len(points):
        return []
    points = points[rng.integers(len(points), size=_EDGE_POINTS)]
    clusters = _cluster(points, int(rng.integers(*_CLUSTERS, endpoint=True)))
    chosen = rng.permutation(len(clusters))[: rng.integers(*_CHAINS, endpoint=True)]
    return [_random_chain(clusters[i], clean.shape[0], rng) for i in chosen]


def _random_chain(
    points: NDArray[np.int32], size: int, rng: np.random.Generator
) -> _Chain:
    """Dots of one style on the points of a cluster, (x, y), [n, 2]."""
    style = Dot(
        color=str(rng.choice(list(COLORS))),
        opacity=int(rng.choice(blending.OPACITIES)),
        diameter=int(rng.choice(DIAMETERS)),
        blur=float(rng.uniform(*_BLUR)),
        at=(0, 0),
    )
    scale = size / DRAWN_SIZE
    wanted = int(rng.integers(*_CHAIN_DOTS, endpoint=True))
    gaps = rng.uniform(_GAP[0], rng.uniform(*_GAP), wanted) * scale
    # What fusion may change around one dot must not touch another.
    return _Chain(points[:, ::-1], style, gaps.clip(2 * blending.reach(scale) + 2))


def _cluster(points: NDArray[np.int32], count: int) -> list[NDArray[np.int32]]:
    """K-means with the first points as seeds; `points` is [n, 2], (x, y) in pixels."""
    seeds = points[:count]
    distances = ((points[:, None] - seeds) ** 2).sum(axis=-1)
    labels = distances.argmin(axis=1).astype(np.int32)
    stop = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 10, 0.5)
    # With labels to start from, OpenCV's own random numbers are not used.
    _, labels, _ = cv2.kmeans(
        points.astype(np.float32),
        count,
        labels[:, None],
        stop,
        1,
        cv2.KMEANS_USE_INITIAL_LABELS,
    )
    groups = [points[labels[:, 0] == i] for i in range(count)]
    return [group for group in groups if len(group)]


def dot_window(dot: Dot, size: int) -> Window:
    """Where `dot` is on a screen of `size` x `size` pixels."""
    scale = size / DRAWN_SIZE
    diameter = max(2, round(dot.diameter * scale))
    half = diameter // 2 + 1 + blending.margin(scale)
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    shift = 0.0 if diameter % 2 else 0.5
    support = np.hypot(rows + shift, columns + shift) <= diameter / 2
    y, x = dot.at
    return Window(rows + y, columns + x, support)


class _Canvas:
    """A screen to which dots are added."""

    def __init__(self, screen: Pixels, clean: Pixels, lines: Bits) -> None:
        self.screen = screen.copy()
        self.support = np.zeros(lines.shape, np.bool_)
        self.dots: list[Dot] = []
        self._clean = clean
        self._lines = lines
        self._size = clean.shape[0]
        self._scale = self._size / DRAWN_SIZE

    def lay(self, chain: _Chain, *, contrasting: bool) -> None:
        """Adds dot after dot, each as near to the last as its gap allows.

        The chain keeps its direction; at a dead end it goes on from its other end. It
        ends where both are dead ends.
        """
        placed: list[Dot] = []
        for gap in chain.gaps:
            if not self._go_on(chain, placed, gap, contrasting):
                if len(placed) < 2:
                    return
                placed.reverse()
                if not self._go_on(chain, placed, gap, contrasting):
                    return

    def _go_on(
        self, chain: _Chain, placed: list[Dot], gap: float, contrasting: bool
    ) -> bool:
        free = chain.points[self._is_free(chain.points, chain.style, gap)]
        for y, x in _ahead(free, placed, max(_STEP * self._scale, _LEAST_STEP)):
            dot = chain.style._replace(at=(int(y), int(x)))
            if contrasting:
                window = dot_window(dot, self._size)
                color = blending.contrasting(window.cut(self._clean)[window.support])
                dot = dot._replace(color=color, opacity=100)
            if self._add(dot):
                placed.append(dot)
                return True
        return False

    def _is_free(
        self, points: NDArray[np.int32], style: Dot, gap: float
    ) -> NDArray[np.bool_]:
        """Where a dot leaves `gap` pixels to the rims of all others: [n]."""
        if not self.dots:
            return np.ones(len(points), np.bool_)
        centers = np.array([other.at for other in self.dots])
        widths = np.array([other.diameter for other in self.dots]) + style.diameter
        distances = np.hypot(*(points[:, None] - centers).transpose(2, 0, 1))
        needed = np.maximum(widths * self._scale, 4) / 2 + gap
        return np.asarray((distances >= needed).all(axis=1))

    def _add(self, dot: Dot) -> bool:
        """Adds the dot, unless it could not be seen or is more than half hidden."""
        window = dot_window(dot, self._size)
        free = window.inside(self._size) & ~window.cut(self._lines)
        drawn = window.support & free
        if 2 * np.count_nonzero(drawn) < np.count_nonzero(window.support):
            return False
        fused, region = blending.fuse(
            window.cut(self.screen),
            window.support,
            color=dot.color,
            opacity=dot.opacity,
            blur=dot.blur,
            scale=self._scale,
        )
        if not blending.is_visible(fused[drawn], window.cut(self._clean)[drawn]):
            return False
        region &= free
        self.screen[window.rows[region], window.columns[region]] = fused[region]
        self.support[window.rows[drawn], window.columns[drawn]] = True
        self.dots.append(dot)
        return True


def _ahead(
    points: NDArray[np.int32], placed: list[Dot], step: float
) -> NDArray[np.int32]:
    """The points (y, x), [n, 2], to which a chain may go on, the nearest first."""
    if not placed:
        return points
    last = np.array(placed[-1].at)
    way = points - last
    distance = np.hypot(*way.T)
    near = distance <= step
    if len(placed) > 1:
        direction = last - placed[-2].at
        least = np.cos(np.radians(_TURN)) * distance * np.hypot(*direction)
        along = way @ direction >= least
        near &= along
    order = np.argsort(distance, kind='stable')
    return np.asarray(points[order[near[order]]])
