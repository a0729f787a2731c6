"""Stochastic textures: drawn anew for each part, with the same statistics.

Each function takes the product's generator and gives a `Texture`: a function of the
part's generator. Its values are about 0, most of them within -1 to 1; `tinted` turns
them into colors.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families.materials import smooth_noise

Field = NDArray[Any]  # float32 [size, size]
Texture = Callable[[np.random.Generator], Field]


def tinted(value: Field, low: ArrayLike, high: ArrayLike) -> Pixels:
    """Colors from `low` at -1 to `high` at 1, straight on beyond, uint8 [H, W, 3]."""
    level = np.clip(value * 64 + 128, 0, 255).astype(np.uint8)
    share = (np.arange(256)[:, None] - 64) / 128
    ramp = np.asarray(low) + share * (np.asarray(high) - np.asarray(low))
    table = np.clip(ramp, 0, 255).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(cv2.cvtColor(level, cv2.COLOR_GRAY2RGB), table), np.uint8)


def roughened(canvas: Pixels, value: Field, contrast: float) -> Pixels:
    """A colored picture with a texture of `contrast` gray levels on it."""
    level = np.clip(value * contrast + 128, 0, 255).astype(np.uint8)
    gray = cv2.cvtColor(level, cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(canvas, 1, gray, 1, -128), np.uint8)


def white_noise(rng: np.random.Generator, height: int, width: int) -> Field:
    """Independent values, uniform, of standard deviation 1."""
    values = np.frombuffer(rng.bytes(height * width), np.uint8).astype(np.float32)
    return ((values - 127.5) / 73.9).reshape(height, width)


def grain(rng: np.random.Generator, size: int) -> Texture:
    """Sandblasted metal, paper, plaster."""
    sigma = float(rng.uniform(0.5, 1.6))
    gain = np.float32(0.45 * max(1.0, 2 * np.sqrt(np.pi) * sigma))

    def texture(part: np.random.Generator) -> Field:
        noise = white_noise(part, size, size)
        return np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma) * gain, np.float32)

    return texture


def brushed(rng: np.random.Generator, size: int) -> Texture:
    """Brushed metal: streaks along x, along y or at an angle."""
    length = int(rng.integers(21, 121))
    angle = float(rng.choice([0, 90, rng.uniform(0, 180)]))
    gain = np.float32(0.45 * np.sqrt(length))
    straight = angle % 90 == 0
    full = size if straight else round(1.42 * size)
    turn = cv2.getRotationMatrix2D((full / 2, full / 2), angle, 1)
    turn = turn - np.array([[0, 0, 1], [0, 0, 1]]) * (full - size) / 2

    def texture(part: np.random.Generator) -> Field:
        noise = white_noise(part, full, full)
        streaks = cv2.blur(noise, (length, 1)) * gain
        if straight:
            return np.ascontiguousarray(streaks if angle == 0 else streaks.T)
        return np.asarray(cv2.warpAffine(streaks, turn, (size, size)), np.float32)

    return texture


def cast(rng: np.random.Generator, size: int) -> Texture:
    """Cast metal, leather-hard plastic: soft lumps and grain."""
    lump = float(rng.uniform(3, 9))
    share = float(rng.uniform(0.2, 0.4))
    fine = grain(rng, size)

    def texture(part: np.random.Generator) -> Field:
        lumps = cv2.Sobel(smooth_noise(part, size, lump), cv2.CV_32F, 1, 1, ksize=3)
        return lumps * share + fine(part) * 0.5

    return texture


def concrete(rng: np.random.Generator, size: int) -> Texture:
    """Concrete: clouds, grain and dark pores."""
    pores = int(rng.integers(10, 60) * (size / 288) ** 2)
    fine = grain(rng, size)

    def texture(part: np.random.Generator) -> Field:
        value = smooth_noise(part, size, 50) * 0.2 + smooth_noise(part, size, 9) * 0.15
        value += fine(part) * 0.5
        places = part.integers(0, size, (pores, 2)).tolist()
        radii = part.integers(1, 3, pores).tolist()
        for (x, y), radius in zip(places, radii, strict=True):
            cv2.circle(value, (x, y), radius, -1.3, -1)
        return value

    return texture


def marble(rng: np.random.Generator, size: int) -> Texture:
    """Marble: thin dark veins in clouds."""
    scale = float(rng.uniform(40, 90))
    sharpness = float(rng.uniform(4, 9))

    def texture(part: np.random.Generator) -> Field:
        clouds = smooth_noise(part, size, scale)
        bends = clouds + smooth_noise(part, size, scale / 4) * 0.25
        veins = np.maximum(1 - np.abs(bends) * sharpness, 0)
        return 0.5 + clouds * 0.15 - veins * 1.1

    return texture


def hammered(rng: np.random.Generator, size: int) -> Texture:
    """Hammered metal and hammer finish: facets, lit from one side."""
    pitch = float(rng.uniform(12, 30))
    light = rng.uniform(-1, 1, 2)

    def texture(part: np.random.Generator) -> Field:
        depth = _cells(part, size, pitch)
        across = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3)
        down = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3)
        value = cv2.addWeighted(across, light[0] / 9, down, light[1] / 9, 0)
        return np.asarray(cv2.blur(value, (3, 3)), np.float32)

    return texture


def leather(rng: np.random.Generator, size: int) -> Texture:
    """Leather and grained plastic: bumps between dark furrows."""
    pitch = float(rng.uniform(6, 11))

    def texture(part: np.random.Generator) -> Field:
        value = 0.6 - _cells(part, size, pitch) * (2.4 / pitch)
        return cv2.blur(value, (3, 3)) + smooth_noise(part, size, 30) * 0.1

    return texture


def foam(rng: np.random.Generator, size: int) -> Texture:
    """Foam and sponge: round dark pores of many sizes."""
    scale = float(rng.uniform(2.5, 6))

    def texture(part: np.random.Generator) -> Field:
        value = smooth_noise(part, size, scale) + smooth_noise(part, size, 2 * scale)
        return np.asarray(0.5 - np.clip(value * 1.5 - 1.0, 0, 1.6))

    return texture


def wood(rng: np.random.Generator, size: int) -> Texture:
    """Wood: wavy rings along x and fine fibers."""
    period = float(rng.uniform(9, 26))
    bend = float(rng.uniform(0.4, 1.3))
    y = np.arange(size, dtype=np.float32)[:, None] / period
    fibers = int(rng.integers(15, 41))

    def texture(part: np.random.Generator) -> Field:
        coarse = white_noise(part, max(3, size // 40), max(2, size // 120))
        waves = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
        phase = y + waves * bend + np.float32(part.uniform(0, 1))
        rings = (phase - np.floor(phase)) ** 2  # slow early wood, a dark late edge
        fine = cv2.blur(white_noise(part, size, size), (fibers, 1))
        return (
            0.5
            - 1.2 * cv2.blur(rings, (1, 3))
            + fine * np.float32(0.22 * np.sqrt(fibers))
        )

    return texture


def turned_rings(rng: np.random.Generator, size: int) -> Texture:
    """Marks of a lathe: circles about a center, often outside of the image."""
    center = rng.uniform(-0.3, 1.3, 2) * size
    y, x = np.mgrid[:size, :size].astype(np.float32)
    radius = np.hypot(x - center[0], y - center[1])
    return _grooved(rng, radius)


def milled(rng: np.random.Generator, size: int) -> Texture:
    """Marks of a mill: the same arc again and again along x."""
    bend = float(rng.uniform(0.6, 3)) * size
    y = np.arange(size, dtype=np.float32) - size * float(rng.uniform(0.2, 0.8))
    arc = np.sqrt(np.maximum(bend**2 - y**2, 0)) - bend
    x = np.arange(size, dtype=np.float32)
    return _grooved(rng, x[None] - arc[:, None] + size)


def _grooved(rng: np.random.Generator, distance: Field) -> Texture:
    """Grooves where `distance` is equal: a regular feed and noise."""
    place = (distance * 2).astype(np.intp)
    count = int(place.max()) + 1
    period = float(rng.uniform(6, 24))
    share = float(rng.uniform(0.1, 0.5))
    wave = np.arange(count) * (2 * np.pi / period)

    def texture(part: np.random.Generator) -> Field:
        noise = white_noise(part, 1, count)
        profile = cv2.GaussianBlur(noise, (0, 0), 1.5)[0] * 0.9
        profile += share * np.sin(wave + part.uniform(-1.5, 1.5)).astype(np.float32)
        return np.asarray(profile[place])

    return texture


def _cells(part: np.random.Generator, size: int, pitch: float) -> Field:
    """The distance to the nearest of scattered points, in pixels."""
    count = int(size / pitch) + 2
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1) - 0.5
    points = (grid + part.uniform(-0.4, 0.4, grid.shape)) * pitch
    points = points.reshape(-1, 2).astype(int)
    points = points[((points >= 0) & (points < size)).all(1)]
    apart = np.full((size, size), 255, np.uint8)
    apart[points[:, 1], points[:, 0]] = 0
    return np.asarray(cv2.distanceTransform(apart, cv2.DIST_L2, 3), np.float32)


TEXTURES = (
    grain, brushed, cast, concrete, marble, hammered, leather, foam, wood,
    turned_rings, milled,
)  # fmt: skip
