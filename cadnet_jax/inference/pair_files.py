"""Which image files make pairs, and the name that each pair has.

Two files, two folders with files of equal names, or the lines of a CSV file.
"""

import os
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from cadnet_jax.files.csv_files import read_rows
from cadnet_jax.files.images import SUFFIXES, list_images
from cadnet_jax.files.unread_images import describe_unread
from cadnet_jax.inference.results import RESULTS_FILE

_Path = str | os.PathLike[str]
_RESULTS_NAME = pathlib.PurePath(RESULTS_FILE).stem


class PairFiles(NamedTuple):
    """The files of a pair, and the name of what is written about it."""

    image: pathlib.Path
    reference: pathlib.Path
    name: str
    bit_depth: int = 16  # of the two, see `read_image`


def list_pairs(
    *,
    image: _Path = '',
    reference: _Path = '',
    pairs: _Path = '',
    bit_depth: int = 16,
) -> list[PairFiles]:
    """Finds the files of all pairs; gives each a name of its own.

    Args:
        image: an image file, or a folder of them.
        reference: a file, for all images; or a folder with a file of equal name for
            each image.
        pairs: instead of these, a CSV file with the columns `image` and `reference`;
            relative paths start at its folder.
        bit_depth: of files of 16 bits, see `read_image`.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: neither or both kinds are given, a folder holds no image, a file
            goes with a folder of references, or the CSV file lacks a column or a value.
    """
    if bool(pairs) == bool(image or reference) or bool(image) != bool(reference):
        raise ValueError(
            'give both image and reference (files or folders), or pairs '
            f'(a CSV file); image is {str(image)!r}, reference {str(reference)!r}, '
            f'pairs {str(pairs)!r}.'
        )
    if pairs:
        files = _from_csv(pathlib.Path(pairs))
    else:
        files = _from_paths(pathlib.Path(image), pathlib.Path(reference))
    names = unique_names([inspected for inspected, _ in files])
    return [
        PairFiles(*pair, name, bit_depth)
        for pair, name in zip(files, names, strict=True)
    ]


def check_output_dir(pairs: Sequence[PairFiles], output_dir: _Path) -> None:
    """Refuses to write where images are read: a next run would take masks for parts.

    Raises:
        ValueError: an image or a reference is in `output_dir`.
    """
    output = os.path.realpath(output_dir)
    for pair in pairs:
        for path in (pair.image, pair.reference):
            if os.path.realpath(path.parent) == output:
                raise ValueError(
                    f'--output_dir={output_dir}: {path} is in it; results would be '
                    'taken for input images by the next run. Name another folder.'
                )


def unique_names(images: Sequence[pathlib.Path]) -> list[str]:
    """A different name for each image: its stem, with folders where stems repeat.

    Where that does not tell them apart either (x.png and x.jpg, or one image with two
    references), they are numbered.
    """
    paths = [path.absolute().with_suffix('').parts[1:] for path in images]
    for depth in range(1, max(map(len, paths), default=0) + 1):
        names = ['-'.join(parts[-depth:]) for parts in paths]
        # Some file systems do not tell upper from lower case; results.json is taken.
        taken = {_RESULTS_NAME, *(name.lower() for name in names)}
        if len(taken) == len(names) + 1:
            return names
    digits = len(str(len(images)))
    return [f'{number:0{digits}}-{path.stem}' for number, path in enumerate(images, 1)]


def group_by_reference(
    pairs: Sequence[PairFiles],
) -> dict[pathlib.Path, list[PairFiles]]:
    """Reference -> its pairs; both in the order in which they first appear."""
    groups: dict[pathlib.Path, list[PairFiles]] = {}
    for pair in pairs:
        groups.setdefault(pair.reference, []).append(pair)
    return groups


def _from_paths(
    image: pathlib.Path, reference: pathlib.Path
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    for name, path in (('image', image), ('reference', reference)):
        if not path.exists():
            raise FileNotFoundError(
                f'{name} {path}: no such file or folder; check the path.'
            )
    if not image.is_dir():
        if reference.is_dir():
            raise ValueError(
                f'reference {reference} is a folder, but image {image} is a file; name '
                'its reference.'
            )
        return [(image, reference)]
    files = list_images(image)
    if files and (unread := describe_unread(image)):
        print(f'warning: {image}: {unread}.', file=sys.stderr)
    if not files:
        raise ValueError(
            f'{image}: no image in this folder; there must be files that end in '
            f'{", ".join(SUFFIXES)}. Folders inside it are not searched: name '
            'one of them, or list the pairs in a CSV file (--pairs).'
        )
    if not reference.is_dir():
        return [(file, reference) for file in files]
    pairs = [(file, reference / file.name) for file in files]
    for file, other in pairs:
        if not other.is_file():
            raise FileNotFoundError(
                f'{other}: no such file; each image in {image} needs a reference of '
                f'equal name, and {file.name} has none.'
            )
    return pairs


def _from_csv(path: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Of the other columns, such as those of a manifest, none is looked at.

    A manifest has a line for each mask: lines of one image and reference are one pair.
    """
    pairs = []
    for line, row in read_rows(path, required=('image', 'reference'), others=True):
        if not (row['image'] and row['reference']):
            raise ValueError(
                f'{path}, line {line}: image or reference is empty; each line needs '
                'both.'
            )
        pairs.append((path.parent / row['image'], path.parent / row['reference']))
    if not pairs:
        raise ValueError(f'{path}: no pair; add lines below image,reference.')
    return list(dict.fromkeys(pairs))
