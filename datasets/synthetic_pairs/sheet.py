"""A sheet of drawn pairs, to see what a family of products looks like.

python -m cadnet_jax.datasets.synthetic_pairs.sheet --family=boards --output=boards.jpg
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
_GAP = 4
_QUALITY = 70  # of the JPEG, percent


def draw_sheet(
    family: str, *, count: int = 12, size: int = 192, first: int = 0, seed: int = 0
) -> Pixels:
    """Pairs of a family in two columns, each as image, reference and label."""
    rows, row = [], []
    for number in range(first, first + count):
        sample = composition.compose(Recipe(family, number, size, seed))
        for tile in (sample.image, sample.reference, _MASK_COLORS[sample.mask]):
            row.append(
                np.pad(tile, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
            )
        if len(row) == 6:
            rows.append(np.concatenate(row, axis=1))
            row = []
    return np.concatenate(rows)


def main() -> None:
    """Writes the sheet as a JPEG."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--family', choices=FAMILIES + HELD_OUT, required=True)
    parser.add_argument('--output', type=pathlib.Path, required=True, help='JPEG file.')
    parser.add_argument(
        '--first', type=int, default=0, help='Number of the first pair.'
    )
    arguments = parser.parse_args()
    sheet = draw_sheet(arguments.family, first=arguments.first)
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    data = cv2.imencode('.jpg', sheet[..., ::-1], quality)[1].tobytes()
    arguments.output.write_bytes(data)
    print(f'Wrote {arguments.output} ({len(data) // 1000} kB)')


if __name__ == '__main__':
    main()
