"""Predicts pairs of image files, and writes files that say where their defects are.

Files are decoded and written by threads, beside the network.
"""

import functools
import os
import pathlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from cadnet_jax.files.ahead import map_ahead
from cadnet_jax.files.text import read_object
from cadnet_jax.inference.pair_files import PairFiles, group_by_reference
from cadnet_jax.inference.pair_loading import (
    CheckedFiles,
    FileStates,
    LoadedPair,
    file_states,
    load_pairs,
)
from cadnet_jax.inference.pair_results import names_of_files, write_pair
from cadnet_jax.inference.predictor import Prediction, Predictor, ReferencePredictor
from cadnet_jax.inference.results import begin_results, end_results
from cadnet_jax.inference.tiled_network import Progress
from cadnet_jax.runs.checkpoint_record import tree_digest


def predict_files(
    predictor: Predictor,
    pairs: Sequence[PairFiles],
    output_dir: str | os.PathLike[str],
    *,
    panels: bool = False,
    overwrite: bool = False,
    checked: CheckedFiles | None = None,
    skipped: Sequence[str] = (),
    progress: bool = True,
) -> list[str]:
    """Writes NAME_mask.png (class ids), NAME_overlay.png and NAME.json for each pair.

    With `panels` NAME_panel.png as well: image, reference, prediction and DistMap. The
    JSON comes last: where it is, the pictures are. `results.json` lists all files. A
    reference that several pairs share is encoded once. An equal run that was
    interrupted is resumed: pairs are done whose files are all there, and whose images
    have the size and time that their JSON notes.

    Args:
        predictor: the network.
        pairs: what is predicted.
        output_dir: folder of the results.
        panels: see above.
        overwrite: whether the results of another run give way.
        checked: what `check_pairs` returned.
        skipped: a line for each pair that was left out, for `results.json`.
        progress: show a progress bar.

    Returns:
        Lines on what makes predictions doubtful, one a kind; the JSON of each pair
        has all of it.

    Raises:
        FileExistsError: there are results of another run, or files of these names.
        FileNotFoundError: a file is missing.
        ValueError: a file is no image, or the sizes of a pair differ.
    """
    run = _describe_run(predictor, pairs)
    files = [name for pair in pairs for name in names_of_files(pair, panels=panels)]
    begin_results(output_dir, run, files, overwrite=overwrite)
    pixels, decoded, states = checked or CheckedFiles(0, {}, file_states(pairs))
    with tqdm(
        total=pixels or None,
        desc='predict',
        unit='px',
        unit_scale=True,
        disable=not progress,
    ) as bar:
        to_do = _to_do(pairs, output_dir, states, panels=panels)
        loaded = load_pairs(to_do, decoded)
        groups = group_by_reference(pairs).items()
        shared = {reference for reference, group in groups if len(group) > 1}
        results = _predict(predictor, loaded, shared, bar.update)
        write = functools.partial(
            write_pair, predictor, pathlib.Path(output_dir), states, panels=panels
        )
        for _ in map_ahead(write, results):
            pass
    end_results(output_dir, run, files, skipped=skipped)
    return _summarize_doubts(pairs, output_dir)


def count_marked(pairs: Sequence[PairFiles], output_dir: str | os.PathLike[str]) -> int:
    """How many of the pairs that `predict_files` wrote have a defect."""
    return sum(bool(_read_result(pair, output_dir)['defects']) for pair in pairs)


def _to_do(
    pairs: Sequence[PairFiles],
    output_dir: str | os.PathLike[str],
    states: Mapping[str, FileStates],
    *,
    panels: bool,
) -> list[PairFiles]:
    """Pairs without all their files, or whose images are not those that were read."""
    folder = pathlib.Path(output_dir)
    return [
        pair
        for pair in pairs
        if not all((folder / x).exists() for x in names_of_files(pair, panels=panels))
        or _read_states(folder / f'{pair.name}.json') != states[pair.name]
    ]


def _read_states(path: pathlib.Path) -> Any:
    return read_object(path, remedy='Delete it.').get('files')


def _describe_run(predictor: Predictor, pairs: Sequence[PairFiles]) -> dict[str, Any]:
    """What tells the results of one run from those of another."""
    return {
        'model': {
            'workdir': predictor.workdir,
            'step': predictor.step,
            'sha256': tree_digest(predictor.variables),
        },
        'tile_size': predictor.tile_size,
        'orientations': predictor.orientations,
        'threshold': predictor.rule.threshold,
        'min_area': predictor.rule.min_area,
        'bit_depth': max((pair.bit_depth for pair in pairs), default=16),
        'pairs': [
            [str(path.absolute()) for path in (pair.image, pair.reference)]
            for pair in pairs
        ],
    }


def _predict(
    predictor: Predictor,
    pairs: Iterable[LoadedPair],
    shared: Collection[pathlib.Path],
    progress: Progress,
) -> Iterator[tuple[LoadedPair, Prediction]]:
    """What the network says of each pair; those of one reference come together.

    References in `shared` are encoded by themselves. That rounds in another way, so it
    depends on all pairs of a run and not on which of them are still to be done.
    """

    def prepared() -> Iterator[tuple[LoadedPair, Callable[..., Prediction]]]:
        encoded: tuple[np.ndarray, ReferencePredictor] | None = None
        for loaded in pairs:
            image, reference = loaded.image, loaded.reference
            if loaded.pair.reference not in shared:
                yield loaded, functools.partial(predictor, image, reference)
                continue
            if encoded is None or encoded[0] is not reference:
                encoded = reference, predictor.with_reference(reference)
            yield loaded, functools.partial(encoded[1], image)

    def predict(
        work: tuple[LoadedPair, Callable[..., Prediction]],
    ) -> tuple[LoadedPair, Prediction]:
        loaded, network = work
        return loaded, network(progress=progress)

    return map_ahead(predict, prepared(), first_alone=True)


def _summarize_doubts(
    pairs: Sequence[PairFiles], output_dir: str | os.PathLike[str]
) -> list[str]:
    """A line for each kind of doubt, on the first pair and how many there are.

    The files tell: a run that is resumed did not see the pairs that were done before.
    """
    kinds: dict[str, list[str]] = {}
    for pair in pairs:
        for doubt in _read_result(pair, output_dir)['warnings']:
            text = f'warning: {pair.name}: {doubt["text"]}'
            kinds.setdefault(doubt['kind'], []).append(text)
    return [
        f'{first} ({len(others)} more pairs like it).' if others else f'{first}.'
        for first, *others in kinds.values()
    ]


def _read_result(pair: PairFiles, output_dir: str | os.PathLike[str]) -> dict[str, Any]:
    path = pathlib.Path(output_dir, f'{pair.name}.json')
    return read_object(path, remedy='Delete it.')
