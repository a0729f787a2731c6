"""Splits: how they are drawn, what they may be called, how far they are off.

No group is in two splits.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cadnet_jax.datasets.paired_folder.options import MANIFEST, Options
from cadnet_jax.datasets.paired_folder.pair_files import PairFiles
from cadnet_jax.datasets.preparation import list_first

_FEW_PAIRS = 5  # by which a small split may always be off its share
# A part of file names, and 'all' means all splits.
_SPLIT_NAME = re.compile('(?!(?i:all)$)[A-Za-z][A-Za-z0-9_]{0,39}')


def draw_splits(pairs: list[PairFiles], options: Options) -> list[PairFiles]:
    """`pairs`, each in a split: drawn by seed, group by group, where none is given.

    A group's split follows from its name and the seed alone, so that a pair keeps its
    split when others are added. Only where a split comes out empty a group moves there,
    the one whose draw was the nearest; it may move back when groups are added.

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
    split_of = _draw_groups(groups, options)
    drawn = [pair._replace(split=split_of[pair.group]) for pair in pairs]
    return sorted(drawn, key=lambda pair: list(shares).index(pair.split))


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
                f'of about {round(wanted)}, drawn among {len(groups)} groups: set the '
                f'column split of {MANIFEST}, or give smaller groups by --group_by'
            )
    return faults


def move_faults(pairs: Sequence[PairFiles], options: Options) -> list[str]:
    """Lines on groups of drawn splits that were moved into one that would be empty.

    When groups are added, such a group may go back: what was tested on is learned.
    """
    split_of = {pair.group: pair.split for pair in pairs}
    own = {group: _own_split(group, options) for group in split_of}
    return [
        f'the group {group!r} was moved from {own[group]!r} to the split {split!r}, '
        'which would be empty, and may go back when groups are added: write the splits '
        f'to {MANIFEST} before you add pairs (check_data.py --init_manifest does)'
        for group, split in split_of.items()
        if split != own[group]
    ]


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


def _draw_groups(groups: Sequence[str], options: Options) -> dict[str, str]:
    """Group -> split; none of the splits is empty."""
    draws = {group: _uniform(group, options.split_seed) for group in groups}
    split_of = {group: _own_split(group, options) for group in groups}
    for name, (start, end) in _bounds(options.splits).items():
        counts = Counter(split_of.values())
        if not counts[name]:
            movable = [group for group in groups if counts[split_of[group]] > 1]
            nearest = min(
                movable, key=lambda group: max(start - draws[group], draws[group] - end)
            )
            split_of[nearest] = name
    return split_of


def _own_split(group: str, options: Options) -> str:
    """The split that a group's draw alone gives it."""
    draw = _uniform(group, options.split_seed)
    return next(n for n, (_, end) in _bounds(options.splits).items() if draw < end)


def _bounds(shares: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Split -> the part of [0, 1) whose draws fall to it."""
    ends = np.cumsum(list(shares.values())) / sum(shares.values())
    return dict(zip(shares, zip([0, *ends], ends, strict=False), strict=True))


def _uniform(group: str, seed: int) -> float:
    """Of [0, 1), from the name and the seed alone."""
    text = f'{seed} {group}'.encode(errors='surrogateescape')
    digest = hashlib.blake2b(text, digest_size=6).digest()
    return int.from_bytes(digest) / 2**48
