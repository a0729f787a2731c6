"""What a user may say about a source directory, and the names of the files in it."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

MANIFEST, CLASSES = 'manifest.csv', 'classes.csv'


class Options(NamedTuple):
    """What a user may say about a source directory."""

    classes: pathlib.Path | None = None  # instead of classes.csv in it
    folders: Sequence[str] = ('image', 'reference', 'mask')
    group_by: str = ''  # regular expression: what it, or its first (), finds in an id
    without_mask: str = ''  # what a pair without a mask is
    splits: Mapping[str, float] = {'train': 80, 'val': 10, 'test': 10}
    split_seed: int = 0
    allow_outside: bool = False  # files outside the source directory
    bit_depth: int = 16  # of images and references, see `read_image`
