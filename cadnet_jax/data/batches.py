"""Pairs of a prepared directory -> batches, to learn from or to evaluate.

Every batch is a function of (data, settings, seed, index): the number of reader threads
and the memory for decoded pairs change the speed alone, and an iterator's state is the
index of the next batch.
"""

import functools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import grain
import numpy as np

from cadnet_jax.data import transforms
from cadnet_jax.data.labels import ANY_DEFECT
from cadnet_jax.data.pair_source import (
    IMAGES,
    READER_THREADS,
    PairSource,
    training_source,
)
from cadnet_jax.data.sampling import (
    Source,
    Subset,
    check_sampling,
    have_defects,
    num_unchanged,
)
from cadnet_jax.data.selection import Selection, learned_pairs
from cadnet_jax.data_config import DataConfig

_ENDLESS = 2**40  # batches
_UNLABELED = 2  # the stream's key, beside those of pairs with and without a defect
_WAITING_SIZES = 8  # sizes of which an incomplete batch may wait for its others


def training_batches(
    config: DataConfig,
    *,
    seed: int,
    stream: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    unlabeled: bool = False,
) -> grain.DatasetIterator[dict[str, np.ndarray]]:
    """An endless stream of augmented, shuffled batches.

    Each epoch has an order of its own. Global batch k is the same for any number of
    processes: process p gets its pairs p, p + process_count, ...

    A share of the labels (`label_fraction`) may be smaller than a batch: its pairs are
    then repeated within one, each augmented anew.

    With `unchanged_fraction` pairs with and without a defect have an order each, and a
    batch holds crops of the former first. Of the latter there are `hard_candidates`
    times as many as the step learns from.

    Args:
        config: what is read, and how it is augmented.
        seed: of the order, of the share of the labels and of all random draws.
        stream: streams of one seed have the same share of the labels, and an order and
            draws of their own.
        process_index: this process among the `process_count` that train together.
        process_count: how many processes share a global batch.
        unlabeled: add as many crops of the pairs that `label_fraction` leaves out, as
            'unlabeled_image', 'unlabeled_reference' and 'unlabeled_mask', which knows
            nothing but painted changes and padding.

    Returns:
        An iterator over 'image' and 'reference' uint8 [B, S, S, 3], 'mask' uint8
        [B, S, S], with B = batch_size / process_count (and the candidates beyond that)
        and S = crop_size. Its
        `get_state()` is a small JSON dictionary, after `set_state` of which it goes on
        exactly there; `grain.checkpoint.CheckpointSave` takes it as it is.

    Raises:
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: no such split, fewer pairs than a batch, a batch size that the
            processes cannot share, an impossible crop, or `unchanged_fraction` asks for
            pairs that are not there.
    """
    _check_training_config(config, process_count)
    source = training_source(config, seed)
    if len(source) < config.batch_size and config.label_fraction == 1:
        raise ValueError(
            f'train_split {config.train_split!r} of {config.data_dir} has '
            f'{len(source)} pairs, fewer than batch_size = {config.batch_size}. '
            'Set a smaller batch_size, or a larger split.'
        )

    has_one_class = source.num_classes == 2
    painted_label = transforms.PAINTED if has_one_class else ANY_DEFECT

    def augment(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        pair = transforms.Pair(*(example[name] for name in IMAGES))
        return transforms.augment(
            pair, config, rng, painted_label=painted_label
        )._asdict()

    def without_label(
        example: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        return augment(example | {'mask': np.zeros_like(example['mask'])}, rng)

    def crops(
        pairs: Source, count: int, *key: int, transform: Any = augment
    ) -> grain.MapDataset:
        return (
            grain.MapDataset.source(pairs)
            .seed(_stream_seed(seed, *key))
            .shuffle()
            .repeat()
            .random_map(transform)[process_index : count * _ENDLESS : process_count]
            .batch(count // process_count)
        )

    if config.unchanged_fraction < 0:
        dataset = crops(source, config.batch_size, stream)
    else:
        kinds = _split_by_defects(source, config, seed)
        parts = [
            crops(*kind, stream, number) for number, kind in enumerate(kinds) if kind[1]
        ]
        dataset = grain.experimental.ZipMapDataset(parts).map(_join)
    if unlabeled:
        rest = training_source(config, seed, unlabeled=True)
        others = crops(
            rest, config.batch_size, stream, _UNLABELED, transform=without_label
        )
        dataset = grain.experimental.ZipMapDataset([dataset, others]).map(_add_rest)
    # Whole batches are prefetched, so the buffer is the memory that this takes.
    options = grain.ReadOptions(
        num_threads=config.reader_threads,
        prefetch_buffer_size=config.reader_threads + 2,
    )
    return iter(dataset.to_iter_dataset(options))


def _check_training_config(config: DataConfig, process_count: int) -> None:
    if config.batch_size % process_count:
        raise ValueError(
            f'batch_size is {config.batch_size}; it must be a multiple of the number '
            f'of processes, {process_count}.'
        )
    if config.paint_defects and config.unchanged_fraction >= 0:
        raise ValueError(
            '--paint_defects: a fixed share of the crops stays unchanged. Leave out '
            '--unchanged_fraction.'
        )
    check_sampling(config, process_count)


def _stream_seed(seed: int, *key: int) -> int:
    if key == (0,):
        return seed
    return int(np.random.SeedSequence([seed, *key]).generate_state(1)[0])


def _split_by_defects(
    source: PairSource, config: DataConfig, seed: int
) -> list[tuple[Subset, int]]:
    """Pairs with and without a defect, and how many crops of a batch come of each."""
    changed = _have_defects(
        config.data_dir, config.train_split, learned_pairs(config, seed)
    )
    unchanged_count = num_unchanged(config)
    kinds = [
        (changed, config.batch_size - unchanged_count, 'with'),
        (~changed, unchanged_count * config.hard_candidates, 'without'),
    ]
    for chosen, count, kind in kinds:
        if count and not chosen.any():
            raise ValueError(
                f'unchanged_fraction is {config.unchanged_fraction}, but train_split '
                f'{config.train_split!r} of {config.data_dir} has no pair {kind} a '
                'defect pixel. Set it to -1.'
            )
    return [
        (Subset(source, np.flatnonzero(chosen).tolist()), count)
        for chosen, count, _ in kinds
    ]


@functools.lru_cache(maxsize=4)
def _have_defects(data_dir: str, split: str, selection: Selection) -> np.ndarray:
    """Whether each training pair has a defect pixel; kept, as it takes a while."""
    source = PairSource(data_dir, split, selection)
    return have_defects(source.read_mask, len(source), threads=READER_THREADS)


def _join(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in IMAGES}


def _add_rest(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    labeled, rest = parts
    return labeled | {f'unlabeled_{name}': rest[name] for name in IMAGES}


def evaluation_batches(
    data_dir: str | pathlib.Path,
    split: str,
    *,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
    painted: bool = False,
    groups: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Each pair of a split once, as it is; a batch holds pairs of one size.

    Process p gets the pairs p, p + process_count, ...; their number of batches can
    differ between processes. With `painted` changes are painted into each pair,
    always the same: see `transforms.paint_pair`. With `groups` pairs of these alone.

    Yields:
        'image' and 'reference' uint8 [B, H, W, 3], 'mask' uint8 [B, H, W], 'id' and
        'group' lists of B strings, 'valid' bool [B]. The last batch of a size is filled
        up with zeros and empty strings where 'valid' is False. Where the data set has
        boxes, 'boxes' is a list of B arrays int32 [N, 5]: x_min, y_min, x_max, y_max
        and class id of each labeled defect.

    Raises (at the call, not at the first batch):
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: no such split, an empty split, no such group, or a batch size below
            1.
    """
    if batch_size < 1:
        raise ValueError(f'batch_size is {batch_size}; it must be at least 1.')
    source = PairSource(data_dir, split, Selection(groups=tuple(groups)))
    dataset = grain.MapDataset.source(source)
    if painted:
        dataset = dataset.seed(0).random_map(_paint)
    dataset = dataset[process_index::process_count]
    options = grain.ReadOptions(
        num_threads=READER_THREADS, prefetch_buffer_size=2 * READER_THREADS
    )
    return group_by_size(iter(dataset.to_iter_dataset(options)), batch_size)


def _paint(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    pair = transforms.Pair(*(example[name] for name in IMAGES))
    height, width = pair.mask.shape
    whole = slice(0, height), slice(0, width)
    painted = transforms.paint_pair(pair, whole, rng, changed_share=1.0)
    return example | painted._asdict()


def group_by_size(
    examples: Iterator[dict[str, Any]], batch_size: int
) -> Iterator[dict[str, Any]]:
    """Batches of pairs of one size, as soon as one is complete; the rest at the end."""
    waiting: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    for example in examples:
        size = example['mask'].shape
        waiting.setdefault(size, []).append(example)
        if len(waiting[size]) == batch_size:
            yield _padded_batch(waiting.pop(size), batch_size)
        elif len(waiting) > _WAITING_SIZES:  # memory does not grow with the data set
            yield _padded_batch(waiting.pop(next(iter(waiting))), batch_size)
    for same_size in waiting.values():
        yield _padded_batch(same_size, batch_size)


def _padded_batch(examples: list[dict[str, Any]], batch_size: int) -> dict[str, Any]:
    missing = batch_size - len(examples)
    batch: dict[str, Any] = {'valid': np.arange(batch_size) < len(examples)}
    for name in IMAGES:
        values = np.stack([example[name] for example in examples])
        batch[name] = np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1))
    for name in ('id', 'group'):
        batch[name] = [example[name] for example in examples] + [''] * missing
    if 'boxes' in examples[0]:
        none = np.zeros((0, 5), np.int32)
        batch['boxes'] = [example['boxes'] for example in examples] + [none] * missing
    return batch
