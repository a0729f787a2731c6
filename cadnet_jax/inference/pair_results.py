"""What is written about one pair: its mask, pictures, and the JSON of its defects."""

import pathlib
from collections.abc import Mapping
from typing import Any

from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.images import write_png
from cadnet_jax.inference.defect_picture import draw_defects
from cadnet_jax.inference.pair_files import PairFiles
from cadnet_jax.inference.pair_loading import FileStates, LoadedPair
from cadnet_jax.inference.predictor import Prediction, Predictor
from cadnet_jax.inference.reference_checks import find_doubts, find_left_out
from cadnet_jax.pictures.overlays import panel


def names_of_files(pair: PairFiles, *, panels: bool) -> list[str]:
    """Of the files that `write_pair` writes."""
    kinds = ('_mask.png', '_overlay.png', *['_panel.png'] * panels, '.json')
    return [pair.name + kind for kind in kinds]


def write_pair(
    predictor: Predictor,
    output_dir: pathlib.Path,
    states: Mapping[str, FileStates],
    result: tuple[LoadedPair, Prediction],
    *,
    panels: bool,
) -> None:
    """Writes the files of one pair, the JSON last: where it is, the pictures are.

    Args:
        predictor: the network, which the JSON names.
        output_dir: folder of the files.
        states: name of each pair -> its files, as they were read; the JSON has them, so
            that a run that resumes knows a file that was replaced.
        result: the pair, and what the network says of it.
        panels: whether NAME_panel.png is written as well.
    """
    (pair, image, reference), prediction = result
    doubts = find_doubts(image, reference)
    doubts += find_left_out(pair.image, pair.reference)
    mask, number = prediction.mask, len(prediction.defects)
    write_png(output_dir / f'{pair.name}_mask.png', mask)
    picture = draw_defects(
        image,
        mask,
        prediction.defects,
        title='1 defect' if number == 1 else f'{number} defects',
        lines=[doubt for _, doubt in doubts],
        reference=reference,
    )
    write_png(output_dir / f'{pair.name}_overlay.png', picture)
    if panels:
        write_png(
            output_dir / f'{pair.name}_panel.png',
            panel(image, reference, None, mask, prediction.distance),
        )
    values = _as_json(pair, prediction, predictor)
    values['warnings'] = [doubt._asdict() for doubt in doubts]
    values['files'] = states[pair.name]
    write_json(output_dir / f'{pair.name}.json', values)


def _as_json(
    pair: PairFiles, prediction: Prediction, predictor: Predictor
) -> dict[str, Any]:
    height, width = prediction.mask.shape
    defects = [defect._asdict() for defect in prediction.defects]
    return {
        'image': str(pair.image),
        'reference': str(pair.reference),
        'size': [width, height],
        'defects': [
            {'class': defect.pop('class_name'), **defect} for defect in defects
        ],
        'model': {'workdir': predictor.workdir, 'step': predictor.step},
    }
