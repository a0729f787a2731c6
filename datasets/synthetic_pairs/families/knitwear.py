"""Knitwear: stitches in the shape of a V, in rows."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import shapes, textures
from cadnet_jax.datasets.synthetic_pairs.families.features import Feature, compose
from cadnet_jax.datasets.synthetic_pairs.families.materials import random_color


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """Stitches in the shape of a V; a dropped stitch, a ladder, a loose loop."""
    width = rng.uniform(9, 20)
    height = width * rng.uniform(0.6, 0.9)
    color = np.clip(np.asarray(random_color(rng), float), 60, 235)
    dark = shapes.scaled(color, 0.35)
    rows, columns = int(size / height) + 4, int(size / width) + 3
    leg = np.array([[0.04, 0.0], [0.46, 0.9]]) * [width, height]
    other = leg * [-1, 1] + [width, 0]
    pixels = np.arange(size, dtype=np.float32)

    def ground(part: np.random.Generator) -> Pixels:
        tall, wide = round(3 * height) + 2, size + round(2 * width)
        strip = np.empty((tall, wide, 3), np.uint8)
        strip[:] = dark
        thick = width * 0.26 * part.uniform(0.9, 1.1)
        jitter = part.uniform(-0.06, 0.06, columns + 2) * width
        for row in (-1, 0, 1, 2, 3):
            for column in range(columns + 2):
                at = np.array([(column - 0.5) * width + jitter[column], row * height])
                tone = shapes.scaled(color, 1.0 + 0.02 * (column % 3))
                for side in (leg, other):
                    shapes.stroke(strip, side + at, tone, thick)
        from_x, from_y = part.uniform(0, 2, 2) + np.array([width / 2, 0])
        sway = cv2.resize(
            textures.white_noise(part, 5, 5),
            (size, size),
            interpolation=cv2.INTER_CUBIC,
        )
        across = pixels[None] + np.float32(from_x) + sway * 0.5
        down = np.mod(pixels + np.float32(from_y), np.float32(height)) + height / 2
        canvas = cv2.remap(
            strip,
            across.astype(np.float32),
            np.repeat(down.astype(np.float32)[:, None], size, 1),
            cv2.INTER_LINEAR,
        )
        return textures.roughened(canvas, textures.white_noise(part, size, size), 7)

    features = [
        _dropped_stitch(rng, size, width, height, rows, color, dark)
        for _ in range(rng.integers(5, 12))
    ]
    return compose(rng, ground, features)


def _dropped_stitch(
    rng: np.random.Generator,
    size: int,
    width: float,
    height: float,
    rows: int,
    color: NDArray[np.float64],
    dark: shapes.Color,
) -> Feature:
    """Nothing; the defect: a hole, a ladder of loose threads, or a loop."""
    x, y = rng.uniform(0.06, 0.9, 2) * size
    count = int(rng.integers(1, max(2, rows // 2)))
    kind = rng.choice(['ladder', 'loop'])
    loop = shapes.circle((x, y), width * rng.uniform(0.4, 0.9), 12)
    loop += rng.uniform(-0.15, 0.15, loop.shape) * width

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if altered and kind == 'loop':
            shapes.stroke(canvas, loop + 1.5, dark, width * 0.25, closed=True)
            bright = shapes.scaled(color, 1.3)
            shapes.stroke(canvas, loop, bright, width * 0.25, closed=True)
        elif altered:
            tall = count * height
            gap = shapes.box((x, y + tall / 2), width, tall + 2, 2)
            shapes.polygons(canvas, [gap], shapes.scaled(dark, 0.6))
            for row in range(count):
                bar = np.array([[x - width / 2, 0], [x + width / 2, 1]])
                bar[:, 1] += y + (row + 0.5) * height
                shapes.stroke(canvas, bar, shapes.scaled(color, 0.9), 1)

    return feature
