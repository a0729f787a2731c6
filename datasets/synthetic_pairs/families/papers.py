"""What is printed on: white and recycled paper, card, kraft, cardboard, film."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families import materials, shapes
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color

# One part's paper, [size, size, 3], from its random generator.
Paper = Callable[[np.random.Generator], Pixels]


def draw(rng: np.random.Generator, size: int) -> tuple[Color, Paper]:
    """A color, and paper of it whose texture is drawn anew for each part."""
    kinds = (_plain, _plain, _recycled, _glossy, _cardboard, _colored)
    return kinds[int(rng.integers(len(kinds)))](rng, size)


def _toned(texture: NDArray[np.float32], color: Color) -> Pixels:
    """`texture` in gray levels, around `color`."""
    gray = cv2.convertScaleAbs(texture, alpha=1, beta=128)
    steps = np.arange(256) - 128
    planes = [cv2.LUT(gray, np.clip(steps + c, 0, 255).astype(np.uint8)) for c in color]
    return np.asarray(cv2.merge(planes), np.uint8)


def _fibrous(color: Color, size: int, strength: float, grain: float) -> Paper:
    def paper(stream: np.random.Generator) -> Pixels:
        level = stream.uniform(-3, 3)
        fibers = materials.smooth_noise(stream, size, grain)
        return _toned(fibers * np.float32(strength) + np.float32(level), color)

    return paper


def _plain(rng: np.random.Generator, size: int) -> tuple[Color, Paper]:
    color = shapes.scaled([250, 248, 242], rng.uniform(0.85, 1))
    strength, grain = float(rng.uniform(0.3, 4)), float(rng.uniform(2, 6))
    return color, _fibrous(color, size, strength, grain)


def _colored(rng: np.random.Generator, size: int) -> tuple[Color, Paper]:
    color = materials.random_color(rng)
    return color, _fibrous(color, size, float(rng.uniform(0.3, 4)), rng.uniform(2, 8))


def _recycled(rng: np.random.Generator, size: int) -> tuple[Color, Paper]:
    """Gray or brown, with specks and short hairs."""
    first = [190, 155, 115] if rng.random() < 0.5 else [205, 202, 192]
    color = shapes.scaled(first, rng.uniform(0.8, 1.1))
    density, tone = rng.uniform(0.5e-3, 2.5e-3), rng.uniform(0.75, 0.9)
    below = _fibrous(color, size, float(rng.uniform(2, 5)), rng.uniform(2, 4))

    def paper(stream: np.random.Generator) -> Pixels:
        canvas = below(stream)
        count = int(density * size * size)
        starts = stream.uniform(0, size, (count, 1, 2))
        hairs = starts + stream.normal(0, 2.2, (count, 2, 2))
        ends = np.rint(np.concatenate([starts, hairs], axis=1) * 16).astype(np.int32)
        dark = shapes.scaled(color, tone)
        cv2.polylines(canvas, list(ends), False, dark, 1, cv2.LINE_AA, 4)
        return canvas

    return color, paper


def _glossy(rng: np.random.Generator, size: int) -> tuple[Color, Paper]:
    """Film or coated paper: smooth, with a faint broad reflection."""
    color = shapes.scaled([245, 245, 248], rng.uniform(0.8, 0.97))
    if rng.random() < 0.5:
        color = materials.random_color(rng)
    strength = float(rng.uniform(1, 5))
    return color, _fibrous(color, size, strength, size / rng.uniform(2, 5))


def _cardboard(rng: np.random.Generator, size: int) -> tuple[Color, Paper]:
    """Kraft with the waves of the corrugation below."""
    color = shapes.scaled([190, 150, 105], rng.uniform(0.75, 1.1))
    period, strength = rng.uniform(9, 26), rng.uniform(1, 5)
    upright = bool(rng.random() < 0.5)
    fibers, grain = float(rng.uniform(2, 5)), float(rng.uniform(2, 4))

    def paper(stream: np.random.Generator) -> Pixels:
        along = np.arange(size) * (2 * np.pi / period) + stream.uniform(0, 2 * np.pi)
        waves = (strength * np.sin(along)).astype(np.float32)
        texture = materials.smooth_noise(stream, size, grain) * np.float32(fibers)
        texture += waves if upright else waves[:, None]
        return _toned(texture, color)

    return color, paper
