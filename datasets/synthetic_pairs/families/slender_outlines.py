"""Outlines of slender parts: bolts, springs, brackets, keys, cables.

They are as those of `outlines`: a part's mask with its tolerance, or with a defect.
"""

import numpy as np

from cadnet_jax.datasets.synthetic_pairs.families import shapes
from cadnet_jax.datasets.synthetic_pairs.families.outlines import (
    SOLID,
    VOID,
    Mask,
    Origin,
    Shape,
)


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
        shapes.polygons(mask, [shapes.turned(body, angle) + origin], SOLID)
        if kind == 'thread':
            at = shapes.turned([part.uniform(0, 0.8) * radius, half], angle) + origin
            shapes.polygons(mask, [shapes.chip(at, half * 0.8 + 1.5, part)], VOID)

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
            shapes.stroke(mask, path[:at], SOLID, wire)
            shapes.stroke(mask, path[at + 1 :], SOLID, wire)
        else:
            shapes.stroke(mask, path, SOLID, wire)

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
            shapes.polygons(mask, [shapes.turned(bar, pose) + base], SOLID)
            for number, hole in enumerate(points.T + part.uniform(-1, 1, (count, 2))):
                if not (arm and kind == 'hole' and number == lost) and (
                    hole[0] < long - bore
                ):
                    at = shapes.turned(hole, pose) + base
                    shapes.disc(mask, at, bore, VOID)

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
        shapes.polygons(mask, [shapes.turned(body, angle) + origin], SOLID)
        head = shapes.turned([bow - radius, 0], angle) + origin
        shapes.disc(mask, head, bow, SOLID)
        shapes.disc(mask, head - shapes.turned([bow * 0.5, 0], angle), bow * 0.22, VOID)

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
            shapes.stroke(mask, here[:at], SOLID, wide)
            shapes.stroke(mask, here[at + 2 :], SOLID, wide)
        else:
            shapes.stroke(mask, here, SOLID, wide)
        for end, inner in ((0, 2), (-1, -3)):
            if not (kind == 'plug' and end == 0):
                slope = here[end] - here[inner]
                body = shapes.box((0, 0), 2.2 * plug, 1.3 * plug, 2)
                pose = np.arctan2(slope[1], slope[0])
                shapes.polygons(mask, [shapes.turned(body, pose) + here[end]], SOLID)

    return shape


SLENDER = (bolt, spring, bracket, key, cable)
