"""A sample: a clean pattern, defects on it, and the whole screen disturbed.

Eq. 1 of the paper: image = sigma(pattern + defects), reference = pattern. Every sample
has a random generator of its own, so that it is the same whichever process makes it.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.encoding import encode_png
from cadnet_jax.datasets.synlcd import disturbances, lines, patterns, points
from cadnet_jax.datasets.synlcd.disturbances import Disturbance
from cadnet_jax.datasets.synlcd.lines import Line
from cadnet_jax.datasets.synlcd.points import Dot
from cadnet_jax.datasets.synlcd.screen_parts import Pixels

KINDS = ('line', 'abpt', 'mixed')
CLASS_NAMES = ('background', 'line', 'abpt')
_LINE, _ABPT = 1, 2

Tally = Counter[tuple[str, int | str]]  # (what, its value) -> how many


class Recipe(NamedTuple):
    """All that a sample follows from."""

    kind: str  # one of KINDS
    pattern: str  # one of patterns.NAMES
    number: int  # among the pattern's samples, from 0
    defective: bool
    size: int  # pixels
    seed: int

    @property
    def id(self) -> str:
        """Such as `mixed/pattern_03/defect_0042`, or `.../clean_0042`."""
        name = 'defect' if self.defective else 'clean'
        return f'{self.kind}/{self.pattern}/{name}_{self.number:04}'


class Sample(NamedTuple):
    """A sample's arrays, and what was drawn."""

    image: Pixels  # [size, size, 3]
    mask: NDArray[np.uint8]  # class ids, [size, size]
    undisturbed: Pixels  # the image before sigma, [size, size, 3]
    lines: list[Line]
    dots: list[Dot]
    disturbance: Disturbance


class EncodedSample(NamedTuple):
    """What a worker process hands back."""

    recipe: Recipe
    image: bytes  # PNG
    mask: bytes  # PNG
    class_pixels: list[int]
    tally: Tally


def compose(recipe: Recipe) -> Sample:
    """Makes the sample that `recipe` describes; its reference is the pattern itself.

    The mask has a defect's pixels as they were before any blur, however faint it is.
    Where a line and a dot overlap, the line is in front.
    """
    clean = patterns.draw(recipe.pattern, recipe.size)
    rng = np.random.default_rng(
        [
            recipe.seed,
            KINDS.index(recipe.kind),
            patterns.NAMES.index(recipe.pattern),
            recipe.number,
            recipe.defective,
        ]
    )
    screen = clean
    line_pixels = dot_pixels = np.zeros(clean.shape[:2], np.bool_)
    drawn_lines: list[Line] = []
    drawn_dots: list[Dot] = []
    if recipe.defective and recipe.kind != 'abpt':
        screen, line_pixels, drawn_lines = lines.draw_lines(clean, rng)
    if recipe.defective and recipe.kind != 'line':
        screen, dot_pixels, drawn_dots = points.draw_dots(
            screen, clean, line_pixels, rng
        )
    mask = np.zeros(clean.shape[:2], np.uint8)
    mask[dot_pixels] = _ABPT
    mask[line_pixels] = _LINE
    disturbance = disturbances.random_disturbance(rng)
    image = disturbances.disturb(screen, disturbance, rng)
    return Sample(image, mask, screen, drawn_lines, drawn_dots, disturbance)


def compose_encoded(recipe: Recipe) -> EncodedSample:
    """`compose`, with the images as PNG."""
    sample = compose(recipe)
    counts = np.bincount(sample.mask.ravel(), minlength=len(CLASS_NAMES))
    return EncodedSample(
        recipe,
        encode_png(sample.image),
        encode_png(sample.mask),
        counts.tolist(),
        tally(sample),
    )


def tally(sample: Sample) -> Tally:
    """What was drawn, to be counted over many samples."""
    counts: Tally = Counter()
    defective = bool(sample.lines or sample.dots)
    counts['samples', 'defective' if defective else 'defect-free'] = 1
    counts['defects', 'lines'] = len(sample.lines)
    counts['defects', 'dots'] = len(sample.dots)
    for line in sample.lines:
        counts['line colour', line.color] += 1
        counts['line opacity (%)', line.opacity] += 1
        counts['line width (pixels at 512)', line.width] += 1
    for dot in sample.dots:
        counts['dot colour', dot.color] += 1
        counts['dot opacity (%)', dot.opacity] += 1
        counts['dot diameter (pixels at 512)', dot.diameter] += 1
    counts['brightness (grey levels)', sample.disturbance.brightness] = 1
    counts['contrast (%)', sample.disturbance.contrast] = 1
    counts['ISO noise (%)', sample.disturbance.noise] = 1
    counts['RGB deviation (grey levels)', sample.disturbance.deviation] = 1
    counts['screen texture (%)', sample.disturbance.texture] = 1
    counts['exponent of saturation (%)', sample.disturbance.saturation] = 1
    return counts
