"""results.json: the files in an output folder that belong to one run of a script.

It is written before the first of them, `complete` false, and again after the last: an
interrupted run is known as one, and an equal one keeps its files, to resume. A run
takes the place of an equal one that is complete; files of another run, or of no run,
stay unless `overwrite` says otherwise.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.text import are_names, read_object

RESULTS_FILE = 'results.json'
_REMEDY = 'Name another folder, or replace them with --overwrite.'


def begin_results(
    output_dir: str | os.PathLike[str],
    run: dict[str, Any],
    files: Sequence[str],
    *,
    overwrite: bool = False,
) -> None:
    """Makes room for the files of a run, and lists them.

    Args:
        output_dir: folder; made if it is missing.
        run: what makes a run the same, as JSON keeps it.
        files: that the run will write; paths from the folder.
        overwrite: remove the files of another run, and replace any others of these
            names.

    Raises:
        FileExistsError: there are files of another run, or of these names.
        ValueError: results.json is damaged.
    """
    folder = pathlib.Path(output_dir)
    earlier = _read(folder / RESULTS_FILE, overwrite=overwrite)
    ours = earlier.get('files', [])
    if not overwrite:
        if earlier and earlier['run'] != run:
            raise FileExistsError(
                f'{folder}: has the results of another run ({len(ours)} files, see '
                f'{RESULTS_FILE}). {_REMEDY}'
            )
        others = [name for name in files if name not in ours]
        there = [folder / name for name in others if os.path.lexists(folder / name)]
        if there:
            raise FileExistsError(
                f'{there[0]} already exists, and {RESULTS_FILE} does not list it. '
                f'{_REMEDY}'
            )
    if not (earlier and earlier['run'] == run and earlier.get('complete') is False):
        for name in {*ours, *files}:
            (folder / name).unlink(missing_ok=True)
    _write(folder, run, files, complete=False)


def end_results(
    output_dir: str | os.PathLike[str],
    run: dict[str, Any],
    files: Sequence[str],
    *,
    skipped: Sequence[str] = (),
) -> None:
    """Says that all files are there; see `begin_results`.

    Args:
        output_dir: folder.
        run: see `begin_results`.
        files: that the run wrote.
        skipped: a line for each input that the run left out.
    """
    _write(pathlib.Path(output_dir), run, files, complete=True, skipped=skipped)


def read_run(output_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """The run whose files are in a folder; {} if none is known."""
    values = _read(pathlib.Path(output_dir, RESULTS_FILE), overwrite=True)
    return dict(values.get('run', {}))


def _write(
    folder: pathlib.Path,
    run: dict[str, Any],
    files: Sequence[str],
    *,
    complete: bool,
    skipped: Sequence[str] = (),
) -> None:
    values = {'complete': complete, 'run': run, 'files': list(files)}
    if skipped:
        values['skipped'] = list(skipped)
    write_json(folder / RESULTS_FILE, values)


def _read(path: pathlib.Path, *, overwrite: bool) -> dict[str, Any]:
    """What an earlier run wrote; {} if none did.

    Raises:
        ValueError: it is damaged, or another tool's, and not to be replaced.
    """
    if not path.exists():
        return {}
    try:
        values = read_object(path, remedy=_REMEDY)
        files = values.get('files')
        if not (
            isinstance(values.get('run'), dict)
            and are_names(files)
            and all(map(_is_inside, files or ()))
        ):
            raise ValueError(f'{path}: damaged, or written by another tool. {_REMEDY}')
    except ValueError:
        if overwrite:
            return {}
        raise
    return values


def _is_inside(name: str) -> bool:
    """Whether a file is in the folder or below: others are not for us to remove."""
    path = pathlib.PurePath(name)
    return bool(path.parts) and not path.is_absolute() and '..' not in path.parts
