"""Abnormal points: chains of soft dots along edges, hair and text."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synlcd import blending
from cadnet_jax.datasets.synlcd.blending import COLOURS, Bits, Window
from cadnet_jax.datasets.synlcd.patterns import DRAWN_SIZE
from cadnet_jax.datasets.synlcd.screen_parts import Pixels

DIAMETERS = range(3, 8)  # pixels at 512 x 512
THRESHOLDS = range(50, 201)  # grey levels

_EDGE_POINTS = 2000  # at most, of all thresholds together
_CLUSTERS = (6, 20)  # of the edge points
_CHAINS = (2, 6)  # clusters that get dots
_CHAIN_DOTS = (6, 20)
_GAP = (3, 16)  # pixels at 512 x 512 between the rims of two dots
_BLUR = (0.4, 1.0)  # pixels at 512 x 512
_TRIES = 8


class Dot(NamedTuple):
    """A soft disc."""

    colour: str
    opacity: int  # percent
    diameter: int  # pixels at 512 x 512
    blur: float  # standard deviation, pixels at 512 x 512
    at: tuple[int, int]  # (y, x) in pixels


class _Chain(NamedTuple):
    candidates: list[Dot]  # from its start outwards
    gaps: NDArray[np.float64]  # pixels that each candidate keeps off all other dots
    wanted: int


def draw_dots(
    screen: Pixels, clean: Pixels, lines: Bits, rng: np.random.Generator
) -> tuple[Pixels, Bits, list[Dot]]:
    """Dots on a screen, behind its lines.

    A dot that cannot be seen, or comes too near to another, is left out. Where none
    remains all are drawn anew: at most 8 times, at last in the colours that contrast
    most.

    Args:
        screen: RGB, [size, size, 3].
        clean: the pattern without any defect, [size, size, 3].
        lines: pixels that stay as they are, [size, size].

    Returns:
        The screen [size, size, 3], the dots' pixels [size, size], and one dot at least.
    """
    size = clean.shape[0]
    screen = screen.copy()
    support = np.zeros((size, size), np.bool_)
    dots: list[Dot] = []
    for attempt in range(_TRIES):
        for chain in _random_chains(clean, rng):
            wanted = len(dots) + chain.wanted
            for dot, gap in zip(chain.candidates, chain.gaps, strict=True):
                if len(dots) == wanted:
                    break
                window = dot_window(dot, size)
                if attempt == _TRIES - 1:
                    colour = blending.contrasting(window.cut(clean)[window.support])
                    dot = dot._replace(colour=colour, opacity=100)
                if _is_free(dot, dots, gap, size) and _add(
                    screen, support, clean, lines, dot, window
                ):
                    dots.append(dot)
        if dots:
            return screen, support, dots
    raise RuntimeError('no dot could be seen on this pattern')


def edge_points(clean: Pixels, threshold: int) -> NDArray[np.int32]:
    """Where the grey image crosses `threshold`: (x, y), [n, 2]."""
    grey = cv2.cvtColor(clean, cv2.COLOR_RGB2GRAY)
    bright = (grey > threshold).astype(np.uint8)
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
    """Dots of one look on the points of a cluster, [n, 2]."""
    start = points[rng.integers(len(points))]
    # From the start outwards: along the edge that it lies on.
    order = np.argsort(((points - start) ** 2).sum(axis=1), kind='stable')
    look = Dot(
        colour=str(rng.choice(list(COLOURS))),
        opacity=int(rng.choice(blending.OPACITIES)),
        diameter=int(rng.choice(DIAMETERS)),
        blur=float(rng.uniform(*_BLUR)),
        at=(0, 0),
    )
    scale = size / DRAWN_SIZE
    gaps = rng.uniform(_GAP[0], rng.uniform(*_GAP), len(points)) * scale
    return _Chain(
        candidates=[look._replace(at=(int(y), int(x))) for x, y in points[order]],
        # What fusion may change around one dot must not touch another.
        gaps=gaps.clip(2 * blending.reach(scale) + 2),
        wanted=int(rng.integers(*_CHAIN_DOTS, endpoint=True)),
    )


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


def _is_free(dot: Dot, others: list[Dot], gap: float, size: int) -> bool:
    """Whether `gap` pixels are left between the rims of `dot` and of all others."""
    if not others:
        return True
    scale = size / DRAWN_SIZE
    centres = np.array([other.at for other in others])
    widths = np.array([other.diameter for other in others]) + dot.diameter
    distances = np.hypot(*(centres - dot.at).T)
    needed = np.maximum(widths * scale, 4) / 2 + gap
    return bool((distances >= needed).all())


def _add(
    screen: Pixels,
    support: Bits,
    clean: Pixels,
    lines: Bits,
    dot: Dot,
    window: Window,
) -> bool:
    """Adds the dot to `screen` and `support`, unless it could not be seen."""
    size = clean.shape[0]
    free = window.inside(size) & ~window.cut(lines)
    own = window.support & free
    if 2 * np.count_nonzero(own) < np.count_nonzero(window.support):
        return False
    fused, region = blending.fuse(
        window.cut(screen),
        window.support,
        colour=dot.colour,
        opacity=dot.opacity,
        blur=dot.blur,
        scale=size / DRAWN_SIZE,
    )
    if not blending.is_visible(fused[own], window.cut(clean)[own]):
        return False
    region &= free
    screen[window.rows[region], window.columns[region]] = fused[region]
    support[window.rows[own], window.columns[own]] = True
    return True
