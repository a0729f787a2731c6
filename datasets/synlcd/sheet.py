"""A sheet of patterns, samples and disturbances, to see what the generator draws.

python -m cadnet_jax.datasets.synlcd.sheet --output=docs/synlcd_samples.jpg
"""

import argparse
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synlcd import composition, disturbances, patterns
from cadnet_jax.datasets.synlcd import screen_parts as parts
from cadnet_jax.datasets.synlcd.composition import Recipe, Sample
from cadnet_jax.datasets.synlcd.disturbances import Disturbance
from cadnet_jax.datasets.synlcd.screen_parts import Pixels

_SIZE = patterns.DRAWN_SIZE
_WIDTH = 1440
_GAP = 6
_CROP = 232  # pixels of a screen that are shown as they are
_MASK_COLORS = np.array([(24, 24, 24), (255, 60, 60), (255, 220, 0)], np.uint8)
_QUALITY = 64  # of the JPEG, percent

# Pattern and number of the samples that are shown: no two alike, faint ones among them.
_LINE = [('02', 4), ('06', 3), ('09', 2), ('08', 5)]
_ABPT = [('03', 0), ('05', 2), ('06', 1), ('09', 6)]
_MIXED = [('04', 2), ('10', 1), ('03', 3), ('06', 5)]
_UNCHANGED = Disturbance(
    brightness=0, contrast=100, noise=0, deviation=0, texture=0, saturation=100
)
_DISTURBANCES = {
    'brightness 6': _UNCHANGED._replace(brightness=6),
    'contrast 50 %': _UNCHANGED._replace(contrast=50),
    'contrast 150 %': _UNCHANGED._replace(contrast=150),
    'ISO noise 100 %': _UNCHANGED._replace(noise=100),
    'RGB deviation 33': _UNCHANGED._replace(deviation=33),
    'screen texture 10 %': _UNCHANGED._replace(texture=10),
    'saturation ^ 0.5': _UNCHANGED._replace(saturation=50),
    'saturation ^ 2': _UNCHANGED._replace(saturation=200),
    'all together': Disturbance(6, 80, 70, 24, 8, 150),
}


def draw_sheet() -> Pixels:
    """The sheet, RGB [H, 1440, 3]."""
    tiles = {name: patterns.draw(name, _SIZE) for name in patterns.NAMES}
    names = [f'{n} ({"train" if n in patterns.TRAIN else "test"})' for n in tiles]
    rows = [
        _caption('Ten display patterns'),
        *(_row(list(tiles.values())[i : i + 5], names[i : i + 5]) for i in (0, 5)),
        _caption('line: reference, image, mask (red: line)'),
        *_samples('line', _LINE, crops=False),
        _caption('abpt, cut out at full resolution: reference, image, mask (yellow)'),
        *_samples('abpt', _ABPT, crops=True),
        _caption('mixed: whole screens, then cut out'),
        *_samples('mixed', _MIXED[:2], crops=False),
        *_samples('mixed', _MIXED[2:], crops=True),
        _caption('Disturbances of the whole screen'),
        _row([_disturbed(d) for d in _DISTURBANCES.values()], list(_DISTURBANCES)),
    ]
    return np.concatenate(rows)


def _samples(
    kind: str, chosen: Sequence[tuple[str, int]], *, crops: bool
) -> list[Pixels]:
    """Rows of two samples each; a sample is its reference, image and mask."""
    rows = []
    for i in range(0, len(chosen), 2):
        tiles: list[Pixels] = []
        names: list[str] = []
        for pattern, number in chosen[i : i + 2]:
            recipe = Recipe(kind, f'pattern_{pattern}', number, True, _SIZE, seed=0)
            sample = composition.compose(recipe)
            mask = _MASK_COLORS[sample.mask]
            shown = [patterns.draw(recipe.pattern, _SIZE), sample.image, mask]
            if crops:
                at = _busiest(sample)
                shown = [pixels[at] for pixels in shown]
            tiles += shown
            names += [recipe.id, _describe(sample), '']
        rows.append(_row(tiles, names))
    return rows


def _busiest(sample: Sample) -> tuple[slice, slice]:
    """The cut-out around the densest dots."""
    dots = (sample.mask == 2).astype(np.float32)
    density = cv2.GaussianBlur(dots, (0, 0), _CROP / 5)
    half = _CROP // 2
    density = density[half : _SIZE - half, half : _SIZE - half]
    top, left = map(int, np.unravel_index(density.argmax(), density.shape))
    return slice(top, top + _CROP), slice(left, left + _CROP)


def _describe(sample: Sample) -> str:
    drawn = [f'{x.color} {x.width} px {x.opacity} %' for x in sample.lines[:2]]
    if sample.dots:
        drawn = [*drawn[:1], f'{len(sample.dots)} dots']
    return ', '.join(drawn)


def _disturbed(disturbance: Disturbance) -> Pixels:
    clean = patterns.draw('pattern_06', _SIZE)
    screen = disturbances.disturb(clean, disturbance, np.random.default_rng(1))
    return screen[130 : 130 + _CROP, 130 : 130 + _CROP]


def _row(tiles: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> Pixels:
    """Tiles beside each other, each as large as the sheet's width allows, with names.

    What is larger is reduced; what is a little smaller stays as it is.
    """
    side = (_WIDTH + _GAP) // len(tiles) - _GAP
    row = parts.plain(side + 20, _WIDTH, 0xFFFFFF)
    for i, (tile, name) in enumerate(zip(tiles, names, strict=True)):
        shown = min(side, tile.shape[0])
        small = cv2.resize(tile, (shown, shown), interpolation=cv2.INTER_AREA)
        left = i * (side + _GAP)
        parts.paste(row, np.asarray(small, np.uint8), top=0, left=left)
        parts.write(row, name, top=side + 1, left=left, size=11, color=0x404040)
    return row


def _caption(text: str) -> Pixels:
    band = parts.plain(30, _WIDTH, 0xFFFFFF)
    parts.write(band, text, top=6, left=0, size=16, bold=True)
    return band


def main() -> None:
    """Writes the sheet as a JPEG."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--output', type=pathlib.Path, required=True, help='JPEG file.')
    output = parser.parse_args().output
    quality = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    data = cv2.imencode('.jpg', draw_sheet()[..., ::-1], quality)[1].tobytes()
    output.write_bytes(data)
    print(f'Wrote {output} ({len(data) // 1000} kB)')


if __name__ == '__main__':
    main()
