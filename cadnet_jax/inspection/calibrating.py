"""Calibrates a recipe: finds its threshold and error bounds from known parts."""

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from cadnet_jax.evaluation.thresholds import (
    ESCAPES,
    Errors,
    Review,
    Threshold,
    choose_threshold,
    count_errors,
    cross_validate,
    cross_validate_review,
    percent,
    review,
    upper_bound,
)
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.inspector import Inspector, load_inspectors
from cadnet_jax.inspection.kept_scores import LOWEST
from cadnet_jax.inspection.known_parts import (
    KeptPart,
    changed_verdicts,
    find_kept,
    keep_part,
    read_parts,
    write_parts,
)
from cadnet_jax.inspection.parts import Part, list_parts
from cadnet_jax.inspection.recipe import Calibration, Recipe
from cadnet_jax.inspection.recipe_files import add_file
from cadnet_jax.inspection.reduced_images import shown_pixels
from cadnet_jax.inspection.rules import Rules, decisive_score, judge
from cadnet_jax.inspection.scoring import score_parts
from cadnet_jax.inspection.variation import VariationSums

_Path = str | os.PathLike[str]
_HIGHEST_TARGET = 0.5  # false-reject rate that calibrate.py takes
_STEPS = 33  # of thresholds above the scores of all good parts


class CalibrationReport(NamedTuple):
    """What a calibration found.

    Attributes:
        recipe: with the new threshold, as it was written.
        threshold: with the number of good parts that it rejects.
        invalid: parts that cannot be judged; they are not counted.
        reused: number of parts whose kept scores were used instead of the network.
        changes: see `changed_verdicts`.
        fitted: errors on the parts that chose the threshold; None without bad parts.
        held_out: cross-validated errors; None without bad parts, or where verdicts
            change at other thresholds than the scores; see `decisive_score`.
        reviews: for each rate of escapes, the review that is saved, fitted and
            cross-validated; None likewise, and with fewer than two bad parts.
    """

    recipe: Recipe
    threshold: Threshold
    invalid: tuple[KeptPart, ...]
    reused: int
    changes: str
    fitted: Errors | None = None
    held_out: Errors | None = None
    reviews: tuple[tuple[Review, Review], ...] | None = None

    def lines(self) -> list[str]:
        """Sentences for a person."""
        limit, found = self.threshold, self.recipe.calibration
        confidence = f'{100 * found.confidence:g} %' if found else ''
        lines = [
            f'Threshold {limit.threshold:.4f}: {limit.false_rejects} of '
            f'{limit.good_parts} good parts are rejected, so at most '
            f'{percent(limit.bound)} of all (Clopper-Pearson, {confidence}).'
        ]
        if self.reused:
            lines.append(
                f'The network did not run for {self.reused} parts, whose scores were '
                'kept.'
            )
        if self.changes:
            lines.append(self.changes)
        for part in self.invalid:
            lines.append(f'INVALID, not counted: {part.name}: {part.faults[0]}')
        for title, errors in (
            ('Fitted', self.fitted),
            ('Cross-validated', self.held_out),
        ):
            if errors:
                lines.append(f'{title}: {_describe(errors)}')
        for fitted, held_out in self.reviews or ():
            lines.append(
                f'At {percent(fitted.escapes)} escapes {percent(fitted.passed)} of the '
                f'good parts need no review; cross-validated '
                f'{percent(held_out.passed)}, at {percent(held_out.escaped)} escapes.'
            )
        return lines


def calibrate(
    folder: _Path,
    good: _Path,
    bad: _Path | None = None,
    *,
    target: float = 0.01,
    confidence: float = 0.95,
    deviations: float | None = None,
    progress: bool = True,
) -> CalibrationReport:
    """Finds the threshold of a recipe, and writes it as the next revision.

    Parts whose scores the previous calibration kept do not go through the network
    again, except good parts if the recipe has `deviations`: that rule needs the scores
    of all their pixels.

    Args:
        folder: of the recipe.
        good: good parts: a folder, or a CSV file; see `parts.list_parts`.
        bad: bad parts, likewise.
        target: false-reject rate that the bound must hold.
        confidence: of the bound.
        deviations: see `Rules`; None: as in the recipe.
        progress: show a bar.

    Raises:
        FileNotFoundError: a file or the weights are missing.
        ValueError: there are too few good parts for the target, or the recipe or a
            file is invalid; nothing was written.
    """
    recipe = before = recipes.read(folder)
    files = {'good': list_parts(good, **recipe.naming())}
    files['bad'] = list_parts(bad, **recipe.naming()) if bad else []
    _check_number(len(files['good']), target, confidence)
    recipe, inspectors = _prepare(recipe, folder, deviations)
    varies = recipe.rules.deviations is not None
    sums: dict[str, VariationSums] = {}
    known = read_parts(folder, recipe).values()
    found = {
        'good': find_kept(inspectors, files['good'], () if varies else known),
        'bad': find_kept(inspectors, files['bad'], known),
    }
    of_good = sums if varies else None
    kept = {'good': _keep(inspectors, 'good', files, found, of_good, progress)}
    invalid_good = [part for part in kept['good'] if part.faults]
    valid = len(kept['good']) - len(invalid_good)
    _check_number(valid, target, confidence, invalid_good)
    kept['bad'] = _keep(inspectors, 'bad', files, found, None, progress)
    scores = {
        kind: score_kept(inspectors, recipe, parts, sums, held_out=kind == 'good')
        for kind, parts in kept.items()
    }
    chosen = choose_threshold(scores['good'], target, confidence)

    def rules_at(limit: float) -> Rules:
        return recipe.rules.with_threshold(limit)

    threshold = raise_threshold(
        chosen,
        _candidates(scores['good'], kept['good']),
        lambda limit: count_ng(
            inspectors, rules_at(limit), kept['good'], sums, held_out=True
        ),
        confidence,
    )
    _check_threshold(threshold, inspectors)
    rules = rules_at(threshold.threshold)
    found_bad = count_ng(inspectors, rules, kept['bad'], sums, held_out=False)
    bad_parts = len(scores['bad'])
    errors = Errors(
        threshold.false_rejects, threshold.good_parts, bad_parts - found_bad, bad_parts
    )
    recipe = dataclasses.replace(recipe, rules=rules)
    if varies:
        variations = {
            view: add_file(folder, 'calibration', of.variation().to_bytes(), 'npz')
            for view, of in sums.items()
        }
        recipe = recipe.with_variations(variations)
    recipe = _record(
        recipe, folder, threshold, errors, kept, scores, target, confidence
    )
    invalid = tuple(p for parts in kept.values() for p in parts if p.faults)
    reused = sum(map(len, found.values()))
    # Otherwise the scores do not say where the verdicts change.
    agree = threshold == chosen and errors == count_errors(
        scores['good'], scores['bad'], threshold.threshold
    )
    recipe = recipes.save(recipe, folder)
    predictor = next(iter(inspectors.values())).predictor
    changes = changed_verdicts(folder, before, recipe, predictor)
    report = CalibrationReport(recipe, threshold, invalid, reused, changes)
    return _with_errors(report, scores, errors, agree=agree)


def score_kept(
    inspectors: Mapping[str, Inspector],
    recipe: Recipe,
    parts: Sequence[KeptPart],
    sums: Mapping[str, VariationSums],
    *,
    held_out: bool,
) -> list[float]:
    """The decisive score of each part that is not INVALID; the worst view decides.

    With `held_out`, the parts themselves are in `sums`, and each is compared with the
    variation of the others.
    """
    return [
        max(
            decisive_score(scores, names, recipe.rules, lowest=LOWEST, **context)
            for scores, names, context in views
        )
        for views in _judged_views(inspectors, parts, sums, held_out)
    ]


def count_ng(
    inspectors: Mapping[str, Inspector],
    rules: Rules,
    parts: Sequence[KeptPart],
    sums: Mapping[str, VariationSums],
    *,
    held_out: bool,
) -> int:
    """The number of parts that are NG by the rules; see `score_kept`."""
    return sum(
        any(
            region.is_defect
            for scores, names, context in views
            for region in judge(scores, names, rules, **context).regions
        )
        for views in _judged_views(inspectors, parts, sums, held_out)
    )


def raise_threshold(
    threshold: Threshold,
    candidates: Sequence[float],
    count_rejected: Callable[[float], int],
    confidence: float,
) -> Threshold:
    """The lowest threshold from the given one on whose verdicts are within the bound.

    The given one is, unless a good part is NG above its score; see `decisive_score`.

    Args:
        threshold: chosen by the scores.
        candidates: what else may be chosen; at the highest, no good part is NG.
        count_rejected: threshold -> number of good parts that are NG at it.
        confidence: of the bound.
    """
    value, rejected = threshold.threshold, count_rejected(threshold.threshold)
    for candidate in sorted(x for x in candidates if x > threshold.threshold):
        if upper_bound(rejected, threshold.good_parts, confidence) <= threshold.bound:
            break
        value, rejected = candidate, count_rejected(candidate)
    return threshold._replace(threshold=value, false_rejects=rejected)


def _candidates(scores: Sequence[float], parts: Sequence[KeptPart]) -> list[float]:
    """Thresholds: scores of parts, and steps from there to the highest of a pixel."""
    highest = max(
        float(kept.restore().score.max(initial=0))
        for part in parts
        for kept in part.scores.values()
    )
    return [*scores, *np.linspace(max(scores), highest, _STEPS).tolist()]


def _judged_views(
    inspectors: Mapping[str, Inspector],
    parts: Sequence[KeptPart],
    sums: Mapping[str, VariationSums],
    held_out: bool,
) -> Iterator[list[tuple[PixelScores, tuple[str, ...], dict[str, Any]]]]:
    """Of each part that is not INVALID: what `judge` needs for each of its views."""
    whole = {view: of.variation() for view, of in sums.items()}
    for part in parts:
        if part.faults:
            continue
        views = []
        for view, inspector in inspectors.items():
            scores = part.scores[view].restore()
            shown = shown_pixels(part.matrices[view], *scores.score.shape)
            context = inspector.context() | {'shown': shown}
            if view in whole:
                context['variation'] = whole[view]
                if held_out and scores.distance is not None:
                    # Pixels that were not kept are no defects, whatever their spread.
                    context['variation'] = sums[view].without(scores.distance, shown)
            views.append((scores, inspector.predictor.class_names, context))
        yield views


def _check_number(
    good_parts: int,
    target: float,
    confidence: float,
    invalid: Sequence[KeptPart] = (),
) -> None:
    """Refuses too few good parts for the target, and says what can be done."""
    try:
        choose_threshold([0.0] * good_parts, target, confidence)
    except ValueError as error:
        text = f'{error} Take more good parts'
        least = math.ceil(1000 * upper_bound(0, good_parts, confidence)) / 1000
        if least <= _HIGHEST_TARGET:
            text += f', or allow more false rejects: --target={least:g}'
        if invalid:
            named = [f'{part.name}: {part.faults[0]}' for part in invalid[:3]]
            more = f'; and {len(invalid) - 3} more' if invalid[3:] else ''
            text += (
                f'. {len(invalid)} others are INVALID, and not counted: '
                f'{"; ".join(named)}{more}'
            )
        raise ValueError(f'{text}.') from None


def _prepare(
    recipe: Recipe, folder: _Path, deviations: float | None
) -> tuple[Recipe, dict[str, Inspector]]:
    """The recipe with its new rule, and inspectors that register and score alone."""
    loaded = load_inspectors(folder, with_variation=False)
    if deviations is not None:
        rules = dataclasses.replace(recipe.rules, deviations=deviations)
        recipe = dataclasses.replace(recipe, rules=rules)
    first = next(iter(loaded.values()))
    if recipe.rules.deviations is not None and not first.predictor.head.has_distance:
        raise ValueError(
            f'{folder}/recipe.json: rules.deviations, or --deviations, needs a learned '
            'distance, which this network lacks; set it to null.'
        )
    return recipe, loaded


def _keep(
    inspectors: Mapping[str, Inspector],
    kind: str,
    files: Mapping[str, Sequence[Part]],
    found: Mapping[str, Mapping[str, KeptPart]],
    sums: dict[str, VariationSums] | None,
    progress: bool,
) -> list[KeptPart]:
    """The parts of a kind, scored unless found; adds their distances to `sums`."""
    kept = dict(found[kind])
    new = [part for part in files[kind] if part.name not in kept]
    bar = tqdm(
        score_parts(inspectors, new),
        total=len(new),
        desc=kind,
        unit='parts',
        disable=not progress or not new,
    )
    for part in bar:
        kept[part.name] = keep_part(inspectors, part)
        if sums is None or kept[part.name].faults:
            continue
        for view, image in part.images.items():
            place, scores = image.registered.registration, image.scores
            if place is None or scores is None or scores.distance is None:
                continue
            of_view = sums.setdefault(view, VariationSums.zeros(place.valid.shape))
            of_view.add(scores.distance, place.valid)
    return [kept[part.name] for part in files[kind]]


def _check_threshold(threshold: Threshold, inspectors: Mapping[str, Inspector]) -> None:
    """Refuses a threshold that no probability exceeds."""
    first = next(iter(inspectors.values()))
    if first.predictor.head.answer == 'classes' and threshold.threshold >= 1:
        raise ValueError(
            f'{threshold.false_rejects + 1} good parts have regions with a score of '
            '1, so no threshold holds the target: look at them with '
            'experiments/inspect_parts.py, and raise rules.any.min_area, leave their '
            'places out (--ignore), or fine-tune the network.'
        )


def _record(
    recipe: Recipe,
    folder: _Path,
    threshold: Threshold,
    errors: Errors,
    kept: Mapping[str, Sequence[KeptPart]],
    scores: Mapping[str, Sequence[float]],
    target: float,
    confidence: float,
) -> Recipe:
    """The recipe with the numbers of its calibration, and the files of the parts."""
    calibration = Calibration(
        target=target,
        confidence=confidence,
        good_parts=threshold.good_parts,
        invalid_parts=sum(bool(part.faults) for part in kept['good']),
        false_rejects=threshold.false_rejects,
        bound=threshold.bound,
        bad_parts=errors.bad_parts,
        escapes=errors.escapes,
        escape_bound=upper_bound(errors.escapes, errors.bad_parts, confidence),
        parts=write_parts(folder, recipe, kept, scores),
        settings_sha256=recipe.settings_sha256(),
    )
    return dataclasses.replace(recipe, calibration=calibration)


def _with_errors(
    report: CalibrationReport,
    scores: Mapping[str, Sequence[float]],
    errors: Errors,
    *,
    agree: bool,
) -> CalibrationReport:
    """The report with what bad parts tell; `agree`: scores and verdicts do."""
    good, bad, threshold = scores['good'], scores['bad'], report.threshold
    if not bad:
        return report
    report = report._replace(fitted=errors)
    if not agree:
        return report
    report = report._replace(held_out=cross_validate(good, bad, threshold))
    if len(bad) < 2:  # a limit for one bad part cannot come from another one
        return report
    reviews = (
        (review(good, bad, share), cross_validate_review(good, bad, share))
        for share in ESCAPES
    )
    return report._replace(reviews=tuple(reviews))


def _describe(errors: Errors) -> str:
    return (
        f'{errors.false_rejects} of {errors.good_parts} good parts are rejected (at '
        f'most {percent(upper_bound(errors.false_rejects, errors.good_parts))}), '
        f'{errors.escapes} of {errors.bad_parts} bad parts escape (at most '
        f'{percent(upper_bound(errors.escapes, errors.bad_parts))}).'
    )
