"""Surfaces that repeat: tiles, bricks, gratings, sieves."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import shapes, textures
from cadnet_jax.datasets.synthetic_pairs.families.features import (
    Feature,
    compose,
    contrasting,
    extra_hole,
    hole,
    light_from,
)
from cadnet_jax.datasets.synthetic_pairs.families.materials import random_color

_MOST_ALTERED = 11
_TILE_TEXTURES = (
    textures.grain,
    textures.concrete,
    textures.marble,
    textures.cast,
    textures.foam,
)


def tiles(rng: np.random.Generator, size: int) -> Drawing:
    """Tiles or bricks with joints; tiles that are chipped, cracked or missing."""
    width = rng.uniform(28, 110)
    height = width * rng.choice([1.0, 0.5, 0.33])
    shift = rng.choice([0.0, 0.5]) if height == width else 0.5
    joint = rng.uniform(2, 6)
    color = np.asarray(random_color(rng), float)
    mortar = contrasting(rng, color)
    spread = rng.uniform(2, 10)
    texture = rng.choice(np.array(_TILE_TEXTURES))(rng, size)
    contrast = rng.uniform(6, 22)
    start = rng.uniform(-0.9, 0, 2) * [width, height]
    boxes = []
    for row in range(int(size / height) + 2):
        for column in range(-1, int(size / width) + 2):
            x = start[0] + (column + 0.5 + shift * (row % 2)) * width
            boxes.append((x, start[1] + (row + 0.5) * height))
    centers = np.array(boxes)
    corners = shapes.box((0, 0), width - joint, height - joint, rng.uniform(0, 3))
    tones = np.clip(color + rng.normal(0, spread, (len(centers), 1)), 0, 255)

    def ground(part: np.random.Generator) -> Pixels:
        canvas = np.empty((size, size, 3), np.uint8)
        canvas[:] = mortar
        moved = centers + part.uniform(-0.8, 0.8, centers.shape)
        levels = part.uniform(-4, 4, (len(centers), 1))
        for center, tone in zip(moved, np.clip(tones + levels, 0, 255), strict=True):
            shapes.polygons(canvas, [corners + center], tone.tolist())
        return textures.roughened(canvas, texture(part), contrast)

    inside = (centers > 0.04 * size).all(1) & (centers < 0.96 * size).all(1)
    picked = rng.permutation(centers[inside])[:_MOST_ALTERED]
    features = [
        _defective_tile(rng, center, (width - joint, height - joint), color, mortar)
        for center in picked
    ]
    return compose(rng, ground, features)


def _defective_tile(
    rng: np.random.Generator,
    center: NDArray[np.float64],
    sides: tuple[float, float],
    color: NDArray[np.float64],
    mortar: shapes.Color,
) -> Feature:
    """Nothing; the defect: a tile that is chipped, cracked, missing or another."""
    kind = rng.choice(['chip', 'chip', 'crack', 'missing', 'other'])
    half = np.array(sides) / 2
    corner = center + half * rng.choice([-1, 1], 2)
    radius = rng.uniform(0.15, 0.5) * min(sides) + 1.5
    other = contrasting(rng, color) if rng.random() < 0.5 else random_color(rng)
    if np.abs(np.asarray(other) - color).max() < 40:
        other = contrasting(rng, color)

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if not altered:
            return
        if kind == 'chip':
            shapes.polygons(canvas, [shapes.chip(corner, radius, part)], mortar)
        elif kind == 'crack':
            across = np.linspace(-1, 1, 7)[:, None] * half * [1, part.uniform(-1, 1)]
            path = center + across + part.uniform(-1, 1, (7, 2)) * half * 0.15
            shapes.stroke(canvas, path, mortar, int(part.integers(1, 4)))
        else:
            fill = mortar if kind == 'missing' else other
            shapes.polygons(canvas, [shapes.box(center, *sides, 2)], fill)

    return feature


def grating(rng: np.random.Generator, size: int) -> Drawing:
    """Parallel lines or a cross grid; lines that are broken or bridged."""
    pitch = rng.uniform(5, 20)
    share = rng.uniform(0.3, 0.7)
    back = np.asarray(random_color(rng), float)
    line = np.asarray(contrasting(rng, back), float)
    axes = [[0], [1], [0, 1]][rng.integers(3)]
    texture = textures.TEXTURES[rng.integers(2)](rng, size)
    contrast = rng.uniform(2, 9)

    def ground(part: np.random.Generator) -> Pixels:
        cover = np.zeros((size, size), np.float32)
        for axis in axes:
            lines = _lines(part, size, pitch, share)
            np.maximum(cover, lines[None] if axis else lines[:, None], out=cover)
        table = np.clip(back + np.linspace(0, 1, 256)[:, None] * (line - back), 0, 255)
        index = cv2.cvtColor((cover * 255).astype(np.uint8), cv2.COLOR_GRAY2RGB)
        canvas = cv2.LUT(index, table.astype(np.uint8)[None])
        return textures.roughened(canvas, texture(part), contrast)

    features: list[Feature] = []
    for number in range(rng.integers(4, 12)):
        place = rng.uniform(0.05, 0.95, 2) * size
        long, wide = rng.uniform(1.2, 6) * pitch, pitch * rng.uniform(1.1, 2.2)
        axis = axes[number % len(axes)]
        sides = (wide, long) if axis else (long, wide)
        fill = back if number % 2 else line
        outline = shapes.box(place, *sides, 2)
        features.append(_filled(outline, shapes.scaled(fill, 1)))
    return compose(rng, ground, features)


def _lines(
    part: np.random.Generator, size: int, pitch: float, share: float
) -> NDArray[np.float32]:
    """How far lines cover the pixels of one axis, 0 to 1, [size]."""
    count = int(size / pitch) + 4
    middles = (np.arange(count) - 1) * pitch + part.uniform(-2, 2)
    middles += part.uniform(-0.04, 0.04, count) * pitch
    halves = pitch * share / 2 * part.uniform(0.93, 1.07, count)
    place = np.arange(size)
    near = np.searchsorted((middles[1:] + middles[:-1]) / 2, place)
    inside = halves[near] - np.abs(place - middles[near]) + 0.5
    return np.clip(inside, 0, 1).astype(np.float32)


def _filled(outline: shapes.Points, color: shapes.Color) -> Feature:
    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if altered:
            shapes.polygons(canvas, [outline], color)

    return feature


def sieve(rng: np.random.Generator, size: int) -> Drawing:
    """Perforated sheet: holes in rows; holes that are clogged or too many."""
    pitch = rng.uniform(16, 44)
    radius = pitch * rng.uniform(0.2, 0.38)
    color = np.clip(np.asarray(random_color(rng), float), 60, 250)
    dark, light = contrasting(rng, color), light_from(rng)
    texture = textures.TEXTURES[rng.integers(3)](rng, size)
    contrast = rng.uniform(4, 14)
    stagger = rng.choice([0.0, 0.5])
    start = rng.uniform(0, 1, 2) * pitch

    def ground(part: np.random.Generator) -> Pixels:
        return textures.tinted(texture(part), color - contrast, color + contrast)

    features: list[Feature] = []
    for row in range(int(size / pitch) + 1):
        for column in range(int(size / pitch) + 1):
            cell = np.array([column + stagger * (row % 2), row])
            at = start + cell * pitch
            features.append(hole(at, radius, dark, light))
    for _ in range(4):
        cell = rng.integers(0, max(1, int(size / pitch) - 1), 2)
        at = start + (cell + 0.5) * pitch
        features.append(extra_hole(at, radius * rng.uniform(0.5, 1), dark, light))
    return compose(rng, ground, features)
