"""Shapes of painted changes: an opacity, 0 to 1, in a box of its own."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# OpenCV does not say in types which numbers it returns.
Field = NDArray[Any]  # float32 [h, w]


def blob(rng: np.random.Generator, height: int, width: int) -> Field:
    """An irregular spot: a disc whose border is moved by smooth noise."""
    y, x = unit_grid(height, width)
    grain = int(rng.integers(3, 8))
    noise = cv2.resize(rng.standard_normal((grain, grain), np.float32), (width, height))
    roughness = rng.uniform(0, 0.45)
    return _step(1 - np.hypot(y, x) + roughness * noise - roughness * 0.5, height)


def _ellipse(rng: np.random.Generator, height: int, width: int) -> Field:
    del rng
    y, x = unit_grid(height, width)
    return _step(1 - np.hypot(y, x), height)


def _polygon(rng: np.random.Generator, height: int, width: int) -> Field:
    corners = int(rng.integers(3, 8))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.45, 1, corners)
    points = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], axis=-1)
    points = (points + 1) / 2 * [width - 1, height - 1]
    return _filled(points, height, width)


def _rectangle(rng: np.random.Generator, height: int, width: int) -> Field:
    box = ((width - 1) / 2, (height - 1) / 2), (width * 0.8, height * 0.8)
    turn = 0 if rng.random() < 0.6 else rng.uniform(-45, 45)
    return _filled(cv2.boxPoints((*box, turn)), height, width)


def _dots(rng: np.random.Generator, height: int, width: int) -> Field:
    """Spray: a few spots apart from each other."""
    mask = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(3, 12))):
        center = (rng.uniform(0.1, 0.9, 2) * [width, height] * 8).astype(int)
        radius = max(8, int(rng.uniform(0.03, 0.15) * min(height, width) * 8))
        cv2.circle(mask, center.tolist(), radius, 255, -1, cv2.LINE_AA, 3)
    return np.asarray(mask / np.float32(255), np.float32)


def _smear(rng: np.random.Generator, height: int, width: int) -> Field:
    """A soft streak: a spot drawn out along one direction."""
    mask = blob(rng, height, width)
    if rng.random() < 0.5:
        mask = cv2.blur(mask, (max(1, width // 2), 1))
    else:
        mask = cv2.blur(mask, (1, max(1, height // 2)))
    return np.asarray(mask / max(float(mask.max()), 1e-3), np.float32)


SHAPES: tuple[Callable[[np.random.Generator, int, int], Field], ...] = (
    blob,
    blob,
    blob,
    _ellipse,
    _polygon,
    _rectangle,
    _dots,
    _smear,
)


def stroke(points: NDArray[np.float64], width: float) -> tuple[Field, int, int]:
    """A line through `points` (x, y) as opacity, with the top and left of its box."""
    pad = int(np.ceil(width)) + 2
    left, top = np.floor(points.min(axis=0)).astype(int) - pad
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + pad + 1
    fixed = ((points - [left, top]) * 16).round().astype(np.int32)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.polylines(mask, [fixed], False, 255, max(1, round(width)), cv2.LINE_AA, 4)
    return mask / np.float32(255), int(top), int(left)


def dots(points: NDArray[np.float64], radius: float) -> tuple[Field, int, int]:
    """Discs around `points` (x, y) as opacity, with the top and left of their box."""
    pad = int(np.ceil(radius)) + 2
    left, top = np.floor(points.min(axis=0)).astype(int) - pad
    right, bottom = np.ceil(points.max(axis=0)).astype(int) + pad + 1
    mask = np.zeros((bottom - top, right - left), np.uint8)
    for center in ((points - [left, top]) * 16).round().astype(int).tolist():
        cv2.circle(mask, center, round(radius * 16), 255, -1, cv2.LINE_AA, 4)
    return mask / np.float32(255), int(top), int(left)


def unit_grid(height: int, width: int) -> tuple[Field, Field]:
    """Coordinates of pixel centers, -1 to 1 over a box, [h, 1] and [1, w]."""
    y = (np.arange(height, dtype=np.float32) + 0.5) * (2 / height) - 1
    x = (np.arange(width, dtype=np.float32) + 0.5) * (2 / width) - 1
    return y[:, None], x[None, :]


def _step(values: NDArray[np.float32], side: int) -> Field:
    """0 below 0, 1 above, over about a pixel in between."""
    return np.asarray(np.clip(values * (side / 2) + 0.5, 0, 1), np.float32)


def _filled(points: NDArray[Any], height: int, width: int) -> Field:
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [(points * 16).round().astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask / np.float32(255)


def softened(mask: Field, sigma: float) -> Field:
    soft = cv2.GaussianBlur(mask, (0, 0), sigma)
    return np.asarray(soft / max(float(soft.max()), 1e-3), np.float32)
