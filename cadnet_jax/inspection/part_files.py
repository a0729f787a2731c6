"""Scored parts -> verdicts in a folder: a table, a line of JSON a part, pictures.

run.json       what was inspected by: recipe, revision, weights
results.jsonl  a line a part, as soon as it is inspected
results.csv    the same as a table, once all are
results.html   a page, sorted by verdict, once all are
overlays/NAME.png, scores/NAME.npz; of several views NAME.VIEW.png
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from cadnet_jax.files.ahead import map_ahead
from cadnet_jax.files.atomic import write_bytes, write_json
from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.files.text import read_object
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.inspector import Inspector, RegisteredImage
from cadnet_jax.inspection.kept_scores import LOWEST, KeptScores
from cadnet_jax.inspection.parts import Part
from cadnet_jax.inspection.recipe import Recipe
from cadnet_jax.inspection.reduced_images import shown_pixels
from cadnet_jax.inspection.registration import Registration
from cadnet_jax.inspection.result_page import write_page
from cadnet_jax.inspection.results import (
    describe_bound,
    file_name,
    part_result,
    read_results,
    write_table,
)
from cadnet_jax.inspection.rules import Rules
from cadnet_jax.inspection.scoring import (
    ScoredImage,
    ScoredPart,
    modified,
    score_parts,
)
from cadnet_jax.inspection.verdict_picture import draw_verdict

_Path = str | os.PathLike[str]
_SUMMARY = ('results.csv', 'results.html')


class Outputs(NamedTuple):
    """What is written of each part beside its line."""

    overlays: bool = True
    scores: bool = False


DEFAULT_OUTPUTS = Outputs()


def inspect_parts(
    inspectors: Mapping[str, Inspector],
    parts: Sequence[Part],
    output_dir: _Path,
    *,
    outputs: Outputs = DEFAULT_OUTPUTS,
    progress: bool = True,
) -> Counter[str]:
    """Inspects all parts; those that are in the folder already are not done again.

    They are if scores or a picture that `outputs` asks for are missing. A file that
    cannot be read is INVALID and stops nothing.

    Args:
        inspectors: of each view, see `load_inspectors`.
        parts: see `list_parts`.
        output_dir: of results by one recipe.
        outputs: what is written.
        progress: show a bar.

    Returns:
        How many parts have each verdict.

    Raises:
        ValueError: the folder holds results of another recipe, revision or network.
    """
    return inspect_batches(
        inspectors, [parts], output_dir, outputs=outputs, progress=progress
    )


def inspect_batches(
    inspectors: Mapping[str, Inspector],
    batches: Iterable[Sequence[Part]],
    output_dir: _Path,
    *,
    outputs: Outputs = DEFAULT_OUTPUTS,
    progress: bool = True,
) -> Counter[str]:
    """The same for parts that come in batches; each is finished before the next."""
    folder = pathlib.Path(output_dir)
    recipe = next(iter(inspectors.values())).recipe
    claim(folder, recipe)
    results = read_results(folder / 'results.jsonl')
    names: dict[str, None] = {}  # a part whose file was rewritten comes again
    for parts in batches:
        _remove_summary(folder)
        names |= dict.fromkeys(part.name for part in parts)
        new = [
            part
            for part in parts
            if not _is_done(folder, recipe, outputs, results.get(part.name), part)
        ]
        scored = score_parts(inspectors, new)
        results |= _write_lines(inspectors, scored, folder, outputs, len(new), progress)
    return _write_summary(folder, [results[name] for name in names], recipe)


def inspect_kept(
    inspectors: Mapping[str, Inspector],
    kept_dir: _Path,
    output_dir: _Path,
    *,
    progress: bool = True,
) -> Counter[str]:
    """Applies rules and areas to the scores that another run kept; no network runs.

    Args:
        inspectors: of each view.
        kept_dir: results of that run.
        output_dir: see `inspect_parts`.
        progress: show a bar.

    Raises:
        FileNotFoundError: that run kept no scores.
        ValueError: its recipe differs in more than rules and areas, a threshold is
            below that of the kept scores, or `output_dir` has scores, pictures or
            other parts of a run, or results of another recipe.
    """
    recipe = next(iter(inspectors.values())).recipe
    kept, folder = pathlib.Path(kept_dir), pathlib.Path(output_dir)
    results = read_results(kept / 'results.jsonl')
    before = list(results.values())
    names = next(iter(inspectors.values())).predictor.class_names
    _check_kept(kept, before, recipe, names)
    # It may be `kept`, by whatever name.
    lost = read_results(folder / 'results.jsonl').keys() - results.keys()
    if lost or (folder / 'scores').is_dir() or (folder / 'overlays').is_dir():
        raise ValueError(
            f'{folder}: has results of other parts, scores or pictures, which would be '
            'lost; take another --output_dir.'
        )
    claim(folder, recipe)
    _remove_summary(folder)
    (folder / 'results.jsonl').unlink(missing_ok=True)  # it takes milliseconds a part
    scored = (_read_kept(kept, result) for result in before)
    outputs = Outputs(overlays=False)
    found = _write_lines(inspectors, scored, folder, outputs, len(before), progress)
    return _write_summary(folder, list(found.values()), recipe)


def claim(folder: pathlib.Path, recipe: Recipe) -> None:
    """Notes what the folder's results are of; results of another are never mixed in.

    Raises:
        ValueError: the folder has results of another recipe, revision or network.
    """
    values = {
        'recipe': recipe.name,
        'revision': recipe.revision,
        'settings': recipe.settings_sha256(),
        'unchanged': _without_rules(recipe).settings_sha256(),
        'weights': recipe.weights.sha256,
    }
    path = folder / 'run.json'
    if not path.exists():
        if (folder / 'results.jsonl').exists():
            raise ValueError(f'{folder}: has results without run.json; name another.')
        write_json(path, values)
    elif (there := read_object(path, remedy='Take another folder.')) != values:
        raise ValueError(
            f'{folder}: has results of {there.get("recipe")!r}, revision '
            f'{there.get("revision")}, and these are of {recipe.name!r}, revision '
            f'{recipe.revision}; take another --output_dir.'
        )


def _write_lines(
    inspectors: Mapping[str, Inspector],
    scored: Iterable[ScoredPart],
    folder: pathlib.Path,
    outputs: Outputs,
    total: int,
    progress: bool,
) -> dict[str, dict[str, Any]]:
    """Threads judge and draw; a part's line is written once its files are."""
    finish = functools.partial(_finish, inspectors, folder, outputs)
    results = {}
    bar = tqdm(total=total, desc='inspect', unit='parts', disable=not progress)
    with bar, (folder / 'results.jsonl').open('a', encoding='utf-8') as file:
        for values in map_ahead(finish, scored):
            file.write(json.dumps(values, allow_nan=False) + '\n')
            file.flush()
            results[values['part']] = values
            bar.update()
    return results


def _remove_summary(folder: pathlib.Path) -> None:
    """A table of an earlier run would speak of images that are replaced since."""
    for name in _SUMMARY:
        (folder / name).unlink(missing_ok=True)


def _write_summary(
    folder: pathlib.Path, results: Sequence[dict[str, Any]], recipe: Recipe
) -> Counter[str]:
    write_table(folder / 'results.csv', results)
    write_page(folder, results, describe_bound(recipe))
    return Counter(values['verdict'] for values in results)


def _finish(
    inspectors: Mapping[str, Inspector],
    folder: pathlib.Path,
    outputs: Outputs,
    part: ScoredPart,
) -> dict[str, Any]:
    """The verdict on a part, and its files; none stays of an earlier image."""
    inspections = {
        view: inspectors[view].judge(image.registered, image.scores)
        for view, image in part.images.items()
    }
    recipe = next(iter(inspectors.values())).recipe
    result = part_result(part.name, recipe, part.images, inspections)
    for view, inspection in inspections.items():
        overlay = _overlay_file(folder, part.name, view)
        if outputs.overlays and inspection.image is not None:
            reference = inspectors[view].references[inspection.reference]
            write_png(overlay, draw_verdict(inspection, reference))
        else:
            overlay.unlink(missing_ok=True)
        scores = _scores_file(folder, part.name, view)
        if outputs.scores and inspection.scores is not None:
            data = KeptScores.of(inspection.scores).to_bytes()
            write_bytes(scores, data)
            # A run that is killed here leaves new scores beside an older line.
            result['views'][view]['scores_sha256'] = hashlib.sha256(data).hexdigest()
        else:
            scores.unlink(missing_ok=True)
    return result


def _overlay_file(folder: pathlib.Path, part: str, view: str) -> pathlib.Path:
    return folder / 'overlays' / f'{file_name(part, view)}.png'


def _scores_file(folder: pathlib.Path, part: str, view: str) -> pathlib.Path:
    return folder / 'scores' / f'{file_name(part, view)}.npz'


def _is_done(
    folder: pathlib.Path,
    recipe: Recipe,
    outputs: Outputs,
    result: dict[str, Any] | None,
    part: Part,
) -> bool:
    """Whether the line is of these files, as they are now, and all outputs are there.

    An image that was read has an overlay; one that the network ran for has scores.
    """
    if result is None:
        return False
    there = {
        view: (values['image'], values['modified'])
        for view, values in result['views'].items()
        if values['image']
    }
    now = {view: (str(path), modified(path)) for view, path in part.images.items()}
    if there != now:
        return False
    for view, values in result['views'].items():
        if (
            values['image']
            and not values['sha256']
            and _can_be_read(values['image'], recipe)
        ):
            return False  # it could not when the line was written
        overlay = _overlay_file(folder, part.name, view)
        if outputs.overlays and values['sha256'] and not overlay.exists():
            return False
        if (
            outputs.scores
            and values['judged']
            and _read_scores(folder, part.name, view, values) is None
        ):
            return False
    return True


def _can_be_read(path: str, recipe: Recipe) -> bool:
    try:
        read_image(path, recipe.bit_depth)
    except (ValueError, OSError):
        return False
    return True


def _read_scores(
    folder: pathlib.Path, part: str, view: str, values: Mapping[str, Any]
) -> bytes | None:
    """The kept scores that belong to a view's result; None if there are none."""
    path = _scores_file(folder, part, view)
    if 'scores_sha256' not in values or not path.exists():
        return None
    data = path.read_bytes()
    return data if hashlib.sha256(data).hexdigest() == values['scores_sha256'] else None


def _read_kept(folder: pathlib.Path, result: dict[str, Any]) -> ScoredPart:
    images = {}
    for view, values in result['views'].items():
        found, scores, written = None, None, values['modified']
        faults = tuple(values['reasons'])
        data = _read_scores(folder, result['part'], view, values)
        if data is not None:
            scores = KeptScores.from_bytes(data).restore()
            found = _registration(values['registration'], scores.score.shape)
            faults = ()
        elif values['judged']:  # the network ran
            faults = ('its scores were not kept; inspect with --keep_scores',)
            written = None  # inspecting into the same folder does it again
        registered = RegisteredImage(None, faults, found, values['reference'])
        images[view] = ScoredImage(
            values['image'],
            values['sha256'],
            written,
            registered,
            scores,
            fourth_band=values.get('fourth_band', False),
        )
    return ScoredPart(result['part'], images)


def _registration(values: dict[str, Any], shape: tuple[int, ...]) -> Registration:
    matrix = np.array(values['matrix'])
    shift_y, shift_x = values['shift']
    return Registration(
        matrix=matrix,
        shift=(shift_y, shift_x),
        degrees=values['degrees'],
        scale=values['scale'],
        valid=shown_pixels(matrix, *shape),
        correlation=values['similarity'],
        within_tolerance=True,
        reason='',
    )


def _without_rules(recipe: Recipe) -> Recipe:
    """What must be equal if only rules, areas and variation may differ."""
    views = {name: recipes.View(view.references) for name, view in recipe.views.items()}
    plain = dataclasses.replace(recipe, rules=Rules(), views=views)
    return dataclasses.replace(plain, inspect=(), ignore=(), variation=None)


def _check_kept(
    folder: pathlib.Path,
    results: Iterable[Mapping[str, Any]],
    recipe: Recipe,
    names: Sequence[str],
) -> None:
    views = (view for result in results for view in result['views'].values())
    # Earlier versions did not note which image the scores are of.
    kept = any('scores_sha256' in view for view in views)
    if not kept or not (folder / 'scores').is_dir():
        raise FileNotFoundError(
            f'{folder}: no kept scores, or those of an earlier version; inspect with '
            '--keep_scores first.'
        )
    there = read_object(folder / 'run.json', remedy='Take another folder.')
    if there.get('unchanged') != _without_rules(recipe).settings_sha256():
        raise ValueError(
            f'{folder}: its recipe differs from this one in more than rules and '
            'areas; inspect the images again.'
        )
    for name in names[1:]:
        threshold = recipe.rules.threshold(name)
        if threshold is not None and threshold < LOWEST:
            raise ValueError(
                f'threshold {threshold:g} of {name}: scores below {LOWEST:g} are not '
                'kept; inspect the images again.'
            )
