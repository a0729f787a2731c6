"""Pairs by a manifest: `manifest.csv`, in which a line names the files of a pair.

    image,reference,mask,split,group
    parts/1.png,golden.png,labels/1.png,train,board 1
    parts/2.png,golden.png,defect_free,test,board 2

Paths are relative to its folder. Lines of one image and reference are one pair, which
has the masks of all, and a column `class` says what a mask labels.
"""

import os
import pathlib
import re
from collections.abc import Iterator, Sequence

from cadnet_jax.datasets.paired_folder.options import MANIFEST, Options
from cadnet_jax.datasets.paired_folder.pair_files import (
    DEFECT_FREE,
    UNLABELED,
    MaskFile,
    PairFiles,
    is_utf8,
    pair_group,
    pair_id,
)
from cadnet_jax.datasets.paired_folder.splits import split_name_fault
from cadnet_jax.datasets.preparation import list_visible
from cadnet_jax.files.csv_files import read_rows
from cadnet_jax.files.images import SUFFIXES

COLUMNS = ('image', 'reference', 'mask', 'split', 'group')
CLASS = 'class'  # a further column: of all that the mask labels

# Instead of a file of a mask: in small letters, without '-', '_' and spaces.
_DECLARED = {
    'defectfree': DEFECT_FREE,
    'unlabelled': UNLABELED,
    'unlabeled': UNLABELED,
}


def read_manifest(
    directory: pathlib.Path, options: Options
) -> tuple[list[PairFiles], list[pathlib.Path], list[str]]:
    """The pairs, the files of no pair, and what is wrong with the lines.

    Raises:
        ValueError: it is no CSV file with the columns of a manifest.
    """
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
        id = pair_id(directory / row['image'], directory)
        pairs.append(
            PairFiles(
                id,
                directory / row['image'],
                directory / row['reference'],
                (MaskFile(directory / mask, class_name),) if is_file else (),
                declared or ('' if mask else options.without_mask),
                split,
                row.get('group', '') or pair_group(id, '', options.group_by),
            )
        )
    return _join_lines(pairs, problems), _unused_beside(pairs), problems


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
    files = [path for pair in pairs for path in pair.paths if is_utf8(path)]
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
