"""Wallpaper: printed motifs in rows, one plate an ink."""

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.families import shapes, textures
from cadnet_jax.datasets.synthetic_pairs.families.features import (
    Feature,
    compose,
    contrasting,
)
from cadnet_jax.datasets.synthetic_pairs.families.materials import random_color


def draw(rng: np.random.Generator, size: int) -> Drawing:
    """Printed motifs in rows, one color plate each; motifs missing or turned."""
    pitch = rng.uniform(24, 72)
    back = np.asarray(random_color(rng), float)
    texture = textures.grain(rng, size)
    contrast = rng.uniform(2, 9)
    plates = []
    for _ in range(rng.integers(1, 4)):
        ink = np.asarray(random_color(rng), float)
        if np.abs(ink - back).max() < 50:
            ink = np.asarray(contrasting(rng, back), float)
        plates.append((_motif(rng, pitch), ink, rng.uniform(0, pitch, 2)))
    drop = rng.choice([0.0, 0.5])

    def ground(part: np.random.Generator) -> Pixels:
        canvas = np.empty((size, size, 3), np.uint8)
        canvas[:] = np.clip(back + part.uniform(-4, 4), 0, 255).astype(np.uint8)
        return textures.roughened(canvas, texture(part), contrast)

    features: list[Feature] = []
    for motif, ink, start in plates:
        count = int(size / pitch) + 2
        grid = np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1) * 1.0
        grid[1::2, :, 0] += drop
        features.append(_plate(grid.reshape(-1, 2) * pitch + start - pitch, motif, ink))
        features += [
            _motif_too_many(rng, size, pitch, motif, ink, back) for _ in range(3)
        ]
    return compose(rng, ground, features)


def _motif(rng: np.random.Generator, pitch: float) -> shapes.Points:
    """A flower, a star, a diamond or a leaf about (0, 0)."""
    radius = pitch * rng.uniform(0.14, 0.36)
    lobes, depth = int(rng.integers(2, 8)), rng.uniform(0.15, 0.6)
    angles = np.arange(48) * (2 * np.pi / 48)
    wave = np.cos(lobes * angles + rng.uniform(0, 2 * np.pi))
    if rng.random() < 0.4:
        wave = np.sign(wave)
    radii = radius * (1 + depth * wave) / (1 + depth)
    return np.asarray(radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1))


def _plate(
    places: NDArray[np.float64], motif: shapes.Points, ink: NDArray[np.float64]
) -> Feature:
    """All motifs of one ink, moved together; the defect: some of them are missing."""

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        moved = places + part.uniform(-1, 1, 2)
        grown = motif * part.uniform(0.95, 1.05)
        tone = np.clip(ink + part.uniform(-5, 5), 0, 255)
        inside = np.flatnonzero(
            (moved > 0).all(1) & (moved < min(canvas.shape[:2])).all(1)
        )
        lost = part.choice(inside, min(len(inside), 2)).tolist() if altered else []
        for number, place in enumerate(moved):
            if number not in lost:
                shapes.polygons(canvas, [grown + place], tone.tolist())

    return feature


def _motif_too_many(
    rng: np.random.Generator,
    size: int,
    pitch: float,
    motif: shapes.Points,
    ink: NDArray[np.float64],
    back: NDArray[np.float64],
) -> Feature:
    """Nothing; the defect: ink where none belongs, or a place without ink."""
    place = rng.uniform(0.06, 0.94, 2) * size
    color = ink if rng.random() < 0.6 else contrasting(rng, back)
    outline = motif * rng.uniform(0.4, 1.2) + place

    def feature(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        if altered:
            shapes.polygons(canvas, [outline], tuple(np.asarray(color).tolist()))

    return feature
