"""Pairs without a manifest: files of equal names in three folders.

    image/x.png         image/board_1/x.png         image/x.png
    reference/x.png     reference/board_1.png       reference.png
    mask/x.png          mask/board_1/x.png          mask/x.png

The endings of the names may differ. A pair's group is the folder of its image below
image/; without one each pair is a group of its own. A group may share one reference of
its name.
"""

import os
import pathlib
import unicodedata

from cadnet_jax.datasets.paired_folder.options import MANIFEST, Options
from cadnet_jax.datasets.paired_folder.pair_files import (
    MaskFile,
    PairFiles,
    pair_group,
    pair_id,
)
from cadnet_jax.files.images import SUFFIXES


def match_folders(
    directory: pathlib.Path, options: Options
) -> tuple[list[PairFiles], list[pathlib.Path], list[str]]:
    """The pairs, the files of no pair, and what is wrong with the names.

    Raises:
        FileNotFoundError: there is no folder of images.
        ValueError: the folders are not three, or there are two files that could be the
            reference of all images.
    """
    if len({os.path.normpath(name) for name in options.folders if name}) != 3:
        raise ValueError(
            f'--folders={",".join(options.folders)}: three different names are '
            'needed, of the folders with images, references and masks.'
        )
    image, reference, mask = (directory / name for name in options.folders)
    if not image.is_dir():
        inside = sorted(path.name for path in directory.iterdir() if path.is_dir())
        raise FileNotFoundError(
            f'{directory}: neither {MANIFEST} nor a folder {image.name} is in it, but '
            f'the folders {", ".join(inside) or "(none)"}; name yours by '
            '--folders=IMAGE,REFERENCE,MASK.'
        )
    unused: list[pathlib.Path] = []
    problems: list[str] = []
    images, references, masks = (
        _list_folder(folder, unused, problems) for folder in (image, reference, mask)
    )
    common = _common_reference(reference)
    pairs, used = [], set[pathlib.Path]()
    for name, path in images.items():
        folder = name.rpartition('/')[0]
        id = pair_id(path, directory)
        group = pair_group(id, folder, options.group_by)
        keys = (name, folder, unicodedata.normalize('NFC', group))
        found = common or next(filter(None, map(references.get, keys)), None)
        if found is None:
            problems.append(f'{path}: no reference {reference.name}/{name}.*')
            continue
        label = masks.get(name)
        used |= {found, label} if label else {found}
        without_mask = '' if label else options.without_mask
        labels = (MaskFile(label),) if label else ()
        pairs.append(PairFiles(id, path, found, labels, without_mask, '', group))
    found_files = (*references.values(), *masks.values())
    unused += [path for path in found_files if path not in used]
    return pairs, unused, problems


def _common_reference(reference: pathlib.Path) -> pathlib.Path | None:
    """The file that is the reference of all images; None where there is a folder.

    Raises:
        ValueError: there are two.
    """
    if reference.is_dir():
        return None
    if reference.is_file():
        return reference
    files = [
        file
        for file in sorted(reference.parent.glob('*'))
        if file.stem == reference.name and file.suffix.lower() in SUFFIXES
    ]
    if len(files) > 1:
        raise ValueError(f'{files[0]}: {files[1].name} has the same name; keep one.')
    return files[0] if files else None


def _list_folder(
    folder: pathlib.Path, unused: list[pathlib.Path], problems: list[str]
) -> dict[str, pathlib.Path]:
    """Name below `folder`, without its ending -> image file; what is hidden is not.

    Names are compared in Unicode's composed form: macOS writes them decomposed.
    """
    files: dict[str, pathlib.Path] = {}
    if not folder.is_dir():
        return files
    for root, folders, names in os.walk(folder, onerror=_stop):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        base = pathlib.Path(root)
        problems += [
            f'{base / name}: a link to a folder, which is not followed'
            for name in folders
            if (base / name).is_symlink()
        ]
        for name in sorted(name for name in names if not name.startswith('.')):
            path = base / name
            key = path.relative_to(folder).with_suffix('').as_posix()
            key = unicodedata.normalize('NFC', key)
            if path.suffix.lower() not in SUFFIXES:
                unused.append(path)
            elif key in files:
                problems.append(f'{path}: {files[key].name} has the same name')
            else:
                files[key] = path
    return files


def _stop(error: OSError) -> None:
    """For `os.walk`, which passes over a folder that cannot be read."""
    raise error
