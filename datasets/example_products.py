"""Products that the released weights never saw: what the quickstart inspects.

Two photographs, and a product of each family that is held out of `synthetic_pairs`.
"""

import numpy as np
from skimage import data

from cadnet_jax.datasets.synthetic_pairs.composition import HELD_OUT, Recipe, compose
from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels

_SIZE = 384  # pixels
_NUMBERS = {'panels': 3, 'packs': 5}  # of the pairs, each without a change


def draw_products() -> dict[str, Pixels]:
    """Name -> a defect-free image, RGB uint8 [384, 384, 3].

    The photographs, of bricks and of woven grass, come with scikit-image: from
    CC0Textures.com, in the public domain (CC0).
    """
    products = {
        family: compose(Recipe(family, _NUMBERS[family], _SIZE, 0)).reference
        for family in HELD_OUT
    }
    for name, photograph in (('bricks', data.brick()), ('gravel', data.gravel())):
        gray = np.asarray(photograph[:_SIZE, :_SIZE], np.uint8)
        products[name] = np.repeat(gray[..., None], 3, axis=-1)
    return products
