"""Which pairs a run learns from, by their ids and by their images."""

import dataclasses
from typing import Any

from cadnet_jax.data.selection import learned_pairs
from cadnet_jax.data.split_contents import image_digests, read_labeled_subset
from cadnet_jax.data_config import DataConfig


def test_a_share_of_the_labels_is_drawn_by_the_seed_and_nested(
    config: DataConfig,
) -> None:
    """12 pairs: a half has 6 of them, all of which stand in three quarters."""

    def ids(fraction: float, seed: int = 0) -> set[str]:
        part = dataclasses.replace(config, label_fraction=fraction)
        return set(read_labeled_subset(part, seed=seed).ids)

    half, more = ids(0.5), ids(0.75)
    assert (len(half), len(more)) == (6, 9)
    assert half < more
    assert half == ids(0.5)
    assert half != ids(0.5, seed=1)
    assert len(ids(0.001)) == 1


def test_a_run_does_not_learn_from_groups_that_are_left_out(
    config: DataConfig,
) -> None:
    """12 pairs of two groups in turn; a share is one of those that are left."""

    def ids(**changed: Any) -> set[str]:
        return set(
            read_labeled_subset(dataclasses.replace(config, **changed), seed=0).ids
        )

    first = {f'train_{n:03}' for n in range(1, 12, 2)}
    assert ids(leave_out='group_0') == first
    assert ids(leave_out=' group_1,') == ids() - first
    half = ids(leave_out='group_0', label_fraction=0.5)
    assert half < first and len(half) == 3
    left = dataclasses.replace(config, leave_out='group_0')
    digests = image_digests(config.data_dir, 'train', learned_pairs(left, 0))
    assert set(digests.values()) == first
