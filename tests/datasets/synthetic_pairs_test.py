"""Claims about the pairs that are drawn: their labels, their bytes, their splits."""

import hashlib
import pathlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from cadnet_jax.datasets import preparation
from cadnet_jax.datasets.synthetic_pairs import composition, digest, nuisance
from cadnet_jax.datasets.synthetic_pairs import (
    synthetic_pairs_dataset_builder as builder,
)
from cadnet_jax.datasets.synthetic_pairs.composition import FAMILIES, HELD_OUT, Recipe
from cadnet_jax.datasets.synthetic_pairs.drawing import Drawing, Pixels
from cadnet_jax.files.images import write_png

STILL = nuisance.Severity(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, jpeg=False, binary=False)
FAMILY_MODULES = 'cadnet_jax.datasets.synthetic_pairs.families'


@pytest.fixture
def gray_product(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """A family of plain gray plates, of which a square of some contrast is altered."""

    def with_contrast(levels: int) -> None:
        def draw(rng: np.random.Generator, size: int) -> Drawing:
            del rng

            def render(part: int, altered: Mapping[int, int]) -> Pixels:
                del part
                image = np.full((size, size, 3), 120, np.uint8)
                if altered:
                    image[60:70, 50:60] += levels
                return image

            return Drawing(render, 1)

        module = types.ModuleType('plates')
        vars(module)['draw'] = draw
        monkeypatch.setitem(sys.modules, f'{FAMILY_MODULES}.plates', module)
        monkeypatch.setattr(composition, 'FAMILIES', ('plates',))
        monkeypatch.setattr(
            composition.nuisance, 'draw_severity', lambda *_, **__: STILL
        )

    yield with_contrast


def samples(family: str, count: int, size: int = 96) -> list[composition.Sample]:
    return [composition.compose(Recipe(family, k, size, 0)) for k in range(count)]


@pytest.mark.parametrize('family', FAMILIES + HELD_OUT)
def test_a_pair_is_the_same_each_time(family: str) -> None:
    for one, same in zip(samples(family, 4), samples(family, 4), strict=True):
        np.testing.assert_array_equal(one.image, same.image)
        np.testing.assert_array_equal(one.reference, same.reference)
        np.testing.assert_array_equal(one.mask, same.mask)


def test_an_image_has_as_many_odd_things_whether_its_pair_has_a_change_or_not() -> None:
    """So counting them in one image tells nothing of the label."""
    rng = np.random.default_rng(0)
    draws = {
        changed: np.array(
            [composition.draw_numbers(rng, changed=changed) for _ in range(60_000)]
        )
        for changed in (False, True)
    }
    assert not draws[False][:, 1:].any()
    assert (draws[True][:, 1:].sum(axis=1) > 0).all()
    for part in (1, 2):
        same, other = (
            np.bincount(draws[changed][:, [0, part]].sum(axis=1), minlength=7) / 60_000
            for changed in (False, True)
        )
        np.testing.assert_allclose(same, other, atol=0.01)  # 3.5 sigma


@pytest.mark.parametrize('family', FAMILIES + HELD_OUT)
def test_half_of_the_pairs_have_no_change_and_most_others_a_visible_one(
    family: str,
) -> None:
    drawn = samples(family, 40)
    assert not any(1 in sample.mask for sample in drawn[1::2])
    assert np.mean([1 in sample.mask for sample in drawn[::2]]) > 0.6


@pytest.mark.parametrize('family', FAMILIES + HELD_OUT)
def test_good_parts_differ(family: str) -> None:
    """Without tolerance a network would learn that any difference is a change."""
    differ = [
        not np.array_equal(sample.image, sample.reference)
        for sample in samples(family, 20)[1::2]
    ]
    assert np.mean(differ) > 0.8


def structural(sample: composition.Sample) -> bool:
    return {'structure'} == {*sample.visible, *sample.faint}


def test_a_clear_change_is_labeled_where_it_is(
    gray_product: Callable[[int], None],
) -> None:
    """The square of 10 x 10 pixels, in the coordinates of the image."""
    gray_product(80)
    found = [s for s in samples('plates', 60) if structural(s)]
    assert found
    top, left = 60 - nuisance.MARGIN, 50 - nuisance.MARGIN
    expected = np.zeros((96, 96), np.uint8)
    expected[top : top + 10, left : left + 10] = 1
    for sample in found:
        np.testing.assert_array_equal(sample.mask, expected)


def test_a_change_below_the_noise_is_ignored(
    gray_product: Callable[[int], None],
) -> None:
    """Nine gray levels are seen without noise, and are not with much of it."""
    gray_product(9)
    clear = [s for s in samples('plates', 60) if structural(s)]
    assert clear
    assert all(1 in sample.mask for sample in clear)
    noisy = STILL._replace(noise=40)
    composition.nuisance.draw_severity = lambda *_, **__: noisy
    faint = [s for s in samples('plates', 60) if structural(s)]
    assert faint
    assert any(255 in sample.mask and 1 not in sample.mask for sample in faint)


def test_the_label_follows_the_geometry_of_the_image() -> None:
    """A bright square and its label are displaced alike."""
    size = 128
    canvas = np.zeros((size + 2 * nuisance.MARGIN,) * 2, bool)
    canvas[50:90, 60:110] = True
    pixels = np.repeat(canvas[..., None] * np.uint8(200), 3, axis=-1)
    severity = STILL._replace(shift=4, turn=2, scale=0.01, bend=2, wave=1.5)
    for seed in range(10):
        view = nuisance.draw_view(np.random.default_rng(seed), severity, size)
        view = view._replace(grid=None, levels=256)
        image = nuisance.photograph(pixels, view, middle=100)
        label = nuisance.warp_label(canvas, view)
        assert ((image[..., 0] > 100) != label).sum() <= 3  # rounded in half-way pixels


def test_without_nuisance_a_picture_is_the_middle_of_the_canvas() -> None:
    rng = np.random.default_rng(0)
    canvas = rng.integers(0, 256, (100, 100, 3), np.uint8)
    size = 100 - 2 * nuisance.MARGIN
    view = nuisance.draw_view(np.random.default_rng(1), STILL, size)
    view = view._replace(grid=None, levels=256, shading=None)
    image = nuisance.expose(nuisance.photograph(canvas, view, middle=0), view, rng)
    inside = slice(nuisance.MARGIN, -nuisance.MARGIN)
    np.testing.assert_array_equal(image, canvas[inside, inside])


def test_artwork_is_the_middle_of_the_canvas() -> None:
    rng = np.random.default_rng(0)
    canvas = rng.integers(0, 256, (100, 100, 3), np.uint8)
    view = nuisance.ideal_view(100 - 2 * nuisance.MARGIN)
    image = nuisance.expose(nuisance.photograph(canvas, view, middle=0), view, rng)
    inside = slice(nuisance.MARGIN, -nuisance.MARGIN)
    np.testing.assert_array_equal(image, canvas[inside, inside])


def test_artwork_stands_on_either_side_of_a_few_pairs() -> None:
    rng = np.random.default_rng(0)
    noisy = STILL._replace(noise=10)  # so that no photograph is without noise
    pairs = [nuisance.draw_views(rng, noisy, 64) for _ in range(600)]
    counts = np.array([[view.noise == 0 for view in views] for views in pairs]).sum(0)
    assert (counts > 20).all()
    assert counts.sum() < 150


def test_other_colors_keep_hue_and_brightness() -> None:
    """Saturation alone changes, both ways; gray stays gray."""
    hues = np.array([[[200, 80, 80], [80, 200, 80], [90, 90, 210], [120, 120, 120]]])
    canvas = np.tile(hues.astype(np.uint8), (40 + 2 * nuisance.MARGIN, 40, 1))
    canvas = np.ascontiguousarray(canvas[:, : 40 + 2 * nuisance.MARGIN])
    before = canvas[nuisance.MARGIN : -nuisance.MARGIN][:, nuisance.MARGIN :][:, :40]
    spans = set()
    for seed in range(8):
        view = nuisance.draw_view(
            np.random.default_rng(seed), STILL._replace(colors=0.8), 40
        )
        view = view._replace(grid=None, shading=None)
        after = nuisance.photograph(canvas, view, middle=0).astype(int)
        assert np.abs(after.max(-1) - before.max(-1)).max() <= 1
        gray = before[..., 0] == before[..., 1]
        gray &= before[..., 1] == before[..., 2]
        np.testing.assert_array_equal(after[gray], before[gray])
        spread = np.ptp(after, axis=-1) - np.ptp(before.astype(int), axis=-1)
        spans.add(int(np.sign(spread[~gray].sum())))
    assert spans == {-1, 1}


def prepare(output: pathlib.Path, **options: Any) -> pathlib.Path:
    options = {'count': 12, 'size': 64, 'workers': 1, **options}
    return preparation.prepare(lambda **of: builder.Builder(**options, **of), output)


def groups(prepared: pathlib.Path, split: str) -> list[str]:
    source = tfds.builder_from_directory(prepared).as_data_source(split)
    return [pair['group'].decode() for pair in source]


def test_one_and_two_workers_write_the_same_bytes(tmp_path: pathlib.Path) -> None:
    one, two = (prepare(tmp_path / str(n), workers=n) for n in (1, 2))
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in two.iterdir())
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_families_have_equal_shares_and_held_out_ones_are_not_trained_on(
    tmp_path: pathlib.Path,
) -> None:
    prepared = prepare(tmp_path)
    trained = groups(prepared, 'train')
    assert {family: trained.count(family) for family in trained} == dict.fromkeys(
        FAMILIES, 2
    )
    assert set(groups(prepared, 'val')) == set(HELD_OUT)


def test_a_family_that_is_left_out_is_in_test_alone(tmp_path: pathlib.Path) -> None:
    prepared = prepare(tmp_path, leave_out='prints')
    assert 'prints' not in groups(prepared, 'train')
    assert set(groups(prepared, 'test')) == {'prints'}


def test_an_unknown_family_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match='leave_out=shoes is invalid; it can be: bo'):
        builder.Builder(data_dir=tmp_path, leave_out='shoes')


def folder_of_photographs(folder: pathlib.Path, level: int) -> str:
    """Plain ones of 300 x 200, of a color that nothing else has."""
    folder.mkdir()
    for number in range(8):
        image = np.full((200, 300, 3), (level, 253, 1), np.uint8)
        write_png(folder / f'{number}.png', image)
    return str(folder)


def test_collages_show_photographs_of_the_user(tmp_path: pathlib.Path) -> None:
    """Other families, and collages without a photograph, stay as they are."""
    own = folder_of_photographs(tmp_path / 'own', 252)
    recipes = [Recipe('collages', number, 96, 0) for number in range(60)]
    plain, shown = (
        [composition.compose(recipe._replace(photo_dir=of)) for recipe in recipes]
        for of in ('', own)
    )
    changed = [
        not np.array_equal(one.image, other.image)
        for one, other in zip(plain, shown, strict=True)
    ]
    assert 0.1 < np.mean(changed) < 0.9
    board = Recipe('boards', 0, 96, 0)
    one, same = (
        composition.compose(board._replace(photo_dir=of)).image for of in ('', own)
    )
    np.testing.assert_array_equal(one, same)


def test_photographs_are_told_apart_by_what_they_show(tmp_path: pathlib.Path) -> None:
    digests = [
        builder.Builder(
            data_dir=tmp_path, photo_dir=folder_of_photographs(tmp_path / name, level)
        ).options['photographs']
        for name, level in (('one', 250), ('same', 250), ('other', 240))
    ]
    assert digests[0] == digests[1] != digests[2]
    assert 'photographs' not in builder.Builder(data_dir=tmp_path).options


def test_bad_photographs_are_refused_at_once(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'--photo_dir=.*nowhere: there is no'):
        builder.Builder(data_dir=tmp_path, photo_dir=str(tmp_path / 'nowhere'))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match=r'--photo_dir=.*empty: it holds no image'):
        builder.Builder(data_dir=tmp_path, photo_dir=str(tmp_path / 'empty'))
    own = folder_of_photographs(tmp_path / 'own', 200)
    write_png(tmp_path / 'own' / 'tiny.png', np.zeros((40, 90, 3), np.uint8))
    with pytest.raises(ValueError, match=r'tiny.png: 90 x 40 pixels.*at least 64'):
        builder.Builder(data_dir=tmp_path, photo_dir=own)
    (tmp_path / 'own' / 'tiny.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'tiny.png'):
        builder.Builder(data_dir=tmp_path, photo_dir=own)


def test_the_digest_is_that_of_the_pixels_in_the_order_of_the_families() -> None:
    expected = hashlib.sha256()
    for number, family in [(0, f) for f in FAMILIES] + [(1, FAMILIES[0])]:
        sample = composition.compose(Recipe(family, number, 64, 3))
        pixels = (sample.image, sample.reference, sample.mask)
        data = b''.join(p.tobytes() for p in pixels)
        expected.update(hashlib.sha256(data).digest())
    assert digest.digest(7, size=64, seed=3) == expected.hexdigest()
