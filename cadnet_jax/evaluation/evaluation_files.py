"""What an evaluation writes beside its scores: curves, and pictures of pairs.

evaluation.html             all that follows for a reader, see `evaluation_page`
curves.json, curves.png     each class at every threshold
pairs/<id>.png              image, reference and label
overlays/<id>.png           hits white, misses green, false alarms red
probability/<id>.png        of any defect, brighter where higher
distance/<id>.png           DistMap
"""

import hashlib
import pathlib
import urllib.parse
from collections.abc import Sequence

import numpy as np

from cadnet_jax.evaluation.curves import ScoreHistograms, curves
from cadnet_jax.evaluation.predictions import EvaluatedPair
from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.images import write_png
from cadnet_jax.pictures.overlays import (
    color_distance,
    heat_map,
    highlight,
    overlay,
    side_by_side,
)
from cadnet_jax.pictures.plots import plot_curves
from cadnet_jax.runs.workdir import (
    CURVES_FILE,
    DISTANCE,
    METRICS_FILE,
    OVERLAYS,
    PAIRS,
    PROBABILITY,
)

CURVES_PICTURE = 'curves.png'
_LONGEST_NAME = 200  # characters; file systems take 255, less for a temporary name


def list_files(pictured: Sequence[str], *, has_distance: bool) -> list[str]:
    """What an evaluation writes, as paths from its folder.

    Args:
        pictured: ids of the pairs that have pictures.
        has_distance: whether the network has DistMaps.
    """
    folders = [PAIRS, OVERLAYS, PROBABILITY, *[DISTANCE] * has_distance]
    pictures = [f'{folder}/{_file_name(id)}' for id in pictured for folder in folders]
    return [METRICS_FILE, CURVES_FILE, CURVES_PICTURE, *pictures]


def write_curves(
    output_dir: pathlib.Path,
    histograms: ScoreHistograms,
    names: Sequence[str],
    *,
    largest: float,
) -> None:
    """Writes curves.json ({'classes': name -> `curves.curves`}) and curves.png."""
    classes = curves(histograms, names, largest=largest)
    plots = [plot_curves({'this run': classes}, name) for name in names]
    write_json(output_dir / CURVES_FILE, {'classes': classes})
    write_png(output_dir / CURVES_PICTURE, np.concatenate(plots))


def write_pictures(
    output_dir: pathlib.Path, pair: EvaluatedPair, *, largest: float
) -> None:
    """Writes the pictures of a pair; `largest` is the score of the brightest color."""
    name = _file_name(pair.id)
    label = highlight(pair.image, pair.mask)
    pictures = {
        PAIRS: side_by_side(
            ('image', 'reference', 'label'), (pair.image, pair.reference, label)
        ),
        OVERLAYS: overlay(pair.image, pair.mask, pair.prediction),
        PROBABILITY: heat_map(pair.scores.score, largest=largest),
    }
    if pair.scores.distance is not None:
        pictures[DISTANCE] = color_distance(pair.scores.distance)
    for folder, picture in pictures.items():
        write_png(output_dir / folder / name, picture)


def picture_links(output_dir: pathlib.Path, id: str) -> dict[str, str]:
    """Folder of each picture of a pair -> its address from a page in `output_dir`."""
    name = _file_name(id)
    folders = PAIRS, OVERLAYS, PROBABILITY, DISTANCE
    return {
        folder: f'{folder}/{urllib.parse.quote(name)}'
        for folder in folders
        if (output_dir / folder / name).exists()
    }


def _file_name(id: str) -> str:
    """`id` as one name in ASCII; a long one is cut and told apart by its digest."""
    name = urllib.parse.quote(id, safe='')
    if len(name) > _LONGEST_NAME:
        digest = hashlib.blake2b(id.encode(), digest_size=8).hexdigest()
        name = f'{name[: _LONGEST_NAME - len(digest) - 1]}_{digest}'
    return f'{name}.png'
