"""Prepared directory -> what it says about itself.

A prepared directory is what `experiments/prepare_data.py` writes: array_record files
with `image`, `reference`, `mask`, `id` and `group` (and `boxes`, where the data set has
some), and beside them the class names and the pixels of each class (`metadata.json`).
"""

import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow_datasets as tfds

from cadnet_jax.files.text import are_counts, are_names, read_object

DAMAGED = 'The data are damaged: prepare them again with experiments/prepare_data.py.'
_DESCRIPTION = ('dataset_info.json', 'features.json', 'metadata.json')
_LONGEST_REASON = 200  # characters of what TFDS says


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


def open_split(data_dir: str | pathlib.Path, split: str) -> tfds.core.DatasetBuilder:
    """A reader of a prepared directory that has the split, and all its files.

    Args:
        data_dir: prepared data set.
        split: such as 'train[:98%]'.

    Raises:
        FileNotFoundError: `data_dir` is not there, not prepared, or incomplete.
        ValueError: no such split, an empty split, or a damaged description.
    """
    builder = _open(data_dir)
    _check_split(builder, data_dir, split)
    return builder


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
            raise ValueError(f'{path}: incomplete, {name} is missing. {DAMAGED}')
        values = read_object(path / name, remedy=DAMAGED)
        # TFDS imports the module of each class that it finds here.
        for kind in _classes_of(values) if name == 'features.json' else ():
            if not str(kind).startswith('tensorflow_datasets.core.features.'):
                raise ValueError(
                    f'{path / name}: names {kind!r}, which is not a feature of '
                    f'tensorflow_datasets. {DAMAGED}'
                )
    try:
        builder = tfds.builder_from_directory(str(path))
        _ = builder.info.splits, builder.info.metadata
    except Exception as error:  # TFDS and protobuf raise much
        line = ' '.join(str(error).split())[:_LONGEST_REASON]
        raise ValueError(
            f'{path}: dataset_info.json, features.json or metadata.json is damaged '
            f'({line}). {DAMAGED}'
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
