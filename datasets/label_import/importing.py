"""Labels of an annotation tool -> the folder of masks of a paired folder."""

import pathlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.datasets.label_import.formats import Labels
from cadnet_jax.datasets.label_import.shapes import LabeledImage, PaintedMask, paint
from cadnet_jax.datasets.paired_folder.class_map import (
    BACKGROUND,
    COLUMNS,
    IGNORED_NAME,
    read_class_map,
)
from cadnet_jax.datasets.paired_folder.options import CLASSES, MANIFEST, Options
from cadnet_jax.datasets.paired_folder.pair_files import PairFiles
from cadnet_jax.datasets.paired_folder.source import find_pairs
from cadnet_jax.datasets.preparation import list_first, raise_problems
from cadnet_jax.files.csv_files import read_rows, write_rows
from cadnet_jax.files.images import SUFFIXES, read_image, write_png


class MaskClasses(NamedTuple):
    """The classes of the masks.

    Attributes:
        rows: lines of classes.csv: value and name.
        ids: name of a labeled class -> its id; 255 is ignored.
        values: value in the files of masks of each id, [256].
    """

    rows: list[tuple[str, str]]
    ids: dict[str, int]
    values: NDArray[np.uint8]


class Plan(NamedTuple):
    """Which labels belong to which pair, known before a mask is painted.

    Attributes:
        directory: the paired folder.
        labeled: pairs and their labels.
        without: pairs that the labels do not name: no mask is written for them, and
            one that is there stays.
        classes: of the masks.
        image_folder: where the images are.
        mask_folder: where the masks will be.
    """

    directory: pathlib.Path
    labeled: list[tuple[PairFiles, LabeledImage]]
    without: list[PairFiles]
    classes: MaskClasses
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

    An image is named by its path below the folder of images. The labels may leave out
    the first folders of it, if no other image ends alike, or have more of them before
    it; the ending does not matter.

    Args:
        directory: the paired folder.
        labels: what is labeled.
        options: of the paired folder.
        overwrite: whether masks of labeled images may be replaced, and classes.csv if
            no mask is left that it describes. Otherwise classes.csv is extended.

    Raises:
        FileNotFoundError: there is no such directory or folder.
        ValueError: there is a manifest, or masks of labeled images are there already;
            a labeled image is not there; a class has a name that cannot be; or masks
            that stay have no classes.csv, or one that cannot be extended.
    """
    if (directory / MANIFEST).exists():
        raise ValueError(
            f'{directory / MANIFEST}: already says where the masks are; '
            'import the labels without it, then write a new one by check_data.py '
            '--init_manifest.'
        )
    pairs, _ = find_pairs(directory, options)
    image_folder = directory / options.folders[0]
    by_name = {_name(pair, image_folder): pair for pair in pairs}
    by_end = _pairs_by_end(by_name)
    labeled: list[tuple[PairFiles, LabeledImage]] = []
    problems = []
    for image in labels.images:
        pair = _find_pair(_key(image.name), by_name, by_end)
        if pair is None:
            problems.append(image.name)
        else:
            labeled.append((pair, image))
    raise_problems(
        problems,
        remedy=f'These labeled images are not in {image_folder}, or several there have '
        'the name. Labels and images must have equal names, with equal folders where '
        'both have some; give the folder that the files of labels are in as --labels.',
    )
    known = {pair.id for pair, _ in labeled}
    if len(known) < len(labeled):
        (twice, _), *_ = Counter(pair.id for pair, _ in labeled).most_common()
        raise ValueError(f'{twice}: two of the labeled images have this name.')
    without = [pair for pair in pairs if pair.id not in known]
    kept = [mask.path for pair in without for mask in pair.masks]
    classes = directory / CLASSES
    if kept and not classes.exists():
        raise ValueError(
            f'{classes}: no such file, but {len(kept)} masks of images that the labels '
            f'do not name are there, such as {kept[0]}; write in it which of their '
            'values is which class, or move them away.'
        )
    extend = classes.exists() and (bool(kept) or not overwrite)
    result = Plan(
        directory,
        labeled,
        without,
        _mask_classes(classes, labels.classes, extend=extend),
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
    write_rows(plan.directory / CLASSES, COLUMNS, plan.classes.rows)
    for pair, labels in plan.labeled:
        images = read_image(pair.image), read_image(pair.reference)
        if images[0].shape != images[1].shape:
            raise ValueError(f'{pair.image}: its reference has another size.')
        mask = paint(labels, plan.classes.ids, *images, binary=binary)
        path = plan.mask_path(pair)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, plan.classes.values[mask.pixels])
        yield pair, mask


def describe(plan: Plan, *, untold: int) -> str:
    """Lines to be printed: masks, shapes of each class, and what to do next."""
    shapes = Counter(s.name for _, image in plan.labeled for s in image.shapes)
    free = sum(not image.shapes for _, image in plan.labeled)
    lines = [
        f'Masks: {len(plan.labeled)} in {plan.mask_folder}, {free} of them without a '
        'defect',
        'Shapes: ' + ', '.join(f'{name} {shapes[name]}' for name in plan.classes.ids),
    ]
    if untold:
        lines.append(
            f'warning: {untold} boxes where nothing differs from the reference: their '
            'pixels are ignored.'
        )
    if ids := [plan.name(pair) for pair in plan.without if not pair.masks]:
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


def _ends(name: str) -> list[str]:
    """`name` and what is left of it without its first folders: a/b/x, b/x, x."""
    parts = name.split('/')
    return ['/'.join(parts[i:]) for i in range(len(parts))]


def _pairs_by_end(by_name: Mapping[str, PairFiles]) -> dict[str, list[PairFiles]]:
    by_end = defaultdict(list)
    for name, pair in by_name.items():
        for end in _ends(name):
            by_end[end].append(pair)
    return dict(by_end)


def _find_pair(
    key: str,
    by_name: Mapping[str, PairFiles],
    by_end: Mapping[str, Sequence[PairFiles]],
) -> PairFiles | None:
    """The pair of a labeled image; None where there is none, or several may be meant.

    Whole parts of the path must agree: labels of train/1 are not those of test/1.
    """
    if key in by_name:
        return by_name[key]
    if longer := by_end.get(key):
        return longer[0] if len(longer) == 1 else None
    return next((by_name[end] for end in _ends(key) if end in by_name), None)


def _mask_classes(
    path: pathlib.Path, labeled: Sequence[str], *, extend: bool
) -> MaskClasses:
    """The classes of masks that are labeled with the names `labeled`.

    Args:
        path: classes.csv.
        labeled: names of classes.
        extend: whether the values in `path` stay, since masks have them; new classes
            get values that are free.
    """
    rows: list[tuple[str, str]] = []
    names, known = [BACKGROUND], dict[int, int]()
    if extend:
        class_map = read_class_map(path)
        if class_map.colored:
            raise ValueError(
                f'{path}: has colors, but imported masks have gray values; import the '
                'labels into a folder of pairs without it.'
            )
        rows = [(r['value'], r['name']) for _, r in read_rows(path, required=COLUMNS)]
        names, known = list(class_map.class_names), class_map.ids
    names = _class_names(names, labeled)
    ids = {
        name: IGNORED if name.lower() == IGNORED_NAME else names.index(name)
        for name in labeled
    }
    values = {id: value for value, id in reversed(known.items()) if value <= 255}
    free = [value for value in range(256) if value not in known]
    for id in dict.fromkeys([0, *sorted(ids.values()), IGNORED]):
        name = IGNORED_NAME if id == IGNORED else names[id]
        if id not in values and not free:
            raise ValueError(
                f'{path}: leaves no value up to 255 for {name!r}; give smaller ranges.'
            )
        if id not in values:
            values[id] = free.pop(-1 if id == IGNORED else 0)
            rows.append((str(values[id]), name))
    table = np.zeros(256, np.uint8)
    table[list(values)] = list(values.values())
    return MaskClasses(rows, ids, table)


def _class_names(known: Sequence[str], labeled: Sequence[str]) -> list[str]:
    """`known`, which begins with the background, and the new ones of `labeled`."""
    names = list(known)
    for name in labeled:
        if not name or name.lower() == BACKGROUND:
            raise ValueError(
                f'a class of defects is called {name!r}; give it another name.'
            )
        if name.lower() == IGNORED_NAME or name in names:
            continue
        if name.lower() in map(str.lower, names):
            raise ValueError(
                f'the class {name!r} also appears with other capitals, in the labels '
                f'or in {CLASSES}; give both one name.'
            )
        names.append(name)
    if not 0 < len(names) - 1 < IGNORED:
        raise ValueError(
            f'{len(names) - 1} classes of defects in the labels and in {CLASSES}; '
            f'there must be 1 to {IGNORED - 1}.'
        )
    return names


def _refuse_to_replace(plan: Plan, overwrite: bool) -> None:
    paths = [plan.mask_path(pair) for pair, _ in plan.labeled]
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        raise ValueError(
            f'{there[0]} already exists ({len(there)} masks in all); move them away, '
            'or replace them with --overwrite.'
        )
