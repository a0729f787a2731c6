"""Results of inspected parts as files: a line of JSON and a table row for each part.

`part_files` writes them; here is what a line and a row contain, and how lines are read.
"""

import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from cadnet_jax.evaluation.thresholds import percent
from cadnet_jax.files.atomic import write_bytes
from cadnet_jax.files.csv_files import write_rows
from cadnet_jax.inspection.inspector import Inspection
from cadnet_jax.inspection.recipe import Recipe
from cadnet_jax.inspection.rules import INVALID, NG, OK, Region
from cadnet_jax.inspection.scoring import ScoredImage

SEVERITY = (OK, INVALID, NG)  # the worst view decides: a defect that is seen is one

_COLUMNS = (
    'part',
    'verdict',
    'reasons',
    'images',
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


def part_result(
    name: str,
    recipe: Recipe,
    images: Mapping[str, ScoredImage],
    inspections: Mapping[str, Inspection],
) -> dict[str, Any]:
    """The result of a part, a line of results.jsonl.

    Args:
        name: of the part.
        recipe: the recipe that the part was inspected by.
        images: view -> its image.
        inspections: view -> what was found.
    """
    verdict = worst_verdict(one.verdict for one in inspections.values())
    return {
        'part': name,
        'verdict': verdict,
        'reasons': [
            f'{view}: {reason}' if view else reason
            for view, inspection in inspections.items()
            for reason in inspection.reasons
        ],
        'recipe': recipe.settings_sha256(),
        'weights': recipe.weights.sha256,
        'views': {
            view: _view_result(images[view], inspection)
            for view, inspection in inspections.items()
        },
    }


def describe_bound(recipe: Recipe) -> str:
    """A clause on the false-reject bound of a recipe, or why it has none."""
    found = recipe.current_calibration()
    if found:
        return (
            f'false rejects at most {percent(found.bound)} ({found.good_parts} good '
            f'parts, confidence {percent(found.confidence)})'
        )
    if recipe.calibration:
        return 'no false-reject bound: the recipe changed after its calibration'
    return 'no false-reject bound: the recipe is not calibrated'


def worst_verdict(verdicts: Iterable[str]) -> str:
    """The verdict on a part from the verdicts on its views."""
    return max(verdicts, key=SEVERITY.index)


def file_name(part: str, view: str) -> str:
    """Name of a file about an image of a part, without its ending."""
    return f'{part}.{view}' if view else part


def read_results(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Reads results.jsonl, and removes a last line that was cut off.

    Returns:
        Name of a part -> its result; empty if there is no such file.

    Raises:
        ValueError: another line is damaged.
    """
    if not path.exists():
        return {}
    lines = path.read_bytes().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b'\n'):
        lines.pop()
        write_bytes(path, b''.join(lines))
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            values = json.loads(line)
            found[values['part']] = values
        except (ValueError, TypeError, KeyError):
            raise ValueError(
                f'{path}, line {number}: damaged; take another --output_dir, or delete '
                'the line: its part is inspected again.'
            ) from None
    return found


def write_table(path: pathlib.Path, results: Iterable[Mapping[str, Any]]) -> None:
    """Writes results.csv, a row for each part."""
    write_rows(path, _COLUMNS, map(_table_row, results))


def defects_of(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The regions of all views of a part that are defects by the rules."""
    return [
        region
        for view in result['views'].values()
        for region in view['regions']
        if region['is_defect']
    ]


def count_fourth_bands(results: Iterable[Mapping[str, Any]]) -> int:
    """Number of images with a fourth band, which inspection leaves out."""
    views = (view for result in results for view in result['views'].values())
    return sum(view.get('fourth_band', False) for view in views)


def _view_result(image: ScoredImage, inspection: Inspection) -> dict[str, Any]:
    """The part of a result that is about one view."""
    found = inspection.registration
    registration = None
    if found is not None:
        registration = {
            'shift': list(found.shift),
            'degrees': found.degrees,
            'scale': found.scale,
            'similarity': found.correlation,
            'outside': found.outside,
            'matrix': found.matrix.tolist(),
        }
    return {
        'image': image.path,
        'sha256': image.sha256,
        'modified': image.modified,
        'verdict': inspection.verdict,
        'reasons': list(inspection.reasons),
        'reference': inspection.reference,
        'registration': registration,
        'judged': inspection.judged,
        'regions': [_region_result(region) for region in inspection.regions],
        'fourth_band': image.fourth_band,
    }


def _region_result(region: Region) -> dict[str, Any]:
    values = region.defect._asdict()
    return {
        'class': values.pop('class_name'),
        **values,
        'length': region.length,
        'is_defect': region.is_defect,
        'rule': region.rule,
    }


def _table_row(result: Mapping[str, Any]) -> list[str]:
    """A row of results.csv; registration and share are of the deciding view."""
    views = list(result['views'].values())
    worst = max(views, key=lambda view: SEVERITY.index(view['verdict']))
    defects, found = defects_of(result), worst['registration']
    numbers = [''] * 5
    if found is not None:
        y, x = found['shift']
        numbers = [f'{y:.2f}', f'{x:.2f}', f'{found["degrees"]:.3f}']
        numbers += [f'{found["scale"]:.4f}', f'{found["similarity"]:.3f}']
    return [
        result['part'],
        result['verdict'],
        '; '.join(result['reasons']),
        '; '.join(view['image'] for view in views),
        str(len(defects)),
        str(max((defect['area'] for defect in defects), default=0)),
        f'{max((defect["defect_score"] for defect in defects), default=0):.3f}',
        *numbers,
        f'{worst["judged"]:.4f}',
    ]
