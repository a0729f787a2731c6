"""Which pairs a batch is made of: a fixed share of them without a defect.

Such a batch holds the crops of pairs with a defect first, then those without: also the
part of it that a process or a device gets (each takes every n-th crop).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.data_config import DataConfig


class Source(Protocol):
    """Random access to pairs."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> dict[str, Any]: ...


class Subset:
    """The pairs of `source` with the given indices."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source, self._indices = source, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._source[self._indices[index]]

    def __repr__(self) -> str:
        return f'Subset({self._source!r}, {len(self)} pairs)'


def num_unchanged(config: DataConfig) -> int:
    """Crops of a global batch, as it is learned from, of pairs without a defect."""
    return round(max(config.unchanged_fraction, 0.0) * config.batch_size)


def have_defects(
    read_mask: Callable[[int], np.ndarray], count: int, *, threads: int
) -> np.ndarray:
    """Whether there is a defect pixel in each of `count` masks, as bool [count].

    Args:
        read_mask: index -> uint8 [H, W]; called by several threads.
        count: how many masks there are.
        threads: how many are read at a time.
    """

    def has_defect(index: int) -> bool:
        mask = read_mask(index)
        return bool(((mask > 0) & (mask < IGNORED)).any())

    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(has_defect, range(count))
        return np.fromiter(tqdm(found, 'masks', count, leave=False), bool, count)


def check_sampling(config: DataConfig, process_count: int) -> None:
    """Refuses a share of unchanged crops that cannot be.

    Raises:
        ValueError: names the setting.
    """
    fraction, candidates = config.unchanged_fraction, config.hard_candidates
    count = num_unchanged(config)
    if candidates > 1 and not count:
        raise ValueError(
            f'hard_candidates is {candidates}, but no crop of a batch is sure to be '
            'unchanged: set unchanged_fraction, such as 0.25.'
        )
    if count % process_count:
        raise ValueError(
            f'unchanged_fraction is {fraction}: {count} of the {config.batch_size} '
            f'crops of a batch, which {process_count} processes cannot share.'
        )
