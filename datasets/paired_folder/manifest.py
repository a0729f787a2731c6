"""Which files make pairs: a manifest, or folders with files of equal names.

A source directory has a manifest, `manifest.csv`,

    image,reference,mask,split,group
    parts/1.png,golden.png,labels/1.png,train,board 1
    parts/2.png,golden.png,defect_free,test,board 2

with paths relative to it; lines of one image and reference are one pair, which has the
masks of all, and a column `class` says what a mask labels. Or three folders:

    image/x.png         image/board_1/x.png         image/x.png
    reference/x.png     reference/board_1.png       reference.png
    mask/x.png          mask/board_1/x.png          mask/x.png

The endings of the names may differ. A pair's group is the folder of its image below
image/; without one each pair is a group of its own. A group may share one reference of
its name. No group is in two splits.
"""

import hashlib
import os
import pathlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cadnet_jax.datasets.paired_folder import class_map
from cadnet_jax.datasets.paired_folder.class_map import ClassMap
from cadnet_jax.datasets.paired_folder.pair_reading import (
    DEFECT_FREE,
    UNLABELED,
    MaskFile,
    PairFiles,
)
from cadnet_jax.datasets.preparation import list_first, list_visible, raise_problems
from cadnet_jax.files.csv_files import read_rows, write_rows
from cadnet_jax.files.images import SUFFIXES

MANIFEST, CLASSES = 'manifest.csv', 'classes.csv'
COLUMNS = ('image', 'reference', 'mask', 'split', 'group')
CLASS = 'class'  # a further column: of all that the mask labels

# Instead of a file of a mask: in small letters, without '-', '_' and spaces.
_DECLARED = {
    'defectfree': DEFECT_FREE,
    'unlabelled': UNLABELED,
    'unlabeled': UNLABELED,
}
_FEW_PAIRS = 5  # by which a small split may always be off its share
# A part of file names, and 'all' means all splits.
_SPLIT_NAME = re.compile('(?!(?i:all)$)[A-Za-z][A-Za-z0-9_]{0,39}')


class Options(NamedTuple):
    """What a user may say about a source directory."""

    classes: pathlib.Path | None = None  # instead of classes.csv in it
    folders: Sequence[str] = ('image', 'reference', 'mask')
    group_by: str = ''  # regular expression: what it, or its first (), finds in an id
    without_mask: str = ''  # what a pair without a mask is
    splits: Mapping[str, float] = {'train': 80, 'val': 10, 'test': 10}
    split_seed: int = 0
    allow_outside: bool = False  # files outside the source directory
    bit_depth: int = 16  # of images and references, see `read_image`


class Source(NamedTuple):
    """A source directory, read."""

    directory: pathlib.Path
    pairs: list[PairFiles]
    class_map: ClassMap
    unused: list[pathlib.Path]  # files in its folders that belong to no pair
    share_faults: Sequence[str] = ()  # of splits that were drawn

    @property
    def fingerprint(self) -> str:
        """Changes with the pairs, the classes, and the size or date of any file."""
        state = hashlib.blake2b(repr(self.class_map[1:]).encode(), digest_size=6)
        for pair in self.pairs:
            facts: list[Any] = [pair.id, pair.without_mask, pair.split, pair.group]
            facts += [pair.bit_depth] * (pair.bit_depth < 16)
            facts += [mask.class_name for mask in pair.masks if mask.class_name]
            for path in pair.paths:
                facts.append(os.path.relpath(path, self.directory))
                if path.is_file():
                    facts += [path.stat().st_size, path.stat().st_mtime_ns]
            state.update(repr(facts).encode())
        return state.hexdigest()


def read_source(directory: pathlib.Path, options: Options) -> Source:
    """Finds the pairs of a source directory; no image is read.

    Raises:
        FileNotFoundError: there is no such directory, class map or folder.
        ValueError: a line of the manifest or of the class map, a name or an option is
            bad, or pairs have no mask and it is not said what that means.
    """
    pairs, unused = find_pairs(directory, options)
    raise_problems(
        [
            f'{pair.image}: no mask'
            for pair in pairs
            if not (pair.masks or pair.without_mask)
        ],
        remedy='Say by --without_mask=defect_free or --without_mask=unlabelled what '
        f'a pair without a mask is, or write it in the column mask of {MANIFEST}.',
    )
    _check_masks_found(directory, pairs, unused, options)
    classes = class_map.read_class_map(options.classes or directory / CLASSES)
    for name in {mask.class_name for pair in pairs for mask in pair.masks} - {''}:
        classes.class_id(name)  # refuses a name that is not there
    drawn = draw_splits(pairs, options)
    faults = [] if drawn == pairs else share_faults(drawn, options)
    return Source(directory, drawn, classes, unused, faults)


def _check_masks_found(
    directory: pathlib.Path,
    pairs: Sequence[PairFiles],
    unused: Sequence[pathlib.Path],
    options: Options,
) -> None:
    """Refuses to take a defect for a good part because its mask was not found.

    Raises:
        ValueError: a flag says that pairs without a mask are good, and there is a
            folder or a file that could be their masks.
    """
    without = [pair for pair in pairs if not pair.masks]
    if not without or options.without_mask != DEFECT_FREE:
        return
    example = f'{len(without)} pairs have no mask, such as {without[0].image}'
    if not (directory / MANIFEST).exists():
        folder = directory / options.folders[2]
        known = {pathlib.PurePath(name).parts[0] for name in options.folders}
        others = [
            path.name
            for path in list_visible(directory)
            if path.is_dir() and path.name not in known
            if any(file.suffix.lower() in SUFFIXES for file in path.rglob('*'))
        ]
        if not folder.is_dir() and others:
            names = ','.join((*options.folders[:2], others[0]))
            raise ValueError(
                f'{folder}: no such folder, {example}, and there is the folder '
                f'{directory / others[0]}. If it has the masks, give '
                f'--folders={names}; else take it out of {directory}.'
            )
        folders = {folder}
    else:
        folders = {path.parent for pair in pairs for path, _ in pair.masks}
    lost = [
        path
        for path in unused
        if path.suffix.lower() in SUFFIXES and folders & {*path.parents}
    ]
    if lost:
        raise ValueError(
            f'{example}, but {len(lost)} files among the masks belong to no pair, such '
            f'as {lost[0]}. Give each mask the name of its image, or name it in '
            f'{MANIFEST} (check_data.py --init_manifest={directory} writes a first '
            'one); take out what belongs to no image.'
        )


def decided_options(directory: pathlib.Path) -> set[str]:
    """Names of `Options` without effect, since the manifest, if any, says it all.

    Raises:
        ValueError: it is no CSV file with the columns of a manifest.
    """
    if not (directory / MANIFEST).exists():
        return set()
    rows = [row for _, row in _read_lines(directory)]
    decided = {'folders'}
    if all(row.get('group') for row in rows):
        decided.add('group_by')
    if all(row.get('split') for row in rows):
        decided |= {'splits', 'split_seed'}
    return decided


class FirstManifest(NamedTuple):
    """What `init_manifest` wrote, and what it found no partner for."""

    written: list[pathlib.Path]
    pairs: list[PairFiles]
    unused: list[pathlib.Path]
    share_faults: list[str]

    def describe(self) -> str:
        """Lines to be printed."""
        without = sum(not pair.masks for pair in self.pairs)
        lines = [
            f'Written: {" ".join(map(str, self.written))}',
            f'Pairs: {len(self.pairs):,}; without a mask: {without:,}',
        ]
        if self.unused:
            lines.append(
                f'Files of no pair: {len(self.unused):,}: {list_first(self.unused)}'
            )
        lines += [f'warning: {fault}.' for fault in self.share_faults]
        return '\n'.join(lines)


def init_manifest(directory: pathlib.Path, options: Options) -> FirstManifest:
    """Writes a first manifest.csv, and a first classes.csv where there is none.

    Raises:
        FileNotFoundError: there is no such directory or folder.
        ValueError: there is a manifest already, or the names do not make pairs.
    """
    manifest, classes = directory / MANIFEST, directory / CLASSES
    if manifest.exists():
        raise ValueError(f'{manifest} already exists; move it away for a new one.')
    pairs, unused = find_pairs(directory, options)
    pairs = draw_splits(pairs, options)
    faults = share_faults(pairs, options)
    written = [manifest]
    if not (options.classes or classes.exists()):
        class_map.write_first_map(
            classes, (path for pair in pairs for path, _ in pair.masks)
        )
        written.insert(0, classes)

    def cell(path: pathlib.Path) -> str:
        return os.path.relpath(path, directory)

    rows = [
        (
            cell(pair.image),
            cell(pair.reference),
            cell(pair.masks[0].path) if pair.masks else pair.without_mask,
            pair.split,
            pair.group,
        )
        for pair in pairs
    ]
    write_rows(manifest, COLUMNS, rows)
    return FirstManifest(written, pairs, unused, faults)


def draw_splits(pairs: list[PairFiles], options: Options) -> list[PairFiles]:
    """`pairs`, each in a split: drawn by seed, group by group, where none is given.

    A group's split follows from its name and the seed alone, so that a pair keeps its
    split when others are added. Only where a split comes out empty a group moves there,
    the one whose draw was the nearest.

    Raises:
        ValueError: some pairs have a split and some have none, or there are fewer
            groups than splits.
    """
    if all(pair.split for pair in pairs):
        return pairs
    if any(pair.split for pair in pairs):
        missing = next(pair for pair in pairs if not pair.split)
        raise ValueError(
            f'{missing.image}: no split, but other pairs have one; fill the column '
            f'split of {MANIFEST}, or leave all of it empty to have them drawn.'
        )
    groups, shares = sorted({pair.group for pair in pairs}), options.splits
    if len(groups) < len(shares):
        raise ValueError(
            f'{len(groups)} groups ({list_first(groups)}) cannot fill the '
            f'{len(shares)} splits {", ".join(shares)}, since a group is in one split: '
            "make more groups (--group_by; '.+' makes each image one), or fewer splits "
            '(--splits=train=100).'
        )
    split_of = _draw_groups(groups, shares, options.split_seed)
    drawn = [pair._replace(split=split_of[pair.group]) for pair in pairs]
    return sorted(drawn, key=lambda pair: list(shares).index(pair.split))


def _draw_groups(
    groups: Sequence[str], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Group -> split; none of the splits is empty."""
    ends = np.cumsum(list(shares.values())) / sum(shares.values())
    bounds = dict(zip(shares, zip([0, *ends], ends, strict=False), strict=True))
    draws = {group: _uniform(group, seed) for group in groups}
    split_of = {
        group: next(name for name, (_, end) in bounds.items() if draw < end)
        for group, draw in draws.items()
    }
    for name, (start, end) in bounds.items():
        counts = Counter(split_of.values())
        if not counts[name]:
            movable = [group for group in groups if counts[split_of[group]] > 1]
            nearest = min(
                movable, key=lambda group: max(start - draws[group], draws[group] - end)
            )
            split_of[nearest] = name
    return split_of


def _uniform(group: str, seed: int) -> float:
    """Of [0, 1), from the name and the seed alone."""
    text = f'{seed} {group}'.encode(errors='surrogateescape')
    digest = hashlib.blake2b(text, digest_size=6).digest()
    return int.from_bytes(digest) / 2**48


def share_faults(pairs: Sequence[PairFiles], options: Options) -> list[str]:
    """Lines on drawn splits that are far larger or smaller than was asked for."""
    counts = Counter(pair.split for pair in pairs)
    groups, total = {pair.group for pair in pairs}, sum(options.splits.values())
    faults = []
    for name, share in options.splits.items():
        wanted = share / total * len(pairs)
        if abs(counts[name] - wanted) > max(wanted / 2, _FEW_PAIRS):
            faults.append(
                f'the split {name!r} has {counts[name]} of {len(pairs)} pairs instead '
                f'of about {round(wanted)}, drawn among {len(groups)} groups: fill the '
                f'column split of {MANIFEST}, or give smaller groups by --group_by'
            )
    return faults


def split_name_fault(name: str, others: Iterable[str]) -> str | None:
    """Why `name` cannot be that of a split beside `others`, or None."""
    if not _SPLIT_NAME.fullmatch(name):
        return (
            f'{name!r} cannot be the name of a split: it begins with a letter, has '
            "letters, digits and _, 40 at most, and is not 'all'"
        )
    if name.lower() in map(str.lower, others):
        return f'the split {name!r} also appears with other capitals'
    return None


def find_pairs(
    directory: pathlib.Path, options: Options
) -> tuple[list[PairFiles], list[pathlib.Path]]:
    """The pairs of a source directory, and the files of no pair; no image is read.

    Raises:
        FileNotFoundError: there is no such directory or folder.
        ValueError: names do not make pairs, or a line of the manifest is bad.
    """
    if not directory.is_dir():
        raise FileNotFoundError(f'{directory}: no such directory; check the path.')
    find = _from_manifest if (directory / MANIFEST).exists() else _from_folders
    pairs, unused, problems = find(directory, options)
    problems += [
        f'{pair.image}: {options.group_by!r} finds no group in its path'
        for pair in pairs
        if not pair.group
    ]
    files = dict.fromkeys(path for pair in pairs for path in pair.paths)
    problems += [
        f'{str(path)!r}: no name in UTF-8'
        for path in (*files, *unused)
        if not _is_utf8(path)
    ]
    if not options.allow_outside:
        problems += [
            f'{path}: outside {directory}; put it there, or allow it by --allow_outside'
            for path in files
            if _is_utf8(path) and not _is_inside(path, directory)
        ]
    ids = Counter(pair.id for pair in pairs)
    problems += [
        f'{directory / id}.*: there are {n} pairs with this image or name'
        for id, n in ids.items()
        if n > 1
    ]
    raise_problems(problems, remedy='Correct the names, the manifest or the flags.')
    if not pairs:
        raise ValueError(f'{directory}: no pairs in it; it must have images.')
    return [pair._replace(bit_depth=options.bit_depth) for pair in pairs], unused


def _from_manifest(
    directory: pathlib.Path, options: Options
) -> tuple[list[PairFiles], list[pathlib.Path], list[str]]:
    pairs, problems = [], []
    splits: list[str] = []
    for line, row in _read_lines(directory):
        where = f'{directory / MANIFEST}, line {line}'
        if not (row['image'] and row['reference']):
            problems.append(f'{where}: image or reference is empty')
            continue
        split = row.get('split', '')
        if split and split not in splits:
            if fault := split_name_fault(split, splits):
                problems.append(f'{where}: {fault}')
            splits.append(split)
        mask = row.get('mask', '')
        declared = _DECLARED.get(re.sub('[-_ ]', '', mask.lower()), '')
        is_file, class_name = bool(mask) and not declared, row.get(CLASS, '')
        if class_name and not is_file:
            problems.append(f'{where}: the class {class_name!r} of no mask')
        id = _id(directory / row['image'], directory)
        pairs.append(
            PairFiles(
                id,
                directory / row['image'],
                directory / row['reference'],
                (MaskFile(directory / mask, class_name),) if is_file else (),
                declared or ('' if mask else options.without_mask),
                split,
                row.get('group', '') or _group(id, '', options),
            )
        )
    return _join_lines(pairs, problems), _unused_beside(pairs), problems


def _join_lines(pairs: Sequence[PairFiles], problems: list[str]) -> list[PairFiles]:
    """Lines of one image and reference as one pair that has the masks of all.

    Lines that have no masks, or the same, stay apart: they are there by mistake.
    """
    joined: dict[tuple[pathlib.Path, ...], PairFiles] = {}
    others = []
    for pair in pairs:
        key = pair.image, pair.reference
        first = joined.setdefault(key, pair)
        if first is pair:
            continue
        if not (first.masks and pair.masks) or set(first.masks) & set(pair.masks):
            others.append(pair)
            continue
        if (first.split, first.group) != (pair.split, pair.group):
            problems.append(f'{pair.image}: its lines have different splits or groups')
        joined[key] = first._replace(masks=(*first.masks, *pair.masks))
    return [*joined.values(), *others]


def _read_lines(directory: pathlib.Path) -> Iterator[tuple[int, dict[str, str]]]:
    path = directory / MANIFEST
    return read_rows(path, required=COLUMNS[:2], optional=(*COLUMNS[2:], CLASS))


def _unused_beside(pairs: Sequence[PairFiles]) -> list[pathlib.Path]:
    """Image files in the folders of the pairs' files that no pair uses."""
    files = [path for pair in pairs for path in pair.paths if _is_utf8(path)]
    used = {os.path.realpath(path) for path in files}
    # Folders by what they are: one may be written in several ways.
    folders = {os.path.realpath(path.parent): path.parent for path in files}
    return [
        path
        for folder in folders.values()
        if folder.is_dir()
        for path in list_visible(folder)
        if path.suffix.lower() in SUFFIXES and path.is_file()
        if os.path.realpath(path) not in used
    ]


def _from_folders(
    directory: pathlib.Path, options: Options
) -> tuple[list[PairFiles], list[pathlib.Path], list[str]]:
    image, reference, mask = (directory / name for name in options.folders)
    if not image.is_dir():
        inside = sorted(path.name for path in directory.iterdir() if path.is_dir())
        raise FileNotFoundError(
            f'{directory}: neither {MANIFEST} nor a folder {image.name} is in it, but '
            f'the folders {", ".join(inside) or "(none)"}; name yours by '
            '--folders=IMAGE,REFERENCE,MASK.'
        )
    unused: list[pathlib.Path] = []
    problems: list[str] = []
    images, references, masks = (
        _list_folder(folder, unused, problems) for folder in (image, reference, mask)
    )
    common = _common_reference(reference)
    pairs, used = [], set[pathlib.Path]()
    for name, path in images.items():
        folder = name.rpartition('/')[0]
        id = _id(path, directory)
        group = _group(id, folder, options)
        keys = (name, folder, unicodedata.normalize('NFC', group))
        found = common or next(filter(None, map(references.get, keys)), None)
        if found is None:
            problems.append(f'{path}: no reference {reference.name}/{name}.*')
            continue
        label = masks.get(name)
        used |= {found, label} if label else {found}
        without_mask = '' if label else options.without_mask
        labels = (MaskFile(label),) if label else ()
        pairs.append(PairFiles(id, path, found, labels, without_mask, '', group))
    found_files = (*references.values(), *masks.values())
    unused += [path for path in found_files if path not in used]
    return pairs, unused, problems


def _common_reference(reference: pathlib.Path) -> pathlib.Path | None:
    """The file that is the reference of all images; None where there is a folder.

    Raises:
        ValueError: there are two.
    """
    if reference.is_dir():
        return None
    if reference.is_file():
        return reference
    files = [
        file
        for file in sorted(reference.parent.glob('*'))
        if file.stem == reference.name and file.suffix.lower() in SUFFIXES
    ]
    if len(files) > 1:
        raise ValueError(f'{files[0]}: {files[1].name} has the same name; keep one.')
    return files[0] if files else None


def _list_folder(
    folder: pathlib.Path, unused: list[pathlib.Path], problems: list[str]
) -> dict[str, pathlib.Path]:
    """Name below `folder`, without its ending -> image file; what is hidden is not.

    Names are compared in Unicode's composed form: macOS writes them decomposed.
    """
    files: dict[str, pathlib.Path] = {}
    if not folder.is_dir():
        return files
    for root, folders, names in os.walk(folder, onerror=_stop):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        base = pathlib.Path(root)
        problems += [
            f'{base / name}: a link to a folder, which is not followed'
            for name in folders
            if (base / name).is_symlink()
        ]
        for name in sorted(name for name in names if not name.startswith('.')):
            path = base / name
            key = path.relative_to(folder).with_suffix('').as_posix()
            key = unicodedata.normalize('NFC', key)
            if path.suffix.lower() not in SUFFIXES:
                unused.append(path)
            elif key in files:
                problems.append(f'{path}: {files[key].name} has the same name')
            else:
                files[key] = path
    return files


def _is_inside(path: pathlib.Path, directory: pathlib.Path) -> bool:
    """Whether a file is below `directory`, wherever links lead."""
    real = pathlib.Path(os.path.realpath(path))
    return real.is_relative_to(os.path.realpath(directory))


def _is_utf8(path: pathlib.Path) -> bool:
    """False for other bytes, which Python reads as surrogates, and for a NUL."""
    return not re.search('[\0\ud800-\udfff]', str(path))


def _stop(error: OSError) -> None:
    """For `os.walk`, which passes over a folder that cannot be read."""
    raise error


def _id(path: pathlib.Path, directory: pathlib.Path) -> str:
    """The path below `directory`, or all of it, without its ending."""
    path, directory = (pathlib.Path(os.path.abspath(p)) for p in (path, directory))
    if path.is_relative_to(directory):
        path = path.relative_to(directory)
    return os.path.splitext(path.as_posix())[0].lstrip('/')


def _group(id: str, folder: str, options: Options) -> str:
    if not options.group_by:
        return folder or id
    match = re.search(options.group_by, id)
    return match[min(match.re.groups, 1)] or '' if match else ''
