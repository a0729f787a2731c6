"""The builders' own flags; quick to import, since worker processes do it too."""

import functools
import pathlib
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from absl import flags

from cadnet_jax.datasets import catalogue
from cadnet_jax.datasets.catalogue import OPTIONS
from cadnet_jax.path_flags import define_path

if TYPE_CHECKING:
    from cadnet_jax.datasets.paired_folder.options import Options
    from cadnet_jax.datasets.paired_folder.source import Source

_PAIRED_FOLDER = (
    'classes',
    'folders',
    'group_by',
    'without_mask',
    'splits',
    'split_seed',
    'allow_outside',
    'bit_depth',
)


def define_option_flags() -> None:
    """Defines the flags of the data sets that have no files of one's own."""
    kinds: Any = {
        int: flags.DEFINE_integer,
        str: flags.DEFINE_string,
        pathlib.Path: define_path,
    }
    for name, option in OPTIONS.items():
        if 'paired_folder' not in option.datasets:
            kinds[option.kind](
                name, None, f'{", ".join(option.datasets)}: {option.help}'
            )


def define_paired_folder_flags() -> None:
    """Defines the flags of paired_folder, and --workers."""
    workers = OPTIONS['workers']
    flags.DEFINE_integer(
        'workers',
        None,
        f'{", ".join(workers.datasets)}: {workers.help}',
        lower_bound=1,
    )
    define_path(
        'classes',
        None,
        'paired_folder: CSV file with the columns value,name: which gray value or '
        'color (#rrggbb) of a mask is which class (classes.csv in the source).',
    )
    flags.DEFINE_list(
        'folders',
        None,
        'paired_folder: names of the folders with images, references and masks, where '
        'there is no manifest.csv (image,reference,mask).',
    )
    flags.DEFINE_string(
        'group_by',
        None,
        'paired_folder: regular expression; what it, or its first (), matches in an id '
        '(the path of the image without its ending) is the group, if none is given.',
    )
    flags.DEFINE_enum(
        'without_mask',
        None,
        ['defect_free', 'unlabelled'],
        'paired_folder: what a pair without a mask is; the pixels of an unlabeled pair '
        'are ignored.',
    )
    flags.DEFINE_list(
        'splits',
        None,
        'paired_folder: splits to draw and their shares, if none are given '
        '(train=80,val=10,test=10). A group is in one split.',
    )
    flags.DEFINE_integer(
        'split_seed', None, 'paired_folder: seed that draws splits (0).', lower_bound=0
    )
    flags.DEFINE_bool(
        'allow_outside',
        None,
        'paired_folder: take files outside the source directory as well.',
    )
    flags.DEFINE_integer(
        'bit_depth',
        None,
        'paired_folder: how many of 16 bits the camera fills, counted from the lowest, '
        'if images are files of 16 bits (16).',
        lower_bound=8,
        upper_bound=16,
    )


def paired_folder_options() -> 'Options':
    """The `options.Options` that the flags give.

    Raises:
        ValueError: a flag's value is malformed.
    """
    from cadnet_jax.datasets.paired_folder.options import Options

    given = _given(_PAIRED_FOLDER)
    if 'classes' in given:
        given['classes'] = pathlib.Path(given['classes'])
    if 'splits' in given:
        given['splits'] = _parse_splits(given['splits'])
    try:
        re.compile(given.get('group_by', ''))
    except re.error as error:
        raise ValueError(
            f'--group_by={given["group_by"]}: not a regular expression ({error}).'
        ) from None
    return Options(**given)


def read_paired_folder(directory: pathlib.Path) -> 'Source':
    """The `source.Source` of a directory, read as the flags say.

    Raises:
        FileNotFoundError: there is no such directory, class map or folder.
        ValueError: a flag is malformed or without effect, or the source is bad.
    """
    from cadnet_jax.datasets.paired_folder.manifest import decided_options
    from cadnet_jax.datasets.paired_folder.options import MANIFEST
    from cadnet_jax.datasets.paired_folder.source import read_source

    options = paired_folder_options()
    decided = decided_options(directory)
    for name in _given(_PAIRED_FOLDER):
        if name in decided:
            raise ValueError(
                f'--{name}: {directory / MANIFEST} decides that; leave the flag '
                'out, or correct the file.'
            )
    return read_source(directory, options)


def init_manifest(directory: pathlib.Path) -> str:
    """`first_manifest.init_manifest`, as the flags say; returns what it reports.

    Raises:
        FileNotFoundError: there is no such directory or folder.
        ValueError: a flag is malformed, there is a manifest already, or the names do
            not make pairs.
    """
    from cadnet_jax.datasets.paired_folder import first_manifest

    return first_manifest.init_manifest(directory, paired_folder_options()).describe()


def refuse_paired_folder_flags(source: str) -> None:
    """Raises a ValueError where a flag is given that says nothing about `source`."""
    for name in _given((*_PAIRED_FOLDER, 'workers')):
        raise ValueError(f'--{name} is not for {source}; leave it out.')


def make_builder(dataset: str, source_dir: pathlib.Path | None) -> Callable[..., Any]:
    """What `preparation.prepare` wants, for a catalogue name and the flags given.

    Raises:
        FileNotFoundError: paired_folder: there is no such directory, or no class map.
        ValueError: a flag is of another data set or malformed, or the source is bad.
    """
    given = _given((*OPTIONS, *_PAIRED_FOLDER))
    catalogue.check_options(dataset.partition('/')[0], given)
    if dataset == 'paired_folder':
        from cadnet_jax.datasets import paired_folder

        if source_dir is None:
            raise ValueError(
                'paired_folder: source_dir is missing; give the directory with '
                'manifest.csv, or with the folders of images, references and masks.'
            )
        return functools.partial(
            paired_folder.Builder,
            source=read_paired_folder(source_dir),
            **_given(['workers']),
        )
    return catalogue.builder(dataset, given)


def _given(names: Iterable[str]) -> dict[str, Any]:
    """The flags of `names` that are given, and their values."""
    values = {name: flags.FLAGS[name].value for name in names if name in flags.FLAGS}
    return {name: value for name, value in values.items() if value is not None}


def _parse_splits(texts: list[str]) -> dict[str, float]:
    from cadnet_jax.datasets.paired_folder.splits import split_name_fault

    shares: dict[str, float] = {}
    for text in texts:
        match = re.fullmatch(r'(.+)=(\d+(?:\.\d+)?)', text.strip(), re.ASCII)
        if not match or not float(match[2]) or match[1] in shares:
            raise ValueError(
                f'--splits: {text!r} is not NAME=SHARE with a name of its own and a '
                'share above 0, such as train=80,test=20.'
            )
        if fault := split_name_fault(match[1], shares):
            raise ValueError(f'--splits: {fault}.')
        shares[match[1]] = float(match[2])
    return shares
