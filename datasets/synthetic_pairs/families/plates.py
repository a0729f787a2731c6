"""Plates of a print: where each ink lies, and what is different on a defective part."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families.shapes import Color

Coverage = NDArray[np.uint8]  # share of ink, 0 to 255, [H, W]
Change = Callable[[Coverage], Coverage]

_LEAST_DIFFERENCE = 90  # of coverage, that a defect must make somewhere
_PRINT_MOVES = 1.4  # pixels, of each of the two parts on each axis
_PLATE_MOVES = 0.5  # pixels, of each plate against the print


class Area(NamedTuple):
    """A box in pixels."""

    top: int
    left: int
    height: int
    width: int

    def slices(self, size: int) -> tuple[slice, slice]:
        """Its pixels in a picture of `size` x `size`."""
        top, left = max(0, self.top), max(0, self.left)
        bottom = max(top, min(size, self.top + self.height))
        right = max(left, min(size, self.left + self.width))
        return slice(top, bottom), slice(left, right)


class Plate(NamedTuple):
    """One ink. A covering ink hides what is below it; others let it shine through."""

    coverage: Coverage  # [size, size]
    color: Color
    covering: bool


class Patch(NamedTuple):
    """Another coverage in a place of a plate."""

    plate: int
    place: tuple[slice, slice]
    coverage: Coverage


class Artwork(NamedTuple):
    """All plates, from the first printed to the last, and the defects on offer."""

    plates: list[Plate]
    defects: list[list[Patch]]

    @property
    def size(self) -> int:
        return int(self.plates[0].coverage.shape[0])


def lay(artwork: Artwork, plate: int, ink: Coverage, top: int, left: int) -> None:
    """Adds ink to a plate; what reaches beyond the picture is cut off."""
    area = Area(top, left, *ink.shape)
    rows, columns = area.slices(artwork.size)
    part = ink[rows.start - top : rows.stop - top]
    part = part[:, columns.start - left : columns.stop - left]
    if part.size:
        window = artwork.plates[plate].coverage[rows, columns]
        np.maximum(window, part, out=window)


def offer(artwork: Artwork, plate: int, area: Area, change: Change) -> None:
    """Offers `change` of an area as a defect, if it can be seen."""
    place = area.slices(artwork.size)
    good = artwork.plates[plate].coverage[place]
    if good.shape[0] < 2 or good.shape[1] < 2:
        return
    patch = change(good.copy())
    if cv2.absdiff(patch, good).max() >= _LEAST_DIFFERENCE:
        artwork.defects.append([Patch(plate, place, patch)])


def offer_other_ink(artwork: Artwork, plate: int, area: Area, other: int) -> None:
    """Offers an area in the ink of another plate as a defect."""
    place = area.slices(artwork.size)
    good = artwork.plates[plate].coverage[place]
    if good.size and good.max() >= _LEAST_DIFFERENCE:
        more = np.maximum(artwork.plates[other].coverage[place], good)
        patches = [Patch(plate, place, good * np.uint8(0)), Patch(other, place, more)]
        artwork.defects.append(patches)


def press(
    paper: Pixels, artwork: Artwork, patches: Iterable[Patch], part: int
) -> Pixels:
    """Prints one part: plates move, ink is denser or thinner, strokes wider."""
    off = np.random.default_rng([part, 1]).uniform(-1, 1, (len(artwork.plates) + 1, 4))
    planes = list(cv2.split(paper))
    patches = list(patches)
    for number, plate in enumerate(artwork.plates):
        coverage = plate.coverage
        changed = [patch for patch in patches if patch.plate == number]
        if changed:
            coverage = coverage.copy()
        for patch in changed:
            coverage[patch.place] = patch.coverage
        own = off[number + 1]
        move = _PRINT_MOVES * off[0, :2] + _PLATE_MOVES * own[:2]
        ink = np.linspace(0, 1, 256) ** (1.25 ** own[3]) * (0.95 + 0.05 * own[2])
        table = np.rint(255 * ink).astype(np.uint8)
        _print(planes, plate._replace(coverage=coverage), move, table)
    return np.asarray(cv2.merge(planes), np.uint8)


def _print(
    planes: list[Pixels], plate: Plate, move: NDArray[np.float64], table: Coverage
) -> None:
    """One plate onto the planes R, G, B, where it has ink."""
    x, y, width, height = cv2.boundingRect(plate.coverage)
    if not width:
        return
    area = Area(y - 4, x - 4, height + 8, width + 8)
    place = area.slices(plate.coverage.shape[0])
    coverage = plate.coverage[place]
    matrix = np.array([[1, 0, move[0]], [0, 1, move[1]]])
    moved = cv2.warpAffine(
        coverage, matrix, coverage.shape[::-1], borderMode=cv2.BORDER_REPLICATE
    )
    ink = cv2.LUT(moved, table)
    for plane, level in zip(planes, plate.color, strict=True):
        window = plane[place]
        if plate.covering:
            bare = cv2.multiply(window, cv2.bitwise_not(ink), scale=1 / 255)
            window[:] = cv2.add(bare, cv2.convertScaleAbs(ink, alpha=level / 255))
        else:
            share = cv2.convertScaleAbs(ink, alpha=(level - 255) / 255, beta=255)
            window[:] = cv2.multiply(window, share, scale=1 / 255)
