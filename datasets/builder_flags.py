"""The builders' own flags; quick to import, since worker processes do it too."""

import functools
import pathlib
import re
from collections.abc import Callable
from typing import Any

from absl import flags

NAMES = ['deep_pcb', 'synlcd/line', 'synlcd/abpt', 'synlcd/mixed', 'paired_folder']

_SYNLCD = {
    'count': 'defective samples of each pattern, and as many defect-free (300)',
    'size': 'side of the images in pixels, 64 to 4096 in steps of 32 (512)',
    'seed': 'of all that is random; one seed, one data set (0)',
}
_PAIRED_FOLDER = (
    'classes',
    'folders',
    'group_by',
    'without_mask',
    'splits',
    'split_seed',
    'allow_outside',
)
_FLAGS = {
    'synlcd': (*_SYNLCD, 'workers'),
    'paired_folder': (*_PAIRED_FOLDER, 'workers'),
}


def define_synlcd_flags() -> None:
    """Defines the flags of synlcd."""
    for name, text in _SYNLCD.items():
        flags.DEFINE_integer(name, None, f'synlcd: {text}.')


def define_paired_folder_flags() -> None:
    """Defines the flags of paired_folder, and --workers."""
    flags.DEFINE_integer(
        'workers',
        None,
        'synlcd, paired_folder: processes, on which the data do not depend (one for '
        'each core).',
        lower_bound=1,
    )
    flags.DEFINE_string(
        'classes',
        None,
        'paired_folder: CSV file with the columns value,name: which grey value or '
        'colour (#rrggbb) of a mask is which class (classes.csv in the source).',
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
        'paired_folder: regular expression; what it finds in an id (the path of the '
        'image without its ending) is the group, where none is given.',
    )
    flags.DEFINE_enum(
        'without_mask',
        None,
        ['defect_free', 'unlabelled'],
        'paired_folder: what a pair without a mask is; pixels of an unlabelled one '
        'are ignored.',
    )
    flags.DEFINE_list(
        'splits',
        None,
        'paired_folder: splits to draw and their shares, where none are given '
        '(train=80,val=10,test=10). A group is in one split.',
    )
    flags.DEFINE_integer(
        'split_seed', None, 'paired_folder: of the draw of splits (0).', lower_bound=0
    )
    flags.DEFINE_bool(
        'allow_outside',
        None,
        'paired_folder: take files outside the source directory as well.',
    )


def paired_folder_options() -> Any:
    """The `manifest.Options` that the flags give.

    Raises:
        ValueError: a flag's value is malformed.
    """
    from cadnet_jax.datasets.paired_folder.manifest import Options

    given = _given(_PAIRED_FOLDER)
    if 'classes' in given:
        given['classes'] = pathlib.Path(given['classes'])
    if 'folders' in given and len(given['folders']) != 3:
        raise ValueError(
            f'--folders={",".join(given["folders"])}: three names are needed, of the '
            'folders with images, references and masks.'
        )
    if 'splits' in given:
        given['splits'] = _parse_splits(given['splits'])
    try:
        re.compile(given.get('group_by', ''))
    except re.error as error:
        raise ValueError(
            f'--group_by={given["group_by"]}: no regular expression ({error}).'
        ) from None
    return Options(**given)


def make_builder(dataset: str, source_dir: pathlib.Path | None) -> Callable[..., Any]:
    """What `preparation.prepare` wants, for one of NAMES and the flags that are given.

    Raises:
        FileNotFoundError: paired_folder: there is no such directory, or no class map.
        ValueError: a flag is of another data set or malformed, or the source is bad.
    """
    name, _, config = dataset.partition('/')
    own = _FLAGS.get(name, ())
    for flag in _given({flag for names in _FLAGS.values() for flag in names}):
        if flag not in own:
            owners = ' and '.join(n for n, names in _FLAGS.items() if flag in names)
            raise ValueError(f'--{flag} is for {owners}, not for {name}; leave it out.')
    if name == 'synlcd':
        from cadnet_jax.datasets import synlcd

        return functools.partial(synlcd.Builder, config=config, **_given(own))
    if name == 'paired_folder':
        from cadnet_jax.datasets import paired_folder
        from cadnet_jax.datasets.paired_folder.manifest import read_source

        if source_dir is None:
            raise ValueError(
                'paired_folder: source_dir is missing; give the directory with '
                'manifest.csv, or with the folders of images, references and masks.'
            )
        return functools.partial(
            paired_folder.Builder,
            source=read_source(source_dir, paired_folder_options()),
            **_given(['workers']),
        )
    from cadnet_jax.datasets import deep_pcb

    return deep_pcb.Builder


def _given(names: Any) -> dict[str, Any]:
    """The flags of `names` that are given, and their values."""
    values = {name: flags.FLAGS[name].value for name in sorted(names)}
    return {name: value for name, value in values.items() if value is not None}


def _parse_splits(texts: list[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for text in texts:
        match = re.fullmatch(r'([A-Za-z]\w*)=(\d+(?:\.\d+)?)', text.strip())
        if not match or not float(match[2]) or match[1] in (*shares, 'all'):
            raise ValueError(
                f'--splits: {text!r} is not NAME=SHARE with a name of its own and a '
                'share above 0, such as train=80,test=20.'
            )
        shares[match[1]] = float(match[2])
    return shares
