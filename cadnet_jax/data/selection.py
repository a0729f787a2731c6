"""Which pairs of a split are read: a share of them, or those of some groups."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cadnet_jax.data_config import DataConfig

_LISTED_GROUPS = 20  # in a message


class Selection(NamedTuple):
    """Some pairs of a split.

    Attributes:
        fraction: share of the pairs.
        seed: draws them; a smaller share is part of a larger one.
        rest: take those that the share leaves out.
        groups: take pairs of these alone; none: of all.
        leave_out: groups that are not taken.
    """

    fraction: float = 1.0
    seed: int = 0
    rest: bool = False
    groups: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()


ALL = Selection()


def split_names(split: str) -> frozenset[str]:
    """The splits that `split` takes pairs from: 'val[:10]+test' gives 'val' and 'test'.

    'all' stands for every split.
    """
    return frozenset(part.partition('[')[0].strip() for part in split.split('+'))


def learned_pairs(config: DataConfig, seed: int) -> Selection:
    """The pairs of `train_split` whose labels a run of `seed` learns from."""
    return Selection(config.label_fraction, seed, leave_out=config.left_out_groups)


def take_groups(
    groups: Sequence[str], selection: Selection, *, source: str
) -> list[int]:
    """The indices of the pairs whose group is taken.

    Args:
        groups: the group of each pair.
        selection: the groups that are taken or left out.
        source: names the data in messages.

    Raises:
        ValueError: there is no such group, or no pair is left.
    """
    named = {*selection.groups, *selection.leave_out}
    if unknown := sorted(named.difference(groups)):
        known = sorted(set(groups))
        more = ', ...' * (len(known) > _LISTED_GROUPS)
        raise ValueError(
            f'{source}: there is no group {unknown[0]!r}; there are: '
            f'{", ".join(known[:_LISTED_GROUPS])}{more}.'
        )
    taken = named.intersection(selection.groups) or set(groups)
    taken -= set(selection.leave_out)
    if not taken:
        raise ValueError(f'{source}: no pair is left; leave out fewer groups.')
    return [index for index, group in enumerate(groups) if group in taken]


def take_share(
    indices: Sequence[int], selection: Selection, *, source: str
) -> Sequence[int]:
    """The share of the indices that is drawn, or what it leaves out.

    Args:
        indices: of the pairs.
        selection: the share, and its seed.
        source: names the data in messages.

    Raises:
        ValueError: the share leaves out no pair, and these are to be taken.
    """
    if selection.fraction >= 1:
        return indices
    order = np.random.default_rng(selection.seed).permutation(indices)
    count = max(1, round(selection.fraction * len(order)))
    taken: list[int] = (order[count:] if selection.rest else order[:count]).tolist()
    if not taken:
        raise ValueError(
            f'{source}: label_fraction = {selection.fraction:g} leaves out '
            f'none of {len(order)} pairs; set a smaller one, or a larger split.'
        )
    return taken
