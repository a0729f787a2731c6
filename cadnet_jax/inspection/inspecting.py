"""Inspects parts in files by a recipe in a folder: what inspect_parts.py does."""

import os
import pathlib
from collections import Counter
from collections.abc import Iterable, Sequence

from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.inspector import load_inspectors
from cadnet_jax.inspection.part_files import (
    DEFAULT_OUTPUTS,
    Outputs,
    inspect_batches,
    inspect_kept,
)
from cadnet_jax.inspection.parts import Part, arriving, list_parts
from cadnet_jax.inspection.recipe import Recipe
from cadnet_jax.inspection.results import (
    count_fourth_bands,
    describe_bound,
    read_results,
)
from cadnet_jax.inspection.rules import INVALID, NG, OK
from cadnet_jax.inspection.verifying import is_verified

_Path = str | os.PathLike[str]


def inspect_files(
    recipe: _Path,
    output_dir: _Path,
    *,
    image: _Path = '',
    rules_only: _Path = '',
    revision: int | None = None,
    watch: float | None = None,
    require_verified: bool = False,
    outputs: Outputs = DEFAULT_OUTPUTS,
) -> tuple[Counter[str], str]:
    """Inspects files, files that arrive, or kept scores.

    Args:
        recipe: folder of it.
        output_dir: see `inspect_parts`.
        image: see `list_parts`; a folder if `watch` is given.
        rules_only: in place of it, see `inspect_kept`.
        revision: of the recipe; None: the latest.
        watch: see `idle` of `arriving`; None: what is there is inspected.
        require_verified: refuse a revision that `verify` did not pass.
        outputs: what is written.

    Returns:
        How many parts have each verdict, and that as a sentence; below it a warning if
        images of the folder have a fourth band.

    Raises:
        FileNotFoundError: a file or the weights are missing.
        ValueError: the recipe or a file has a fault, or `output_dir` other results.
    """
    values = recipes.read(recipe, revision)
    if bool(image) == bool(rules_only):
        raise ValueError('give either --image or --rules_only.')
    if require_verified and not is_verified(recipe, values.revision):
        raise ValueError(
            f'{recipe}: revision {values.revision} is not verified; run '
            'experiments/verify_recipe.py.'
        )
    batches: Iterable[Sequence[Part]] = ()
    known = _names_given(output_dir) if image else {}
    if watch is not None:
        batches = arriving(image, idle=watch, known=known, **values.naming())
    elif image:
        batches = [list_parts(image, known=known, **values.naming())]
    inspectors = load_inspectors(recipe, revision)
    if rules_only:
        counts = inspect_kept(inspectors, rules_only, output_dir)
    else:
        counts = inspect_batches(inspectors, batches, output_dir, outputs=outputs)
    summary = summarize(values, counts)
    results = read_results(pathlib.Path(output_dir, 'results.jsonl'))
    if number := count_fourth_bands(results.values()):
        summary += (
            f'\nwarning: {number} images have a fourth band, which is left out; export '
            'the three bands that show defects, if these are others.'
        )
    return counts, summary


def _names_given(output_dir: _Path) -> dict[pathlib.Path, str]:
    """Image -> its part, of the parts in the folder that are one image."""
    results = read_results(pathlib.Path(output_dir, 'results.jsonl'))
    return {
        pathlib.Path(result['views']['']['image']): name
        for name, result in results.items()
        if '' in result['views']
    }


def summarize(recipe: Recipe, counts: Counter[str]) -> str:
    """Counts of verdicts, and the false-reject bound of the calibration."""
    verdicts = ', '.join(f'{counts[name]} {name}' for name in (OK, NG, INVALID))
    return f'{counts.total()} parts: {verdicts}; {describe_bound(recipe)}'
