"""Recipes: read as they were written, numbered, and refused by file and field."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.fields import describe
from cadnet_jax.inspection.making import make_recipe
from cadnet_jax.inspection.recipe import Area, File, Recipe
from cadnet_jax.inspection.recipe_files import (
    add_image,
    inspected_pixels,
    read_mask,
    read_references,
)
from cadnet_jax.inspection.rules import Limits, Rules
from tests.conftest import ROOT


def image(seed: int = 0, size: tuple[int, int] = (32, 48)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)


def recipe_in(folder: pathlib.Path, **fields: Any) -> Recipe:
    reference = add_image(folder, 'references', image())
    return recipes.save(Recipe(references=(reference,), **fields), folder)


def edit(folder: pathlib.Path, change: Callable[[Any], Any]) -> None:
    path = folder / 'recipe.json'
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_a_recipe_survives_its_folder(tmp_path: pathlib.Path) -> None:
    mask = add_image(tmp_path, 'areas', image(1))
    written = recipe_in(
        tmp_path,
        name='board 7',
        rules=Rules(any=Limits(0.8, min_area=40), classes={'short': Limits(0.9)}),
        inspect=(Area(mask=mask), Area(box=(1, 2, 9, 8))),
        ignore=(Area(polygon=((0.0, 0.0), (5.0, 0.0), (0.0, 5.0))),),
    )
    assert recipes.read(tmp_path) == written
    np.testing.assert_array_equal(read_references(written, tmp_path)[0], image())


def test_a_recipe_that_changes_gets_a_new_number(tmp_path: pathlib.Path) -> None:
    """By `save` or in an editor; the old ones stay readable."""
    first = recipe_in(tmp_path)
    assert first.revision == 1
    assert recipes.save(first, tmp_path).revision == 1
    second = recipes.save(dataclasses.replace(first, name='other'), tmp_path)
    assert second.revision == 2
    edit(tmp_path, lambda values: values['rules'].update(join=4))
    third = recipes.read(tmp_path)
    assert (third.revision, third.rules.join) == (3, 4)
    assert recipes.read(tmp_path) == third
    assert [recipes.read(tmp_path, number) for number in (1, 2, 3)] == [
        first,
        second,
        third,
    ]
    with pytest.raises(FileNotFoundError, match=r'0004\.json'):
        recipes.read(tmp_path, 4)


def test_areas_are_boxes_polygons_and_masks(tmp_path: pathlib.Path) -> None:
    """What is inspected, less what is ignored."""
    pixels = np.zeros((32, 48), np.uint8)
    pixels[20:, 40:] = 255
    mask = add_image(tmp_path, 'areas', pixels)
    recipe = recipe_in(
        tmp_path,
        inspect=(Area(box=(0, 0, 10, 10)), Area(mask=mask)),
        ignore=(Area(polygon=((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))),),
    )
    expected = pixels > 0
    expected[:10, :10] = True
    expected[:5, :5] = False
    actual = inspected_pixels(recipe, tmp_path, image())
    np.testing.assert_array_equal(actual, expected)
    everything = inspected_pixels(recipe_in(tmp_path), tmp_path, image())
    assert everything.all()


@pytest.mark.parametrize(
    'area',
    [
        Area(box=(40, 20, 400, 300)),
        Area(box=(-1, 0, 10, 10)),
        Area(polygon=((0.0, 0.0), (4.0, 0.0), (4.0, 99.0))),
    ],
)
def test_an_area_beyond_the_reference_is_refused(
    area: Area, tmp_path: pathlib.Path
) -> None:
    recipe = recipe_in(tmp_path, inspect=(area,))
    with pytest.raises(
        ValueError, match=r'recipe\.json: inspect.* has 48 x 32 pixels;'
    ):
        inspected_pixels(recipe, tmp_path, image())


def disk() -> np.ndarray:
    """A mask of two values, uint8 [H, W], of the size of `image`."""
    pixels = np.zeros((32, 48), np.uint8)
    cv2.circle(pixels, (24, 16), 11, 255, -1)
    return pixels


@pytest.mark.parametrize('kind', ['inspect', 'ignore'])
def test_a_jpeg_as_mask_is_refused_before_the_network_is_read(
    tmp_path: pathlib.Path, kind: str
) -> None:
    """It has gray values around the edges; the weights, which are missing, come later.

    The values are OpenCV's, read as gray.
    """
    path = tmp_path / 'mask.jpg'
    cv2.imwrite(str(path), disk())
    write_png(tmp_path / 'good.png', image())
    values = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert values is not None
    count = np.count_nonzero((values > 0) & (values < values.max()))
    assert count > 100
    options: dict[str, Any] = {kind: path, 'workdir': tmp_path / 'missing'}
    message = rf'mask\.jpg: {count} of 1,536 pixels are neither black .*save it as PNG'
    with pytest.raises(ValueError, match=message):
        make_recipe(tmp_path / 'r', references=[tmp_path / 'good.png'], **options)
    assert not (tmp_path / 'r').exists()


def test_a_mask_with_gray_values_in_a_recipe_is_refused(tmp_path: pathlib.Path) -> None:
    """One pixel is enough; it was edited in."""
    pixels = disk()
    pixels[0, 0] = 1
    write_png(tmp_path / 'areas' / 'x.png', pixels)
    recipe = recipe_in(tmp_path, inspect=(Area(mask=File('areas/x.png')),))
    with pytest.raises(
        ValueError, match=r'x\.png: 1 of 1,536 pixels are neither black'
    ):
        inspected_pixels(recipe, tmp_path, image())


@pytest.mark.parametrize('color', [(255, 255, 255), (1, 1, 1), (40, 0, 0)])
def test_a_mask_of_black_and_one_color_is_taken(
    tmp_path: pathlib.Path, color: tuple[int, ...]
) -> None:
    where = disk() > 0
    pixels = np.where(where[..., None], color, 0).astype(np.uint8)
    write_png(tmp_path / 'x.png', pixels)
    np.testing.assert_array_equal(read_mask(tmp_path / 'x.png'), where)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda v: v.update(bit_depth=7), 'bit_depth is 7; it must be in'),
        (lambda v: v.update(bits=8), 'bits is unknown; there are: bit_depth'),
        (lambda v: v.pop('references'), 'references is empty'),
        (lambda v: v['weights'].update(step=3), 'weights.step is 3; it must be a text'),
        (lambda v: v['registration'].update(method='x'), 'registration.method is .x.'),
        (
            lambda v: v['registration']['tolerance'].update(shift=-1),
            'registration.tolerance.shift is -1.0; it must be at least 0',
        ),
        (lambda v: v.update(ignore=[{}]), r'ignore\[0\].mask, box or polygon must be'),
        (lambda v: v.update(ignore=[{'box': [1, 2]}]), r'ignore\[0\].box is \[1, 2\]'),
        (lambda v: v.update(inspect=[{'polygon': [[1, 2]]}]), r'inspect\[0\].polygon'),
        (lambda v: v['rules'].update(join=-1), 'rules.join is -1'),
        (lambda v: v.update(checks=None), 'checks must be an object'),
    ],
)
def test_a_fault_is_one_line_with_file_and_field(
    tmp_path: pathlib.Path, change: Callable[[Any], Any], message: str
) -> None:
    recipe_in(tmp_path)
    edit(tmp_path, change)
    with pytest.raises(ValueError, match=rf'recipe\.json: {message}') as caught:
        recipes.read(tmp_path)
    assert '\n' not in str(caught.value)
    assert len(list((tmp_path / 'revisions').iterdir())) == 1


def test_files_that_changed_or_went_are_refused(tmp_path: pathlib.Path) -> None:
    recipe = recipe_in(tmp_path)
    path = tmp_path / recipe.references[0].file
    write_png(path, image(5))
    with pytest.raises(ValueError, match=r'not the file of references\[0\].sha256'):
        read_references(recipe, tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r'references\[0\] in recipe.json'):
        read_references(recipe, tmp_path)
    small = add_image(tmp_path, 'areas', np.full((9, 9), 255, np.uint8))
    recipe = recipe_in(tmp_path, ignore=(Area(mask=small),))
    with pytest.raises(ValueError, match=r'ignore\[0\].mask is 9 x 9'):
        inspected_pixels(recipe, tmp_path, image())
    recipe = recipe_in(tmp_path, ignore=(Area(box=(0, 0, 48, 32)),))
    with pytest.raises(ValueError, match='leave nothing to judge'):
        inspected_pixels(recipe, tmp_path, image())
    recipe = dataclasses.replace(recipe, references=(*recipe.references, small))
    with pytest.raises(ValueError, match=r'references\[1\] is 9 x 9'):
        read_references(recipe, tmp_path)


def test_a_missing_recipe_names_the_script(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'make_recipe\.py'):
        recipes.read(tmp_path)


@pytest.mark.parametrize('bits', [10, 12, 16])
def test_the_bits_of_the_camera_are_brought_to_eight(
    tmp_path: pathlib.Path, bits: int
) -> None:
    """Gray and colors; the red channel stays the first."""
    values = np.arange(48, dtype=np.uint16).reshape(6, 8) * (2**bits // 48)
    path = tmp_path / 'x.png'
    cv2.imwrite(str(path), values)
    expected = (values // 2 ** (bits - 8)).astype(np.uint8)
    np.testing.assert_array_equal(
        read_image(path, bits), expected[..., None].repeat(3, 2)
    )
    red = np.stack([values * 0, values * 0, values], axis=-1)
    cv2.imwrite(str(path), red)
    np.testing.assert_array_equal(read_image(path, bits)[..., 0], expected)


def test_twelve_bits_in_sixteen_are_never_silently_dark(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'x.png'
    cv2.imwrite(str(path), np.full((8, 8), 4000, np.uint16))
    with pytest.raises(ValueError, match=r'x\.png: no value is above 4000.*bit_depth'):
        read_image(path, 16)
    with pytest.raises(ValueError, match=r'has the value 4000.*set bit_depth to 12'):
        read_image(path, 10)
    assert read_image(path, 12).max() == 250
    cv2.imwrite(str(path), np.full((8, 8), 3, np.uint8))
    assert read_image(path, 12).max() == 3


def test_every_field_is_described_and_documented() -> None:
    page = (ROOT / 'docs' / 'inspection.md').read_text()
    for name, text in describe(Recipe):
        assert len(text) > 5, name
        last = name.split('.')[-1]
        assert f'`{last}`' in page or f'.{last}`' in page, f'{name} is not in the page'
