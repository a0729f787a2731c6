"""Woven surfaces: plain, twill, satin, basket, carbon, mesh; and gratings.

Warp threads stand along y, weft threads lie along x. A thread is a row of numbers
along the axis that it crosses, so that a picture is made of a few outer products.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import shapes
from cadnet_jax.datasets.synthetic_pairs.families.features import Feature, compose
from cadnet_jax.datasets.synthetic_pairs.families.materials import random_color

_PHASE = 2.0  # pixels that the pattern moves from part to part at most

# True where the warp thread lies on top, [weft, warp].
_WEAVES = (
    np.eye(2, dtype=bool),  # plain
    np.kron(np.eye(2, dtype=bool), np.ones((2, 2), bool)),  # basket
    np.array([np.roll([1, 1, 0, 0], k) for k in range(4)], bool),  # twill 2/2
    np.array([np.roll([1, 1, 1, 0], k) for k in range(4)], bool),  # twill 3/1
    np.array([np.roll([1, 0, 0, 0, 0], 2 * k) for k in range(5)], bool),  # satin
)


class _Threads(NamedTuple):
    """The threads along one axis of a part, a value for each pixel, [size]."""

    thread: NDArray[np.intp]  # its number
    inside: NDArray[np.bool_]  # False in the gap between two threads
    color: NDArray[np.uint8]  # [size, 3]
    crown: NDArray[np.float32]  # how a crossing thread is lit that bends over it


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """A woven fabric whose threads move, swell and fade a little from part to part."""
    weave = _WEAVES[rng.integers(len(_WEAVES))]
    pitch = rng.uniform(5, 15, 2) if rng.random() < 0.3 else [rng.uniform(5, 15)] * 2
    share = rng.uniform(0.3, 0.6) if rng.random() < 0.25 else rng.uniform(0.85, 1.0)
    below = shapes.scaled(random_color(rng), rng.uniform(0.1, 0.35))
    palette = _palette(rng)
    stripes = [_stripes(rng, palette[axis]) for axis in range(2)]

    def ground(part: np.random.Generator) -> Pixels:
        warp, weft = (
            _threads(part, size, pitch[axis], share, stripes[axis]) for axis in range(2)
        )
        return _woven(part, weave, warp, weft, below)

    features = [
        _DEFECTS[rng.integers(len(_DEFECTS))](
            rng, size, pitch[0], palette[number % 2], below, number % 2 == 0
        )
        for number in range(rng.integers(5, 12))
    ]
    return compose(rng, ground, features)


def _palette(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Colors of the warp and the weft, not too dark to see the weave."""
    first = np.clip(np.asarray(random_color(rng), float), 45, 235)
    if rng.random() < 0.5:
        return [first, np.clip(first * rng.uniform(0.75, 1.2), 30, 245)]
    return [first, np.clip(np.asarray(random_color(rng), float), 45, 235)]


def _stripes(
    rng: np.random.Generator, color: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The nominal color of thread after thread, [N, 3]; some fabrics are striped."""
    colors = np.tile(color, (256, 1))
    if rng.random() < 0.35:
        every, width = int(rng.integers(6, 20)), int(rng.integers(1, 6))
        colors[np.arange(256) % every < width] = random_color(rng)
    return colors


def _threads(
    part: np.random.Generator,
    size: int,
    pitch: float,
    share: float,
    colors: NDArray[np.float64],
) -> _Threads:
    count = int(size / pitch) + 4
    middles = (np.arange(count) - 1) * pitch + part.uniform(-_PHASE, _PHASE)
    middles += part.uniform(-0.08, 0.08, count) * pitch
    widths = pitch * share * part.uniform(0.92, 1.08, count)
    levels = part.uniform(0.94, 1.06, count)
    place = np.arange(size)
    index = np.searchsorted((middles[1:] + middles[:-1]) / 2, place)
    apart = np.abs(place - middles[index]) / (widths[index] / 2)
    inside = apart < 1.05
    round_ = 1.08 - 0.5 * np.minimum(apart, 1.2) ** 2
    tone = colors[index % len(colors)] * (round_ * levels[index])[:, None]
    crown = (1.06 - 0.22 * np.minimum(apart, 1.2) ** 2).astype(np.float32)
    return _Threads(index, inside, np.clip(tone, 0, 255).astype(np.uint8), crown)


def _woven(
    part: np.random.Generator,
    weave: NDArray[np.bool_],
    warp: _Threads,
    weft: _Threads,
    below: shapes.Color,
) -> Pixels:
    size = len(warp.thread)
    rows, columns = weft.thread % len(weave), warp.thread % len(weave)
    over = weave[np.ix_(rows, columns)] | ~weft.inside[:, None]
    over &= warp.inside[None]
    canvas = _lit(weft.color[:, None], warp.crown[None], size)
    if not (weft.inside.all() or warp.inside.all()):
        gap = ~weft.inside[:, None] & ~warp.inside[None]
        canvas[gap] = below
    above = _lit(warp.color[None], weft.crown[:, None], size)
    cv2.copyTo(above, over.view(np.uint8), canvas)
    fuzz = np.frombuffer(part.bytes(size * size), np.uint8).reshape(size, size)
    gray = cv2.cvtColor(cv2.blur(fuzz, (3, 3)), cv2.COLOR_GRAY2RGB)
    soft = cv2.GaussianBlur(canvas, (3, 3), 0.6)
    return np.asarray(cv2.addWeighted(soft, 1, gray, 0.25, -32), np.uint8)


def _lit(
    color: NDArray[np.uint8], crown: NDArray[np.float32], size: int
) -> NDArray[np.uint8]:
    """Threads of `color` along one axis, lit by `crown` along the other."""
    full = np.ascontiguousarray(np.broadcast_to(color, (size, size, 3)))
    level = np.broadcast_to(crown * 200, (size, size)).astype(np.uint8)
    light = cv2.cvtColor(level, cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.multiply(full, light, scale=1 / 200), np.uint8)


def _missing_thread(
    rng: np.random.Generator,
    size: int,
    pitch: float,
    color: NDArray[np.float64],
    below: shapes.Color,
    upright: bool,
) -> Feature:
    """A thread is missing over a part of its length: what is below shows."""
    length = rng.uniform(4 * pitch, size)
    start = rng.uniform(0.05, 0.9, 2) * size
    end = start + (np.array([0, length]) if upright else np.array([length, 0]))
    width = max(2, round(pitch * 0.8))
    gap = shapes.scaled(color, 0.4) if color.mean() > 70 else below

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if altered:
            shapes.stroke(canvas, np.stack([start, end]), gap, width)

    return feature


def _pulled_thread(
    rng: np.random.Generator,
    size: int,
    pitch: float,
    color: NDArray[np.float64],
    below: shapes.Color,
    upright: bool,
) -> Feature:
    """A thread that left the weave: a loose loop with a shadow."""
    steps = int(rng.integers(5, 12))
    walk = rng.uniform(-1, 1, (steps, 2)) * pitch * 0.8
    along = np.array([0, 1.0]) if upright else np.array([1.0, 0])
    points = np.cumsum(walk + along * pitch * rng.uniform(0.6, 2), axis=0)
    points += rng.uniform(0.1, 0.7, 2) * size
    bright = shapes.scaled(color + 60, 1)
    width = max(2, round(pitch * rng.uniform(0.3, 0.6)))

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if altered:
            shapes.stroke(
                canvas, points + np.array([1.5, 2.0]), shapes.scaled(color, 0.3), width
            )
            shapes.stroke(canvas, points, bright, width)

    return feature


def _thick_place(
    rng: np.random.Generator,
    size: int,
    pitch: float,
    color: NDArray[np.float64],
    below: shapes.Color,
    upright: bool,
) -> Feature:
    """A knot or slub: a thread that is thick over a short length."""
    long, wide = rng.uniform(2, 5) * pitch, rng.uniform(1.5, 2.2) * pitch
    spread = (wide, long) if upright else (long, wide)
    outline = shapes.circle((0, 0), 0.5) * spread + rng.uniform(0.08, 0.92, 2) * size

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if altered:
            shapes.polygons(
                canvas, [outline + np.array([1, 1.5])], shapes.scaled(color, 0.35)
            )
            shapes.polygons(canvas, [outline], shapes.scaled(color, 1.25))

    return feature


def _torn(
    rng: np.random.Generator,
    size: int,
    pitch: float,
    color: NDArray[np.float64],
    below: shapes.Color,
    upright: bool,
) -> Feature:
    """A hole with ends of threads in it."""
    radius = rng.uniform(1.0, 3.0) * pitch
    center = rng.uniform(0.08, 0.92, 2) * size
    outline = shapes.chip(center, radius, rng)
    ends = center + rng.uniform(-1.1, 1.1, (6, 2)) * radius
    dark = below if color.mean() > 80 else shapes.scaled(color + 130, 1)

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if altered:
            shapes.polygons(canvas, [outline], dark)
            for first, last in zip(outline[::2], ends, strict=True):
                shapes.stroke(
                    canvas, np.stack([first, last]), shapes.scaled(color, 1.1), 1
                )

    return feature


_DEFECTS = (_missing_thread, _pulled_thread, _thick_place, _torn)
