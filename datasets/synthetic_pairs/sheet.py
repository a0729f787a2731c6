"""A sheet of drawn pairs, to see what the families of products look like.

python -m cadnet_jax.datasets.synthetic_pairs.sheet --output=sheet.jpg
python -m cadnet_jax.datasets.synthetic_pairs.sheet --family=boards --pairs=24 \
    --size=192 --output=boards.jpg
"""

import argparse
import pathlib

import cv2
import numpy as np

from cadnet_jax.datasets.synthetic_pairs import composition
from cadnet_jax.datasets.synthetic_pairs.composition import FAMILIES, HELD_OUT, Recipe
from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels

_MASK_COLORS = np.zeros((256, 3), np.uint8)
_MASK_COLORS[1] = 255, 60, 60
_MASK_COLORS[255] = 90, 90, 90
_COLUMNS = 3  # of pairs
_GAP = 3  # pixels after a tile; three times as many after a pair
_TITLE_HEIGHT = 20  # pixels
_QUALITY = 55  # of the JPEG, percent


def draw_sheet(
    families: tuple[str, ...],
    *,
    pairs: int = 6,
    size: int = 120,
    first: int = 0,
    seed: int = 0,
) -> Pixels:
    """A block for each family: its name, and pairs as image, reference and label.

    Args:
        families: of `FAMILIES` and `HELD_OUT`.
        pairs: of each family; a multiple of three.
        size: of a pair, in pixels.
        first: number of the first pair. Even numbers have a change, odd ones none.
        seed: of the generator.
    """
    blocks = []
    for family in families:
        tiles = [
            _pair(Recipe(family, number, size, seed))
            for number in range(first, first + pairs)
        ]
        rows = [
            np.concatenate(tiles[start : start + _COLUMNS], axis=1)
            for start in range(0, pairs, _COLUMNS)
        ]
        blocks += [_title(family, rows[0].shape[1]), *rows]
    return np.concatenate(blocks)


def _pair(recipe: Recipe) -> Pixels:
    sample = composition.compose(recipe)
    tiles = (sample.image, sample.reference, _MASK_COLORS[sample.mask])
    gap = ((0, _GAP), (0, _GAP), (0, 0))
    row = [np.pad(tile, gap, constant_values=255) for tile in tiles]
    return np.pad(
        np.concatenate(row, axis=1),
        ((0, 0), (0, 2 * _GAP), (0, 0)),
        constant_values=255,
    )


def _title(family: str, width: int) -> Pixels:
    band = np.full((_TITLE_HEIGHT, width, 3), 255, np.uint8)
    text = f'{family} (held out)' if family in HELD_OUT else family
    place = (1, _TITLE_HEIGHT - 6)
    cv2.putText(
        band, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
    )
    return band


def main() -> None:
    """Writes the sheet as a JPEG."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument(
        '--family',
        choices=FAMILIES + HELD_OUT,
        help='One alone; all of them if absent.',
    )
    parser.add_argument('--output', type=pathlib.Path, required=True, help='JPEG file.')
    parser.add_argument('--pairs', type=int, default=6, help='Of a family, 3, 6, 9 ...')
    parser.add_argument('--size', type=int, default=120, help='Pixels a side.')
    parser.add_argument(
        '--first', type=int, default=0, help='Number of the first pair.'
    )
    parser.add_argument('--seed', type=int, default=0, help='Of the generator.')
    arguments = parser.parse_args()
    if arguments.pairs < 1 or arguments.pairs % _COLUMNS:
        parser.error(f'--pairs={arguments.pairs} is not a multiple of {_COLUMNS}.')
    sheet = draw_sheet(
        (arguments.family,) if arguments.family else FAMILIES + HELD_OUT,
        pairs=arguments.pairs,
        size=arguments.size,
        first=arguments.first,
        seed=arguments.seed,
    )
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    data = cv2.imencode('.jpg', sheet[..., ::-1], quality)[1].tobytes()
    arguments.output.write_bytes(data)
    print(f'Wrote {arguments.output} ({len(data) // 1000} kB)')


if __name__ == '__main__':
    main()
