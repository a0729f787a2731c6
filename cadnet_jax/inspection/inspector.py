"""A recipe at work: image -> checks, registration, scores, rules -> a verdict."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inference.predictor import Predictor, ReferencePredictor
from cadnet_jax.inference.reference_checks import warn_left_out
from cadnet_jax.inference.restore import load_predictor
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.image_checks import Measures, find_faults, measure
from cadnet_jax.inspection.recipe import Recipe, View, Weights
from cadnet_jax.inspection.recipe_files import (
    inspected_pixels,
    read_bytes,
    read_references,
)
from cadnet_jax.inspection.registration import (
    Registrar,
    Registration,
    align,
    correlate,
)
from cadnet_jax.inspection.rules import INVALID, Region, contour_distance, judge
from cadnet_jax.inspection.variation import Variation
from cadnet_jax.runs.checkpoint_record import tree_digest
from cadnet_jax.weights import released

_Path = str | os.PathLike[str]
_IS_REFERENCE = 'the same pixels as its reference: it is no picture of a part'


class RegisteredImage(NamedTuple):
    """An image that lies over its reference, or the reasons why it does not.

    Attributes:
        image: uint8 [H, W, 3]; as given if it was not registered; None if it could not
            be read, or is not needed any more.
        faults: why it cannot be judged, as sentences; if there is none, it can.
        registration: where the part lies; None if that was not looked for.
        reference: number of the reference that the image is most similar to.
    """

    image: np.ndarray | None
    faults: tuple[str, ...] = ()
    registration: Registration | None = None
    reference: int = 0


class Inspection(NamedTuple):
    """What is found of an image. Arrays lie over the first reference.

    Attributes:
        verdict: 'OK', 'NG' or 'INVALID'.
        reasons: sentences; of a part that is OK there are none.
        regions: see `rules.Verdict`.
        registration: where the part lies; None if that was not looked for.
        reference: number of the reference that the image is most similar to.
        image: the registered one, uint8 [H, W, 3]; as given if it was not registered.
        scores: of each pixel, [H, W]; None if the network did not run.
        mask: uint8 [H, W], class of the pixels of defects; None likewise.
        judged: share of the inspected pixels that were judged.
    """

    verdict: str
    reasons: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    registration: Registration | None = None
    reference: int = 0
    image: np.ndarray | None = None
    scores: PixelScores | None = None
    mask: np.ndarray | None = None
    judged: float = 0.0

    @property
    def score(self) -> np.ndarray | None:
        """Score of any defect, float32 [H, W]."""
        return None if self.scores is None else self.scores.score


@dataclasses.dataclass(frozen=True, eq=False)
class Inspector:
    """Inspects images of one view of the parts of a recipe.

    A call does `register`, `score` and `judge` in turn; threads may do each of them for
    other images at the same time.

    Attributes:
        recipe: what decides.
        predictor: its network.
        references: uint8 [H, W, 3] each.
        measures: of each reference.
        inspected: bool [H, W], what is judged.
        contours: float32 [H, W], distance to the first reference's contours; None if
            no rule asks for them.
        variation: of good parts; None if it was not calibrated.
    """

    recipe: Recipe
    predictor: Predictor
    references: Sequence[np.ndarray]
    measures: Sequence[Measures]
    inspected: np.ndarray
    contours: np.ndarray | None = None
    variation: Variation | None = None

    def __call__(self, image: np.ndarray) -> Inspection:
        """Inspects one image.

        Args:
            image: uint8 [H, W, 3], RGB, or [H, W], gray.

        Raises:
            ValueError: it is no such array. What is wrong with the picture itself makes
                the part INVALID.
        """
        registered = self.register(image)
        return self.judge(registered, self.score(registered))

    def register(self, image: np.ndarray) -> RegisteredImage:
        """Checks an image and lays it over the first reference; see a call."""
        if image.ndim == 3 and image.shape[2] != 3:
            raise ValueError(
                f'image has {image.shape[2]} bands; give the three that the reference '
                'has: red, green and blue.'
            )
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise ValueError(
                f'image is {image.dtype} {list(image.shape)}; it must be uint8 '
                '[H, W, 3] or [H, W].'
            )
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=-1)
        if faults := tuple(self._faults(image)):
            return RegisteredImage(image, faults)
        found = self.registrar(image)
        aligned = align(image, self.references[0], found)
        others = self.references[1:]
        if any(np.array_equal(aligned, other) for other in others):  # kept aligned
            return RegisteredImage(image, (_IS_REFERENCE,))
        similarities = [correlate(aligned, other) for other in others]
        similarities.insert(0, found.correlation)
        best = int(np.argmax(similarities))
        faults = tuple(self._mismatches(found, similarities[best]))
        return RegisteredImage(aligned, faults, found, best)

    def score(self, registered: RegisteredImage) -> PixelScores | None:
        """What the network says of each pixel; None of an image that is INVALID."""
        if registered.faults or registered.image is None:
            return None
        if self.recipe.compare == 'best':
            return self.encoded[registered.reference](registered.image).scores
        return _lowest([encoded(registered.image).scores for encoded in self.encoded])

    def judge(
        self, registered: RegisteredImage, scores: PixelScores | None
    ) -> Inspection:
        """What the rules say; the network does not run."""
        image, faults, found, best = registered
        if scores is None or found is None:
            return Inspection(
                INVALID, faults, registration=found, reference=best, image=image
            )
        verdict = judge(
            scores,
            self.predictor.class_names,
            self.recipe.rules,
            shown=found.valid,
            **self.context(),
        )
        return Inspection(
            verdict.verdict,
            verdict.reasons,
            verdict.regions,
            registration=found,
            reference=best,
            image=image,
            scores=scores,
            mask=verdict.mask,
            judged=verdict.judged,
        )

    @functools.cached_property
    def encoded(self) -> Sequence[ReferencePredictor]:
        """The references, encoded once."""
        return [self.predictor.with_reference(image) for image in self.references]

    @functools.cached_property
    def registrar(self) -> Registrar:
        """What lays images over the first reference."""
        alignment = self.recipe.registration
        return Registrar(self.references[0], alignment.method, alignment.tolerance)

    def context(self) -> dict[str, Any]:
        """What `rules.judge` is told of all images of this view."""
        return {
            'inspected': self.inspected,
            'contours': self.contours,
            'variation': self.variation,
        }

    def _faults(self, image: np.ndarray) -> Iterator[str]:
        """Why the picture cannot be judged, before anything is computed from it."""
        first = self.references[0]
        if image.shape != first.shape:
            yield f'{_size(image)} pixels, and the reference has {_size(first)}'
            return
        if any(np.array_equal(image, other) for other in self.references):
            yield _IS_REFERENCE
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


def load_inspector(
    recipe: _Path, revision: int | None = None, *, view: str | None = None
) -> Inspector:
    """An inspector of the parts of a recipe.

    Args:
        recipe: folder of it.
        revision: an earlier one; None: the latest.
        view: which, of a recipe with several.

    Raises:
        FileNotFoundError: the recipe, one of its files or its weights are missing.
        ValueError: the recipe has a fault, a file or the weights have changed, or the
            view is missing or unknown.
    """
    inspectors = load_inspectors(recipe, revision)
    if view is None and len(inspectors) == 1:
        (view,) = inspectors
    if view not in inspectors:
        raise ValueError(
            f'view is {view!r}; {recipe} has: {", ".join(map(repr, inspectors))}.'
        )
    return inspectors[view]


def load_inspectors(
    recipe: _Path, revision: int | None = None, *, with_variation: bool = True
) -> dict[str, Inspector]:
    """An inspector of each view, by its name; see `load_inspector`.

    Without the variation, which a calibration has yet to find, there are no
    `deviations` either.
    """
    values = recipes.read(recipe, revision)
    if not with_variation:
        rules = dataclasses.replace(values.rules, deviations=None)
        values = dataclasses.replace(values, rules=rules)
    predictor = load_weights(values.weights, recipe)
    digest = tree_digest(predictor.variables)
    if digest != values.weights.sha256:
        raise ValueError(
            f'{recipe}/recipe.json: weights.sha256 is not that of '
            f'{values.weights.workdir} ({digest}); restore the weights, or make a new '
            'revision with experiments/make_recipe.py.'
        )
    return make_inspectors(values, recipe, predictor)


def make_inspectors(
    recipe: Recipe, folder: _Path, predictor: Predictor
) -> dict[str, Inspector]:
    """Inspectors with the given network; see `load_inspectors`."""
    check_rules(recipe, folder, predictor)
    return {
        name: _view_inspector(recipe, view, folder, predictor)
        for name, view in recipe.all_views().items()
    }


def make_inspector(
    recipe: Recipe,
    predictor: Predictor,
    references: Sequence[np.ndarray],
    *,
    inspected: np.ndarray | None = None,
    variation: Variation | None = None,
) -> Inspector:
    """An inspector whose references and areas are arrays, not files.

    Args:
        recipe: what decides.
        predictor: the network.
        references: uint8 [H, W, 3] each.
        inspected: bool [H, W], what is judged; None: all.
        variation: of good parts.
    """
    edge_tolerance = recipe.rules.edge_tolerance
    if inspected is None:
        inspected = np.ones(references[0].shape[:2], bool)
    return Inspector(
        recipe=recipe,
        predictor=predictor,
        references=references,
        measures=[measure(reference) for reference in references],
        inspected=inspected,
        contours=contour_distance(references[0]) if edge_tolerance else None,
        variation=variation,
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
        # Checked first: without a distance, calibrate.py finds no variation.
        if rules.deviations is not None and not predictor.head.has_distance:
            raise ValueError(
                'deviations needs a learned distance, which this network lacks; '
                'set it to null.'
            )
        missing = [n for n, v in recipe.all_views().items() if v.variation is None]
        if rules.deviations is not None and missing:
            raise ValueError(
                'deviations needs the variation of good parts; '
                'experiments/calibrate.py --deviations finds it.'
            )
    except ValueError as error:
        raise ValueError(f'{folder}/recipe.json: rules.{error}') from None


def load_weights(weights: Weights, folder: _Path) -> Predictor:
    """The network that a recipe in `folder` names."""
    workdir: _Path = weights.workdir
    if not released.is_released(workdir):
        workdir = os.path.normpath(pathlib.Path(folder, workdir))
    return load_predictor(
        workdir,
        weights.step,
        tile_size=weights.tile_size,
        orientations=weights.orientations,
    )


def _view_inspector(
    recipe: Recipe, view: View, folder: _Path, predictor: Predictor
) -> Inspector:
    references = read_references(view, folder)
    warn_left_out(*(pathlib.Path(folder, file.file) for file in view.references))
    variation = None
    if view.variation is not None and recipe.rules.deviations is not None:
        data = read_bytes(folder, view.variation, 'variation')
        variation = Variation.from_bytes(data)
    return make_inspector(
        recipe,
        predictor,
        references,
        inspected=inspected_pixels(view, folder, references[0]),
        variation=variation,
    )


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
