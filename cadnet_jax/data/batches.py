"""Prepared directory -> batches.

A prepared directory is what `experiments/prepare_data.py` writes: array_record files
with `image`, `reference`, `mask`, `id` and `group` (and `boxes`, where the data set has
some), and beside them the class names and the pixels of each class (`metadata.json`).

Every batch is a function of (data, settings, seed, index): the number of reader threads
and the memory for decoded pairs change the speed alone, and an iterator's state is the
index of the next batch.
"""

import functools
import hashlib
import pathlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import cv2
import grain
import numpy as np
import tensorflow_datasets as tfds

from cadnet_jax.config import DataConfig
from cadnet_jax.data import transforms
from cadnet_jax.data.labels import IGNORED
from cadnet_jax.data.sampling import (
    Source,
    Subset,
    check_sampling,
    have_defects,
    num_unchanged,
)
from cadnet_jax.files.text import are_counts, are_names, read_object

# Pairs are decoded in parallel; OpenCV's own threads would only get in their way.
cv2.setNumThreads(0)

_EVALUATION_THREADS = 4
_ENDLESS = 2**40  # batches
_UNLABELED = 2  # the stream's key, beside those of pairs with and without a defect
_WAITING_SIZES = 8  # sizes of which an incomplete batch may wait for its others
_IMAGES = transforms.Pair._fields
_DESCRIPTION = ('dataset_info.json', 'features.json', 'metadata.json')
_LISTED_GROUPS = 20  # in a message
_LONGEST_REASON = 200  # characters of what TFDS says
_DAMAGED = 'The data are damaged: prepare them again with experiments/prepare_data.py.'


class DatasetInfo(NamedTuple):
    """What a prepared data set says about itself."""

    name: str
    class_names: tuple[str, ...]  # index = id in the masks; 0 is the background
    num_examples: dict[str, int]  # split -> pairs
    class_pixels: dict[str, tuple[int, ...]]  # split -> pixels of each class
    fingerprint: str = ''  # of all records; '' where an earlier version prepared them

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


def read_info(data_dir: str | pathlib.Path) -> DatasetInfo:
    """Reads the description of a prepared data set; no image is touched.

    Raises:
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: it was written by something else than our builders.
    """
    info = _open(data_dir).info
    metadata = info.metadata or {}
    names, pixels = metadata.get('class_names'), metadata.get('class_pixels')
    if not (
        names
        and pixels
        and are_names(names)
        and isinstance(pixels, dict)
        and all(are_counts(counts) for counts in pixels.values())
    ):
        raise ValueError(
            f'{data_dir}: metadata.json names no class_names and class_pixels. '
            'Prepare the data again with experiments/prepare_data.py.'
        )
    return DatasetInfo(
        name='/'.join(filter(None, (info.name, info.config_name))),
        class_names=tuple(names),
        num_examples={name: split.num_examples for name, split in info.splits.items()},
        class_pixels={split: tuple(counts) for split, counts in pixels.items()},
        fingerprint=str(metadata.get('records', '')),
    )


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


_ALL = Selection()


def learned_pairs(config: DataConfig, seed: int) -> Selection:
    """The pairs of `train_split` whose labels a run of `seed` learns from."""
    return Selection(config.label_fraction, seed, leave_out=config.left_out_groups)


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
    source = _training_source(config, seed)
    if len(source) < config.batch_size and config.label_fraction == 1:
        raise ValueError(
            f'train_split {config.train_split!r} of {config.data_dir} has '
            f'{len(source)} pairs, fewer than batch_size = {config.batch_size}. '
            'Set a smaller batch_size, or a larger split.'
        )

    def augment(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        pair = transforms.Pair(*(example[name] for name in _IMAGES))
        return transforms.augment(pair, config, rng)._asdict()

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
        rest = _training_source(config, seed, unlabeled=True)
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


def _stream_seed(seed: int, *key: int) -> int:
    if key == (0,):
        return seed
    return int(np.random.SeedSequence([seed, *key]).generate_state(1)[0])


def _split_by_defects(
    source: '_PairSource', config: DataConfig, seed: int
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
    source = _PairSource(data_dir, split, selection)
    return have_defects(source.read_mask, len(source), threads=_EVALUATION_THREADS)


def _join(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in _IMAGES}


def _add_rest(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    labeled, rest = parts
    return labeled | {f'unlabeled_{name}': rest[name] for name in _IMAGES}


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
    source = _training_source(config, seed)
    ids, pixels = [], np.zeros(256, np.int64)
    for index in range(len(source)):
        example = source[index]
        ids.append(example['id'])
        pixels += np.bincount(example['mask'].ravel(), minlength=256)
    return LabeledSubset(tuple(ids), tuple(pixels[: source.num_classes].tolist()))


def image_digests(
    data_dir: str | pathlib.Path, split: str, selection: Selection = _ALL
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
    source = _PairSource(data_dir, split, selection)
    with ThreadPoolExecutor(_EVALUATION_THREADS) as pool:
        return dict(pool.map(source.read_digest, range(len(source))))


def read_groups(data_dir: str | pathlib.Path, split: str) -> frozenset[str]:
    """The groups of the pairs of a split; no image is decoded.

    Raises:
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: no such split, an empty split, or damaged data.
    """
    source = _PairSource(data_dir, split)
    return frozenset(source.read_group(index) for index in range(len(source)))


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
    source = _PairSource(data_dir, split, Selection(groups=tuple(groups)))
    dataset = grain.MapDataset.source(source)
    if painted:
        dataset = dataset.seed(0).random_map(_paint)
    dataset = dataset[process_index::process_count]
    options = grain.ReadOptions(
        num_threads=_EVALUATION_THREADS, prefetch_buffer_size=2 * _EVALUATION_THREADS
    )
    return group_by_size(iter(dataset.to_iter_dataset(options)), batch_size)


def _paint(example: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    pair = transforms.Pair(*(example[name] for name in _IMAGES))
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
    for name in _IMAGES:
        values = np.stack([example[name] for example in examples])
        batch[name] = np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1))
    for name in ('id', 'group'):
        batch[name] = [example[name] for example in examples] + [''] * missing
    if 'boxes' in examples[0]:
        none = np.zeros((0, 5), np.int32)
        batch['boxes'] = [example['boxes'] for example in examples] + [none] * missing
    return batch


def _open(data_dir: str | pathlib.Path) -> tfds.core.DatasetBuilder:
    """A reader of a prepared directory, of which all files are there."""
    path = pathlib.Path(data_dir)
    if not str(data_dir):
        raise FileNotFoundError(
            '--data_dir is missing: give the directory that prepare_data.py prints.'
        )
    if not path.is_dir():
        raise FileNotFoundError(
            f'{data_dir}: no such directory. Prepare the data with '
            'experiments/prepare_data.py, or correct --data_dir.'
        )
    if not (path / 'dataset_info.json').is_file():
        patterns = ['*/' * depth + 'dataset_info.json' for depth in (1, 2, 3)]
        inside = [str(file.parent) for glob in patterns for file in path.glob(glob)]
        remedy = (
            f'Did you mean {" or ".join(sorted(inside))}?'
            if inside
            else 'Prepare it with experiments/prepare_data.py.'
        )
        raise FileNotFoundError(f'{data_dir}: not a prepared data set. {remedy}')
    builder = _read_description(path)
    for split in builder.info.splits.values():
        for file in split.filepaths:
            if not file.exists():
                raise FileNotFoundError(
                    f'{data_dir}: incomplete, {file.name} is missing. Delete it and '
                    'prepare it again with experiments/prepare_data.py.'
                )
    return builder


def _read_description(path: pathlib.Path) -> tfds.core.DatasetBuilder:
    """What TFDS makes of the JSON files of a prepared directory.

    Raises:
        ValueError: one is missing or damaged, or names a class that is not TFDS' own.
    """
    for name in _DESCRIPTION:
        if not (path / name).is_file():
            raise ValueError(f'{path}: incomplete, {name} is missing. {_DAMAGED}')
        values = read_object(path / name, remedy=_DAMAGED)
        # TFDS imports the module of each class that it finds here.
        for kind in _classes_of(values) if name == 'features.json' else ():
            if not str(kind).startswith('tensorflow_datasets.core.features.'):
                raise ValueError(
                    f'{path / name}: names {kind!r}, which is not a feature of '
                    f'tensorflow_datasets. {_DAMAGED}'
                )
    try:
        builder = tfds.builder_from_directory(str(path))
        _ = builder.info.splits, builder.info.metadata
    except Exception as error:  # TFDS and protobuf raise much
        line = ' '.join(str(error).split())[:_LONGEST_REASON]
        raise ValueError(
            f'{path}: dataset_info.json, features.json or metadata.json is damaged '
            f'({line}). {_DAMAGED}'
        ) from None
    return builder


def _classes_of(values: Any) -> Iterator[Any]:
    """The names of classes in features.json, at any depth."""
    if isinstance(values, dict):
        for name, value in values.items():
            if name in ('pythonClassName', 'type'):
                yield value
            yield from _classes_of(value)
    elif isinstance(values, list):
        for value in values:
            yield from _classes_of(value)


def _check_split(
    builder: tfds.core.DatasetBuilder, data_dir: str | pathlib.Path, split: str
) -> None:
    splits = builder.info.splits
    known = ', '.join(f'{name} ({splits[name].num_examples})' for name in splits)
    try:
        num_examples = splits[split].num_examples
    except ValueError as error:
        reason = str(error).splitlines()[0].partition(' Should be')[0].rstrip('.')
        raise ValueError(
            f'{data_dir}: cannot read split {split!r} ({reason}). There are: {known}; '
            "a part is written as 'train[:10%]'."
        ) from None
    if not num_examples:
        raise ValueError(
            f'{data_dir}: split {split!r} is empty. There are: {known}; choose another '
            'split or a larger part.'
        )


def _training_source(
    config: DataConfig, seed: int, *, unlabeled: bool = False
) -> '_PairSource':
    selection = learned_pairs(config, seed)._replace(rest=unlabeled)
    return _PairSource(
        config.data_dir, config.train_split, selection, cache_gb=config.cache_gb
    )


class _PairSource:
    """Random access to the decoded examples of a split, or of a share of them.

    Those that are read first are kept, as far as `cache_gb` goes. None gives way to
    another: in a shuffled order each is as likely to be read next.
    """

    def __init__(
        self,
        data_dir: str | pathlib.Path,
        split: str,
        selection: Selection = _ALL,
        *,
        cache_gb: float = 0.0,
    ) -> None:
        builder = _open(data_dir)
        _check_split(builder, data_dir, split)
        self._name = f'{data_dir}, split {split}'
        self.num_classes = len(builder.info.metadata['class_names'])
        # The images are left encoded: decoding them here, straight to RGB, is faster.
        self._records = builder.as_data_source(
            split, decoders=dict.fromkeys(_IMAGES, tfds.decode.SkipDecoding())
        )
        self._chosen: Sequence[int] = range(len(self._records))
        if selection.groups or selection.leave_out:
            self._chosen = self._of_groups(selection)
        if selection.fraction < 1:
            order = np.random.default_rng(selection.seed).permutation(self._chosen)
            count = max(1, round(selection.fraction * len(order)))
            self._chosen = (order[count:] if selection.rest else order[:count]).tolist()
            if not self._chosen:
                raise ValueError(
                    f'{self._name}: label_fraction = {selection.fraction:g} leaves out '
                    f'none of {len(order)} pairs; set a smaller one, or a larger split.'
                )
        self._kept: dict[int, dict[str, Any]] = {}
        self._room = round(cache_gb * 1e9)  # bytes
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._chosen)

    def __repr__(self) -> str:
        return f'PairSource({self._name})'

    def __getitem__(self, index: int) -> dict[str, Any]:
        """'image', 'reference' [H, W, 3], 'mask' [H, W], 'id', 'group'; maybe 'boxes'.

        The arrays are not to be changed.

        Raises:
            ValueError: a file is cut short or damaged, or a label is outside the
                class map.
        """
        example = self._kept.get(index)
        if example is None:
            example = self._decode(index)
            self._keep(index, example)
        return example

    def read_mask(self, index: int) -> np.ndarray:
        """The mask alone, uint8 [H, W]; labels outside the class map are let through.

        Raises:
            ValueError: a file is cut short or damaged.
        """
        return self._decode_image(self._read(index), 'mask')

    def read_digest(self, index: int) -> tuple[str, str]:
        """Digest of the stored image, and the id of its pair.

        Raises:
            ValueError: a file is cut short or damaged.
        """
        record = self._read(index)
        digest = hashlib.blake2b(record['image'], digest_size=8).hexdigest()
        return digest, record['id'].decode()

    def read_group(self, index: int) -> str:
        """The group of a pair.

        Raises:
            ValueError: a file is cut short or damaged.
        """
        group: str = self._read(index)['group'].decode()
        return group

    def _of_groups(self, selection: Selection) -> list[int]:
        """The records of the groups that are taken.

        Raises:
            ValueError: there is no such group, or no pair is left.
        """
        groups = [self.read_group(index) for index in range(len(self._records))]
        named = {*selection.groups, *selection.leave_out}
        if unknown := sorted(named.difference(groups)):
            known = sorted(set(groups))
            more = ', ...' * (len(known) > _LISTED_GROUPS)
            raise ValueError(
                f'{self._name}: there is no group {unknown[0]!r}; there are: '
                f'{", ".join(known[:_LISTED_GROUPS])}{more}.'
            )
        taken = named.intersection(selection.groups) or set(groups)
        taken -= set(selection.leave_out)
        if not taken:
            raise ValueError(f'{self._name}: no pair is left; leave out fewer groups.')
        return [index for index, group in enumerate(groups) if group in taken]

    def _keep(self, index: int, example: dict[str, Any]) -> None:
        size = sum(example[name].nbytes for name in _IMAGES)
        with self._lock:  # several threads read
            if index not in self._kept and size <= self._room:
                self._kept[index] = example
                self._room -= size

    def _decode(self, index: int) -> dict[str, Any]:
        record = self._read(index)
        example: dict[str, Any] = {key: record[key].decode() for key in ('id', 'group')}
        for name in _IMAGES:
            example[name] = self._decode_image(record, name)
            example[name].flags.writeable = False  # it may be kept
        if 'boxes' in record:
            example['boxes'] = record['boxes']
        self._check_labels(example)
        return example

    def _read(self, index: int) -> dict[str, Any]:
        try:
            record: dict[str, Any] = self._records[self._chosen[index]]
            return record
        except (TypeError, RuntimeError):
            message = f'{self._name}: cannot read pair {index}. {_DAMAGED}'
            raise ValueError(message) from None

    def _decode_image(self, record: dict[str, Any], name: str) -> np.ndarray:
        mode = cv2.IMREAD_GRAYSCALE if name == 'mask' else cv2.IMREAD_COLOR_RGB
        image = cv2.imdecode(np.frombuffer(record[name], np.uint8), mode)
        if image is None:
            raise ValueError(
                f'{self._name}: the {name} of {record["id"].decode()!r} is no image. '
                f'{_DAMAGED}'
            )
        return image

    def _check_labels(self, example: dict[str, Any]) -> None:
        mask = example['mask']
        unknown = mask[(mask >= self.num_classes) & (mask != IGNORED)]
        if unknown.size:
            raise ValueError(
                f'{self._name}: the mask of {example["id"]!r} has the value '
                f'{unknown[0]} ({unknown.size} pixels), outside the class map: 0 to '
                f'{self.num_classes - 1}, or {IGNORED} for pixels to '
                'ignore. Correct the mask and prepare the data again.'
            )


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
