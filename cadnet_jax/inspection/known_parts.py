"""Known parts: those that a recipe was calibrated on, and the scores that are kept.

The scores depend on everything in a recipe but its rules and the variation. As long as
that is the same, other rules are applied to the parts without the network.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from cadnet_jax import __version__
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.inspection.inspector import Inspector, make_inspectors
from cadnet_jax.inspection.kept_scores import LOWEST, KeptScores
from cadnet_jax.inspection.parts import Part
from cadnet_jax.inspection.recipe import File, Recipe
from cadnet_jax.inspection.recipe_files import add_file, read_bytes
from cadnet_jax.inspection.reduced_images import shown_pixels
from cadnet_jax.inspection.results import worst_verdict
from cadnet_jax.inspection.rules import INVALID, Rules, Verdict, judge
from cadnet_jax.inspection.scoring import ScoredPart

_Path = str | os.PathLike[str]


class KeptPart(NamedTuple):
    """A part that the network has scored.

    Attributes:
        name: its own.
        files: view -> path and SHA-256 of its image.
        faults: why it is INVALID; if there is none, it is not.
        scores: view -> scores.
        matrices: view -> registration, see `Registration`.
    """

    name: str
    files: dict[str, tuple[str, str]]
    faults: tuple[str, ...]
    scores: dict[str, KeptScores]
    matrices: dict[str, np.ndarray]


def keep_part(inspectors: Mapping[str, Inspector], part: ScoredPart) -> KeptPart:
    """What is kept of a part: little memory, however large its images are."""
    faults: list[str] = []
    scores, matrices = {}, {}
    for view, image in part.images.items():
        inspection = inspectors[view].judge(image.registered, image.scores)
        if inspection.verdict == INVALID:
            faults += inspection.reasons
        elif image.scores is not None and inspection.registration is not None:
            scores[view] = KeptScores.of(image.scores)
            matrices[view] = inspection.registration.matrix
    files = {view: (image.path, image.sha256) for view, image in part.images.items()}
    return KeptPart(part.name, files, tuple(faults), scores, matrices)


def write_parts(
    folder: _Path,
    recipe: Recipe,
    kept: Mapping[str, Sequence[KeptPart]],
    scores: Mapping[str, Sequence[float]],
) -> File:
    """Writes which parts a recipe was calibrated on, and their scores.

    Args:
        folder: of the recipe.
        recipe: what the parts were scored by.
        kept: kind ('good' or 'bad') -> parts.
        scores: kind -> decisive score of each part that is not INVALID.
    """
    values: dict[str, Any] = {'scored_by': _scored_by(recipe)}
    for kind, parts in kept.items():
        of_kind = iter(scores[kind])
        values[kind] = [
            {
                'part': part.name,
                'files': {
                    view: {'path': path, 'sha256': digest}
                    for view, (path, digest) in part.files.items()
                },
                'faults': list(part.faults),
                'score': None if part.faults else next(of_kind),
                'kept': {} if part.faults else _write_scores(folder, part),
            }
            for part in parts
        ]
    data = json.dumps(values, indent=1).encode() + b'\n'
    return add_file(folder, 'calibration', data, 'json')


def read_parts(folder: _Path, recipe: Recipe) -> dict[str, KeptPart]:
    """The parts of the calibration whose scores are kept, and are those of the recipe.

    Returns:
        Kind and name, such as 'good/03' -> part. What is missing or has changed is as
        if it had not been kept.
    """
    if recipe.calibration is None or recipe.calibration.parts is None:
        return {}
    try:
        values = json.loads(read_bytes(folder, recipe.calibration.parts, 'parts'))
    except (FileNotFoundError, ValueError):
        return {}
    if values.get('scored_by') != _scored_by(recipe):
        return {}
    found = {}
    for kind in ('good', 'bad'):
        for entry in values[kind]:
            if part := _read_part(folder, entry):
                found[f'{kind}/{part.name}'] = part
    return found


def find_kept(
    inspectors: Mapping[str, Inspector],
    parts: Iterable[Part],
    known: Iterable[KeptPart],
) -> dict[str, KeptPart]:
    """Those of the parts that are known by the content of their files, by name."""
    by_content = {_content(part.files): part for part in known}
    found = {}
    for part in parts:
        files = {view: (str(path), _digest(path)) for view, path in part.images.items()}
        if kept := by_content.get(_content(files)):
            kept = kept._replace(name=part.name, files=files)
            found[part.name] = _check_again(inspectors, kept)
    return found


def changed_verdicts(
    folder: _Path, before: Recipe, after: Recipe, predictor: Predictor
) -> str:
    """Which parts of the calibration get another verdict, as a sentence for a person.

    Args:
        folder: of the recipe.
        before: a revision.
        after: a later one, with its calibration.
        predictor: its network.

    Returns:
        '' if no setting differs, or `before` was never calibrated.
    """
    same = before.settings_sha256() == after.settings_sha256()
    if same or before.calibration is None:
        return ''
    comparable = _scored_by(before) == _scored_by(after)
    known = read_parts(folder, after) if comparable else {}
    try:
        old, new = (
            _verdicts(folder, recipe, predictor, known) for recipe in (before, after)
        )
    except (FileNotFoundError, ValueError):  # a revision may have had a fault
        known = {}
    if not known:
        return (
            'Which calibrated parts get another verdict is not known: their scores are '
            'not kept for both revisions. calibrate.py keeps them.'
        )
    changes: dict[str, list[str]] = {}
    for name in known:
        if old[name] != new[name]:
            changes.setdefault(f'{old[name]} -> {new[name]}', []).append(name)
    if not changes:
        return f'None of {len(known)} calibrated parts gets another verdict.'
    number = sum(map(len, changes.values()))
    listed = '; '.join(f'{key}: {", ".join(names)}' for key, names in changes.items())
    return f'{number} of {len(known)} calibrated parts get another verdict. {listed}'


def _scored_by(recipe: Recipe) -> str:
    """Names all that decides scores: the recipe but rules and variation, this code."""
    plain = dataclasses.replace(recipe, rules=Rules())
    plain = plain.with_variations(dict.fromkeys(plain.all_views()))
    return f'{__version__} {plain.settings_sha256()}'


def _write_scores(folder: _Path, part: KeptPart) -> dict[str, Any]:
    return {
        view: {
            **dataclasses.asdict(add_file(folder, 'scores', scores.to_bytes(), 'npz')),
            'matrix': part.matrices[view].tolist(),
        }
        for view, scores in part.scores.items()
    }


def _read_part(folder: _Path, entry: dict[str, Any]) -> KeptPart | None:
    """None if its scores are not there, or not all of them."""
    scores, matrices = {}, {}
    for view, values in entry['kept'].items():
        file = File(values['file'], values['sha256'])
        try:
            scores[view] = KeptScores.from_bytes(read_bytes(folder, file, 'scores'))
        except (FileNotFoundError, ValueError):
            return None
        matrices[view] = np.array(values['matrix'])
    if not scores:
        return None
    files = {view: (of['path'], of['sha256']) for view, of in entry['files'].items()}
    return KeptPart(entry['part'], files, (), scores, matrices)


def _content(files: Mapping[str, tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Each view with the SHA-256 of its file."""
    return frozenset((view, digest) for view, (_, digest) in files.items())


def _digest(path: pathlib.Path) -> str:
    """'' of a file that cannot be read: scoring says why."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ''


def _check_again(inspectors: Mapping[str, Inspector], part: KeptPart) -> KeptPart:
    """The part, INVALID if the rules say so now."""
    verdicts = _judge_views(inspectors, part)
    faults = [
        reason
        for verdict in verdicts
        if verdict.verdict == INVALID
        for reason in verdict.reasons
    ]
    return part._replace(faults=tuple(faults))


def _verdicts(
    folder: _Path, recipe: Recipe, predictor: Predictor, known: Mapping[str, KeptPart]
) -> dict[str, str]:
    """The verdict on each part.

    Raises:
        FileNotFoundError: a file of the recipe is missing.
        ValueError: the recipe has a fault, or a threshold below the kept scores.
    """
    thresholds = [recipe.rules.threshold(name) for name in predictor.class_names[1:]]
    if any(threshold is not None and threshold < LOWEST for threshold in thresholds):
        raise ValueError(f'scores below {LOWEST} are not kept.')
    inspectors = make_inspectors(recipe, folder, predictor)
    bar = tqdm(known.items(), desc='known', unit='parts', disable=None)
    return {
        name: worst_verdict(found.verdict for found in _judge_views(inspectors, part))
        for name, part in bar
    }


def _judge_views(inspectors: Mapping[str, Inspector], part: KeptPart) -> list[Verdict]:
    verdicts = []
    for view, inspector in inspectors.items():
        scores = part.scores[view].restore()
        verdicts.append(
            judge(
                scores,
                inspector.predictor.class_names,
                inspector.recipe.rules,
                shown=shown_pixels(part.matrices[view], *scores.score.shape),
                **inspector.context(),
            )
        )
    return verdicts
