"""Claims about SynLCD's defects, disturbances and the samples made of them."""

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from cadnet_jax.datasets.synlcd import (
    blending,
    composition,
    disturbances,
    lines,
    patterns,
    points,
)
from cadnet_jax.datasets.synlcd.blending import Bits, Window
from cadnet_jax.datasets.synlcd.composition import Recipe, Sample
from cadnet_jax.datasets.synlcd.disturbances import Disturbance
from cadnet_jax.datasets.synlcd.lines import Line
from cadnet_jax.datasets.synlcd.points import Dot

SIZE = 192
UNCHANGED = Disturbance(
    brightness=0, contrast=100, noise=0, deviation=0, texture=0, saturation=100
)
UPRIGHT = Line('red', 100, 3, 0.5, at=(0.5, 0.5), steep=True, slope=0.0)


def recipes(kind: str, count: int, size: int = SIZE) -> list[Recipe]:
    return [
        Recipe(kind, name, number, True, size, seed=3)
        for name in patterns.NAMES
        for number in range(count)
    ]


@pytest.fixture(scope='module')
def samples() -> list[tuple[Recipe, Sample]]:
    """Two of each pattern and kind, and a few at the smallest size."""
    chosen = [r for kind in composition.KINDS for r in recipes(kind, 2)]
    chosen += recipes('mixed', 1, size=64)
    return [(recipe, composition.compose(recipe)) for recipe in chosen]


def support(window: Window, size: int) -> Bits:
    """A defect's pixels on the screen, [size, size]."""
    bits = np.zeros((size, size), np.bool_)
    drawn = window.support & window.inside(size)
    bits[window.rows[drawn], window.columns[drawn]] = True
    return bits


def defects(sample: Sample) -> Iterator[tuple[int, Bits]]:
    """(class id, labeled pixels) of each line and dot."""
    size = sample.mask.shape[0]
    for line in sample.lines:
        yield 1, support(lines.line_window(line, size), size)
    for dot in sample.dots:
        drawn = support(points.dot_window(dot, size), size)
        yield 2, drawn & (sample.mask != 1)


def change(recipe: Recipe, sample: Sample) -> np.ndarray:
    """Gray levels that a pixel changed by before the disturbance, [size, size]."""
    clean = patterns.draw(recipe.pattern, recipe.size).astype(int)
    return np.asarray(np.abs(sample.undisturbed.astype(int) - clean).max(axis=-1))


def test_every_line_joins_two_opposite_borders(
    samples: list[tuple[Recipe, Sample]],
) -> None:
    for recipe, sample in samples:
        for line in sample.lines:
            bits = support(lines.line_window(line, recipe.size), recipe.size)
            top, bottom, left, right = bits[0], bits[-1], bits[:, 0], bits[:, -1]
            assert (top.any() and bottom.any()) or (left.any() and right.any())


def test_the_mask_is_the_defects_before_any_blur(
    samples: list[tuple[Recipe, Sample]],
) -> None:
    for _, sample in samples:
        mask = np.zeros_like(sample.mask)
        for class_id, bits in sorted(defects(sample), key=lambda defect: -defect[0]):
            mask[bits] = class_id
        np.testing.assert_array_equal(sample.mask, mask)


def test_every_labeled_defect_can_be_told_from_the_clean_pattern(
    samples: list[tuple[Recipe, Sample]],
) -> None:
    """Half of its pixels at least differ by 10 gray levels or more."""
    for recipe, sample in samples:
        differs = change(recipe, sample) >= 10
        for _, bits in defects(sample):
            assert bits.any() and differs[bits].mean() >= 0.5, recipe.id


def test_nothing_changes_away_from_the_labels(
    samples: list[tuple[Recipe, Sample]],
) -> None:
    """No visible defect without a label: it may reach one pixel further, no more."""
    for recipe, sample in samples:
        labeled = np.pad(sample.mask > 0, 1)
        near = np.zeros(sample.mask.shape, np.bool_)
        for dy in range(3):
            for dx in range(3):
                near |= labeled[dy : dy + recipe.size, dx : dx + recipe.size]
        assert not change(recipe, sample)[~near].any()


def test_each_kind_has_its_defects_and_mixed_has_both(
    samples: list[tuple[Recipe, Sample]],
) -> None:
    for recipe, sample in samples:
        expected = {'line': {0, 1}, 'abpt': {0, 2}, 'mixed': {0, 1, 2}}[recipe.kind]
        assert set(np.unique(sample.mask)) == expected
        assert len(sample.lines) <= lines.AREAS


def test_what_is_drawn_is_in_the_lists_of_table_1(
    samples: list[tuple[Recipe, Sample]],
) -> None:
    colors = {'black', 'white', 'red', 'green', 'blue'}
    tens, threes = set(range(10, 101, 10)), set(range(3, 34, 3))
    drawn = [line for _, sample in samples for line in sample.lines]
    assert {line.color for line in drawn} == colors
    assert {line.width for line in drawn} <= threes
    assert {line.opacity for line in drawn} <= tens
    dots = [dot for _, sample in samples for dot in sample.dots]
    assert {dot.color for dot in dots} == colors
    assert {dot.diameter for dot in dots} <= {3, 4, 5, 6, 7}
    assert {dot.opacity for dot in dots} <= tens
    for _, sample in samples:
        disturbance = sample.disturbance
        assert 1 <= disturbance.brightness <= 6
        assert disturbance.contrast in range(50, 151, 10)
        assert disturbance.noise in tens and disturbance.deviation in threes
        assert 0 <= disturbance.texture <= 10
        assert disturbance.saturation in range(50, 201, 10)


def test_faint_defects_are_drawn_as_well() -> None:
    """A fifth of the lines at least, and of the dots, change by 40 levels or less."""
    faint: dict[int, list[bool]] = {1: [], 2: []}
    for recipe in recipes('mixed', 3):
        sample = composition.compose(recipe)
        changed = change(recipe, sample)
        for class_id, bits in defects(sample):
            faint[class_id].append(bool(np.median(changed[bits]) <= 40))
    assert np.mean(faint[1]) > 0.2 and np.mean(faint[2]) > 0.2


def test_lines_are_in_front_of_dots() -> None:
    clean = patterns.draw('pattern_03', SIZE)
    line = np.zeros((SIZE, SIZE), np.bool_)
    line[:, ::4] = True
    before = np.where(line[..., None], np.uint8(90), clean)
    after, dots, drawn = points.draw_dots(before, clean, line, np.random.default_rng(0))
    touching = [
        dot
        for dot in drawn
        if (support(points.dot_window(dot, SIZE), SIZE) & line).any()
    ]
    assert touching
    np.testing.assert_array_equal(after[line], before[line])
    assert not (dots & line).any()


def test_dots_lie_on_edges_and_keep_apart(
    samples: list[tuple[Recipe, Sample]],
) -> None:
    for recipe, sample in samples:
        if not sample.dots:
            continue
        clean = patterns.draw(recipe.pattern, recipe.size)
        edge = np.zeros(sample.mask.shape, np.bool_)
        for threshold in points.THRESHOLDS:
            x, y = points.edge_points(clean, threshold).T
            edge[y, x] = True
        centers = np.array([dot.at for dot in sample.dots])
        assert edge[*centers.T].all()
        if len(centers) > 1:
            distances = np.hypot(*(centers[:, None] - centers).transpose(2, 0, 1))
            assert distances[np.triu_indices(len(centers), 1)].min() >= 6


def test_dots_form_chains_that_keep_their_course(
    samples: list[tuple[Recipe, Sample]],
) -> None:
    """From either end on: at most 40 pixels away, and after a turn of 60 degrees."""
    longest = dict.fromkeys((64, SIZE), 0)
    for recipe, sample in samples:
        for _, dots in itertools.groupby(sample.dots, lambda dot: dot[:-1]):
            chain: list[np.ndarray] = []
            for at in (np.array(dot.at) for dot in dots):
                if len(chain) > 1 and not goes_on(chain, at, recipe.size):
                    chain.reverse()
                assert goes_on(chain, at, recipe.size), recipe.id
                chain.append(at)
            longest[recipe.size] = max(longest[recipe.size], len(chain))
    assert longest[64] >= 3 and longest[SIZE] >= 10


def goes_on(chain: list[np.ndarray], at: np.ndarray, size: int) -> bool:
    """Whether a chain of dots, their (y, x), may have a next one at `at`."""
    if not chain:
        return True
    step = at - chain[-1]
    if np.hypot(*step) > max(40 * size / 512, 10):
        return False
    if len(chain) == 1:
        return True
    direction = chain[-1] - chain[-2]
    return bool(
        step @ direction >= (0.5 - 1e-9) * np.hypot(*step) * np.hypot(*direction)
    )


def test_no_line_is_drawn_where_it_could_not_be_seen() -> None:
    """On a white screen: none is white, and no try is endless."""
    white = np.full((128, 128, 3), 255, np.uint8)
    for seed in range(20):
        _, _, drawn = lines.draw_lines(white, np.random.default_rng(seed))
        assert drawn and 'white' not in {line.color for line in drawn}


def test_without_an_edge_the_search_for_dots_ends() -> None:
    white = np.full((128, 128, 3), 255, np.uint8)
    with pytest.raises(RuntimeError, match='no dot'):
        points.draw_dots(
            white, white, np.zeros((128, 128), np.bool_), np.random.default_rng(0)
        )


@pytest.mark.parametrize(('opacity', 'least', 'most'), [(100, 150, 255), (20, 30, 51)])
def test_fusion_keeps_a_defect_in_its_place_and_some_of_its_contrast(
    opacity: int, least: int, most: int
) -> None:
    """Poisson fusion by itself would wipe a flat color out altogether."""
    patch = np.zeros((40, 30, 3), np.uint8)
    square = np.zeros((40, 30), np.bool_)
    square[16:23, 9:16] = True
    fused, region = blending.fuse(
        patch, square, color='white', opacity=opacity, blur=0.8, scale=1
    )
    changed = fused[..., 0].astype(float)
    assert least <= changed[19, 12] <= most
    rows, columns = np.indices(changed.shape)
    assert abs((rows * changed).sum() / changed.sum() - 19) < 0.2
    assert abs((columns * changed).sum() / changed.sum() - 12) < 0.2
    assert region.sum() == 9 * 9


@pytest.mark.parametrize(('size', 'width'), [(64, 1), (512, 3), (1024, 6), (4096, 24)])
def test_lines_scale_with_the_screen(size: int, width: int) -> None:
    bits = lines.line_window(UPRIGHT, size).support
    assert set(bits.sum(axis=1)) == {width}


@pytest.mark.parametrize(('size', 'pixels'), [(64, 4), (512, 9), (1024, 32)])
def test_dots_scale_with_the_screen(size: int, pixels: int) -> None:
    """Diameters of 2 (at least), 3 and 6 pixels."""
    dot = Dot('black', 100, 3, 0.5, at=(size // 2, size // 2))
    assert points.dot_window(dot, size).support.sum() == pixels


def test_thin_slanted_lines_have_no_gaps() -> None:
    line = UPRIGHT._replace(slope=0.83)
    bits = support(lines.line_window(line, 64), 64)
    assert bits.any(axis=1).all()
    columns = [np.flatnonzero(row) for row in bits]
    for above, below in itertools.pairwise(columns):
        assert min(abs(int(a) - int(b)) for a in above for b in below) <= 1


def test_defect_free_samples_have_an_empty_mask_and_differ_all_the_same() -> None:
    for name in patterns.NAMES:
        recipe = Recipe('mixed', name, 0, False, 64, seed=0)
        sample = composition.compose(recipe)
        assert not sample.mask.any() and not sample.lines and not sample.dots
        clean = patterns.draw(name, 64)
        np.testing.assert_array_equal(sample.undisturbed, clean)
        assert (sample.image != clean).any(axis=-1).mean() > 0.3


def test_samples_differ_in_all_that_names_them() -> None:
    first = Recipe('line', 'pattern_01', 0, True, 64, seed=0)
    others = [
        first._replace(kind='mixed'),
        first._replace(number=1),
        first._replace(seed=1),
        first._replace(pattern='pattern_02'),
        first._replace(defective=False),
    ]
    disturbed = {composition.compose(r).image.tobytes() for r in (first, *others)}
    assert len(disturbed) == 6
    again = composition.compose(first).image
    np.testing.assert_array_equal(again, composition.compose(first).image)


def disturbed(disturbance: Disturbance, level: int = 100) -> np.ndarray:
    """A gray screen under a disturbance, [128, 128, 3]."""
    gray = np.full((128, 128, 3), level, np.uint8)
    return disturbances.disturb(gray, disturbance, np.random.default_rng(0))


def test_each_disturbance_does_what_its_name_says() -> None:
    assert (disturbed(UNCHANGED) == 100).all()
    assert (disturbed(UNCHANGED._replace(brightness=5)) == 105).all()
    assert (disturbed(UNCHANGED._replace(contrast=130)) == 130).all()
    assert (disturbed(UNCHANGED._replace(contrast=150), level=200) == 255).all()
    deviation = disturbed(UNCHANGED._replace(deviation=21)).astype(int)[0, 0] - 100
    assert np.abs(deviation).max() == 21 and len(set(deviation)) > 1


def test_saturation_is_raised_to_a_power() -> None:
    """OpenCV's HSV is the oracle: value and hue stay, saturation 1/2 becomes 1/4.

    Grays and pure colors stay.
    """
    colors = [(200, 100, 100), (100, 150, 200), (90, 90, 90), (0, 200, 0)]
    screen = np.array([colors] * 2, np.uint8).repeat(64, axis=0).repeat(32, axis=1)
    rng = np.random.default_rng(0)
    square = disturbances.disturb(screen, UNCHANGED._replace(saturation=200), rng)
    before, after = (
        cv2.cvtColor(x[:1, ::32].astype(np.float32) / 255, cv2.COLOR_RGB2HSV)[0]
        for x in (screen, square)
    )
    np.testing.assert_allclose(after[:, 1], before[:, 1] ** 2, atol=0.005)
    np.testing.assert_allclose(after[:, 2], before[:, 2], atol=1e-6)
    np.testing.assert_allclose(after[:2, 0], before[:2, 0], atol=1.5)  # degrees
    np.testing.assert_array_equal(square[0, 64:], screen[0, 64:])


def test_noise_and_texture_are_as_strong_as_they_say() -> None:
    weak, strong = (
        disturbed(UNCHANGED._replace(noise=n)).astype(float).std() for n in (20, 100)
    )
    assert 3 < strong < 15 and strong == pytest.approx(5 * weak, rel=0.1)
    grid = disturbed(UNCHANGED._replace(texture=10)).astype(float)
    assert 90 <= grid.min() < 95 and 105 < grid.max() <= 110
    assert not disturbed(UNCHANGED._replace(texture=10), level=0).any()
