"""What all builders share: checks of what they are given, and the writing itself."""

import contextlib
import io
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from cadnet_jax.data.label_checks import label_faults
from cadnet_jax.data.pair_source import PairSource
from cadnet_jax.datasets import checks, tfds_patches
from cadnet_jax.files.disk import full_disk_explained

_LISTED = 20
_ROOM = (
    'nothing was kept; make room (records need twice their size while they are '
    'shuffled) or give another --output_dir'
)
_Item = TypeVar('_Item')


def list_visible(directory: pathlib.Path) -> list[pathlib.Path]:
    """What is in `directory`, by name, but for what a desktop hides there."""
    return sorted(path for path in directory.iterdir() if path.name[0] != '.')


def check_range(name: str, value: int, allowed: range) -> None:
    """Raises a ValueError where the option `name` has a value that is not allowed."""
    if value not in allowed:
        steps = f' in steps of {allowed.step}' if allowed.step > 1 else ''
        raise ValueError(
            f'{name}={value} is out of range: {allowed[0]} to {allowed[-1]}{steps}.'
        )


def shuffle_70_30(
    items: Sequence[_Item], *, seed: int, what: str
) -> dict[str, list[_Item]]:
    """Seven tenths of `items`, rounded down, as 'train', the others as 'test'.

    Which ones is drawn with `seed`; within a split they keep their order.

    Raises:
        ValueError: there are fewer than two; the message calls them `what`.
    """
    if len(items) < 2:
        raise ValueError(
            f'{len(items)} {what}: too few to be split 70 to 30. Give 2 or more.'
        )
    order = np.random.default_rng(seed).permutation(len(items))
    share = 7 * len(items) // 10
    return {
        split: [items[i] for i in sorted(indices)]
        for split, indices in (('train', order[:share]), ('test', order[share:]))
    }


def raise_problems(problems: Sequence[str], *, remedy: str) -> None:
    """Raises a ValueError that lists `problems` (the first 20), if there are any."""
    if problems:
        raise ValueError(
            f'bad files ({len(problems)}): {list_first(problems)}. {remedy}'
        )


def list_first(items: Sequence[object]) -> str:
    """The first 20 of `items` on a line, and how many more there are."""
    listed = '; '.join(map(str, items[:_LISTED]))
    more = len(items) - _LISTED
    return f'{listed}; and {more} more' if more > 0 else listed


def prepare(
    make_builder: Callable[..., tfds.core.GeneratorBasedBuilder],
    output_dir: pathlib.Path,
    *,
    source_dir: pathlib.Path | None = None,
    overwrite: bool = False,
) -> pathlib.Path:
    """Writes `output_dir/NAME/VERSION` (or NAME/CONFIG/VERSION) and returns its path.

    It appears under its name when it is whole; after an error or an interruption what
    stood there before stands there again. What a killed run left is removed by the
    next, so that two must not prepare the same at once. One that exists, of the same
    options, is left as it is, unless `overwrite`.

    Args:
        make_builder: the builder's class; it is called with `data_dir`. Its `options`,
            if it has any, are what the data depend on beside the source.
        output_dir: where prepared directories stand.
        source_dir: the files as their authors publish them; None where the builder
            makes the data itself.
        overwrite: whether a prepared directory that exists is replaced.

    Raises:
        FileNotFoundError: there is no directory `source_dir`, or nothing is in it.
        ValueError: files of the source are bad (all are listed), an option is out of
            range, `source_dir` is missing or of no use, or what is prepared already has
            other options.
        OSError: there is no space left.
    """
    builder = make_builder(data_dir=output_dir)
    _check_source(builder, source_dir)
    target = pathlib.Path(builder.data_path)
    previous = target.with_name(f'{target.name}.previous')
    if previous.exists() and not target.exists():
        os.replace(previous, target)  # a run with `overwrite` was killed
        builder = make_builder(data_dir=output_dir)
    # What runs that were killed left; TFDS writes to a name of this form.
    for leftover in (previous, *target.parent.glob(f'incomplete.*_{target.name}')):
        shutil.rmtree(leftover, ignore_errors=True)
    if target.exists() and not overwrite:
        _check_options(builder)
        return target
    if source_dir and not (source_dir.is_dir() and any(source_dir.iterdir())):
        raise FileNotFoundError(
            f'{source_dir}: no such directory, or nothing is in it; '
            f'{builder.MANUAL_DOWNLOAD_INSTRUCTIONS}.'
        )
    if target.exists():
        os.replace(target, previous)
    try:
        # A builder takes over the description of what it finds: this one finds nothing.
        builder = make_builder(data_dir=output_dir)
        with full_disk_explained(output_dir, remedy=_ROOM):
            _download_and_prepare(builder, source_dir)
    except BaseException:
        if previous.exists():
            os.replace(previous, target)
        raise
    shutil.rmtree(previous, ignore_errors=True)
    return target


def describe(data_dir: pathlib.Path) -> str:
    """Tables of the pairs, the pixels of each class, and the builder's statistics."""
    info = tfds.builder_from_directory(data_dir).info
    metadata = info.metadata
    pixels = metadata['class_pixels']
    rows = {'pairs': {split: info.splits[split].num_examples for split in pixels}}
    for i, name in enumerate(metadata['class_names']):
        rows[f'pixels of {name}'] = {split: n[i] for split, n in pixels.items()}
    lines = [' ' * 24 + ''.join(f'{split:>14}' for split in pixels)]
    for name, row in rows.items():
        lines.append(f'{name:<24}' + ''.join(f'{row[s]:>14,}' for s in pixels))
    statistics = metadata.get('statistics', {})
    for what in dict.fromkeys(key for counts in statistics.values() for key in counts):
        counts = {split: of.get(what, {}) for split, of in statistics.items()}
        values = sorted(
            {value for count in counts.values() for value in count},
            key=lambda value: (int(value) if value.isdigit() else 0, value),
        )
        lines.append(f'{what:<30}' + ''.join(f'{value:>12}' for value in values))
        for split, count in counts.items():
            cells = ''.join(f'{count.get(value, 0):>12,}' for value in values)
            lines.append(f'  {split:<28}{cells}')
    unusable = [
        f'{label["id"]}: {label["label"]}: {label["reason"]}'
        for labels in metadata.get('unusable_labels', {}).values()
        for label in labels
    ]
    lines += [
        f'warning: {fault.message}.'
        for fault in label_faults(metadata['class_names'], pixels)
    ]
    if unusable:
        lines.append(f'ignored labels ({len(unusable)}): {list_first(unusable)}')
    return '\n'.join(lines)


def check_prepared(data_dir: pathlib.Path) -> checks.Report:
    """Looks for the faults of `checks.KINDS` in a prepared directory.

    Raises:
        ValueError: a file is cut short or damaged, or a label is outside the class map.
    """
    builder = tfds.builder_from_directory(data_dir)
    total = sum(split.num_examples for split in builder.info.splits.values())
    pairs = _read_pairs(data_dir, builder)
    report = checks.summarize(
        map(checks.examine, tqdm(pairs, desc='checking', total=total, unit=' pairs')),
        class_names=(builder.info.metadata or {}).get('class_names', ()),
    )
    unusable = (builder.info.metadata or {}).get('unusable_labels', {})
    report.findings.extend(
        checks.unusable_label(split, **label)
        for split, labels in unusable.items()
        for label in labels
    )
    return report


def _read_pairs(
    data_dir: pathlib.Path, builder: tfds.core.DatasetBuilder
) -> Iterator[checks.LabeledPair]:
    """All pairs; their ids stand for the names of files."""
    for split, description in builder.info.splits.items():
        if not description.num_examples:
            continue  # `PairSource` refuses to read nothing
        source = PairSource(data_dir, split)
        for index in range(len(source)):
            pair = source[index]
            yield checks.LabeledPair(
                pair['id'],
                pair['image'],
                pair['reference'],
                pair['mask'],
                split,
                pair['group'],
                [pair['id']] * 3,
            )


def _check_source(
    builder: tfds.core.GeneratorBasedBuilder, source_dir: pathlib.Path | None
) -> None:
    instructions = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    if instructions and source_dir is None:
        raise ValueError(f'{builder.name}: source_dir is missing; {instructions}.')
    if source_dir is not None and not instructions:
        raise ValueError(
            f'{builder.name}: its data are generated, so there is nothing to take '
            f'from source_dir={source_dir}; leave it out.'
        )


def _check_options(builder: tfds.core.GeneratorBasedBuilder) -> None:
    """Raises a ValueError where what is prepared has other options than `builder`."""
    stored = (builder.info.metadata or {}).get('options', {})
    options = getattr(builder, 'options', {})
    names = [
        name for name in {**stored, **options} if stored.get(name) != options.get(name)
    ]
    if names:
        have, want = (
            ', '.join(f'{name}={values.get(name)}' for name in names)
            for values in (stored, options)
        )
        raise ValueError(
            f'{builder.data_path}: was prepared with {have}, not with {want}. '
            'Prepare into another directory to keep both, or replace it by '
            'prepare_data.py --overwrite.'
        )


def _download_and_prepare(
    builder: tfds.core.GeneratorBasedBuilder, source_dir: pathlib.Path | None
) -> None:
    tfds.disable_progress_bar()  # the builders' own bars know the total
    # TFDS wants a place for downloads, and announces some, where there are none.
    with (
        tempfile.TemporaryDirectory() as downloads,
        contextlib.redirect_stdout(io.StringIO()),
        tfds_patches.shuffling_on_disk(),
        tfds_patches.same_bytes_in_each_process(),
    ):
        builder.download_and_prepare(
            file_format='array_record',
            download_dir=downloads,
            download_config=tfds.download.DownloadConfig(manual_dir=source_dir),
        )
