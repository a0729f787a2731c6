"""What is printed beside text: logos, halftones, stamps, rulers, pips of cards."""

import cv2
import numpy as np

from cadnet_jax.datasets.synthetic_pairs.families import lettering, plates, shapes
from cadnet_jax.datasets.synthetic_pairs.families.plates import (
    Area,
    Artwork,
    Coverage,
)
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Points

_SOLID, _BARE = (255,), (0,)


def logo(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    """Shapes in one ink. Defects: mirrored, turned, moved, a half or all missing."""
    side = min(area.width, area.height, 150)
    picture = np.zeros((side, side), np.uint8)
    middle = np.array([side / 2, side / 2])
    for k in range(int(rng.integers(2, 5))):
        away = rng.uniform(-0.22, 0.22, 2) * side if k else 0
        outline = middle + away + _outline(rng, side * rng.uniform(0.15, 0.48))
        shapes.polygons(picture, [outline], _BARE if k % 2 else _SOLID)
    left = area.left + int(rng.uniform(0, 1) * (area.width - side))
    frame = Area(area.top, left, side, side)
    plates.lay(artwork, plate, picture, frame.top, frame.left)
    for k in rng.choice(5, 3, replace=False).tolist():
        plates.offer(artwork, plate, frame, _LOGO_FAULTS[k])
    half = Area(frame.top, left + side // 2, side, side // 2)
    plates.offer(artwork, plate, half, lambda good: good * np.uint8(0))
    other = int(rng.integers(len(artwork.plates)))
    if other != plate:
        plates.offer_other_ink(artwork, plate, frame, other)


_LOGO_FAULTS = (
    lambda good: good[:, ::-1],
    lambda good: good[::-1],
    lambda good: np.rot90(good) if good.shape[0] == good.shape[1] else good[::-1],
    lambda good: good * np.uint8(0),
    lambda good: np.roll(good, max(3, good.shape[1] // 8), 1),
)


def _outline(rng: np.random.Generator, radius: float) -> Points:
    """A polygon, a star, a flower, a drop or a rounded bar around (0, 0)."""
    kind, angle = int(rng.integers(5)), rng.uniform(0, 2 * np.pi)
    if kind == 0:
        return shapes.turned(
            shapes.circle((0, 0), radius, int(rng.integers(3, 8))), angle
        )
    if kind == 1:
        points = shapes.circle((0, 0), radius, 2 * int(rng.integers(4, 10)))
        points[::2] *= rng.uniform(0.35, 0.8)
        return shapes.turned(points, angle)
    if kind == 2:
        unit = shapes.circle((0, 0), 1, 60)
        lobes = np.arange(60) * (2 * np.pi / 60) * int(rng.integers(3, 9))
        radii = radius * (0.8 + rng.uniform(0.1, 0.3) * np.cos(lobes))
        return np.asarray(unit * radii[:, None])
    if kind == 3:
        points = shapes.circle((0, 0), radius)
        points[:, 0] *= np.linspace(0.2, 1, len(points)) ** rng.uniform(0.2, 1)
        return shapes.turned(points, angle)
    return shapes.turned(
        shapes.box((0, 0), 2 * radius, rng.uniform(0.5, 1.2) * radius, 0.3 * radius),
        float(rng.choice([0, np.pi / 4, np.pi / 2])),
    )


def halftone(
    rng: np.random.Generator, artwork: Artwork, area: Area, plate: int
) -> None:
    """A tone that changes along a direction, as dots or smooth."""
    y, x = np.mgrid[: area.height, : area.width].astype(np.float32)
    angle, step = rng.uniform(0, 2 * np.pi), rng.uniform(3.5, 10)
    along = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    span = float(np.ptp(along)) or 1.0
    tone = (along - along.min()) * np.float32(rng.uniform(0.5, 1) / span)
    if rng.random() < 0.7:
        turn = rng.choice([0, np.pi / 4, np.pi / 12])
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        wave = np.float32(2 * np.pi / step)
        screen = np.cos((cos * x + sin * y) * wave) * np.cos((cos * y - sin * x) * wave)
        tone = 0.5 + (tone - 0.5 + 0.5 * screen) * np.float32(step * 0.5)
    picture = (255 * tone.clip(0, 1)).astype(np.uint8)
    if rng.random() < 0.5:
        mask = np.zeros_like(picture)
        center = np.array([area.width, area.height]) / 2
        outline = center + _outline(rng, min(area.width, area.height) / 2)
        shapes.polygons(mask, [outline], _SOLID)
        picture = cv2.bitwise_and(picture, mask)
    plates.lay(artwork, plate, picture, area.top, area.left)
    _offer_holes(rng, artwork, area, plate, count=3)


def _offer_holes(
    rng: np.random.Generator, artwork: Artwork, area: Area, plate: int, count: int
) -> None:
    """Offers places without ink, round or ragged, or with ink all over."""
    for _ in range(count):
        radius = rng.uniform(3, max(4, min(20, 0.3 * min(area.height, area.width))))
        side = int(2 * radius) + 4
        top = area.top + int(rng.uniform(0.1, 0.9) * area.height) - side // 2
        left = area.left + int(rng.uniform(0.1, 0.9) * area.width) - side // 2
        chip = shapes.chip((side / 2, side / 2), radius / 1.2, rng)
        tone = _SOLID if rng.random() < 0.25 else _BARE

        def change(
            good: Coverage, chip: Points = chip, tone: tuple[int, ...] = tone
        ) -> Coverage:
            shapes.polygons(good, [chip], tone)
            return good

        plates.offer(artwork, plate, Area(top, left, side, side), change)


def panel(rng: np.random.Generator, artwork: Artwork, plate: int) -> None:
    """A colored area, framed or not, over a part of the sheet or all of it."""
    size = artwork.size
    middle, sides = rng.uniform(0, size, 2), rng.uniform(0.25, 1.1, 2) * size
    kind = rng.random()
    if kind < 0.3:  # a band from edge to edge
        sides[int(rng.integers(2))] = 3 * size
        outline = shapes.box(middle, sides[0], sides[1])
    elif kind < 0.75:
        radius = float(rng.choice([0, 8, 30]))
        outline = shapes.box(middle, sides[0], sides[1], radius)
    else:
        outline = middle + _outline(rng, sides[0] / 2)
    coverage = artwork.plates[plate].coverage
    shapes.polygons(coverage, [outline], _SOLID)
    x, y, wide, tall = cv2.boundingRect(coverage)
    if rng.random() < 0.25 and wide:  # fades out
        fade = np.linspace(rng.uniform(0, 0.6), 1, wide)
        table = coverage[y : y + tall, x : x + wide] * fade
        coverage[y : y + tall, x : x + wide] = table.astype(np.uint8)
    _offer_holes(rng, artwork, Area(y, x, tall, wide), plate, count=2)


def stamp(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    """A ring or frame with a word in it, turned. Defects: holes, or it is missing."""
    side = int(np.clip(min(area.width, area.height), 24, 110))
    picture = np.zeros((side, side), np.uint8)
    middle, radius = np.array([side / 2, side / 2]), 0.45 * side
    if rng.random() < 0.5:
        rings = [shapes.circle(middle, radius * share) for share in (1, 0.82)]
    else:
        rings = [
            shapes.box(middle, 2 * radius * a, radius * b, 4)
            for a, b in ((0.98, 0.9), (0.9, 0.72))
        ]
    shapes.polygons(picture, rings, _SOLID)
    height = max(7, int(0.22 * side))
    line = lettering.random_line(rng, lettering.latin(rng), height, int(1.4 * radius))
    rows, columns = line.coverage.shape
    top, left = (side - rows) // 2, max(0, (side - columns) // 2)
    window = picture[top : top + rows, left : left + columns]
    window |= line.coverage[: window.shape[0], : window.shape[1]]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(-30, 30), 1)
    picture = np.asarray(cv2.warpAffine(picture, turn, (side, side)), np.uint8)
    frame = Area(area.top, area.left, side, side)
    plates.lay(artwork, plate, picture, frame.top, frame.left)
    plates.offer(artwork, plate, frame, lambda good: good * np.uint8(0))
    plates.offer(artwork, plate, frame, lambda good: good[::-1, ::-1])
    _offer_holes(rng, artwork, frame, plate, count=1)


def ruler(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    """Ticks with numbers. Defects: a tick is missing, or there is one too many."""
    step = rng.uniform(3.5, 9)
    tall = int(np.clip(area.height, 14, 40))
    ticks = int(area.width / step)
    width = int(rng.integers(1, 3))
    for k in range(ticks):
        long = tall * (0.5 if k % 10 == 0 else 0.38 if k % 5 == 0 else 0.25)
        left = area.left + int(k * step)
        tick = np.full((int(long), width), 255, np.uint8)
        plates.lay(artwork, plate, tick, area.top, left)
        near = Area(area.top, left, int(long), max(2, width))
        if rng.random() < 3 / ticks:
            plates.offer(artwork, plate, near, lambda good: good * np.uint8(0))
        if k % 10 == 0:
            height = max(6, int(0.4 * tall))
            line = lettering.set_line(str(k // 10), 0, height)
            top = area.top + int(0.55 * tall)
            plates.lay(artwork, plate, line.coverage, top, left - height // 4)
            if rng.random() < 0.2:
                digit = Area(top, left - height // 4, *line.coverage.shape)
                plates.offer(artwork, plate, digit, lambda good: good[:, ::-1])


def pips(rng: np.random.Generator, artwork: Artwork, area: Area, plate: int) -> None:
    """Equal motifs in rows, as on cards. Defects: one is missing, moved or turned."""
    side = int(np.clip(min(area.width, area.height) * rng.uniform(0.2, 0.9), 9, 70))
    picture = np.zeros((side, side), np.uint8)
    shapes.polygons(
        picture, [np.full(2, side / 2) + _outline(rng, 0.46 * side)], _SOLID
    )
    step = int(side * rng.uniform(1.1, 1.6))
    for top in range(area.top, area.top + area.height - side + 1, step):
        for left in range(area.left, area.left + area.width - side + 1, step):
            plates.lay(artwork, plate, picture, top, left)
            if rng.random() < 0.3:
                frame = Area(top, left, side, side)
                fault = _LOGO_FAULTS[int(rng.integers(len(_LOGO_FAULTS)))]
                plates.offer(artwork, plate, frame, fault)
