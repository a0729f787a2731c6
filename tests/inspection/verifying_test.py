"""The gate on drawn boards; kappa against its published example."""

import dataclasses
import math
import pathlib
from typing import Any

import numpy as np
import pytest

from cadnet_jax.files.images import write_png
from cadnet_jax.inspection import inspecting, verifying
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.inspector import Inspector, make_inspectors
from cadnet_jax.inspection.rules import INVALID, NG, OK, Limits
from cadnet_jax.inspection.verifying import (
    fleiss_kappa,
    is_verified,
    pooled_deviation,
    study_gauge,
    verify,
)
from tests.inspection.inspector_test import RULES, board, inspector, shot, with_spot
from tests.support.tiny_run import differencing_predictor

# Ten subjects, fourteen raters, five categories: Fleiss (1971), as in his textbook's
# and Wikipedia's example, whose kappa is 0.210.
PUBLISHED = (
    (0, 0, 0, 0, 14),
    (0, 2, 6, 4, 2),
    (0, 0, 3, 5, 6),
    (0, 3, 9, 2, 0),
    (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0),
    (3, 2, 6, 3, 0),
    (2, 5, 3, 2, 2),
    (6, 5, 2, 1, 0),
    (0, 2, 2, 3, 7),
)


def test_kappa_is_that_of_the_published_example() -> None:
    ratings = [
        [name for name, count in zip('abcde', row, strict=True) for _ in range(count)]
        for row in PUBLISHED
    ]
    assert fleiss_kappa(ratings) == pytest.approx(0.210, abs=5e-4)


def test_kappa_of_full_agreement_is_one_and_of_one_verdict_undefined() -> None:
    assert fleiss_kappa([[OK] * 3, [NG] * 3]) == 1
    assert math.isnan(fleiss_kappa([[OK] * 3, [OK] * 3]))
    assert fleiss_kappa([[OK, NG], [NG, OK]]) == -1


def test_the_spread_is_pooled_within_parts() -> None:
    """Variances 2 and 0.5 of two values each: their mean is 1.25."""
    assert pooled_deviation([[1, 3], [10, 11], [7]]) == pytest.approx(1.25**0.5)
    assert math.isnan(pooled_deviation([[1], [2]]))


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A recipe with a challenge set; differencing predicts."""
    inspector(tmp_path, rules=dataclasses.replace(RULES, edge_tolerance=4))
    for seed in range(2):
        for kind, canvas in (('good', board()), ('bad', with_spot(board()))):
            path = tmp_path / 'challenge' / kind / f'{seed}.png'
            write_png(path, shot(canvas, seed=seed))

    def load(folder: Any, revision: int | None = None) -> dict[str, Inspector]:
        recipe = recipes.read(folder, revision)
        return make_inspectors(recipe, folder, differencing_predictor(cell=4))

    monkeypatch.setattr(verifying, 'load_inspectors', load)
    monkeypatch.setattr(inspecting, 'load_inspectors', load)
    return tmp_path


def change(folder: pathlib.Path, **limits: Any) -> None:
    recipe = recipes.read(folder)
    rules = dataclasses.replace(recipe.rules, any=Limits(**limits))
    recipes.save(dataclasses.replace(recipe, rules=rules), folder)


def test_a_revision_that_misses_a_known_part_is_refused_with_the_list(
    folder: pathlib.Path,
) -> None:
    report = verify(folder, progress=False)
    assert report == (1, {'bad': 2, 'good': 2}, ())
    assert is_verified(folder, 1)
    change(folder, threshold=0.71, min_area=900)
    assert not is_verified(folder, 2)
    report = verify(folder, progress=False)
    assert report.misses == ('bad/0 is OK, not NG', 'bad/1 is OK, not NG')
    assert not is_verified(folder, 2)
    change(folder, threshold=0.3, min_area=1)
    (first, _, *rest) = verify(folder, progress=False).misses
    assert first.startswith('good/0 is NG, not OK: 1 ')
    assert not rest


def test_inspection_can_ask_for_a_verified_revision(folder: pathlib.Path) -> None:
    arguments: dict[str, Any] = {
        'image': folder / 'challenge' / 'good',
        'require_verified': True,
    }
    with pytest.raises(ValueError, match=r'revision 1 is not verified; run'):
        inspecting.inspect_files(folder, folder / 'out', **arguments)
    verify(folder, progress=False)
    counts, text = inspecting.inspect_files(folder, folder / 'out', **arguments)
    assert counts == {OK: 2}
    assert text == (
        '2 parts: 2 OK, 0 NG, 0 INVALID; no false-reject bound: the recipe is not '
        'calibrated'
    )


def test_a_recipe_without_a_challenge_set_says_what_to_do(
    tmp_path: pathlib.Path,
) -> None:
    inspector(tmp_path)
    with pytest.raises(FileNotFoundError, match='into challenge/bad, and'):
        verify(tmp_path)


def test_repeated_captures_show_flips_spread_and_kappa(folder: pathlib.Path) -> None:
    """A good part, a bad one, and one whose third capture is black."""
    for seed in range(3):
        for name, canvas in (('1', board()), ('2', with_spot(board()))):
            write_png(folder / 'again' / name / f'{seed}.png', shot(canvas, seed=seed))
        image = shot(board(), seed=seed + 5)
        image = np.zeros_like(image) if seed == 2 else image
        write_png(folder / 'again' / '3' / f'{seed}.png', image)
    report = study_gauge(folder, folder / 'again', progress=False)
    assert report.verdicts['2'] == (NG, NG, NG)
    assert report.flips == ('3',)
    assert report.verdicts['3'] == (OK, OK, INVALID)
    assert report.kappa == pytest.approx(fleiss_kappa(report.verdicts.values()))
    assert 0.5 < report.kappa < 1
    assert 0 < report.spread < 0.05
    (folder / 'again' / '3' / '0.png').unlink()
    with pytest.raises(ValueError, match='the same number of captures'):
        study_gauge(folder, folder / 'again', progress=False)
