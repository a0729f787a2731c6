"""Whether pairs are new to a network: scores on what it learned from say little.

A run keeps digests of the images that it is trained on. A pair of equal pixels is found
in other data and under another name as well; one that was saved again by JPEG is not.
"""

import pathlib
from collections.abc import Collection

from cadnet_jax.config import Config
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data.selection import Selection, learned_pairs
from cadnet_jax.data.split_contents import image_digests
from cadnet_jax.runs.workdir import (
    dataset_file,
    read_dataset_info,
    read_learned_images,
    workdir_of,
    write_learned_images,
)

_Path = str | pathlib.Path


def keep_learned_images(config: Config, workdir: _Path) -> None:
    """Writes the digests of what a run is trained on, and what its first weights were.

    Args:
        config: of the run.
        workdir: of the run.
    """
    write_learned_images(workdir, _images_of(config))


def check_will_be_new(config: Config, data_dir: _Path, split: str) -> None:
    """Refuses, before a run is trained, a test on what it would learn from.

    Args:
        config: of the run.
        data_dir: prepared data set that is tested on.
        split: of it.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: the run, or its first weights, learns from a pair of the split;
            there is no such split, or a file is damaged.
    """
    digests = image_digests(data_dir, split)
    common = sorted(digests[digest] for digest in digests.keys() & _images_of(config))
    if common:
        raise ValueError(
            f'--test_split={split}: {len(common)} of its {len(digests)} pairs in '
            f'{data_dir}, such as {common[0]}, are trained on, in --train_split or '
            'earlier by --init_from. Name another split.'
        )


def check_images_are_new(config: Config, groups: Collection[str]) -> None:
    """Refuses first weights that learned from images of groups, under any name.

    Args:
        config: of a run that is to leave the groups out.
        groups: of `train_split`.

    Raises:
        FileNotFoundError: the data are not there.
        ValueError: the weights learned from such an image, or a file is damaged.
    """
    earlier = read_earlier(config.train.init_from)
    if not earlier or not groups:
        return
    digests = image_digests(
        config.data.data_dir, config.data.train_split, Selection(groups=tuple(groups))
    )
    known = sorted(digests[digest] for digest in digests.keys() & earlier)
    if known:
        raise ValueError(
            f'--init_from={config.train.init_from}: these weights learned from '
            f'{len(known)} of the pairs that are to be left out, such as {known[0]}. '
            'Start from other weights.'
        )


def _images_of(config: Config) -> frozenset[str]:
    """Digests of what a run learns from, and what its first weights learned from."""
    digests = image_digests(
        config.data.data_dir, config.data.train_split, learned_selection(config)
    )
    return read_earlier(config.train.init_from) | digests.keys()


def read_earlier(init_from: str) -> frozenset[str]:
    """Digests of what given first weights learned from; empty where none is known.

    Raises:
        ValueError: the file is damaged.
    """
    return read_learned_images(workdir_of(init_from)) if init_from else frozenset()


def learned_selection(config: Config) -> Selection:
    """The pairs of `train_split` that a run learns from, with or without labels."""
    selection = learned_pairs(config.data, config.train.seed)
    # What a semi-supervised run sees without its label is not new to it either.
    if config.loss.learns_unlabeled:
        selection = selection._replace(fraction=1.0)
    return selection


def origin_workdir(config: Config) -> _Path | None:
    """Work directory of the weights that a run starts from; None: random weights."""
    init_from = config.train.init_from
    return workdir_of(init_from) if init_from else None


def describe_learned(workdir: _Path, data_dir: _Path, split: str) -> str:
    """How many pairs of a split a run learned from, in a clause; '' if none is known.

    Args:
        workdir: of the run.
        data_dir: prepared data set.
        split: of it.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: no such split, or a damaged file.
    """
    learned = read_learned_images(workdir)
    if not learned:
        return ''
    digests = image_digests(data_dir, split)
    common = sorted(digests[digest] for digest in digests.keys() & learned)
    if not common:
        return ''
    return (
        f'{workdir} learned from {len(common)} of the {len(digests)} pairs of '
        f'{split!r} of {data_dir}, such as {common[0]}'
    )


def describe_other_records(workdir: _Path, data_dir: _Path) -> str:
    """That `data_dir` is another preparation of the data of a run; '' if it is not.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: a file is damaged.
    """
    if not dataset_file(workdir).exists():
        return ''
    data, info = read_dataset_info(workdir), read_info(data_dir)
    fingerprints = {data.fingerprint, info.fingerprint}
    if data.name != info.name or '' in fingerprints or len(fingerprints) == 1:
        return ''
    return (
        f'{data_dir}: not the records that {workdir} learned from (fingerprint '
        f'{info.fingerprint}, not {data.fingerprint}): prepared again since'
    )


def check_new(
    workdir: _Path, data_dir: _Path, split: str, *, allow_learned: bool | None = None
) -> None:
    """Refuses to measure a run on what it learned from; warns of other problems.

    Args:
        workdir: of the run.
        data_dir: prepared data set.
        split: of it.
        allow_learned: value of that flag: warn instead; None: there is no such flag.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: the run learned from a pair of the split, there is no such split,
            or a file is damaged.
    """
    if text := describe_other_records(workdir, data_dir):
        print(f'warning: {text}.')
    if text := describe_learned(workdir, data_dir, split):
        if not allow_learned:
            flag = '' if allow_learned is None else ', or give --allow_learned'
            raise ValueError(
                f'{text}: a score on these says nothing about new parts. Name another '
                f'--split{flag}.'
            )
        print(f'warning: {text}.')


def warn_of_learned(workdir: _Path, data_dir: _Path, split: str) -> None:
    """Warns where `check_new` refuses: for figures that may be of any pairs.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: there is no such split, or a file is damaged.
    """
    check_new(workdir, data_dir, split, allow_learned=True)
