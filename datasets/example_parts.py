"""A dozen parts that the released weights never saw: what the quickstart inspects.

Boards, screens, control panels and packs, good and bad, moved and lit in other ways
than their references.
"""

import cv2
import numpy as np

from cadnet_jax.data import nuisance, painting
from cadnet_jax.data.transforms import Pair
from cadnet_jax.datasets.synlcd import patterns
from cadnet_jax.datasets.synlcd.composition import Recipe as Screen
from cadnet_jax.datasets.synlcd.composition import compose as compose_screen
from cadnet_jax.datasets.synthetic_pairs.composition import Recipe as Drawn
from cadnet_jax.datasets.synthetic_pairs.composition import compose as compose_pair

_SIZE = 384  # pixels
_BOARDS = (0, 3)  # changes that are painted
_LEAST_CHANGE = 40  # gray levels, at the middle of the pixels of a painted change
_LEAST_PIXELS = 24
_SCREENS = (False, True)  # defective
# Numbers of pairs, chosen for what a person sees, before a network saw them. Even
# numbers have a change.
_DRAWN = {'panels': (1, 5, 4, 6), 'packs': (1, 11, 0, 4)}


def draw_parts(board: np.ndarray) -> dict[str, Pair]:
    """Name -> a part, its reference, and the label over the part.

    Args:
        board: a defect-free board, RGB uint8 [H, W, 3].
    """
    parts = {
        'board': [_board(board, changes) for changes in _BOARDS],
        'screen': [_screen(defective) for defective in _SCREENS],
    }
    for family, numbers in _DRAWN.items():
        parts[family.removesuffix('s')] = [_drawn(family, n) for n in numbers]
    return {
        f'{product} {number}': pair
        for product, pairs in parts.items()
        for number, pair in enumerate(pairs, start=1)
    }


def _board(board: np.ndarray, changes: int) -> Pair:
    rng = np.random.default_rng(changes)
    painted, mask = _paint(board, changes, rng)
    image, mask = nuisance.disturb('line', painted, mask, rng)
    return Pair(image, board, mask)


def _screen(defective: bool) -> Pair:
    """Of a pattern that no released weights were trained on."""
    pattern = patterns.TEST[0]
    sample = compose_screen(Screen('line', pattern, 0, defective, _SIZE, seed=0))
    return Pair(sample.image, patterns.draw(pattern, _SIZE), sample.mask)


def _drawn(family: str, number: int) -> Pair:
    """A pair of a family that is held out of the generator's training part."""
    pair = compose_pair(Drawn(family, number, _SIZE, seed=0))
    return Pair(pair.image, pair.reference, pair.mask)


def _paint(
    image: np.ndarray, changes: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The image with changes that do not touch, and their label."""
    painted, mask = image.copy(), np.zeros(image.shape[:2], np.uint8)
    while changes:
        changed = painting.apply(painted, painting.draw_paint(image, rng))
        where = painting.support(painted, changed)
        if _is_clear(painted, changed, where) and not mask[where].any():
            painted, changes = changed, changes - 1
            mask[where] = 1
    return painted, mask


def _is_clear(before: np.ndarray, after: np.ndarray, where: np.ndarray) -> bool:
    """Whether it is one region, and a person sees it."""
    if where.sum() < _LEAST_PIXELS:
        return False
    regions = cv2.connectedComponents(where.astype(np.uint8))[0] - 1
    levels = painting.largest_difference(before, after)[where]
    return regions == 1 and bool(np.median(levels) >= _LEAST_CHANGE)
