"""Claims about the paired augmentation.

The oracle is a pair whose colors are its coordinates: red is the column, green the
row, so that each output pixel says where it was taken from.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from cadnet_jax.data import transforms
from cadnet_jax.data.transforms import Pair, augment, normalize, paint_pair
from cadnet_jax.data_config import DataConfig

GEOMETRY_ONLY: dict[str, Any] = {'photometric_probability': 0.0}
IDENTITY: dict[str, Any] = {
    'scale_min': 1.0,
    'scale_max': 1.0,
    'flip': False,
    'rotate': False,
    'defect_crop_fraction': 0.0,
    'photometric_probability': 0.0,
}
BLOCK = 20  # side of the squares of one class in the coordinate pair's mask


def coordinate_pair(height: int, width: int) -> Pair:
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([columns, rows, 0 * rows], axis=-1).astype(np.uint8)
    mask = ((rows // BLOCK) + 3 * (columns // BLOCK)) % 5
    return Pair(image, image.copy(), mask.astype(np.uint8))


def random_pair(rng: np.random.Generator, height: int, width: int) -> Pair:
    return Pair(
        rng.integers(0, 256, (height, width, 3), np.uint8),
        rng.integers(0, 256, (height, width, 3), np.uint8),
        rng.integers(0, 3, (height, width), np.uint8),
    )


@pytest.mark.parametrize('scale', [(0.5, 2.0), (1.0, 1.0), (0.37, 0.37), (3.0, 3.0)])
def test_image_reference_and_mask_move_together(scale: tuple[float, float]) -> None:
    """At each output pixel the mask is that of the place which the image shows."""
    pair = coordinate_pair(211, 199)
    config = DataConfig(
        crop_size=53, scale_min=scale[0], scale_max=scale[1], **GEOMETRY_ONLY
    )
    rng = np.random.default_rng(0)
    for _ in range(60):
        out = augment(pair, config, rng)
        np.testing.assert_array_equal(out.image, out.reference)
        columns, rows = out.image[..., 0].astype(int), out.image[..., 1].astype(int)
        # Nearest and bilinear sampling differ by up to a source pixel and a half.
        clear = out.mask != 255
        for places in (rows, columns):
            clear &= (places % BLOCK >= 3) & (places % BLOCK < BLOCK - 3)
        assert clear.sum() > 100
        np.testing.assert_array_equal(out.mask[clear], pair.mask[rows, columns][clear])


def test_mask_is_sampled_at_the_pixel_centers_of_the_image() -> None:
    """At a third of the size both samplings fall exactly on every third pixel."""
    pair = coordinate_pair(48, 48)
    config = DataConfig(
        **{**IDENTITY, 'scale_min': 1 / 3, 'scale_max': 1 / 3}, crop_size=16
    )
    out = augment(pair, config, np.random.default_rng(0))
    columns, rows = out.image[..., 0].astype(int), out.image[..., 1].astype(int)
    np.testing.assert_array_equal(columns[0], np.arange(1, 48, 3))
    np.testing.assert_array_equal(out.mask, pair.mask[rows, columns])


@pytest.mark.parametrize('scale', [0.5, 0.8, 1.0, 2.0])
def test_scale_is_the_factor_of_the_resize(scale: float) -> None:
    """A crop of S pixels spans S / scale source pixels."""
    config = DataConfig(
        **{**IDENTITY, 'scale_min': scale, 'scale_max': scale}, crop_size=64
    )
    image = augment(coordinate_pair(230, 240), config, np.random.default_rng(1)).image
    span = image[-1, -1, :2].astype(float) - image[0, 0, :2]
    np.testing.assert_allclose(span, 63 / scale, atol=1.1)


def test_crop_without_resize_copies_pixels() -> None:
    pair = random_pair(np.random.default_rng(0), 40, 50)
    out = augment(pair, DataConfig(**IDENTITY, crop_size=40), np.random.default_rng(0))
    starts = [x for x in range(11) if (pair.image[:, x : x + 40] == out.image).all()]
    assert len(starts) == 1
    window = slice(starts[0], starts[0] + 40)
    np.testing.assert_array_equal(out.reference, pair.reference[:, window])
    np.testing.assert_array_equal(out.mask, pair.mask[:, window])


def test_uniform_crops_reach_all_four_borders() -> None:
    pair = coordinate_pair(12, 10)
    config = DataConfig(**IDENTITY, crop_size=8)
    rng = np.random.default_rng(0)
    corners = {tuple(augment(pair, config, rng).image[0, 0, :2]) for _ in range(400)}
    assert corners == {(x, y) for x in range(3) for y in range(5)}


def test_reference_shift_moves_the_reference_alone_in_half_of_the_pairs() -> None:
    pair = coordinate_pair(60, 60)
    config = DataConfig(**IDENTITY, crop_size=40, reference_shift=3)
    rng = np.random.default_rng(0)
    offsets, aligned, starts = set(), 0, []
    for _ in range(1000):
        out = augment(pair, config, rng)
        corner = out.image[0, 0, :2].astype(int)
        np.testing.assert_array_equal(out.mask[0, 0], pair.mask[corner[1], corner[0]])
        offset = out.reference.astype(int) - out.image
        assert (offset == offset[0, 0]).all()
        offsets.add(tuple(offset[0, 0, :2].tolist()))
        aligned += not offset.any()
        starts.append(out.reference[0, 0, :2])
    assert offsets == {(x, y) for x in range(-3, 4) for y in range(-3, 4)}
    assert 450 < aligned < 600
    assert np.min(starts) == 0 and np.max(starts) == 20  # never outside the source


@pytest.mark.parametrize(
    ('flip', 'rotate', 'orientations'),
    [(False, False, 1), (True, False, 4), (False, True, 4), (True, True, 8)],
)
def test_flips_and_turns_give_all_orientations(
    flip: bool, rotate: bool, orientations: int
) -> None:
    config = DataConfig(**{**IDENTITY, 'flip': flip, 'rotate': rotate}, crop_size=9)
    pair, rng = coordinate_pair(9, 9), np.random.default_rng(0)
    seen = {augment(pair, config, rng).image.tobytes() for _ in range(200)}
    expected = [pair.image, pair.image[::-1]]
    dihedral = {np.rot90(x, k).tobytes() for x in expected for k in range(4)}
    assert len(seen) == orientations
    assert seen <= dihedral


@pytest.mark.parametrize(('height', 'width'), [(20, 30), (50, 30), (20, 60)])
def test_small_images_are_padded_with_mean_color_and_ignored_mask(
    height: int, width: int
) -> None:
    """Also under photometric change, which is of the image and not of the padding."""
    pair = random_pair(np.random.default_rng(0), height, width)
    config = DataConfig(
        **{**IDENTITY, 'photometric_probability': 1.0}, crop_size=40, brightness=0.5
    )
    out = augment(pair, config, np.random.default_rng(0))
    padded = np.ones((40, 40), bool)
    padded[:height, :width] = False
    np.testing.assert_array_equal(out.mask == 255, padded)
    for image in (out.image, out.reference):
        assert image.shape == (40, 40, 3)
        np.testing.assert_allclose(normalize(image[padded]), 0, atol=0.01)


def test_defect_crops_hold_the_defect_anywhere_in_the_crop() -> None:
    """The drawn pixel's place in the crop is uniform; the crop stays in the image."""
    pair = coordinate_pair(120, 140)
    mask = np.zeros_like(pair.mask)
    mask[60, 70] = 4
    pair = pair._replace(mask=mask)
    config = DataConfig(**{**IDENTITY, 'defect_crop_fraction': 1.0}, crop_size=32)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(1600):
        out = augment(pair, config, rng)
        assert (out.mask != 255).all()
        found.append(np.argwhere(out.mask == 4))
    places = np.array(found)
    assert places.shape == (1600, 1, 2)
    for axis in range(2):
        counts = np.bincount(places[:, 0, axis] // 8, minlength=4)
        assert counts.min() > 330 and counts.max() < 470  # 400 +- 4 deviations


def test_a_rare_class_is_drawn_as_often_as_a_common_one() -> None:
    pair = coordinate_pair(200, 200)
    mask = np.full_like(pair.mask, 255)  # ignored pixels are no defects
    mask[10:50, 10:50] = 1
    mask[150, 150] = 2
    config = DataConfig(**{**IDENTITY, 'defect_crop_fraction': 1.0}, crop_size=20)
    rng = np.random.default_rng(0)
    crops = [augment(pair._replace(mask=mask), config, rng).mask for _ in range(400)]
    rare = sum((crop == 2).any() for crop in crops)
    assert all((crop != 255).any() for crop in crops)
    assert 160 < rare < 240


@pytest.mark.parametrize('value', [0, 255])
def test_a_pair_without_defects_is_cropped_uniformly(value: int) -> None:
    pair = coordinate_pair(12, 12)
    pair = pair._replace(mask=np.full_like(pair.mask, value))
    config = DataConfig(**{**IDENTITY, 'defect_crop_fraction': 1.0}, crop_size=10)
    rng = np.random.default_rng(0)
    corners = {augment(pair, config, rng).image[0, 0].tobytes() for _ in range(200)}
    assert len(corners) == 9


def test_defect_crop_fraction_is_the_share_of_defect_crops() -> None:
    """A defect in the corner of a large image is all but never met by chance."""
    pair = coordinate_pair(250, 250)
    mask = np.zeros_like(pair.mask)
    mask[0, 0] = 1
    config = DataConfig(**{**IDENTITY, 'defect_crop_fraction': 0.3}, crop_size=8)
    rng = np.random.default_rng(0)
    hits = sum(
        augment(pair._replace(mask=mask), config, rng).mask.any() for _ in range(1000)
    )
    assert 240 < hits < 360


def lit(pair: Pair, rng: np.random.Generator, **limits: float) -> Pair:
    """Photometric change alone, of the given kinds alone."""
    kinds = {'brightness': 0.0, 'contrast': 0.0, 'saturation': 0.0, **limits}
    settings = {**IDENTITY, 'photometric_probability': 1.0, **kinds}
    return augment(pair, DataConfig(**settings, crop_size=len(pair.mask)), rng)


def test_photometric_change_is_drawn_for_each_image_and_spares_the_mask() -> None:
    pair = random_pair(np.random.default_rng(0), 16, 16)
    pair = pair._replace(reference=pair.image)
    rng = np.random.default_rng(1)
    for kind in ('brightness', 'contrast', 'saturation'):
        out = lit(pair, rng, **{kind: 0.4})
        assert (out.image != out.reference).mean() > 0.5
        assert (out.image != pair.image).mean() > 0.5
        np.testing.assert_array_equal(out.mask, pair.mask)


def test_brightness_adds_at_most_its_share_of_the_range() -> None:
    pair = random_pair(np.random.default_rng(0), 16, 16)
    pair = pair._replace(image=pair.image // 2 + 60)
    rng, changes = np.random.default_rng(0), []
    for _ in range(100):
        change = lit(pair, rng, brightness=0.2).image.astype(int) - pair.image
        assert change.min() == change.max()
        changes.append(change.min())
    assert -51 <= min(changes) < -40 and 40 < max(changes) <= 51


def test_contrast_multiplies_by_at_most_its_factor() -> None:
    pair = random_pair(np.random.default_rng(0), 16, 16)
    pair = pair._replace(image=pair.image // 3 + 80)
    rng, factors = np.random.default_rng(0), []
    for _ in range(100):
        out = lit(pair, rng, contrast=0.5).image.astype(float)
        factor = (out.sum() / pair.image.sum()).item()
        np.testing.assert_allclose(out, factor * pair.image, atol=1.0)
        factors.append(factor)
    assert 0.5 <= min(factors) < 0.6 and max(factors) > 1.3


def test_saturation_keeps_the_gray_value_and_gray_images() -> None:
    rng = np.random.default_rng(0)
    pair = random_pair(rng, 16, 16)
    gray = np.repeat(pair.image[..., :1], 3, axis=2)
    pair = Pair(image=pair.image // 4 + 96, reference=gray, mask=pair.mask)
    for _ in range(30):
        out = lit(pair, rng, saturation=0.5)
        np.testing.assert_array_equal(out.reference, gray)
        luma = np.array([0.299, 0.587, 0.114])
        np.testing.assert_allclose(out.image @ luma, pair.image @ luma, atol=0.6)


def test_same_generator_gives_same_pair_and_leaves_the_input_alone() -> None:
    pair = random_pair(np.random.default_rng(0), 70, 60)
    before = Pair(*(array.copy() for array in pair))
    config = DataConfig(crop_size=32)
    first = augment(pair, config, np.random.default_rng(5))
    second = augment(pair, config, np.random.default_rng(5))
    other = augment(pair, config, np.random.default_rng(6))
    for a, b, c, d in zip(first, second, pair, before, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(c, d)
        assert a.dtype == np.uint8 and a.flags.c_contiguous
    assert (first.image != other.image).any()


def test_normalize_gives_zero_mean_and_unit_deviation_in_numpy_and_jax() -> None:
    """The color mean + k std becomes k, in any number of dimensions."""
    colors = np.array([[0, 0, 0], [124, 116, 104], [255, 255, 255]], np.uint8)
    expected = np.array(
        [[-2.1179, -2.0357, -1.8044], [0, 0, 0], [2.2489, 2.4286, 2.6400]]
    )
    for shape in ((3, 3), (1, 3, 1, 3)):
        image = colors.reshape(shape)
        out = normalize(image)
        assert out.dtype == np.float32 and isinstance(out, np.ndarray)
        np.testing.assert_allclose(out.reshape(3, 3), expected, atol=1e-2)
        on_device = normalize(jnp.asarray(image))
        assert on_device.dtype == jnp.float32
        np.testing.assert_allclose(on_device, out, atol=1e-6)


def test_normalize_uses_the_statistics_of_mmsegmentation() -> None:
    assert transforms.MEAN == (123.675, 116.28, 103.53)
    assert transforms.STD == (58.395, 57.12, 57.375)


def good_pair(rng: np.random.Generator) -> Pair:
    """Two pictures of one part, which differ by noise of two gray levels at most."""
    small = rng.integers(60, 190, (12, 10, 3), np.uint8)
    part = small.repeat(8, axis=0).repeat(8, axis=1)
    image, reference = (
        (part + rng.integers(-1, 2, part.shape)).astype(np.uint8) for _ in range(2)
    )
    return Pair(image, reference, np.zeros(part.shape[:2], np.uint8))


def paint_many(pair: Pair, number: int = 200) -> list[Pair]:
    rng = np.random.default_rng(0)
    whole = slice(0, pair.mask.shape[0]), slice(0, pair.mask.shape[1])
    return [paint_pair(pair, whole, rng) for _ in range(number)]


def test_what_is_painted_over_one_image_is_labeled() -> None:
    """A label stands where image and reference differ, and nowhere else."""
    pair = good_pair(np.random.default_rng(1))
    labeled = 0
    for out in paint_many(pair):
        difference = np.abs(out.image.astype(int) - out.reference).max(axis=-1)
        assert set(np.unique(out.mask)) <= {0, 1}
        # Support starts at six gray levels; the two pictures differ by two.
        if out.mask.any():
            assert (difference[out.mask == 1] >= 4).mean() > 0.9
            labeled += 1
    assert 80 < labeled < 120  # half of them


def test_paint_is_in_either_image_and_no_sign_of_a_defect() -> None:
    """Unlabeled pairs hold paint as well; labeled ones in the image or reference."""
    pair = good_pair(np.random.default_rng(1))
    outs = paint_many(pair)
    painted = [
        tuple(bool((a != b).any()) for a, b in zip(out[:2], pair[:2], strict=True))
        for out in outs
    ]
    kinds = {
        (*sides, bool(out.mask.any())) for sides, out in zip(painted, outs, strict=True)
    }
    assert kinds >= {
        (True, False, True),
        (False, True, True),
        (True, True, False),
        (False, False, False),
    }
    untouched = sum(sides == (False, False) for sides in painted)
    assert 35 < untouched < 65  # a quarter


def test_labels_and_ignored_pixels_stay_when_a_pair_is_painted() -> None:
    """Until a labeled defect is painted over in both images: it is ignored then."""
    pair = good_pair(np.random.default_rng(2))
    pair.mask[:, :20], pair.mask[:, 60:] = 1, 255
    pair.image[:, :20] //= 2
    hidden = 0
    for out in paint_many(pair):
        assert (out.mask[:, 60:] == 255).all()
        assert set(np.unique(out.mask[:, :20])) <= {1, 255}
        ignored = out.mask[:, :20] == 255
        both = (out.image != pair.image) & (out.reference != pair.reference)
        if ignored.any():
            assert both.any(axis=-1)[:, :20][ignored].mean() > 0.5
            hidden += 1
    assert hidden
    assert (pair.mask[:, :20] == 1).all()  # the given arrays are not changed


def test_a_painted_crop_holds_its_change() -> None:
    """What is painted lies in the window that is cut out, in a large image too."""
    pair = good_pair(np.random.default_rng(3))
    large = Pair(*(np.concatenate([array] * 6) for array in pair))
    config = DataConfig(crop_size=40, paint_defects=True, scale_min=1, scale_max=2)
    rng = np.random.default_rng(0)
    masks = [augment(large, config, rng).mask for _ in range(200)]
    assert 70 < sum(mask.any() for mask in masks) < 120


def test_paint_leaves_the_geometry_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With paint that shows nothing a crop is the one that is cut without painting."""
    monkeypatch.setattr(
        transforms,
        'paint_pair',
        lambda pair, part, rng, **_: Pair(*(x.copy() for x in pair)),
    )
    pair = coordinate_pair(211, 199)
    for seed in range(40):
        crops = [
            augment(
                pair,
                DataConfig(crop_size=53, paint_defects=painted, reference_shift=40),
                np.random.default_rng(seed),
            )
            for painted in (False, True)
        ]
        for values, others in zip(*crops, strict=True):
            np.testing.assert_array_equal(values, others)


@pytest.mark.parametrize('size', [(31, 90), (40, 33)])
def test_a_small_pair_is_painted_where_there_is_room(size: tuple[int, int]) -> None:
    pair = Pair(*(array[: size[0], : size[1]] for array in good_pair_of(96)))
    rng = np.random.default_rng(0)
    part = slice(5, 9), slice(20, 30)
    outs = [paint_pair(pair, part, rng) for _ in range(20)]
    changed = any((out.image != pair.image).any() for out in outs)
    assert changed == (min(size) >= 32)


def good_pair_of(side: int) -> Pair:
    gray = np.full((side, side, 3), 90, np.uint8)
    return Pair(gray, gray, np.zeros((side, side), np.uint8))
