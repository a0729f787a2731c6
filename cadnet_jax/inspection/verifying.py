"""The gate: a recipe goes live if it decides known parts, and repeats itself.

challenge/bad holds parts with defects that must be found (master defects),
challenge/good parts that must pass. A gauge study repeats captures of the same parts.
"""

import os
import pathlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.text import read_object
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.calibrating import score_kept
from cadnet_jax.inspection.inspector import Inspector, load_inspectors
from cadnet_jax.inspection.known_parts import keep_part
from cadnet_jax.inspection.parts import Part, list_parts
from cadnet_jax.inspection.recipe import Recipe
from cadnet_jax.inspection.results import worst_verdict
from cadnet_jax.inspection.rules import NG, OK
from cadnet_jax.inspection.scoring import ScoredPart, score_parts

_Path = str | os.PathLike[str]
_EXPECTED = {'bad': NG, 'good': OK}


class GateReport(NamedTuple):
    """What the challenge set says of a recipe.

    Attributes:
        revision: of the recipe.
        counts: kind ('bad' and 'good') -> parts.
        misses: sentences, one for each part with another verdict; if there is none, the
            revision passes.
    """

    revision: int
    counts: dict[str, int]
    misses: tuple[str, ...]


class GaugeReport(NamedTuple):
    """What repeated captures of the same parts say.

    Attributes:
        captures: of each part.
        verdicts: part -> verdict of each capture.
        spread: standard deviation of the decisive score over captures of one part,
            pooled; NaN if no part has two that are not INVALID.
        kappa: Fleiss' kappa of the verdicts; NaN if all are the same.
    """

    captures: int
    verdicts: dict[str, tuple[str, ...]]
    spread: float
    kappa: float

    @property
    def flips(self) -> tuple[str, ...]:
        """Parts whose verdict is not always the same."""
        return tuple(name for name, all in self.verdicts.items() if len(set(all)) > 1)


def verify(folder: _Path, *, progress: bool = True) -> GateReport:
    """Inspects the challenge set of a recipe; notes the result in verified/.

    Raises:
        FileNotFoundError: the recipe has no challenge set, or a file is missing.
        ValueError: the recipe or a file has a fault.
    """
    recipe = recipes.read(folder)
    parts = _challenge(recipe, pathlib.Path(folder))
    inspectors = load_inspectors(folder)
    misses = []
    for kind, expected in _EXPECTED.items():
        of_kind = parts.get(kind, [])
        for part in _scored(inspectors, of_kind, kind, progress):
            verdict, reasons = _judge(inspectors, part)
            if verdict != expected:
                text = f'{kind}/{part.name} is {verdict}, not {expected}'
                misses.append(': '.join([text, *reasons[:1]]))
    counts = {kind: len(of_kind) for kind, of_kind in parts.items()}
    report = GateReport(recipe.revision, counts, tuple(misses))
    path = pathlib.Path(folder, 'verified', f'{recipe.revision:04}.json')
    write_json(path, report._asdict())
    return report


def is_verified(folder: _Path, revision: int) -> bool:
    """Whether the last verification of a revision had no miss."""
    path = pathlib.Path(folder, 'verified', f'{revision:04}.json')
    if not path.is_file():
        return False
    values = read_object(path, remedy='Verify the recipe again.')
    return values.get('misses') == []


def study_gauge(folder: _Path, repeat: _Path, *, progress: bool = True) -> GaugeReport:
    """Inspects repeated captures: a folder for each part, an image for each capture.

    Raises:
        FileNotFoundError: there is no such folder, or a file is missing.
        ValueError: there are fewer than two parts or captures, or parts have different
            numbers of captures.
    """
    recipe = recipes.read(folder)
    captures = _captures(recipe, pathlib.Path(repeat))
    inspectors = load_inspectors(folder)
    verdicts, scores = {}, []
    for name, parts in captures.items():
        scored = list(_scored(inspectors, parts, name, progress))
        verdicts[name] = tuple(_judge(inspectors, part)[0] for part in scored)
        kept = [keep_part(inspectors, part) for part in scored]
        scores.append(score_kept(inspectors, recipe, kept, {}, held_out=False))
    first = next(iter(captures.values()))
    return GaugeReport(
        len(first), verdicts, pooled_deviation(scores), fleiss_kappa(verdicts.values())
    )


def fleiss_kappa(ratings: Iterable[Sequence[str]]) -> float:
    """Agreement of ratings of the same subjects, beyond chance (Fleiss, 1971).

    Args:
        ratings: of each subject, as many of each.

    Returns:
        1 if each subject has one rating; 0 as by chance; NaN if all ratings are equal.
    """
    counted = [Counter(of_subject) for of_subject in ratings]
    names = sorted(set().union(*counted))
    counts = np.array([[of_subject[name] for name in names] for of_subject in counted])
    raters = counts[0].sum()
    agreement = ((counts**2).sum(axis=1) - raters) / (raters * (raters - 1))
    chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    if chance == 1:
        return float('nan')
    return float((agreement.mean() - chance) / (1 - chance))


def pooled_deviation(groups: Iterable[Sequence[float]]) -> float:
    """Standard deviation within groups; NaN if no group has two values."""
    values = [np.asarray(group) for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in values)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in values)
    return float(np.sqrt(squares / freedom)) if freedom else float('nan')


def _challenge(recipe: Recipe, folder: pathlib.Path) -> dict[str, list[Part]]:
    parts = {
        kind: list_parts(folder / 'challenge' / kind, **recipe.naming())
        for kind in _EXPECTED
        if (folder / 'challenge' / kind).is_dir()
    }
    if not parts:
        raise FileNotFoundError(
            f'{folder}/challenge: no challenge set; put images of defects that must be '
            'found into challenge/bad, and of parts that must pass into challenge/good.'
        )
    return parts


def _captures(recipe: Recipe, folder: pathlib.Path) -> dict[str, list[Part]]:
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder; check the path.')
    parts = {
        path.name: list_parts(path, **recipe.naming())
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith('.')
    }
    numbers = {len(of_part) for of_part in parts.values()}
    if len(parts) < 2 or len(numbers) != 1 or numbers == {1}:
        raise ValueError(
            f'{folder}: there must be a folder for each of two parts or more, with the '
            'same number of captures, at least two, in each.'
        )
    return parts


def _scored(
    inspectors: Mapping[str, Inspector],
    parts: Sequence[Part],
    title: str,
    progress: bool,
) -> Iterator[ScoredPart]:
    yield from tqdm(
        score_parts(inspectors, parts),
        total=len(parts),
        desc=title,
        unit='parts',
        disable=not progress,
    )


def _judge(
    inspectors: Mapping[str, Inspector], part: ScoredPart
) -> tuple[str, list[str]]:
    inspections = [
        inspectors[view].judge(image.registered, image.scores)
        for view, image in part.images.items()
    ]
    reasons = [reason for one in inspections for reason in one.reasons]
    return worst_verdict(one.verdict for one in inspections), reasons
