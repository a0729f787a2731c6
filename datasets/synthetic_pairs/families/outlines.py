"""Outlines of flat parts, drawn into a mask: plates, gears, washers, moldings.

Each function takes the product's generator and the radius of the part and gives a
`Shape`: it draws the part's mask about `origin`, with the tolerance of this part, and
with a defect where `altered`: a hole or tooth that is missing, a piece that broke off,
an arm that is bent.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.families import shapes
from cadnet_jax.datasets.synthetic_pairs.families.features import off

Mask = NDArray[Any]  # uint8 [side, side], 255 where the part is
Origin = NDArray[np.float64]  # (x, y) in the mask
Shape = Callable[[Mask, Origin, np.random.Generator, bool], None]

SOLID, VOID = (255,), (0,)


def plate(rng: np.random.Generator, radius: float) -> Shape:
    """A machined plate with holes; a hole too few or too many, a corner gone."""
    width, height = radius * rng.uniform(0.8, 1.8, 2)
    body = shapes.box((0, 0), width, height, rng.uniform(0, 0.3) * min(width, height))
    bore = max(1.3, min(width, height) * rng.uniform(0.05, 0.09))
    room = np.array([width, height]) - 5 * bore
    most = np.maximum(1, (room / (4 * bore)).astype(int))
    columns, rows = np.minimum(rng.integers(1, 5, 2), most)
    grid = np.stack(
        np.meshgrid(np.linspace(-1, 1, columns + 1), np.linspace(-1, 1, rows + 1)), -1
    ).reshape(-1, 2)
    centers = grid * room / 2
    bores = bore * rng.choice([1.0, 1.0, 1.4], len(centers))
    corners = shapes.box((0, 0), width, height)
    loose = min(1.2, 0.4 * bore)

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        places = centers + part.uniform(-loose, loose, centers.shape)
        sizes = bores * part.uniform(0.95, 1.05, len(bores))
        shapes.polygons(mask, [body + origin], SOLID)
        kind = part.choice(['fewer', 'more', 'corner']) if altered else ''
        lost = int(part.integers(len(places))) if kind == 'fewer' else -1
        for number, (place, size) in enumerate(zip(places, sizes, strict=True)):
            if number != lost:
                shapes.disc(mask, place + origin, size, VOID)
        if kind == 'more':
            at = part.uniform(-0.35, 0.35, 2) * [width, height] + bore
            shapes.disc(mask, at + origin, bore * 1.3, VOID)
        if kind == 'corner':
            at = corners[part.integers(4)] + origin
            piece = shapes.chip(at, radius * part.uniform(0.12, 0.4), part)
            shapes.polygons(mask, [piece], VOID)

    return shape


def toothed(rng: np.random.Generator, radius: float) -> Shape:
    """A gear with a bore and, in some, spokes; teeth are missing or chipped."""
    teeth = int(rng.integers(10, max(12, min(40, int(radius / 2)))))
    depth = min(radius * 0.2, 4.5 * radius / teeth)
    bore = radius * rng.uniform(0.12, 0.3)
    windows = int(rng.choice([0, 3, 4, 5, 6]))
    turn = rng.uniform(0, 2 * np.pi)

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        outer = radius * part.uniform(0.99, 1.01)
        angle = turn + part.uniform(-0.012, 0.012)
        first, count = int(part.integers(teeth)), int(part.integers(1, 4))
        kind = part.choice(['teeth', 'teeth', 'chip']) if altered else ''
        lost = [(first + i) % teeth for i in range(count if kind == 'teeth' else 0)]
        body = shapes.gear((0, 0), outer, teeth, depth, lost)
        shapes.polygons(mask, [shapes.turned(body, angle) + origin], SOLID)
        shapes.disc(mask, origin + off(part, 0.8), bore, VOID)
        middle = (bore + outer - depth) / 2
        for number in range(windows):
            spoke = shapes.turned([middle, 0], angle + number * 2 * np.pi / windows)
            shapes.disc(mask, origin + spoke, (outer - depth - bore) * 0.3, VOID)
        if kind == 'chip':
            at = shapes.turned([outer, 0], part.uniform(0, 2 * np.pi))
            piece = shapes.chip(at + origin, radius * part.uniform(0.12, 0.3), part)
            shapes.polygons(mask, [piece], VOID)

    return shape


def washer(rng: np.random.Generator, radius: float) -> Shape:
    """A washer, a spring washer or an O-ring; it is cracked, cut or out of round."""
    bore = radius * rng.uniform(0.4, 0.85)

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        outer = radius * part.uniform(0.98, 1.02)
        inner = bore * part.uniform(0.98, 1.02)
        middle = off(part, 0.7)
        angle, wide = part.uniform(0, 2 * np.pi), part.uniform(0.15, 0.5)
        kind = part.choice(['cut', 'chip', 'oval']) if altered else ''
        stretch = [1.0, 0.88] if kind == 'oval' else [1.0, 1.0]
        round_ = shapes.circle((0, 0), 1.0)
        body = shapes.turned(round_ * outer * stretch, angle)
        hollow = shapes.turned(round_ * inner * stretch, angle) + middle
        shapes.polygons(mask, [body + origin, hollow + origin], SOLID)
        if kind == 'cut':
            gap = shapes.box(((outer + inner) / 2, 0), outer, outer * wide)
            shapes.polygons(mask, [shapes.turned(gap, angle) + origin], VOID)
        if kind == 'chip':
            at = shapes.turned([outer, 0], angle) + origin
            shapes.polygons(
                mask, [shapes.chip(at, 1.5 + (outer - inner) * wide, part)], VOID
            )

    return shape


def molding(rng: np.random.Generator, radius: float) -> Shape:
    """A molded part of free form; flash stands out, or a piece is not filled."""
    corners = 72
    angles = np.arange(corners) * (2 * np.pi / corners)
    radii = np.full(corners, 0.75)
    for lobes in range(2, 6):
        radii += rng.uniform(0, 0.2 / lobes) * np.cos(
            lobes * angles + rng.uniform(0, 2 * np.pi)
        )
    body = radius * radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    window = radius * rng.uniform(0.12, 0.3)

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        outline = body * part.uniform(0.985, 1.015) + origin
        shapes.polygons(mask, [outline], SOLID)
        shapes.disc(mask, origin + off(part), window, VOID)
        if altered:
            at = outline[part.integers(corners)]
            piece = shapes.chip(at, 2 + radius * part.uniform(0.06, 0.22), part)
            shapes.polygons(mask, [piece], part.choice([SOLID, VOID]).tolist())

    return shape


FLAT: tuple[Callable[[np.random.Generator, float], Shape], ...] = (
    plate,
    toothed,
    washer,
    molding,
)
