"""Makes a recipe, or its next revision."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cadnet_jax.files.images import read_image
from cadnet_jax.inference.reference_checks import warn_left_out
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.fields import from_json
from cadnet_jax.inspection.inspector import check_rules, load_weights
from cadnet_jax.inspection.known_parts import changed_verdicts
from cadnet_jax.inspection.recipe import Recipe
from cadnet_jax.inspection.recipe_files import (
    add_image,
    inspected_pixels,
    read_mask,
    read_references,
)
from cadnet_jax.inspection.registration import align, register
from cadnet_jax.runs.checkpoint_record import tree_digest
from cadnet_jax.weights import released

_Path = str | os.PathLike[str]


def make_recipe(
    folder: _Path,
    *,
    view: str = '',
    references: Sequence[_Path] = (),
    workdir: _Path | None = None,
    step: str | None = None,
    inspect: _Path | None = None,
    ignore: _Path | None = None,
    settings: Sequence[str] = (),
    report: Callable[[str], None] | None = None,
) -> Recipe:
    """Writes a recipe; what is not given stays as it is in the folder, if it is there.

    The variation does not stay if what decides the learned distances changes.

    Args:
        folder: of the recipe.
        view: of several views of a part, that to which references, inspect and ignore
            belong; '': a part has one image.
        references: images of good parts. Those behind the first are registered to it.
        workdir: of a training run, or 'released'.
        step: 'best', 'latest' or a number.
        inspect: an image of two values; what is not black is judged.
        ignore: likewise; what is not black is not judged.
        settings: other fields as FIELD=VALUE, such as 'rules.any.threshold=0.8'; the
            value is JSON, or a text.
        report: is given sentences: that `rules.deviations` is off, as the variation
            was of other scores; and which calibrated parts get another verdict (see
            `changed_verdicts`).

    Raises:
        FileNotFoundError: a file or the weights are missing.
        ValueError: a field or a file has a fault; nothing but images was written.
    """
    folder = pathlib.Path(folder)
    values: dict[str, Any] = {'name': folder.resolve().name}
    before = None
    if (folder / 'recipe.json').exists():
        before = recipes.read(folder)
        values = json.loads(json.dumps(dataclasses.asdict(before)))
    for setting in settings:
        _set(values, setting)
    weights = values.setdefault('weights', {})
    if workdir is not None:
        weights['workdir'] = str(workdir)
        if not released.is_released(workdir):
            weights['workdir'] = os.path.relpath(workdir, folder)
    if step is not None:
        weights['step'] = step
    of_view = values.setdefault('views', {}).setdefault(view, {}) if view else values
    # Faults are found before images are written and the network is read.
    if references:
        of_view['references'] = [{}]
    recipe = _parse(values, folder)
    areas = {'inspect': inspect, 'ignore': ignore}
    masks = {kind: read_mask(path) for kind, path in areas.items() if path is not None}
    images = _read_references(references, recipe)
    for kind, mask in masks.items():
        file = add_image(folder, 'areas', np.where(mask, 255, 0).astype(np.uint8))
        of_view[kind] = [{'mask': dataclasses.asdict(file)}]
    if images:
        files = [add_image(folder, 'references', image) for image in images]
        of_view['references'] = [dataclasses.asdict(file) for file in files]
    predictor = load_weights(recipe.weights, folder)
    weights['sha256'] = tree_digest(predictor.variables)
    recipe = _parse(values, folder)
    dropped = None
    if before and _distances_of(before) != _distances_of(recipe):
        recipe, dropped = _without_variation(recipe)
    check_rules(recipe, folder, predictor)
    for other in recipe.all_views().values():
        inspected_pixels(other, folder, read_references(other, folder)[0])
    recipe = recipes.save(recipe, folder)
    changes = changed_verdicts(folder, before, recipe, predictor) if before else ''
    for sentence in filter(None, (dropped, changes)):
        if report:
            report(sentence)
    return recipe


def _distances_of(recipe: Recipe) -> tuple[Any, ...]:
    """What decides the learned distances, and so their variation over good parts."""
    references = {name: of.references for name, of in recipe.all_views().items()}
    return (
        recipe.weights,
        references,
        recipe.compare,
        recipe.registration,
        recipe.bit_depth,
    )


def _without_variation(recipe: Recipe) -> tuple[Recipe, str | None]:
    """The recipe without its variation and the rule that needs it; a sentence on it."""
    recipe = recipe.with_variations(dict.fromkeys(recipe.all_views()))
    deviations = recipe.rules.deviations
    if deviations is None:
        return recipe, None
    rules = dataclasses.replace(recipe.rules, deviations=None)
    return dataclasses.replace(recipe, rules=rules), (
        f'rules.deviations is off: the variation was that of other scores. '
        f'calibrate.py --deviations={deviations:g} finds it again.'
    )


def _parse(values: dict[str, Any], folder: pathlib.Path) -> Recipe:
    try:
        return from_json(Recipe, values)
    except ValueError as error:
        raise ValueError(f'{folder}/recipe.json: {error}') from None


def _set(values: dict[str, Any], setting: str) -> None:
    """Sets the field of 'rules.any.threshold=0.8'."""
    field, equals, text = setting.partition('=')
    if not equals or not field:
        raise ValueError(
            f'{setting!r} must be FIELD=VALUE, such as rules.any.threshold=0.8.'
        )
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    *sections, name = field.split('.')
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ValueError(f'{setting!r}: {section} has no fields.')
    values[name] = value


def _read_references(paths: Sequence[_Path], recipe: Recipe) -> list[np.ndarray]:
    images: list[np.ndarray] = []
    for path in paths:
        image = read_image(path, recipe.bit_depth)
        if images:
            first, alignment = images[0], recipe.registration
            if image.shape != first.shape:
                raise ValueError(
                    f'{path}: not of the size of {paths[0]}; references have one size.'
                )
            found = register(image, first, alignment.method, alignment.tolerance)
            if not found.within_tolerance:
                raise ValueError(
                    f'{path}: {found.reason}, against {paths[0]}; take another image, '
                    'or a larger registration.tolerance.'
                )
            # Below some correlation nothing was moved: it may be of anything.
            if found.correlation < recipe.checks.min_similarity:
                raise ValueError(
                    f'{path}: unlike {paths[0]}: correlation {found.correlation:.2f}; '
                    'take another image of the product, or a smaller '
                    'checks.min_similarity.'
                )
            image = align(image, first, found)
        images.append(image)
    warn_left_out(*paths)
    return images
