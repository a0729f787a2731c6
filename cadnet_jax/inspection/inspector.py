"""A recipe at work: image -> checks, registration, scores, rules -> a verdict."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inference.predictor import Predictor, ReferencePredictor, load_predictor
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.image_checks import Measures, find_faults, measure
from cadnet_jax.inspection.recipe import Recipe, Weights
from cadnet_jax.inspection.registration import (
    Registration,
    align,
    correlate,
    register,
)
from cadnet_jax.inspection.rules import INVALID, Region, contour_distance, judge
from cadnet_jax.weights import released

_Path = str | os.PathLike[str]


class Inspection(NamedTuple):
    """What is found of a part. Arrays lie over the first reference.

    Attributes:
        verdict: 'OK', 'NG' or 'INVALID'.
        reasons: sentences; of a part that is OK there are none.
        regions: see `rules.Verdict`.
        registration: where the part lies; None if that was not looked for.
        reference: number of the reference that the image is most similar to.
        image: the registered one, uint8 [H, W, 3]; as given if it was not registered.
        score: of any defect, float32 [H, W]; None if the network did not run.
        mask: uint8 [H, W], class of the pixels of defects; None likewise.
        judged: share of the inspected pixels that were judged.
    """

    verdict: str
    reasons: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    registration: Registration | None = None
    reference: int = 0
    image: np.ndarray | None = None
    score: np.ndarray | None = None
    mask: np.ndarray | None = None
    judged: float = 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class Inspector:
    """Inspects images of the parts of one recipe.

    Attributes:
        recipe: what decides.
        predictor: its network.
        references: uint8 [H, W, 3] each.
        encoded: the same, encoded once.
        measures: of each reference.
        inspected: bool [H, W], what is judged.
        contours: float32 [H, W], distance to the first reference's contours; None if
            no rule asks for them.
    """

    recipe: Recipe
    predictor: Predictor
    references: Sequence[np.ndarray]
    encoded: Sequence[ReferencePredictor]
    measures: Sequence[Measures]
    inspected: np.ndarray
    contours: np.ndarray | None

    def __call__(self, image: np.ndarray) -> Inspection:
        """Inspects one part.

        Args:
            image: uint8 [H, W, 3], RGB, or [H, W], gray.

        Raises:
            ValueError: it is no such array. What is wrong with the picture itself makes
                the part INVALID.
        """
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise ValueError(
                f'image is {image.dtype} {list(image.shape)}; it must be uint8 '
                '[H, W, 3] or [H, W].'
            )
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=-1)
        if faults := tuple(self._faults(image)):
            return Inspection(INVALID, faults, image=image)
        alignment = self.recipe.registration
        first = self.references[0]
        found = register(image, first, alignment.method, alignment.tolerance)
        aligned = align(image, first, found)
        similarities = [correlate(aligned, other) for other in self.references]
        similarities[0] = found.correlation
        best = int(np.argmax(similarities))
        if faults := tuple(self._mismatches(found, similarities[best])):
            return Inspection(
                INVALID, faults, registration=found, reference=best, image=aligned
            )
        scores = self._scores(aligned, best)
        verdict = judge(
            scores,
            self.predictor.class_names,
            self.recipe.rules,
            inspected=self.inspected,
            shown=found.valid,
            contours=self.contours,
        )
        return Inspection(
            verdict.verdict,
            verdict.reasons,
            verdict.regions,
            registration=found,
            reference=best,
            image=aligned,
            score=scores.score,
            mask=verdict.mask,
            judged=verdict.judged,
        )

    def _faults(self, image: np.ndarray) -> Iterator[str]:
        """Why the picture cannot be judged, before anything is computed from it."""
        first = self.references[0]
        if image.shape != first.shape:
            yield f'{_size(image)} pixels, and the reference has {_size(first)}'
            return
        if any(np.array_equal(image, other) for other in self.references):
            yield 'the same pixels as its reference: it is no picture of a part'
            return
        yield from find_faults(measure(image), self.measures[0], self.recipe.checks)

    def _mismatches(self, found: Registration, similarity: float) -> Iterator[str]:
        limit = self.recipe.checks.min_similarity
        if similarity < limit:
            yield (
                f'unlike the reference: correlation {similarity:.2f} '
                f'(limit {limit:g}); another product, or out of place'
            )
        elif not found.within_tolerance:
            yield found.reason

    def _scores(self, image: np.ndarray, best: int) -> PixelScores:
        if self.recipe.compare == 'best':
            return self.encoded[best](image).scores
        return _lowest([encoded(image).scores for encoded in self.encoded])


def load_inspector(recipe: _Path, revision: int | None = None) -> Inspector:
    """An inspector of the parts of a recipe.

    Args:
        recipe: folder of it.
        revision: an earlier one; None: the latest.

    Raises:
        FileNotFoundError: the recipe, one of its files or its weights are missing.
        ValueError: the recipe has a fault, or a file or the weights have changed.
    """
    values = recipes.read(recipe, revision)
    predictor = load_weights(values.weights, recipe)
    digest = weights_digest(predictor.variables)
    if digest != values.weights.sha256:
        raise ValueError(
            f'{recipe}/recipe.json: weights.sha256 is not that of '
            f'{values.weights.workdir} ({digest}); restore the weights, or make a new '
            'revision by experiments/make_recipe.py.'
        )
    return make_inspector(values, recipe, predictor)


def make_inspector(recipe: Recipe, folder: _Path, predictor: Predictor) -> Inspector:
    """An inspector with the given network; see `load_inspector`."""
    references = recipes.read_references(recipe, folder)
    check_rules(recipe, folder, predictor)
    edge_tolerance = recipe.rules.edge_tolerance
    return Inspector(
        recipe=recipe,
        predictor=predictor,
        references=references,
        encoded=[predictor.with_reference(reference) for reference in references],
        measures=[measure(reference) for reference in references],
        inspected=recipes.inspected_pixels(recipe, folder, references[0]),
        contours=contour_distance(references[0]) if edge_tolerance else None,
    )


def check_rules(recipe: Recipe, folder: _Path, predictor: Predictor) -> None:
    """Refuses rules that do not suit the network.

    Raises:
        ValueError: names file, field and remedy.
    """
    rules, has_classes = recipe.rules, predictor.head.answer == 'classes'
    try:
        rules.check_classes(predictor.class_names)
        for name in predictor.class_names[1:]:
            threshold = rules.threshold(name)
            if threshold is None and not has_classes:
                raise ValueError(
                    'any.threshold is null; a network that tells no classes apart '
                    f'needs one, such as {predictor.rule.threshold}.'
                )
            if has_classes and (threshold or 0) >= 1:
                raise ValueError(
                    f'any.threshold or classes.{name}.threshold is {threshold}; it '
                    'must be in [0, 1): no probability is higher.'
                )
    except ValueError as error:
        raise ValueError(f'{folder}/recipe.json: rules.{error}') from None


def load_weights(weights: Weights, folder: _Path) -> Predictor:
    """The network that a recipe in `folder` names."""
    workdir: _Path = weights.workdir
    if not released.is_released(workdir):
        workdir = os.path.normpath(pathlib.Path(folder, workdir))
    return load_predictor(workdir, weights.step, tile_size=weights.tile_size)


def weights_digest(variables: Mapping[str, Any]) -> str:
    """SHA-256 of all weights: their names, types, shapes and values."""
    digest = hashlib.sha256()
    flat = traverse_util.flatten_dict(dict(variables), sep='/')
    for name in sorted(flat):
        array = np.ascontiguousarray(flat[name])
        digest.update(f'{name} {array.dtype} {array.shape}\n'.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _lowest(scores: Sequence[PixelScores]) -> PixelScores:
    """Of each pixel the scores against the reference that it differs least from."""
    least = np.stack([one.score for one in scores]).argmin(axis=0)[None]
    return PixelScores(
        *(
            None
            if values[0] is None or values[0].ndim != 2
            else np.take_along_axis(np.stack(values), least, axis=0)[0]
            for values in zip(*scores, strict=True)
        )
    )


def _size(image: np.ndarray) -> str:
    return f'{image.shape[1]} x {image.shape[0]}'
