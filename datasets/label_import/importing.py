"""Labels of an annotation tool -> the folder of masks of a paired folder."""

import pathlib
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.datasets.label_import.formats import Labels
from cadnet_jax.datasets.label_import.shapes import LabeledImage, PaintedMask, paint
from cadnet_jax.datasets.paired_folder.class_map import BACKGROUND, IGNORED_NAME
from cadnet_jax.datasets.paired_folder.options import CLASSES, MANIFEST, Options
from cadnet_jax.datasets.paired_folder.pair_files import PairFiles
from cadnet_jax.datasets.paired_folder.source import find_pairs
from cadnet_jax.datasets.preparation import list_first, raise_problems
from cadnet_jax.files.csv_files import write_rows
from cadnet_jax.files.images import SUFFIXES, read_image, write_png


class Plan(NamedTuple):
    """Which labels belong to which pair, known before a mask is painted.

    Attributes:
        directory: the paired folder.
        labeled: pairs and their labels.
        without: pairs that the labels do not name: no mask is written for them.
        class_ids: name of a class -> its value in the masks; 255 is ignored.
        image_folder: where the images are.
        mask_folder: where the masks will be.
    """

    directory: pathlib.Path
    labeled: list[tuple[PairFiles, LabeledImage]]
    without: list[PairFiles]
    class_ids: dict[str, int]
    image_folder: pathlib.Path
    mask_folder: pathlib.Path

    def name(self, pair: PairFiles) -> str:
        """The path of a pair's image below the folder of images, without ending."""
        return _name(pair, self.image_folder)

    def mask_path(self, pair: PairFiles) -> pathlib.Path:
        """Where the mask of a pair is written."""
        return self.mask_folder / f'{self.name(pair)}.png'


def plan(
    directory: pathlib.Path,
    labels: Labels,
    options: Options,
    *,
    overwrite: bool = False,
) -> Plan:
    """Finds the pair of each labeled image; nothing is written.

    An image is named by its path below the folder of images, or by its name alone where
    no other image has it; the ending does not matter.

    Raises:
        FileNotFoundError: there is no such directory or folder.
        ValueError: there is a manifest, or masks or classes.csv are there already; a
            labeled image is not there; or a class has a name that cannot be.
    """
    if (directory / MANIFEST).exists():
        raise ValueError(
            f'{directory / MANIFEST}: already says where the masks are; '
            'import the labels without it, then write a new one by check_data.py '
            '--init_manifest.'
        )
    pairs, _ = find_pairs(directory, options)
    image_folder = directory / options.folders[0]
    by_name = _pairs_by_name({_name(pair, image_folder): pair for pair in pairs})
    labeled: list[tuple[PairFiles, LabeledImage]] = []
    problems = []
    for image in labels.images:
        key = _key(image.name)
        pair = by_name.get(key) or by_name.get(pathlib.PurePosixPath(key).name)
        if pair is None:
            problems.append(image.name)
        else:
            labeled.append((pair, image))
    raise_problems(
        problems,
        remedy=f'These labeled images are not in {image_folder}, or several there have '
        'the name; labels and images must have equal names.',
    )
    known = {pair.id for pair, _ in labeled}
    if len(known) < len(labeled):
        (twice, _), *_ = Counter(pair.id for pair, _ in labeled).most_common()
        raise ValueError(f'{twice}: two of the labeled images have this name.')
    result = Plan(
        directory,
        labeled,
        [pair for pair in pairs if pair.id not in known],
        _class_ids(labels.classes),
        image_folder,
        directory / options.folders[2],
    )
    _refuse_to_replace(result, overwrite)
    return result


def write_masks(plan: Plan, *, binary: bool) -> Iterator[tuple[PairFiles, PaintedMask]]:
    """Writes a mask for each labeled pair, and classes.csv before the first.

    Args:
        plan: of `plan`.
        binary: whether pairs are black and white; see `shapes.paint`.

    Yields:
        Each pair with its mask, once that is written.

    Raises:
        ValueError: an image cannot be read, or labels do not fit it.
    """
    rows = [('0', BACKGROUND)]
    rows += [(str(value), name) for name, value in plan.class_ids.items()]
    if IGNORED not in plan.class_ids.values():
        rows.append((str(IGNORED), IGNORED_NAME))
    write_rows(plan.directory / CLASSES, ('value', 'name'), rows)
    for pair, labels in plan.labeled:
        images = read_image(pair.image), read_image(pair.reference)
        if images[0].shape != images[1].shape:
            raise ValueError(f'{pair.image}: its reference has another size.')
        mask = paint(labels, plan.class_ids, *images, binary=binary)
        path = plan.mask_path(pair)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, mask.pixels)
        yield pair, mask


def describe(plan: Plan, *, untold: int) -> str:
    """Lines to be printed: masks, shapes of each class, and what to do next."""
    shapes = Counter(s.name for _, image in plan.labeled for s in image.shapes)
    free = sum(not image.shapes for _, image in plan.labeled)
    lines = [
        f'Masks: {len(plan.labeled)} in {plan.mask_folder}, {free} of them without a '
        'defect',
        'Shapes: ' + ', '.join(f'{name} {shapes[name]}' for name in plan.class_ids),
    ]
    if untold:
        lines.append(
            f'warning: {untold} boxes where nothing differs from the reference: their '
            'pixels are ignored.'
        )
    if plan.without:
        ids = [plan.name(pair) for pair in plan.without]
        lines.append(
            f'Without labels: {len(ids)} pairs: {list_first(ids)}. Say by '
            '--without_mask=defect_free or --without_mask=unlabelled what they are.'
        )
    return '\n'.join(lines)


def _key(name: str) -> str:
    path = pathlib.PurePosixPath(name.replace('\\', '/'))
    known = path.suffix.lower() in SUFFIXES
    return (path.with_suffix('') if known else path).as_posix()


def _name(pair: PairFiles, image_folder: pathlib.Path) -> str:
    return pair.image.relative_to(image_folder).with_suffix('').as_posix()


def _pairs_by_name(pairs: dict[str, PairFiles]) -> dict[str, PairFiles]:
    """Pairs by their name, and by the last part of it where that is unambiguous."""
    last = Counter(pathlib.PurePosixPath(name).name for name in pairs)
    short = {pathlib.PurePosixPath(name).name: pair for name, pair in pairs.items()}
    return {name: short[name] for name, n in last.items() if n == 1} | pairs


def _class_ids(classes: list[str]) -> dict[str, int]:
    defects = [name for name in classes if name.lower() != IGNORED_NAME]
    for name in defects:
        if not name or name.lower() == BACKGROUND:
            raise ValueError(
                f'a class of defects is called {name!r}; give it another name.'
            )
    if not 0 < len(defects) < IGNORED:
        raise ValueError(
            f'the labels have {len(defects)} classes; there must be 1 to {IGNORED - 1}.'
        )
    ids = {name: value for value, name in enumerate(defects, 1)}
    return ids | {name: IGNORED for name in classes if name not in ids}


def _refuse_to_replace(plan: Plan, overwrite: bool) -> None:
    paths = [plan.mask_path(pair) for pair, _ in plan.labeled]
    there = [p for p in (plan.directory / CLASSES, *paths) if p.exists()]
    if there and not overwrite:
        raise ValueError(
            f'{there[0]} already exists ({len(there)} files in all); move them away, '
            'or replace them with --overwrite.'
        )
