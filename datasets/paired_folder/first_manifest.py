"""A first manifest.csv and classes.csv, written from folders with equal file names."""

import os
import pathlib
from typing import NamedTuple

from cadnet_jax.datasets.paired_folder import class_map
from cadnet_jax.datasets.paired_folder.manifest import COLUMNS
from cadnet_jax.datasets.paired_folder.options import CLASSES, MANIFEST, Options
from cadnet_jax.datasets.paired_folder.pair_files import PairFiles
from cadnet_jax.datasets.paired_folder.source import check_masks_found, find_pairs
from cadnet_jax.datasets.paired_folder.splits import draw_splits, share_faults
from cadnet_jax.datasets.preparation import list_first
from cadnet_jax.files.csv_files import write_rows


class FirstManifest(NamedTuple):
    """What `init_manifest` wrote, and what it found no partner for."""

    written: list[pathlib.Path]
    pairs: list[PairFiles]
    unused: list[pathlib.Path]
    faults: list[str]

    def describe(self) -> str:
        """Lines to be printed."""
        without = sum(not pair.masks for pair in self.pairs)
        undecided = sum(not (p.masks or p.without_mask) for p in self.pairs)
        lines = [
            f'Written: {" ".join(map(str, self.written))}',
            f'Pairs: {len(self.pairs):,}; without a mask: {without:,}',
        ]
        if undecided:
            lines.append(
                f'To be filled: the column mask of {undecided:,} lines of '
                f'{self.written[-1]}: defect_free, unlabelled or a file.'
            )
        if self.unused:
            lines.append(
                f'Files of no pair: {len(self.unused):,}: {list_first(self.unused)}'
            )
        lines += [f'warning: {fault}.' for fault in self.faults]
        return '\n'.join(lines)


def init_manifest(directory: pathlib.Path, options: Options) -> FirstManifest:
    """Writes a first manifest.csv, and a first classes.csv where there is none.

    Raises:
        FileNotFoundError: there is no such directory or folder.
        ValueError: there is a manifest already, the names do not make pairs, or good
            parts would be made of pairs whose masks were not found.
    """
    manifest, classes = directory / MANIFEST, directory / CLASSES
    if manifest.exists():
        raise ValueError(f'{manifest} already exists; move it away for a new one.')
    pairs, unused = find_pairs(directory, options)
    check_masks_found(directory, pairs, unused, options)
    pairs = draw_splits(pairs, options)
    faults = share_faults(pairs, options)
    written = [manifest]
    if not (options.classes or classes.exists()):
        faults += class_map.write_first_map(
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
