"""What is in a split: its groups, its images, and the pairs that a run learns from."""

import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from cadnet_jax.data.pair_source import READER_THREADS, PairSource, training_source
from cadnet_jax.data.selection import ALL, Selection
from cadnet_jax.data_config import DataConfig


class LabeledSubset(NamedTuple):
    """The pairs that a run learns from which does not take all of its split."""

    ids: tuple[str, ...]
    class_pixels: tuple[int, ...]


def read_labeled_subset(config: DataConfig, *, seed: int) -> LabeledSubset:
    """Reads the ids and labels of the pairs that `training_batches` draws from.

    Raises:
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: no such split, or damaged data.
    """
    source = training_source(config, seed)
    ids, pixels = [], np.zeros(256, np.int64)
    for index in range(len(source)):
        example = source[index]
        ids.append(example['id'])
        pixels += np.bincount(example['mask'].ravel(), minlength=256)
    return LabeledSubset(tuple(ids), tuple(pixels[: source.num_classes].tolist()))


def image_digests(
    data_dir: str | pathlib.Path, split: str, selection: Selection = ALL
) -> dict[str, str]:
    """Digest of the inspected image of each pair -> id of the pair.

    Args:
        data_dir: prepared data set.
        split: such as 'train[:98%]'.
        selection: of its pairs.

    Raises:
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: no such split, an empty split, or damaged data.
    """
    source = PairSource(data_dir, split, selection)
    with ThreadPoolExecutor(READER_THREADS) as pool:
        return dict(pool.map(source.read_digest, range(len(source))))


def read_groups(
    data_dir: str | pathlib.Path, split: str, selection: Selection = ALL
) -> frozenset[str]:
    """The groups of the pairs of a split; no image is decoded.

    Args:
        data_dir: prepared data set.
        split: such as 'train[:98%]'.
        selection: of its pairs.

    Raises:
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: no such split, an empty split, or damaged data.
    """
    source = PairSource(data_dir, split, selection)
    return frozenset(source.read_group(index) for index in range(len(source)))


def read_named_groups(data_dir: str | pathlib.Path, split: str) -> frozenset[str]:
    """The groups of a split, without pairs that are a group of their own.

    In own pairs without groups, ids serve as groups; they say nothing about products.

    Args:
        data_dir: prepared data set.
        split: of it.

    Raises:
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: no such split, an empty split, or damaged data.
    """
    source = PairSource(data_dir, split)
    names = [source.read_names(index) for index in range(len(source))]
    return frozenset(group for id, group in names if is_named(group, id))


def is_named(group: str, id: str) -> bool:
    """Whether the group of a pair is more than the pair itself."""
    return group not in ('', id)
