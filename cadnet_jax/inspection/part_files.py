"""Files of parts -> verdicts in a folder: a table, a line of JSON a part, pictures.

run.json       what was inspected by: recipe, revision, weights
results.jsonl  a line a part, as soon as it is inspected
results.csv    the same as a table, once all are
overlays/NAME.png
"""

import json
import os
import pathlib
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from cadnet_jax.files.atomic import write_bytes, write_json
from cadnet_jax.files.csv_files import read_rows, write_rows
from cadnet_jax.files.images import SUFFIXES, list_images, read_image, write_png
from cadnet_jax.files.text import read_object
from cadnet_jax.inference.files import unique_names
from cadnet_jax.inspection.inspector import Inspection, Inspector
from cadnet_jax.inspection.overlay import draw
from cadnet_jax.inspection.rules import INVALID, Region

_Path = str | os.PathLike[str]
_COLUMNS = (
    'part',
    'image',
    'verdict',
    'reasons',
    'defects',
    'largest_area',
    'highest_score',
    'shift_y',
    'shift_x',
    'degrees',
    'scale',
    'similarity',
    'judged',
)


class Part(NamedTuple):
    """A part to be inspected: one image."""

    name: str
    image: pathlib.Path


def list_parts(image: _Path) -> list[Part]:
    """The parts of a folder of images, of a CSV file with the column image, or one.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: there is no image, or the CSV file has a fault.
    """
    path = pathlib.Path(image)
    if path.is_dir():
        files = list_images(path)
    elif path.suffix.lower() == '.csv':
        rows = read_rows(path, required=['image'], others=True)
        files = [path.parent / row['image'] for _, row in rows]
    elif path.exists():
        files = [path]
    else:
        raise FileNotFoundError(f'{path}: no such file or folder; check the path.')
    if not files:
        raise ValueError(
            f'{path}: no image; there must be files that end in {", ".join(SUFFIXES)}, '
            'or lines in the CSV file.'
        )
    return [
        Part(name, file) for name, file in zip(unique_names(files), files, strict=True)
    ]


def inspect_parts(
    inspector: Inspector,
    parts: Sequence[Part],
    output_dir: _Path,
    *,
    overlays: bool = True,
    progress: bool = True,
) -> Counter[str]:
    """Inspects all parts; those that are in the folder already are not done again.

    A file that cannot be read is INVALID and stops nothing.

    Returns:
        How many parts have each verdict.

    Raises:
        ValueError: the folder holds results of another recipe, revision or network.
    """
    output_dir = pathlib.Path(output_dir)
    _claim(output_dir, inspector)
    lines = output_dir / 'results.jsonl'
    done = _read_lines(lines)
    results = []
    with (
        lines.open('a', encoding='utf-8') as file,
        tqdm(
            total=len(parts), desc='inspect', unit='parts', disable=not progress
        ) as bar,
    ):
        for part in parts:
            values = done.get(str(part.image))
            if values is None or values['modified'] != _modified(part.image):
                inspection, values = _inspect(inspector, part)
                if overlays and inspection.image is not None:
                    picture = draw(inspection, inspector.predictor.class_names)
                    write_png(output_dir / 'overlays' / f'{part.name}.png', picture)
                file.write(json.dumps(values, allow_nan=False) + '\n')
                file.flush()
            results.append(values)
            bar.update()
    write_rows(output_dir / 'results.csv', _COLUMNS, map(_row, results))
    return Counter(values['verdict'] for values in results)


def _inspect(inspector: Inspector, part: Part) -> tuple[Inspection, dict[str, Any]]:
    start, modified = time.perf_counter(), _modified(part.image)
    try:
        image = read_image(part.image, inspector.recipe.bit_depth)
    except (ValueError, OSError) as error:
        inspection = Inspection(INVALID, (' '.join(str(error).split()),))
    else:
        inspection = inspector(image)
    seconds = round(time.perf_counter() - start, 4)
    return inspection, {
        'part': part.name,
        'image': str(part.image),
        'modified': modified,
        'verdict': inspection.verdict,
        'reasons': list(inspection.reasons),
        'reference': inspection.reference,
        'registration': _registration(inspection),
        'judged': inspection.judged,
        'regions': [_region(region) for region in inspection.regions],
        'seconds': seconds,
    }


def _registration(inspection: Inspection) -> dict[str, Any] | None:
    found = inspection.registration
    if found is None:
        return None
    return {
        'shift': list(found.shift),
        'degrees': found.degrees,
        'scale': found.scale,
        'similarity': found.correlation,
        'outside': found.outside,
        'matrix': np.asarray(found.matrix).tolist(),
    }


def _region(region: Region) -> dict[str, Any]:
    values = region.defect._asdict()
    return {
        'class': values.pop('class_name'),
        **values,
        'length': region.length,
        'is_defect': region.is_defect,
        'rule': region.rule,
    }


def _row(values: dict[str, Any]) -> list[str]:
    """A line of results.csv."""
    defects = [region for region in values['regions'] if region['is_defect']]
    found = values['registration']
    numbers = [''] * 5
    if found is not None:
        y, x = found['shift']
        numbers = [f'{y:.2f}', f'{x:.2f}', f'{found["degrees"]:.3f}']
        numbers += [f'{found["scale"]:.4f}', f'{found["similarity"]:.3f}']
    return [
        values['part'],
        values['image'],
        values['verdict'],
        '; '.join(values['reasons']),
        str(len(defects)),
        str(max((region['area'] for region in defects), default=0)),
        f'{max((region["defect_score"] for region in defects), default=0):.3f}',
        *numbers,
        f'{values["judged"]:.4f}',
    ]


def _claim(output_dir: pathlib.Path, inspector: Inspector) -> None:
    """Notes what the folder's results are of; results of another are never mixed in."""
    recipe = inspector.recipe
    values = {
        'recipe': recipe.name,
        'revision': recipe.revision,
        'weights': recipe.weights.sha256,
        'references': [file.sha256 for file in recipe.references],
    }
    path = output_dir / 'run.json'
    if not path.exists():
        if (output_dir / 'results.jsonl').exists():
            raise ValueError(
                f'{output_dir}: has results without run.json; take another.'
            )
        write_json(path, values)
    elif (there := read_object(path, remedy='Take another folder.')) != values:
        raise ValueError(
            f'{output_dir}: has results of {there.get("recipe")!r}, revision '
            f'{there.get("revision")}, and these are of {recipe.name!r}, revision '
            f'{recipe.revision}; take another --output_dir.'
        )


def _read_lines(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Image -> its result; a last line that was cut off is dropped from the file."""
    if not path.exists():
        return {}
    lines = path.read_bytes().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b'\n'):
        lines.pop()
        write_bytes(path, b''.join(lines))
    found = [json.loads(line) for line in lines]
    return {values['image']: values for values in found}


def _modified(path: pathlib.Path) -> int | None:
    """When the file was written, in ns: one that is written anew is inspected anew."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
