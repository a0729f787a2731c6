"""Outlines of parts, drawn into a mask: plates, gears, bolts, springs, keys.

Each function takes the product's generator and the radius of the part and gives a
`Shape`: it draws the part's mask about `origin`, with the tolerance of this part, and
with a defect where `altered`: a hole or tooth that is missing, a piece that broke off,
an arm that is bent.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.families import shapes
from cadnet_jax.datasets.synthetic_pairs.families.features import off

Mask = NDArray[np.uint8]  # [side, side], 255 where the part is
Origin = NDArray[np.float64]  # (x, y) in the mask
Shape = Callable[[Mask, Origin, np.random.Generator, bool], None]

_SOLID, _VOID = (255,), (0,)


def plate(rng: np.random.Generator, radius: float) -> Shape:
    """A machined plate with holes; a hole too few or too many, a corner gone."""
    width, height = radius * rng.uniform(0.6, 1.4, 2)
    body = shapes.box((0, 0), width, height, rng.uniform(0, 0.3) * min(width, height))
    bore = max(2.0, radius * rng.uniform(0.04, 0.12))
    columns, rows = rng.integers(1, 5, 2)
    grid = np.stack(
        np.meshgrid(np.linspace(-1, 1, columns + 1), np.linspace(-1, 1, rows + 1)), -1
    ).reshape(-1, 2)
    centers = grid * (np.array([width, height]) / 2 - 2 * bore)
    bores = bore * rng.choice([1.0, 1.0, 1.6], len(centers))
    corners = shapes.box((0, 0), width, height)

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        places = centers + part.uniform(-1.2, 1.2, centers.shape)
        sizes = bores * part.uniform(0.95, 1.05, len(bores))
        shapes.polygons(mask, [body + origin], _SOLID)
        kind = part.choice(['fewer', 'more', 'corner']) if altered else ''
        lost = int(part.integers(len(places))) if kind == 'fewer' else -1
        for number, (place, size) in enumerate(zip(places, sizes, strict=True)):
            if number != lost:
                shapes.disc(mask, place + origin, size, _VOID)
        if kind == 'more':
            at = part.uniform(-0.35, 0.35, 2) * [width, height] + bore
            shapes.disc(mask, at + origin, bore * 1.3, _VOID)
        if kind == 'corner':
            at = corners[part.integers(4)] + origin
            piece = shapes.chip(at, radius * part.uniform(0.12, 0.4), part)
            shapes.polygons(mask, [piece], _VOID)

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
        lost = (first + np.arange(count)) % teeth if kind == 'teeth' else ()
        body = shapes.gear((0, 0), outer, teeth, depth, lost)
        shapes.polygons(mask, [shapes.turned(body, angle) + origin], _SOLID)
        shapes.disc(mask, origin + off(part, 0.8), bore, _VOID)
        middle = (bore + outer - depth) / 2
        for number in range(windows):
            spoke = shapes.turned([middle, 0], angle + number * 2 * np.pi / windows)
            shapes.disc(mask, origin + spoke, (outer - depth - bore) * 0.3, _VOID)
        if kind == 'chip':
            at = shapes.turned([outer, 0], part.uniform(0, 2 * np.pi))
            piece = shapes.chip(at + origin, radius * part.uniform(0.12, 0.3), part)
            shapes.polygons(mask, [piece], _VOID)

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
        shapes.polygons(mask, [body + origin, hollow + origin], _SOLID)
        if kind == 'cut':
            gap = shapes.box(((outer + inner) / 2, 0), outer, outer * wide)
            shapes.polygons(mask, [shapes.turned(gap, angle) + origin], _VOID)
        if kind == 'chip':
            at = shapes.turned([outer, 0], angle) + origin
            shapes.polygons(
                mask, [shapes.chip(at, 1.5 + (outer - inner) * wide, part)], _VOID
            )

    return shape


def bolt(rng: np.random.Generator, radius: float) -> Shape:
    """A bolt seen from the side; it is short, bent, or its thread is damaged."""
    turn = rng.uniform(0, 2 * np.pi)
    half = radius * rng.uniform(0.12, 0.24)
    pitch = max(3.0, half * rng.uniform(0.35, 0.7))
    head, tall = half * rng.uniform(1.6, 2.2), radius * rng.uniform(0.25, 0.45)
    plain = rng.uniform(0, 0.5) * radius
    cut = np.array([[-radius, -head], [-radius + tall, -head], [-radius + tall, -half]])

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        angle = turn + part.uniform(-0.015, 0.015)
        kind = part.choice(['short', 'bent', 'thread', 'head']) if altered else ''
        end = radius * (part.uniform(0.3, 0.75) if kind == 'short' else 1.0)
        thread = np.arange(plain - radius + tall + 2, end, pitch / 2)
        depth = half * (1 - 0.22 * (np.arange(len(thread)) % 2))
        upper = np.stack([thread, -depth], -1)
        lower = upper[::-1] * [1, -1]
        top = cut.copy()
        if kind == 'head':
            top[:2, 1] *= 0.45
        body = np.concatenate([top, upper, lower, cut[::-1] * [1, -1]])
        if kind == 'bent':
            body[:, 1] += np.maximum(body[:, 0], 0) ** 2 * (0.35 / radius)
        shapes.polygons(mask, [shapes.turned(body, angle) + origin], _SOLID)
        if kind == 'thread':
            at = shapes.turned([part.uniform(0, 0.8) * radius, half], angle) + origin
            shapes.polygons(mask, [shapes.chip(at, half * 0.8 + 1.5, part)], _VOID)

    return shape


def spring(rng: np.random.Generator, radius: float) -> Shape:
    """A coil spring from the side; a coil is missing, or it is stretched."""
    turn = rng.uniform(0, 2 * np.pi)
    coils = int(rng.integers(6, 14))
    half = radius * rng.uniform(0.2, 0.4)
    wire = max(2, round(radius / coils * rng.uniform(0.5, 0.9)))

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        place = np.linspace(-1, 1, 2 * coils + 1)
        place[1:-1] += part.uniform(-0.08, 0.08, 2 * coils - 1) / coils
        side = np.where(np.arange(2 * coils + 1) % 2, half, -half)
        kind = part.choice(['broken', 'stretched']) if altered else ''
        path = np.stack([place * radius, side], -1)
        at = int(part.integers(2, 2 * coils - 3))
        if kind == 'stretched':
            path[1:-1, 0] += (
                0.5 * radius * (1 - np.abs(place[1:-1])) * (place[at] + 0.4)
            )
        path = shapes.turned(path, turn) + origin
        if kind == 'broken':
            shapes.stroke(mask, path[:at], _SOLID, wire)
            shapes.stroke(mask, path[at + 1 :], _SOLID, wire)
        else:
            shapes.stroke(mask, path, _SOLID, wire)

    return shape


def bracket(rng: np.random.Generator, radius: float) -> Shape:
    """An angle with holes in its arms; an arm is bent or short, a hole missing."""
    turn = rng.uniform(0, 2 * np.pi)
    wide = radius * rng.uniform(0.3, 0.6)
    bore = max(1.8, wide * rng.uniform(0.12, 0.25))
    count = int(rng.integers(1, 4))

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        angle = turn + part.uniform(-0.012, 0.012)
        kind = part.choice(['bent', 'short', 'hole']) if altered else ''
        lost = int(part.integers(count))
        corner = np.array([-0.6, -0.6]) * radius
        for arm in range(2):
            long = 1.4 * radius
            bend = 0.0
            if arm and kind == 'short':
                long *= part.uniform(0.6, 0.85)
            if arm and kind == 'bent':
                bend = part.uniform(0.08, 0.2) * part.choice([-1, 1])
            bar = shapes.box((long / 2, 0), long + wide, wide, wide * 0.15)
            points = np.stack(
                [np.linspace(0.35, 1, count) * 1.3 * radius, np.zeros(count)]
            )
            pose = angle + arm * np.pi / 2 + bend
            base = shapes.turned(corner, angle) + origin
            shapes.polygons(mask, [shapes.turned(bar, pose) + base], _SOLID)
            for number, hole in enumerate(points.T + part.uniform(-1, 1, (count, 2))):
                if not (arm and kind == 'hole' and number == lost) and (
                    hole[0] < long - bore
                ):
                    at = shapes.turned(hole, pose) + base
                    shapes.disc(mask, at, bore, _VOID)

    return shape


def key(rng: np.random.Generator, radius: float) -> Shape:
    """A key; a bit is missing or cut too deep."""
    turn = rng.uniform(0, 2 * np.pi)
    bow, shaft = radius * rng.uniform(0.3, 0.42), radius * rng.uniform(0.1, 0.17)
    bits = rng.uniform(0.2, 1.5, rng.integers(4, 8)) * shaft

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        angle = turn + part.uniform(-0.015, 0.015)
        tall = bits + part.uniform(-0.5, 0.5, len(bits))
        if altered:
            number = int(part.integers(len(bits)))
            high = tall[number] > 0.85 * shaft
            tall[number] = -0.6 * shaft if high else 2.4 * shaft
        x = np.linspace(0.0, 0.9, len(bits) + 1) * radius
        steps = np.stack([np.repeat(x, 2)[1:-1], np.repeat(shaft + tall, 2)], -1)
        body = np.concatenate(
            [[[-0.5 * radius, -shaft], [0.97 * radius, -shaft], [radius, 0]],
             steps[::-1], [[-0.5 * radius, shaft]]]
        )  # fmt: skip
        shapes.polygons(mask, [shapes.turned(body, angle) + origin], _SOLID)
        head = shapes.turned([bow - radius, 0], angle) + origin
        shapes.disc(mask, head, bow, _SOLID)
        shapes.disc(
            mask, head - shapes.turned([bow * 0.5, 0], angle), bow * 0.22, _VOID
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
        shapes.polygons(mask, [outline], _SOLID)
        shapes.disc(mask, origin + off(part), window, _VOID)
        if altered:
            at = outline[part.integers(corners)]
            piece = shapes.chip(at, 2 + radius * part.uniform(0.06, 0.22), part)
            shapes.polygons(mask, [piece], part.choice([_SOLID, _VOID]).tolist())

    return shape


def cable(rng: np.random.Generator, radius: float) -> Shape:
    """A bent cable with a plug at each end; it is cut, kinked, or a plug is gone."""
    knots = np.stack([np.linspace(-0.8, 0.8, 5), rng.uniform(-0.6, 0.6, 5)], -1)
    share = np.linspace(0, 4, 33)
    fit = np.polynomial.polynomial.polyfit(np.arange(5), knots, 4)
    path = np.polynomial.polynomial.polyval(share, fit).T.clip(-0.9, 0.9) * radius
    wide = max(3, round(radius * rng.uniform(0.06, 0.14)))
    plug = radius * rng.uniform(0.14, 0.24)

    def shape(
        mask: Mask, origin: Origin, part: np.random.Generator, altered: bool
    ) -> None:
        sway = np.sin(share * np.pi / 4)[:, None] * part.uniform(-1.5, 1.5, 2)
        here = path + sway + origin
        kind = part.choice(['cut', 'plug', 'kink']) if altered else ''
        at = int(part.integers(4, 28))
        if kind == 'kink':
            bump = np.exp(-((np.arange(33) - at) ** 2) / 5)[:, None]
            here += bump * wide * 1.6 * part.choice([-1, 1], 2)
        if kind == 'cut':
            shapes.stroke(mask, here[:at], _SOLID, wide)
            shapes.stroke(mask, here[at + 2 :], _SOLID, wide)
        else:
            shapes.stroke(mask, here, _SOLID, wide)
        for end, inner in ((0, 2), (-1, -3)):
            if not (kind == 'plug' and end == 0):
                slope = here[end] - here[inner]
                body = shapes.box((0, 0), 2.2 * plug, 1.3 * plug, 2)
                pose = np.arctan2(slope[1], slope[0])
                shapes.polygons(mask, [shapes.turned(body, pose) + here[end]], _SOLID)

    return shape


SHAPES = (plate, toothed, washer, bolt, spring, bracket, key, molding, cable)
