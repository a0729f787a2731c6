"""A recipe calibrated on drawn boards: what is written, and what then is decided."""

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cadnet_jax.evaluation.thresholds import Threshold, choose_threshold, percent
from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inspection import calibrating, making
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.calibrating import (
    calibrate,
    count_ng,
    raise_threshold,
    score_kept,
)
from cadnet_jax.inspection.inspector import (
    Inspector,
    check_rules,
    make_inspector,
    make_inspectors,
)
from cadnet_jax.inspection.kept_scores import LOWEST, KeptScores
from cadnet_jax.inspection.known_parts import (
    KeptPart,
    changed_verdicts,
    keep_part,
    read_parts,
)
from cadnet_jax.inspection.making import make_recipe
from cadnet_jax.inspection.parts import Part, list_parts
from cadnet_jax.inspection.recipe import (
    Alignment,
    Area,
    Checks,
    File,
    Recipe,
    Weights,
)
from cadnet_jax.inspection.registration import Tolerance
from cadnet_jax.inspection.rules import (
    NG,
    OK,
    Limits,
    Rules,
    decisive_score,
    judge,
)
from cadnet_jax.inspection.scoring import ScoredPart, score_parts
from cadnet_jax.inspection.variation import Variation, VariationSums
from tests.inspection.inspector_test import RULES, board, inspector, shot, with_spot
from tests.inspection.rules_test import NAMES, OPEN, SHORT, scores_of
from tests.support.tiny_run import differencing_predictor

pytestmark = pytest.mark.unoptimized


def random_scores(seed: int, *, distance: bool = False) -> PixelScores:
    """Smooth spots, many of them around any threshold."""
    random = np.random.default_rng(seed)
    score = random.random((10, 15)).repeat(4, axis=0).repeat(4, axis=1)
    score = (score * random.random((40, 60))).astype(np.float32)
    classes = random.integers(1, 3, (40, 60)).astype(np.uint8)
    return PixelScores(
        score=score,
        defect_class=classes,
        class_score=score / 2,
        likeliest=np.where(score > 0.5, classes, 0).astype(np.uint8),
        distance=10 * score if distance else None,
    )


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize(
    'rules', [Rules(), Rules(any=Limits(min_area=9)), Rules(any=Limits(min_length=8))]
)
def test_the_decisive_score_is_where_the_verdict_changes(
    seed: int, rules: Rules
) -> None:
    """OK at it, NG at the next lower score of any pixel."""
    scores = random_scores(seed)
    found = decisive_score(scores, NAMES, rules)
    assert judge(scores, NAMES, rules.with_threshold(found)).verdict == OK
    below = scores.score[scores.score < found].max()
    assert judge(scores, NAMES, rules.with_threshold(float(below))).verdict == NG


def test_a_part_without_a_region_has_the_lowest_score() -> None:
    rules = Rules(any=Limits(min_area=2401))
    found = decisive_score(random_scores(0), NAMES, rules, lowest=0.05)
    assert found == pytest.approx(0.05)


def test_of_a_region_the_score_counts_that_leaves_it_too_small() -> None:
    """55 pixels of 0.9 with 10 of 0.97: at a smallest area of 11, 0.9 decides."""
    scores = scores_of((OPEN, 0.9, 20, 10, 11, 5), (SHORT, 0.97, 20, 10, 5, 2))
    for min_area, expected in [(10, 0.97), (11, 0.9), (55, 0.9), (56, 0.05)]:
        rules = Rules(any=Limits(min_area=min_area))
        found = decisive_score(scores, NAMES, rules)
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_part_is_counted_by_its_verdict_where_limits_differ_by_class() -> None:
    """16 pixels of a short touch 400 fainter ones of an open, whose limit is larger."""
    scores = scores_of((OPEN, 0.5, 14, 10, 20, 20), (SHORT, 0.9, 10, 10, 4, 4))
    rules = Rules(any=Limits(min_area=10), classes={'open': Limits(min_area=1000)})
    assert decisive_score(scores, NAMES, rules) == pytest.approx(0.9)
    kept = {'': KeptScores.of(scores)}
    parts = [KeptPart('a', {}, (), kept, {'': np.eye(3)})]
    images = [np.zeros((*scores.score.shape, 3), np.uint8)]
    predictor = dataclasses.replace(differencing_predictor(), class_names=NAMES)
    recipe = Recipe(references=(File('reference.png', ''),), rules=rules)
    inspect = make_inspector(recipe, predictor, images)
    for threshold, expected in [(0.3, 0), (0.6, 1), (0.95, 0)]:
        by = rules.with_threshold(threshold)
        assert count_ng({'': inspect}, by, parts, {}, held_out=True) == expected


def test_the_threshold_rises_until_the_verdicts_are_within_the_bound() -> None:
    good = [score / 100 for score in range(60)]
    chosen = choose_threshold(good, 0.1)
    assert (chosen.threshold, chosen.false_rejects) == (0.58, 1)
    for counts, expected in [
        ({0.58: 1}, (0.58, 1)),
        ({0.58: 3, 0.59: 1}, (0.59, 1)),
        ({0.58: 3, 0.59: 2, 0.8: 0}, (0.8, 0)),
    ]:
        raised = raise_threshold(chosen, [*good, 0.8], counts.__getitem__, 0.95)
        assert (raised.threshold, raised.false_rejects) == expected
        assert raised.bound == chosen.bound


def test_kept_scores_are_those_of_the_network_above_the_lowest() -> None:
    """Bit for bit, in a file that is small if few pixels are above it."""
    scores = random_scores(1, distance=True)
    kept = KeptScores.from_bytes(KeptScores.of(scores).to_bytes()).restore()
    above = scores.score > LOWEST
    for whole, restored in zip(scores, kept, strict=True):
        if whole is None:
            assert restored is None
        else:
            np.testing.assert_array_equal(restored, np.where(above, whole, 0))
    sparse = scores._replace(score=np.where(scores.score > 0.9, scores.score, 0.01))
    assert len(KeptScores.of(sparse).to_bytes()) < 40 * 60


def test_the_variation_is_mean_and_standard_deviation_over_the_parts() -> None:
    """NumPy's; without a part: those of the others."""
    random = np.random.default_rng(0)
    distances = random.random((6, 4, 5)).astype(np.float32)
    shown = random.random((6, 4, 5)) < 0.9
    sums = VariationSums.zeros((4, 5))
    for distance, valid in zip(distances, shown, strict=True):
        sums.add(distance, valid)
    masked = np.ma.masked_array(distances, ~shown)
    found = sums.variation()
    np.testing.assert_allclose(found.mean, masked.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.spread, masked.std(axis=0, ddof=1), rtol=1e-4)
    others = sums.without(distances[2], shown[2])
    rest = np.ma.masked_array(np.delete(distances, 2, 0), ~np.delete(shown, 2, 0))
    np.testing.assert_allclose(others.mean, rest.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(others.spread, rest.std(axis=0, ddof=1), rtol=1e-4)
    again = Variation.from_bytes(found.to_bytes())
    np.testing.assert_array_equal(again.spread, found.spread)


def test_a_place_that_always_varies_is_judged_by_its_own_spread() -> None:
    """The same scores and distances: a defect where parts agree, none where not."""
    scores = scores_of((OPEN, 0.9, 5, 5, 6, 6), (OPEN, 0.9, 40, 5, 6, 6))
    scores = scores._replace(distance=np.full((40, 60), 3.0, np.float32))
    spread = np.full((40, 60), 0.1, np.float32)
    spread[:, 30:] = 2
    variation = Variation(np.ones((40, 60), np.float32), spread)
    rules = Rules(any=Limits(threshold=0.5), deviations=3)
    verdict = judge(scores, NAMES, rules, variation=variation)
    assert [region.defect.box[0] for region in verdict.regions] == [5]
    with pytest.raises(ValueError, match='deviations needs the variation'):
        judge(scores, NAMES, rules)


def varied(seed: int) -> np.ndarray:
    """A board whose label has another brightness on each part."""
    canvas = board()
    canvas[100:130, 100:160] = 40 + 12 * (seed % 18)
    return canvas


def write_line(folder: pathlib.Path, good: int, bad: int) -> None:
    """A recipe and folders of so many good and bad parts."""
    rules = dataclasses.replace(RULES, edge_tolerance=2)
    inspector(folder / 'r', rules=rules, images=[shot(varied(9), seed=99)])
    for seed in range(good):
        image = shot(varied(seed * 7), seed % 3, 0, 0, 1, seed=seed)
        write_png(folder / 'good' / f'{seed:02}.png', image)
    for seed in range(bad):
        image = shot(with_spot(varied(seed * 7)), seed=seed)
        write_png(folder / 'bad' / f'{seed:02}.png', image)


@pytest.fixture
def differencing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Differencing predicts in place of the network."""

    def load(folder: Any, *, with_variation: bool) -> dict[str, Inspector]:
        assert not with_variation
        recipe = recipes.read(folder)
        rules = dataclasses.replace(recipe.rules, deviations=None)
        recipe = dataclasses.replace(recipe, rules=rules)
        return make_inspectors(recipe, folder, differencing_predictor(cell=4))

    monkeypatch.setattr(calibrating, 'load_inspectors', load)


@pytest.fixture
def folder(tmp_path: pathlib.Path, differencing: None) -> pathlib.Path:
    """A recipe with 60 good and 10 bad parts."""
    write_line(tmp_path, 60, 10)
    return tmp_path


@pytest.fixture
def small(tmp_path: pathlib.Path, differencing: None) -> pathlib.Path:
    """A recipe with 9 good and 3 bad parts: they hold a target of 0.3."""
    write_line(tmp_path, 9, 3)
    return tmp_path


def test_a_calibrated_recipe_holds_numbers_hashes_and_bounds(
    folder: pathlib.Path,
) -> None:
    """The threshold is the highest good score; a change of a rule ends the bound."""
    write_png(folder / 'good' / 'black.png', np.zeros((256, 256, 3), np.uint8))
    report = calibrate(
        folder / 'r', folder / 'good', folder / 'bad', target=0.05, progress=False
    )
    recipe = recipes.read(folder / 'r')
    assert recipe == report.recipe
    assert recipe.revision == 2
    found = recipe.current_calibration()
    assert found is not None
    assert (found.good_parts, found.invalid_parts, found.bad_parts) == (60, 1, 10)
    assert found.false_rejects == 0
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / 60))
    assert found.parts is not None
    parts = json.loads((folder / 'r' / found.parts.file).read_text())
    scores = [part['score'] for part in parts['good'] if part['score'] is not None]
    assert max(scores) == recipe.rules.any.threshold
    assert len(parts['good'][0]['files']['']['sha256']) == 64
    escapes = sum(part['score'] <= max(scores) for part in parts['bad'])
    assert found.escapes == escapes
    text = '\n'.join(report.lines())
    assert f'0 of 60 good parts are rejected, so at most {percent(found.bound)}' in text
    assert 'INVALID, not counted: black: too dark' in text
    assert text.count('need no review') == 4
    other = dataclasses.replace(recipe.rules, join=3)
    assert dataclasses.replace(recipe, rules=other).current_calibration() is None
    assert dataclasses.replace(recipe, name='x').current_calibration() == found


@pytest.mark.slow
def test_the_variation_of_good_parts_finds_more_at_the_same_bound(
    tmp_path: pathlib.Path, differencing: None
) -> None:
    """The label varies: it sets the threshold, unless its own spread is known."""
    write_line(tmp_path, good=20, bad=5)
    options: dict[str, Any] = {'target': 0.15, 'progress': False}
    plain = calibrate(tmp_path / 'r', tmp_path / 'good', tmp_path / 'bad', **options)
    own = calibrate(
        tmp_path / 'r', tmp_path / 'good', tmp_path / 'bad', deviations=4, **options
    )
    assert plain.fitted is not None and own.fitted is not None
    assert plain.fitted.escapes > own.fitted.escapes == 0
    assert own.recipe.variation is not None
    assert own.recipe.rules.deviations == 4
    inspectors = make_inspectors(
        own.recipe, tmp_path / 'r', differencing_predictor(cell=4)
    )
    assert inspectors[''](shot(varied(30), seed=200)).verdict == OK
    assert inspectors[''](shot(with_spot(varied(30)), seed=200)).verdict == NG
    parts = score_parts(inspectors, list_parts(tmp_path / 'good')[:2])
    kept = [keep_part(inspectors, part) for part in parts]
    scores = score_kept(inspectors, own.recipe, kept, {}, held_out=False)
    limit = own.recipe.rules.any.threshold
    assert limit is not None and max(scores) <= limit


def test_one_bad_part_is_counted_without_a_review(small: pathlib.Path) -> None:
    for path in sorted((small / 'bad').iterdir())[1:]:
        path.unlink()
    report = calibrate(
        small / 'r', small / 'good', small / 'bad', target=0.3, progress=False
    )
    assert report.fitted is not None and report.fitted.bad_parts == 1
    assert report.reviews is None
    assert 'need no review' not in '\n'.join(report.lines())


def test_scores_that_do_not_decide_are_not_cross_validated(
    small: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_threshold(chosen: Threshold, *_: Any) -> Threshold:
        return chosen._replace(threshold=0.95)

    monkeypatch.setattr(calibrating, 'raise_threshold', raise_threshold)
    report = calibrate(
        small / 'r', small / 'good', small / 'bad', target=0.3, progress=False
    )
    assert report.fitted is not None
    assert report.held_out is None and report.reviews is None


def test_the_variation_goes_with_the_distances_that_it_is_of(
    small: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules and limits leave it; another registration ends it, until it is found."""
    predictor = differencing_predictor(cell=4)
    monkeypatch.setattr(making, 'load_weights', lambda *_: predictor)
    make_recipe(small / 'r')  # notes which weights
    options: dict[str, Any] = {'target': 0.3, 'progress': False}
    calibrate(small / 'r', small / 'good', deviations=4, **options)
    said = list[str]()
    kept = make_recipe(small / 'r', settings=['checks.max_saturated=0.3'])
    assert kept.variation is not None and kept.rules.deviations == 4
    settings = ['registration.tolerance.degrees=3']
    other = make_recipe(small / 'r', settings=settings, report=said.append)
    assert (other.variation, other.rules.deviations) == (None, None)
    assert 'calibrate.py --deviations=4 finds it again.' in said[0]
    again = calibrate(small / 'r', small / 'good', deviations=4, **options)
    assert again.recipe.variation is not None


@pytest.mark.parametrize('head', ['fc_siam_diff', 'pspnet'])
def test_deviations_without_a_distance_are_refused_before_the_network_runs(
    head: str, small: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FC-Siam-diff sees the reference, and has no DistMap all the same."""

    def load(folder: Any, *, with_variation: bool) -> dict[str, Inspector]:
        assert not with_variation
        return make_inspectors(
            recipes.read(folder), folder, differencing_predictor(head=head)
        )

    monkeypatch.setattr(calibrating, 'load_inspectors', load)
    monkeypatch.setattr(calibrating, 'score_parts', lambda *_: pytest.fail('it runs'))
    with pytest.raises(ValueError, match=r'deviations, needs a learned distance'):
        calibrate(small / 'r', small / 'good', target=0.3, deviations=4, progress=False)
    assert recipes.read(small / 'r').revision == 1


@pytest.mark.parametrize('head', ['fc_siam_diff', 'pspnet'])
def test_rules_that_want_a_distance_are_not_sent_to_the_calibration(
    head: str, tmp_path: pathlib.Path
) -> None:
    """It finds no variation without one; other networks are sent there."""
    recipe = Recipe(references=(File('reference.png', ''),), rules=Rules(deviations=4))
    with pytest.raises(ValueError, match=r'learned distance.*set it to null\.$'):
        check_rules(recipe, tmp_path, differencing_predictor(head=head))
    with pytest.raises(ValueError, match=r'calibrate\.py --deviations finds it'):
        check_rules(recipe, tmp_path, differencing_predictor())


def test_too_few_good_parts_are_said_before_the_network_runs(
    folder: pathlib.Path,
) -> None:
    with pytest.raises(ValueError, match=r'60 good parts cannot .* 299 are needed'):
        calibrate(folder / 'r', folder / 'good', progress=False)
    assert recipes.read(folder / 'r').revision == 1


def test_too_few_parts_that_can_be_judged_are_named_with_a_target_that_they_hold(
    small: pathlib.Path,
) -> None:
    """Two of 9 are black. 7 show 1 - 0.05 ** (1 / 7) = 34.816 %, so not 34.8 %."""
    for seed in range(2):
        black = np.zeros((256, 256, 3), np.uint8)
        write_png(small / 'good' / f'{seed:02}.png', black)
    with pytest.raises(ValueError, match='7 good parts cannot') as error:
        calibrate(small / 'r', small / 'good', target=0.3, progress=False)
    assert 'or allow more false rejects: --target=0.349. 2 others' in str(error.value)
    assert '2 others are INVALID, and not counted: 00: too dark' in str(error.value)
    report = calibrate(small / 'r', small / 'good', target=0.349, progress=False)
    assert report.threshold.good_parts == 7


def change(folder: pathlib.Path, **rules: Any) -> Recipe:
    """Another revision, with other rules."""
    recipe = recipes.read(folder)
    rules_now = dataclasses.replace(recipe.rules, **rules)
    return recipes.save(dataclasses.replace(recipe, rules=rules_now), folder)


def test_parts_that_get_another_verdict_are_named(
    small: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those whose images are inspected with another one, after each kind of change."""
    predictor = differencing_predictor(cell=4)
    monkeypatch.setattr(making, 'load_weights', lambda *_: predictor)
    make_recipe(small / 'r')  # notes which weights
    parts = small / 'good', small / 'bad'
    first = calibrate(small / 'r', *parts, target=0.3, progress=False)
    assert first.changes == ''  # no part was known
    seen, said = verdicts(small), list[str]()
    for settings in (
        ['rules.any.threshold=0.75', 'rules.any.min_area=700'],
        ['rules.any.threshold=0.8', 'rules.any.min_area=1800'],
    ):
        make_recipe(small / 'r', settings=settings, report=said.append)
        before, seen = seen, verdicts(small)
        assert said.pop() == expected_changes(before, seen)
    again = calibrate(small / 'r', *parts, target=0.3, progress=False)
    assert again.changes == expected_changes(seen, verdicts(small))
    assert again.changes in again.lines()
    settings = ['rules.min_judged=0.7']
    make_recipe(small / 'r', settings=settings, report=said.append)
    assert said.pop() == 'None of 12 calibrated parts gets another verdict.'
    for settings in ([], ['name=other']):
        make_recipe(small / 'r', settings=settings, report=said.append)
        assert not said


def verdicts(folder: pathlib.Path) -> dict[str, str]:
    """Of all parts, from their images, by the recipe as it is."""
    recipe = recipes.read(folder / 'r')
    inspect = make_inspectors(recipe, folder / 'r', differencing_predictor(cell=4))['']
    return {
        f'{kind}/{path.stem}': inspect(read_image(path)).verdict
        for kind in ('good', 'bad')
        for path in sorted((folder / kind).iterdir())
    }


def expected_changes(before: dict[str, str], after: dict[str, str]) -> str:
    """The sentence about 12 parts of which some change, all in one direction."""
    changed = [name for name in before if before[name] != after[name]]
    ((old, new),) = {(before[name], after[name]) for name in changed}
    return (
        f'{len(changed)} of 12 calibrated parts get another verdict. '
        f'{old} -> {new}: {", ".join(changed)}'
    )


def test_verdicts_without_kept_scores_are_not_guessed(small: pathlib.Path) -> None:
    """After a change of more than rules, below the scores, or from a faulty recipe."""
    folder, predictor = small / 'r', differencing_predictor(cell=4)
    recipe = calibrate(folder, small / 'good', target=0.3, progress=False).recipe
    found = recipe.rules.any.threshold
    assert found is not None and found > LOWEST
    low = dataclasses.replace(recipe, rules=recipe.rules.with_threshold(0.04))
    shift = dataclasses.replace(recipe, registration=Alignment('shift'))
    classes = dataclasses.replace(recipe.rules, classes={'spur': Limits(0.5)})
    faulty = dataclasses.replace(recipe, rules=classes)
    for before, after in [(recipe, low), (recipe, shift), (faulty, recipe)]:
        text = changed_verdicts(folder, before, after, predictor)
        assert 'is not known: their scores are not kept' in text
    shutil.rmtree(folder / 'scores')
    high = dataclasses.replace(recipe, rules=recipe.rules.with_threshold(0.9))
    assert 'is not known' in changed_verdicts(folder, recipe, high, predictor)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the parts that the network runs for, as they come."""
    names: list[str] = []

    def score_and_note(
        inspectors: dict[str, Inspector], parts: list[Part]
    ) -> Iterator[ScoredPart]:
        names.extend(part.name for part in parts)
        return score_parts(inspectors, parts)

    monkeypatch.setattr(calibrating, 'score_parts', score_and_note)
    return names


def test_the_network_runs_once_for_a_part_and_the_result_is_the_same(
    small: pathlib.Path, scored: list[str]
) -> None:
    """After another rule and target: as in a copy whose scores were deleted."""
    parts = small / 'good', small / 'bad'
    first = calibrate(small / 'r', *parts, target=0.3, progress=False)
    assert (first.reused, len(scored)) == (0, 12)
    change(small / 'r', any=Limits(0.8, min_area=60), join=3)
    shutil.copytree(small / 'r', small / 'copy')
    shutil.rmtree(small / 'copy' / 'scores')
    scored.clear()
    again = calibrate(small / 'r', *parts, target=0.4, progress=False)
    assert (again.reused, scored) == (12, [])
    assert 'did not run for 12 parts' in '\n'.join(again.lines())
    whole = calibrate(small / 'copy', *parts, target=0.4, progress=False)
    assert (whole.reused, len(scored)) == (0, 12)
    assert again._replace(reused=0) == whole
    assert again.threshold != first.threshold


def test_scores_by_other_settings_are_never_reused(small: pathlib.Path) -> None:
    """Only rules and the target may differ."""
    recipe = calibrate(small / 'r', small / 'good', target=0.3, progress=False).recipe
    assert len(read_parts(small / 'r', recipe)) == 9
    rules = dataclasses.replace(recipe.rules, join=2)
    assert len(read_parts(small / 'r', dataclasses.replace(recipe, rules=rules))) == 9
    others: list[dict[str, Any]] = [
        {'weights': Weights(sha256='0' * 64)},
        {'weights': Weights(tile_size=64)},
        {'weights': Weights(orientations=2)},
        {'references': (File('references/x.png', '0' * 64),)},
        {'registration': Alignment('shift')},
        {'registration': Alignment(tolerance=Tolerance(shift=3))},
        {'ignore': (Area(box=(0, 0, 9, 9)),)},
        {'checks': Checks(min_sharpness=0.1)},
        {'bit_depth': 12},
        {'compare': 'all'},
    ]
    for other in others:
        changed = dataclasses.replace(recipe, **other)
        assert read_parts(small / 'r', changed) == {}, other


def test_parts_that_changed_or_whose_scores_are_gone_are_scored_again(
    small: pathlib.Path, scored: list[str]
) -> None:
    """The content of files counts: neither their names nor their folder do."""
    calibrate(small / 'r', small / 'good', target=0.3, progress=False)
    good = (small / 'good').rename(small / 'moved')
    (good / '00.png').rename(good / '99.png')
    write_png(good / '01.png', shot(varied(4), seed=77))
    found = recipes.read(small / 'r').calibration
    assert found is not None and found.parts is not None
    entries = json.loads((small / 'r' / found.parts.file).read_text())['good']
    files = [small / 'r' / entry['kept']['']['file'] for entry in entries]
    assert len(set(files)) == 9
    files[2].unlink()
    files[3].write_bytes(b'other')
    scored.clear()
    report = calibrate(small / 'r', good, target=0.3, progress=False)
    assert scored == ['01', '02', '03']
    assert report.reused == 6


def test_kept_scores_are_invalid_by_a_stricter_rule(small: pathlib.Path) -> None:
    """Parts that were moved show less than all of the reference."""
    calibrate(small / 'r', small / 'good', target=0.3, progress=False)
    change(small / 'r', min_judged=0.995)
    report = calibrate(small / 'r', small / 'good', target=0.4, progress=False)
    assert report.reused == 9
    assert [part.name for part in report.invalid] == ['02', '05', '08']
    assert report.invalid[0].faults[0].startswith('the image shows 9')
