"""A source directory: its pairs, by a manifest or by folders, its classes and splits.

Names are checked here; no image is read.
"""

import hashlib
import os
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from cadnet_jax.datasets.paired_folder import class_map
from cadnet_jax.datasets.paired_folder.class_map import ClassMap
from cadnet_jax.datasets.paired_folder.folders import match_folders
from cadnet_jax.datasets.paired_folder.manifest import read_manifest
from cadnet_jax.datasets.paired_folder.options import CLASSES, MANIFEST, Options
from cadnet_jax.datasets.paired_folder.pair_files import (
    DEFECT_FREE,
    PairFiles,
    is_utf8,
)
from cadnet_jax.datasets.paired_folder.splits import (
    draw_splits,
    move_faults,
    share_faults,
)
from cadnet_jax.datasets.preparation import list_visible, raise_problems
from cadnet_jax.files.images import SUFFIXES


class Source(NamedTuple):
    """A source directory, read."""

    directory: pathlib.Path
    pairs: list[PairFiles]
    class_map: ClassMap
    unused: list[pathlib.Path]  # files in its folders that belong to no pair
    split_faults: Sequence[str] = ()  # where splits were drawn

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
    check_masks_found(directory, pairs, unused, options)
    classes = class_map.read_class_map(options.classes or directory / CLASSES)
    for name in {mask.class_name for pair in pairs for mask in pair.masks} - {''}:
        classes.class_id(name)  # refuses a name that is not there
    drawn = draw_splits(pairs, options)
    faults = share_faults(drawn, options) + move_faults(drawn, options)
    return Source(directory, drawn, classes, unused, [] if drawn == pairs else faults)


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
    find = read_manifest if (directory / MANIFEST).exists() else match_folders
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
        if not is_utf8(path)
    ]
    if not options.allow_outside:
        problems += [
            f'{path}: outside {directory}; put it there, or allow it by --allow_outside'
            for path in files
            if is_utf8(path) and not _is_inside(path, directory)
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


def check_masks_found(
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
            'one without --without_mask); take out what belongs to no image.'
        )


def _is_inside(path: pathlib.Path, directory: pathlib.Path) -> bool:
    """Whether a file is below `directory`, wherever links lead."""
    real = pathlib.Path(os.path.realpath(path))
    return real.is_relative_to(os.path.realpath(directory))
