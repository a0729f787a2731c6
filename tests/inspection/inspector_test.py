"""Verdicts on drawn boards: defects are NG, good parts OK, bad pictures INVALID."""

import dataclasses
import pathlib
from typing import Any

import cv2
import numpy as np
import pytest

from cadnet_jax.files.images import write_png
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.inspector import (
    Inspector,
    load_inspector,
    make_inspectors,
)
from cadnet_jax.inspection.making import make_recipe
from cadnet_jax.inspection.recipe import Alignment, Area, Recipe
from cadnet_jax.inspection.recipe_files import add_image
from cadnet_jax.inspection.registration import Tolerance
from cadnet_jax.inspection.rules import INVALID, NG, OK, Limits, Rules
from cadnet_jax.runs.checkpoint_record import tree_digest
from tests.inspection.registration_test import SIZE, move_matrix, product, view
from tests.support.tiny_run import differencing_predictor, write_run

pytestmark = pytest.mark.unoptimized

RULES = Rules(any=Limits(threshold=0.71, min_area=30), min_judged=0.8)


def board(number: int = 0) -> np.ndarray:
    """A drawing that is nowhere saturated."""
    return (0.8 * product('boards', number).render(1, {})).astype(np.uint8)


def with_spot(canvas: np.ndarray) -> np.ndarray:
    """A blue-red square of 12 x 12 pixels, at 130, 110 of what an image shows."""
    canvas = canvas.copy()
    canvas[160:172, 180:192] = (255, 0, 90)
    return canvas


def shot(canvas: np.ndarray, *move: float, seed: int = 0) -> np.ndarray:
    """A picture with noise, so that it is never the reference itself."""
    image = view(canvas, move_matrix(*(move or (0, 0, 0, 1))))
    noise = np.random.default_rng(seed).normal(0, 2, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


def inspector(folder: pathlib.Path, **fields: Any) -> Inspector:
    """Differencing of cells of 4 pixels stands in for the network."""
    files = [
        add_image(folder, 'references', image)
        for image in fields.pop('images', [view(board(), np.eye(3))])
    ]
    recipe = Recipe(references=tuple(files), **{'rules': RULES, **fields})
    recipe = recipes.save(recipe, folder)
    return make_inspectors(recipe, folder, differencing_predictor(cell=4))['']


@pytest.mark.parametrize('move', [(0, 0, 0, 1), (-12, 16, 0, 1), (5, -8, 5, 1.01)])
def test_good_parts_are_ok_and_defects_are_found_where_they_are(
    tmp_path: pathlib.Path, move: tuple[float, ...]
) -> None:
    """Also if the part is shifted, turned and scaled; places are the reference's."""
    inspect = inspector(tmp_path, rules=dataclasses.replace(RULES, edge_tolerance=4))
    good = inspect(shot(board(), *move))
    assert (good.verdict, good.reasons) == (OK, ())
    bad = inspect(shot(with_spot(board()), *move))
    assert bad.verdict == NG
    (region,) = [region for region in bad.regions if region.is_defect]
    assert region.defect.centroid == pytest.approx((129.5, 109.5), abs=2)
    assert 100 <= region.defect.area <= 256
    assert bad.reasons[0].startswith('1 missing, ')
    assert bad.mask is not None
    assert bad.mask[105:115, 125:135].all()
    assert bad.registration is not None
    assert bad.registration.shift == pytest.approx(move[:2], abs=0.3)
    assert bad.score is not None
    assert bad.score.shape == (SIZE, SIZE)


def test_pictures_that_cannot_be_judged_are_invalid(tmp_path: pathlib.Path) -> None:
    """Each with its reason; the network does not run for them."""
    tolerance = Tolerance(shift=20, degrees=6, scale=0.03)
    inspect = inspector(tmp_path, registration=Alignment('affine', tolerance))
    good = shot(board())
    reference = inspect.references[0]
    cut = good.copy()
    cut[:, :140] = 0
    cases = {
        'pixels, and the reference has': good[:-2],
        'the same pixels as its reference': reference,
        'too dark': good // 16,
        'too dark: 0.00': np.zeros_like(good),
        'saturated': (4.0 * good + 80).clip(0, 255).astype(np.uint8),
        'blurred': cv2.GaussianBlur(good, (0, 0), 4),
        'unlike the reference': shot(board(1)),
        'turned by 180': good[::-1, ::-1].copy(),
        'shifted by 2': shot(board(), 0, 25, 0, 1),
        'turned by': shot(board(), 0, 0, 8, 1),
        'scale 1.0': shot(board(), 0, 0, 0, 1.05),
    }
    for reason, image in cases.items():
        inspection = inspect(image)
        assert inspection.verdict == INVALID, reason
        assert any(
            text.startswith(reason) or reason in text for text in inspection.reasons
        ), (reason, inspection.reasons)
        assert inspection.score is None
    assert inspect(cut).verdict != OK


def test_ordinary_changes_of_light_are_not_invalid(tmp_path: pathlib.Path) -> None:
    inspect = inspector(tmp_path)
    for gain, offset in [(0.7, 0), (1.2, 5), (0.9, -15), (0.8, 30)]:
        image = shot(board(), 3, -2, 1, 1) * gain + offset
        inspection = inspect(image.clip(0, 255).astype(np.uint8))
        assert inspection.verdict != INVALID, inspection.reasons


def test_areas_of_the_recipe_are_left_out(tmp_path: pathlib.Path) -> None:
    image = shot(with_spot(board()))
    rules = dataclasses.replace(RULES, edge_tolerance=4)
    ignore = (Area(box=(115, 95, 145, 125)),)
    assert inspector(tmp_path, rules=rules)(image).verdict == NG
    assert inspector(tmp_path, rules=rules, ignore=ignore)(image).verdict == OK


@pytest.mark.parametrize('number', ['90358', '31007', '55555', '80006'])
def test_a_serial_number_is_left_out_by_a_mask(
    number: str, tmp_path: pathlib.Path
) -> None:
    """It differs on each good part; a defect beside it is still found."""

    def numbered(canvas: np.ndarray, text: str) -> np.ndarray:
        font, white = cv2.FONT_HERSHEY_SIMPLEX, (240, 240, 240)
        return np.asarray(
            cv2.putText(canvas.copy(), text, (90, 240), font, 1, white, 3)
        )

    area = np.zeros_like(board())
    area[210:250, 85:200] = 255
    mask = add_image(tmp_path / 'masked', 'areas', view(area, np.eye(3)))
    images = [view(numbered(board(), '11742'), np.eye(3))]
    rules = dataclasses.replace(RULES, edge_tolerance=4)
    plain = inspector(tmp_path / 'plain', rules=rules, images=images)
    masked = inspector(
        tmp_path / 'masked', rules=rules, images=images, ignore=(Area(mask=mask),)
    )
    good = shot(numbered(board(), number))
    assert (plain(good).verdict, masked(good).verdict) == (NG, OK)
    assert masked(shot(numbered(with_spot(board()), number))).verdict == NG


def test_of_several_references_the_most_similar_or_all_decide(
    tmp_path: pathlib.Path,
) -> None:
    """A variant with another part is good; a spot differs from both."""
    variant = board().copy()
    variant[100:150, 100:160] = 255 - variant[100:150, 100:160]
    images = [view(canvas, np.eye(3)) for canvas in (board(), variant)]
    rules = dataclasses.replace(RULES, edge_tolerance=4)
    single = inspector(tmp_path / 'single', images=images[:1], rules=rules)
    assert single(shot(variant)).verdict == NG
    for compare in ('best', 'all'):
        inspect = inspector(
            tmp_path / compare, images=images, compare=compare, rules=rules
        )
        assert inspect(shot(variant)).verdict == OK
        assert inspect(shot(board())).verdict == OK
        found = inspect(shot(with_spot(variant)))
        assert (found.verdict, found.reference) == (NG, 1)


def test_another_reference_is_of_the_same_product(tmp_path: pathlib.Path) -> None:
    """It is laid over the first; its file is no part; a file of another is refused."""
    files = [tmp_path / f'{name}.png' for name in ('first', 'moved', 'black')]
    first, moved = shot(board(), seed=1), shot(board(), 5, -4, 0, 1, seed=2)
    for path, pixels in zip(files, (first, moved, np.zeros_like(first)), strict=True):
        write_png(path, pixels)
    run = write_run(tmp_path / 'run')
    make_recipe(tmp_path / 'r', references=files[:2], workdir=run)
    inspect = load_inspector(tmp_path / 'r')
    for pixels in (first, moved):
        (fault,) = inspect.register(pixels).faults
        assert fault.startswith('the same pixels as its reference')
    with pytest.raises(ValueError, match=r'black\.png: unlike .*first\.png: corre'):
        make_recipe(tmp_path / 'x', references=[files[0], files[2]], workdir=run)


def test_gray_images_are_taken_and_others_refused(tmp_path: pathlib.Path) -> None:
    gray = cv2.cvtColor(view(board(), np.eye(3)), cv2.COLOR_RGB2GRAY)
    inspect = inspector(tmp_path, images=[gray])
    noisy = gray // 2 + 60
    assert inspect(noisy).verdict != INVALID
    with pytest.raises(ValueError, match='it must be uint8'):
        inspect(gray.astype(float))
    for bands in (1, 2, 4, 5):
        with pytest.raises(ValueError, match=f'image has {bands} bands; give'):
            inspect(np.repeat(noisy[..., None], bands, axis=2))


def test_a_recipe_is_made_loaded_and_bound_to_its_weights(
    tmp_path: pathlib.Path,
) -> None:
    """The real network, with initial weights, which are not those of another run."""
    run = write_run(tmp_path / 'run')
    write_png(tmp_path / 'good.png', view(board(), np.eye(3))[:64, :96])
    folder = tmp_path / 'recipe'
    options: dict[str, Any] = {
        'references': [tmp_path / 'good.png'],
        'workdir': run,
    }
    made = make_recipe(folder, settings=['rules.any.threshold=0.999'], **options)
    assert (made.revision, made.name) == (1, 'recipe')
    assert made.weights.workdir == '../run'
    inspect = load_inspector(folder)
    assert made.weights.sha256 == tree_digest(inspect.predictor.variables)
    assert inspect(shot(board())[:64, :96]).verdict in (OK, NG)
    said: list[str] = []
    settings = ['rules.join=3', 'name=top side', 'weights.orientations=2']
    next_one = make_recipe(folder, settings=settings, report=said.append)
    assert (next_one.revision, next_one.rules.join) == (2, 3)
    assert not said  # it was never calibrated
    assert next_one.rules.any.threshold == 0.999
    assert next_one.name == 'top side'
    assert load_inspector(folder).predictor.orientations == 2
    assert load_inspector(folder, 1).recipe == made
    other = dataclasses.replace(
        next_one, weights=dataclasses.replace(next_one.weights, sha256='0' * 64)
    )
    recipes.save(other, folder)
    with pytest.raises(ValueError, match=r'recipe\.json: weights\.sha256 is not that'):
        load_inspector(folder)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (['rules.joint=3'], r'recipe\.json: rules\.joint is unknown'),
        (['rules.any.threshold=high'], 'rules.any.threshold is .high.'),
        (['rules'], "'rules' must be FIELD=VALUE"),
        (['name.x.y=1'], 'name has no fields'),
        (
            ['weights.orientations=3'],
            r'weights\.orientations is 3; it can be: 1, 2, 4, 8\.',
        ),
        (['rules.classes.spur.min_area=3'], 'rules.classes.spur: no such class'),
        (
            ['rules.any.threshold=1'],
            r'any.threshold or classes.missing.threshold is 1.0',
        ),
    ],
)
def test_a_recipe_that_cannot_be_is_not_written(
    tmp_path: pathlib.Path, settings: list[str], message: str
) -> None:
    run = write_run(tmp_path / 'run')
    write_png(tmp_path / 'good.png', view(board(), np.eye(3)))
    with pytest.raises(ValueError, match=message):
        make_recipe(
            tmp_path / 'recipe',
            references=[tmp_path / 'good.png'],
            workdir=run,
            settings=settings,
        )
    assert not (tmp_path / 'recipe' / 'recipe.json').exists()
