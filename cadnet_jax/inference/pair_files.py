"""Pairs of image files -> files that say where their defects are.

Files are decoded and written by threads, beside the network.
"""

import functools
import os
import pathlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from cadnet_jax.files.ahead import map_ahead
from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.csv_files import read_rows
from cadnet_jax.files.images import SUFFIXES, list_images, read_image, write_png
from cadnet_jax.inference.defect_picture import draw_defects
from cadnet_jax.inference.predictor import Prediction, Predictor, ReferencePredictor
from cadnet_jax.inference.reference_checks import (
    Doubt,
    find_doubts,
    find_left_out,
)
from cadnet_jax.inference.results import RESULTS_FILE, begin_results, end_results
from cadnet_jax.inference.tiled_network import Progress
from cadnet_jax.pictures.overlays import panel

_Path = str | os.PathLike[str]
_RESULTS_NAME = pathlib.PurePath(RESULTS_FILE).stem

# Of decoded files that are kept between checking and prediction: a pair of 12
# megapixels takes 72 MB, 200 images of 512 x 512 take 157.
KEPT_BYTES = 2**28


class PairFiles(NamedTuple):
    """The files of a pair, and the name of what is written about it."""

    image: pathlib.Path
    reference: pathlib.Path
    name: str
    bit_depth: int = 16  # of the two, see `read_image`


def list_pairs(
    *,
    image: _Path = '',
    reference: _Path = '',
    pairs: _Path = '',
    bit_depth: int = 16,
) -> list[PairFiles]:
    """Finds the files of all pairs; gives each a name of its own.

    Args:
        image: an image file, or a folder of them.
        reference: a file, for all images; or a folder with a file of equal name for
            each image.
        pairs: instead of these, a CSV file with the columns `image` and `reference`;
            relative paths start at its folder.
        bit_depth: of files of 16 bits, see `read_image`.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: neither or both kinds are given, a folder holds no image, a file
            goes with a folder of references, or the CSV file lacks a column or a value.
    """
    if bool(pairs) == bool(image or reference) or bool(image) != bool(reference):
        raise ValueError(
            'give both image and reference (files or folders), or pairs '
            f'(a CSV file); image is {str(image)!r}, reference {str(reference)!r}, '
            f'pairs {str(pairs)!r}.'
        )
    if pairs:
        files = _from_csv(pathlib.Path(pairs))
    else:
        files = _from_paths(pathlib.Path(image), pathlib.Path(reference))
    names = unique_names([inspected for inspected, _ in files])
    return [
        PairFiles(*pair, name, bit_depth)
        for pair, name in zip(files, names, strict=True)
    ]


def check_output_dir(pairs: Sequence[PairFiles], output_dir: _Path) -> None:
    """Refuses to write where images are read: a next run would take masks for parts.

    Raises:
        ValueError: an image or a reference is in `output_dir`.
    """
    output = os.path.realpath(output_dir)
    for pair in pairs:
        for path in (pair.image, pair.reference):
            if os.path.realpath(path.parent) == output:
                raise ValueError(
                    f'--output_dir={output_dir}: {path} is in it; results would be '
                    'taken for input images by the next run. Name another folder.'
                )


class CheckedFiles(NamedTuple):
    """What is known of files that were all read once.

    Attributes:
        pixels: of all inspected images.
        decoded: the images that are kept, uint8 [H, W, 3], so that they need not be
            decoded again: a file is taken out when it is predicted.
    """

    pixels: int
    decoded: dict[pathlib.Path, np.ndarray]


def check_pairs(pairs: Sequence[PairFiles], *, progress: bool = True) -> CheckedFiles:
    """Reads all files once, so that a bad one is known before anything is computed.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no image, or the sizes of a pair differ.
    """
    checked = CheckedFiles(0, {})
    room = KEPT_BYTES
    with tqdm(
        total=len(pairs), desc='check', unit='pairs', leave=False, disable=not progress
    ) as bar:
        for loaded in _load(pairs, {}):
            height, width = loaded.image.shape[:2]
            checked = checked._replace(pixels=checked.pixels + height * width)
            for path, image in (
                (loaded.pair.reference, loaded.reference),
                (loaded.pair.image, loaded.image),
            ):
                if path not in checked.decoded and image.nbytes <= room:
                    checked.decoded[path] = image
                    room -= image.nbytes
            bar.update()
    return checked


def readable_pairs(
    pairs: Sequence[PairFiles],
) -> tuple[list[PairFiles], list[str]]:
    """The pairs that can be predicted, and a line for each of the others."""
    readable, faults = [], []
    for pair in pairs:
        try:
            check_pairs([pair], progress=False)
        except (ValueError, OSError) as error:
            faults.append(f'skipped: {error}')
        else:
            readable.append(pair)
    return readable, faults


def predict_files(
    predictor: Predictor,
    pairs: Sequence[PairFiles],
    output_dir: _Path,
    *,
    panels: bool = False,
    overwrite: bool = False,
    checked: CheckedFiles | None = None,
    progress: bool = True,
) -> list[str]:
    """Writes NAME_mask.png (class ids), NAME_overlay.png and NAME.json for each pair.

    With `panels` NAME_panel.png as well: image, reference, prediction and DistMap. The
    JSON comes last: where it is, the pictures are. `results.json` lists all files. A
    reference that several pairs share is encoded once. An equal run that was
    interrupted is resumed: pairs whose JSON is newer than their images are done.

    Args:
        predictor: the network.
        pairs: what is predicted.
        output_dir: folder of the results.
        panels: see above.
        overwrite: whether the results of another run give way.
        checked: what `check_pairs` returned.
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
    kinds = ('_mask.png', '_overlay.png', *['_panel.png'] * panels, '.json')
    files = [pair.name + kind for pair in pairs for kind in kinds]
    begin_results(output_dir, run, files, overwrite=overwrite)
    pixels, decoded = checked or CheckedFiles(0, {})
    with tqdm(
        total=pixels or None,
        desc='predict',
        unit='px',
        unit_scale=True,
        disable=not progress,
    ) as bar:
        loaded = _load(_to_do(pairs, output_dir), decoded)
        groups = _by_reference(pairs).items()
        shared = {reference for reference, group in groups if len(group) > 1}
        results = _predict(predictor, loaded, shared, bar.update)
        write = functools.partial(
            _write, predictor, pathlib.Path(output_dir), panels=panels
        )
        doubts = {name: found for name, found in map_ahead(write, results) if found}
    end_results(output_dir, run, files)
    return _describe(doubts)


def _to_do(pairs: Sequence[PairFiles], output_dir: _Path) -> list[PairFiles]:
    """Pairs without a JSON that is newer than their images."""
    return [
        pair
        for pair in pairs
        if not (there := pathlib.Path(output_dir, f'{pair.name}.json')).exists()
        or there.stat().st_mtime_ns
        <= max(path.stat().st_mtime_ns for path in (pair.image, pair.reference))
    ]


def _describe_run(predictor: Predictor, pairs: Sequence[PairFiles]) -> dict[str, Any]:
    """What tells the results of one run from those of another."""
    return {
        'model': {'workdir': predictor.workdir, 'step': predictor.step},
        'tile_size': predictor.tile_size,
        'threshold': predictor.rule.threshold,
        'min_area': predictor.rule.min_area,
        'bit_depth': max((pair.bit_depth for pair in pairs), default=16),
        'pairs': [[str(pair.image), str(pair.reference)] for pair in pairs],
    }


def _describe(doubts: Mapping[str, Sequence[Doubt]]) -> list[str]:
    """A line for each kind of doubt, on the first pair and how many there are."""
    kinds: dict[str, list[str]] = {}
    for name, found in doubts.items():
        for kind, text in found:
            kinds.setdefault(kind, []).append(f'warning: {name}: {text}')
    return [
        f'{first} ({len(others)} more pairs like it).' if others else f'{first}.'
        for first, *others in kinds.values()
    ]


class _Loaded(NamedTuple):
    """A pair's pixels, uint8 [H, W, 3]."""

    pair: PairFiles
    image: np.ndarray
    reference: np.ndarray


def _load(
    pairs: Sequence[PairFiles], decoded: dict[pathlib.Path, np.ndarray]
) -> Iterator[_Loaded]:
    """The pairs' pixels, read ahead by threads; those of one reference together.

    What is in `decoded` is taken from there.
    """
    groups = _by_reference(pairs)
    files = [
        (path, group[0].bit_depth)
        for reference, group in groups.items()
        for path in (reference, *(pair.image for pair in group))
    ]

    def read(file: tuple[pathlib.Path, int]) -> np.ndarray:
        image = decoded.pop(file[0], None)
        return read_image(*file) if image is None else image

    images = map_ahead(read, files, threads=4)  # two pairs ahead
    for group in groups.values():
        reference = next(images)
        for pair in group:
            image = next(images)
            if image.shape != reference.shape:
                raise ValueError(
                    f'{pair.image} is {_size(image)} pixels, but its reference '
                    f'{pair.reference} {_size(reference)}; align and crop them to one '
                    'size.'
                )
            yield _Loaded(pair, image, reference)


def _predict(
    predictor: Predictor,
    pairs: Iterable[_Loaded],
    shared: Collection[pathlib.Path],
    progress: Progress,
) -> Iterator[tuple[_Loaded, Prediction]]:
    """What the network says of each pair; those of one reference come together.

    References in `shared` are encoded by themselves. That rounds in another way, so it
    depends on all pairs of a run and not on which of them are still to be done.
    """

    def prepared() -> Iterator[tuple[_Loaded, Callable[..., Prediction]]]:
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
        work: tuple[_Loaded, Callable[..., Prediction]],
    ) -> tuple[_Loaded, Prediction]:
        loaded, network = work
        return loaded, network(progress=progress)

    return map_ahead(predict, prepared(), first_alone=True)


def _write(
    predictor: Predictor,
    output_dir: pathlib.Path,
    result: tuple[_Loaded, Prediction],
    *,
    panels: bool,
) -> tuple[str, list[Doubt]]:
    """Writes the files of one pair; returns its name and what is doubtful."""
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
    write_json(output_dir / f'{pair.name}.json', values)
    return pair.name, doubts


def _by_reference(
    pairs: Sequence[PairFiles],
) -> dict[pathlib.Path, list[PairFiles]]:
    """Pairs that share a reference, together; otherwise in their order."""
    groups: dict[pathlib.Path, list[PairFiles]] = {}
    for pair in pairs:
        groups.setdefault(pair.reference, []).append(pair)
    return groups


def _from_paths(
    image: pathlib.Path, reference: pathlib.Path
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    for name, path in (('image', image), ('reference', reference)):
        if not path.exists():
            raise FileNotFoundError(
                f'{name} {path}: no such file or folder; check the path.'
            )
    if not image.is_dir():
        if reference.is_dir():
            raise ValueError(
                f'reference {reference} is a folder, but image {image} is a file; name '
                'its reference.'
            )
        return [(image, reference)]
    files = list_images(image)
    if not files:
        raise ValueError(
            f'{image}: no image in this folder; there must be files that end in '
            f'{", ".join(SUFFIXES)}. Folders inside it are not searched: name '
            'one of them, or list the pairs in a CSV file (--pairs).'
        )
    if not reference.is_dir():
        return [(file, reference) for file in files]
    pairs = [(file, reference / file.name) for file in files]
    for file, other in pairs:
        if not other.is_file():
            raise FileNotFoundError(
                f'{other}: no such file; each image in {image} needs a reference of '
                f'equal name, and {file.name} has none.'
            )
    return pairs


def _from_csv(path: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Of the other columns, such as those of a manifest, none is looked at."""
    pairs = []
    for line, row in read_rows(path, required=('image', 'reference'), others=True):
        if not (row['image'] and row['reference']):
            raise ValueError(
                f'{path}, line {line}: image or reference is empty; each line needs '
                'both.'
            )
        pairs.append((path.parent / row['image'], path.parent / row['reference']))
    if not pairs:
        raise ValueError(f'{path}: no pair; add lines below image,reference.')
    return pairs


def unique_names(images: Sequence[pathlib.Path]) -> list[str]:
    """A different name for each image: its stem, with folders where stems repeat.

    Where that does not tell them apart either (x.png and x.jpg, or one image with two
    references), they are numbered.
    """
    paths = [path.absolute().with_suffix('').parts[1:] for path in images]
    for depth in range(1, max(map(len, paths), default=0) + 1):
        names = ['-'.join(parts[-depth:]) for parts in paths]
        # Some file systems do not tell upper from lower case; results.json is taken.
        taken = {_RESULTS_NAME, *(name.lower() for name in names)}
        if len(taken) == len(names) + 1:
            return names
    digits = len(str(len(images)))
    return [f'{number:0{digits}}-{path.stem}' for number, path in enumerate(images, 1)]


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]} x {image.shape[0]}'


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
