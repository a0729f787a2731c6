"""The files of a pair, and what is said about it: its id, group, split and classes."""

import os
import pathlib
import re
from typing import NamedTuple

DEFECT_FREE, UNLABELED = 'defect_free', 'unlabelled'


class MaskFile(NamedTuple):
    """A mask, and the class of all that it labels.

    Attributes:
        path: of the file.
        class_name: what is not black is of this class; '' where the class map says
            what its values are.
    """

    path: pathlib.Path
    class_name: str = ''


class PairFiles(NamedTuple):
    """Where a pair's files are, and what is said about it."""

    id: str
    image: pathlib.Path
    reference: pathlib.Path
    masks: tuple[MaskFile, ...]
    without_mask: str  # DEFECT_FREE or UNLABELED; '' where there are masks
    split: str
    group: str
    bit_depth: int = 16  # of image and reference, see `read_image`

    @property
    def paths(self) -> list[pathlib.Path]:
        """Of image, reference and masks."""
        return [self.image, self.reference, *(mask.path for mask in self.masks)]


def pair_id(path: pathlib.Path, directory: pathlib.Path) -> str:
    """The path of an image below `directory`, or all of it, without its ending."""
    path, directory = (pathlib.Path(os.path.abspath(p)) for p in (path, directory))
    if path.is_relative_to(directory):
        path = path.relative_to(directory)
    return os.path.splitext(path.as_posix())[0].lstrip('/')


def pair_group(id: str, folder: str, group_by: str) -> str:
    """The group of a pair for which none is given; '' if its id does not show one.

    Args:
        id: of the pair.
        folder: of its image, below the folder of all images; '' if there is none.
        group_by: see `Options`.
    """
    if not group_by:
        return folder or id
    match = re.search(group_by, id)
    return match[min(match.re.groups, 1)] or '' if match else ''


def is_utf8(path: pathlib.Path) -> bool:
    """False for other bytes, which Python reads as surrogates, and for a NUL."""
    return not re.search('[\0\ud800-\udfff]', str(path))
