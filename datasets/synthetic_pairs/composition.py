"""A pair: two good parts of one product, changes in some, and two pictures of them.

Each pair has a random generator of its own, so that it is the same whichever process
makes it. Odd things that both images have are no defects: half of the pairs have none
else. An image has as many of them, with the same probabilities, whether its pair has a
change or not, so that nothing in one image alone tells the pairs apart.
"""

import importlib
from collections import Counter
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data import painting
from cadnet_jax.data.labels import IGNORED
from cadnet_jax.datasets.encoding import encode_png
from cadnet_jax.datasets.synthetic_pairs import nuisance
from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.datasets.synthetic_pairs.photographs import own_photographs
from cadnet_jax.datasets.synthetic_pairs.visibility import (
    LEAST_AREA,
    Change,
    is_visible,
)

FAMILIES = ('boards', 'screens', 'prints', 'surfaces', 'parts', 'collages')
HELD_OUT = ('panels', 'packs')  # never trained on
CLASS_NAMES = ('background', 'defect')

_PLAIN = 0.4  # share of images without an anomaly
_MOST_ODD = 6  # things in an image
_STRUCTURAL = 0.35  # share of anomalies that the family offers
_TRIES = 4  # until one shows
# Share of the pairs of two levels that are binarized.
_BINARY = {'boards': 0.6, 'prints': 0.1}
_OTHER_BINARY = 0.02

_IMAGE, _REFERENCE = 0, 1
Tally = Counter[tuple[str, str]]


class Recipe(NamedTuple):
    """All that a pair follows from."""

    family: str  # one of FAMILIES or HELD_OUT
    number: int  # among the family's pairs, from 0
    size: int  # pixels
    seed: int
    photo_dir: str = ''  # a user's photographs, for collages

    @property
    def changed(self) -> bool:
        """Every second pair has a change."""
        return self.number % 2 == 0

    @property
    def id(self) -> str:
        """Such as `boards/000042`."""
        return f'{self.family}/{self.number:06}'


class Sample(NamedTuple):
    """A pair, and which kinds of changes its label shows."""

    image: Pixels  # [size, size, 3]
    reference: Pixels  # [size, size, 3]
    mask: NDArray[np.uint8]  # 0, 1, or 255 for what cannot be told, [size, size]
    visible: list[str]
    faint: list[str]


class EncodedSample(NamedTuple):
    """What a worker process hands back."""

    recipe: Recipe
    image: bytes  # PNG
    reference: bytes  # PNG
    mask: bytes  # PNG
    class_pixels: list[int]
    tally: Tally


def compose(recipe: Recipe) -> Sample:
    """Makes the pair that `recipe` describes."""
    families = FAMILIES + HELD_OUT
    key = [recipe.seed, families.index(recipe.family), recipe.number]
    rng = np.random.default_rng(key)
    drawing = _draw(recipe, rng)
    good, parts, changes = _draw_parts(drawing, rng, changed=recipe.changed)
    binary = rng.random() < _BINARY.get(recipe.family, _OTHER_BINARY)
    severity = nuisance.draw_severity(rng, binary=binary and _has_two_levels(good[0]))
    views = nuisance.draw_views(rng, severity, recipe.size)
    middle = _middle(good[0])
    plain = [
        nuisance.photograph(part, view, middle=middle)
        for part, view in zip(parts, views, strict=True)
    ]
    mask = np.zeros((recipe.size, recipe.size), np.uint8)
    visible: list[str] = []
    faint: list[str] = []
    if changes:
        before = [
            nuisance.photograph(part, view, middle=middle)
            for part, view in zip(good, views, strict=True)
        ]
        tolerance = painting.largest_difference(*good)
        for change in changes:
            support = nuisance.warp_label(change.support, views[_IMAGE])
            seen = is_visible(change, good, before, plain, views, tolerance, severity)
            (visible if seen else faint).append(change.kind)
            mask[support & (mask != 1)] = 1 if seen else IGNORED
    if drawing.ignored is not None:
        mask[nuisance.warp_label(drawing.ignored, views[_IMAGE])] = IGNORED
    image, reference = (
        nuisance.expose(pixels, view, rng)
        for pixels, view in zip(plain, views, strict=True)
    )
    return Sample(image, reference, mask, visible, faint)


def compose_encoded(recipe: Recipe) -> EncodedSample:
    """`compose`, with the images as PNG."""
    sample = compose(recipe)
    counts = np.bincount(sample.mask.ravel(), minlength=len(CLASS_NAMES))
    return EncodedSample(
        recipe,
        encode_png(sample.image),
        encode_png(sample.reference),
        encode_png(sample.mask),
        counts[: len(CLASS_NAMES)].tolist(),
        tally(recipe, sample),
    )


def tally(recipe: Recipe, sample: Sample) -> Tally:
    """What was drawn, to be counted over many pairs."""
    counts: Tally = Counter()
    counts['pairs', recipe.family] = 1
    counts['pairs with a visible change', recipe.family] = int(1 in sample.mask)
    for kind in sample.visible:
        counts['visible changes', kind] += 1
    for kind in sample.faint:
        counts['ignored changes', kind] += 1
    return counts


def _draw(recipe: Recipe, rng: np.random.Generator) -> Drawing:
    module = importlib.import_module(
        f'cadnet_jax.datasets.synthetic_pairs.families.{recipe.family}'
    )
    size = recipe.size + 2 * nuisance.MARGIN
    options: dict[str, Any] = {}
    if recipe.photo_dir and recipe.family == 'collages':
        options['photos'] = own_photographs(recipe.photo_dir)
    drawing: Drawing = module.draw(rng, size, **options)
    return drawing


def _draw_parts(
    drawing: Drawing, rng: np.random.Generator, *, changed: bool
) -> tuple[list[Pixels], list[Pixels], list[Change]]:
    """Two good parts, the two as they are, and the changes between them.

    A good part may hold anomalies too, as long as both have them.
    """
    seeds = [int(seed) for seed in rng.integers(2**31, size=2)]
    clean = [drawing.render(seed, {}) for seed in seeds]
    alterations = rng.permutation(drawing.alterations).tolist()

    def alter(onto: Pixels, side: int, alteration: int, like: int) -> Pixels:
        """`onto` with a structural defect, as the part on `side` has it."""
        altered = drawing.render(seeds[side], {alteration: seeds[like]})
        differs = painting.largest_difference(altered, clean[side]) > 0
        return np.where(differs[..., None], altered, onto)

    def structure(onto: list[Pixels], sides: tuple[int, ...]) -> list[Pixels] | None:
        """`onto` with one structural defect that shows on `sides`; None: no such."""
        for _ in range(min(_TRIES, len(alterations))):
            alteration = alterations.pop()
            altered = list(onto)
            for side in sides:
                altered[side] = alter(onto[side], side, alteration, like=sides[0])
            if _shows(onto[sides[0]], altered[sides[0]]):
                return altered
        return None

    def add(onto: list[Pixels], sides: tuple[int, ...]) -> tuple[str, list[Pixels]]:
        """One more anomaly on `sides`: its kind, and the two parts with it."""
        if alterations and rng.random() < _STRUCTURAL:
            altered = structure(onto, sides)
            if altered is not None:
                return 'structure', altered
        return _painted(onto, sides, rng)

    common, *alone = draw_numbers(rng, changed=changed)
    good = clean
    for _ in range(common):
        _, good = add(good, (_IMAGE, _REFERENCE))
    parts, changes = good, []
    for side in rng.permutation(np.repeat((_IMAGE, _REFERENCE), alone)).tolist():
        before = parts[side]
        kind, parts = add(parts, (side,))
        if not np.array_equal(parts[side], before):
            support = painting.support(before, parts[side])
            changes.append(Change(kind, side, support))
    return good, parts, changes


def draw_numbers(rng: np.random.Generator, *, changed: bool) -> tuple[int, int, int]:
    """How many anomalies both parts have, the image alone, and the reference alone.

    The sum of the first two has one distribution, changed or not, as has that of the
    first and the last: 0 with the probability `_PLAIN`, which must not exceed one half,
    otherwise 1, 2, ... with halving probabilities.
    """
    numbers = [min(int(rng.geometric(0.5)), _MOST_ODD) for _ in range(2)]
    draw = rng.random()
    if not changed:
        return (0 if draw < _PLAIN else numbers[0]), 0, 0
    if draw < 2 * _PLAIN:  # a plain part beside one with an anomaly
        numbers[int(draw < _PLAIN)] = 0
    image, reference = numbers
    most = min(image, reference) - int(image == reference)
    common = int(rng.integers(most + 1))
    return common, image - common, reference - common


def _painted(
    onto: list[Pixels], sides: tuple[int, ...], rng: np.random.Generator
) -> tuple[str, list[Pixels]]:
    """The kind of a paint, and the two parts with it on `sides`."""
    first = sides[0]
    for _ in range(_TRIES):  # the color of a plain part changes nothing on it
        paint = painting.draw_paint(onto[first], rng, other=onto[1 - first])
        painted = list(onto)
        for side in sides:
            painted[side] = painting.apply(onto[side], paint)
        if _shows(onto[first], painted[first]):
            break
    return paint.kind, painted


def _shows(before: Pixels, after: Pixels) -> bool:
    return int(painting.support(before, after).sum()) >= LEAST_AREA


def _middle(image: Pixels) -> float:
    """The gray level between dark and bright (Otsu)."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(cv2.threshold(gray, 0, 255, cv2.THRESH_OTSU)[0])


def _has_two_levels(image: Pixels) -> bool:
    """Whether a threshold tells dark from bright, and hardly a pixel is in between."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    middle = cv2.threshold(gray, 0, 255, cv2.THRESH_OTSU)[0]
    bright = gray > middle
    if not 0.03 < float(bright.mean()) < 0.97:
        return False
    reach = 1.3 * nuisance.LARGEST_THRESHOLD * min(middle, 255 - middle)
    return float((np.abs(gray - np.float32(middle)) < reach).mean()) < 0.02
