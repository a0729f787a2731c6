"""Figures: what is drawn can be told from the pixels."""

from typing import Any

import matplotlib
import numpy as np
import pytest

from cadnet_jax.evaluation.curves import count_scores, curves
from cadnet_jax.pictures.plots import picture_grid, plot_curves


def some_curves(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    mask = (rng.random((50, 50)) < 0.2).astype(np.uint8)
    p = np.clip(0.3 * mask + 0.7 * rng.random((50, 50)), 0, 1).astype(np.float32)
    return curves(count_scores(mask, np.stack([1 - p, p], -1)), ('line', 'any defect'))


def has_color(picture: np.ndarray, cycle: int) -> bool:
    color = np.round(255 * np.array(matplotlib.colormaps['tab10'].colors[cycle]))  # type: ignore[attr-defined]
    return bool((picture == color).all(axis=-1).any())


def test_each_run_has_a_line_in_both_plots() -> None:
    picture = plot_curves({'a': some_curves(0), 'b': some_curves(1)}, 'line')
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    half = picture.shape[1] // 2
    for part in (picture[:, :half], picture[:, half:]):
        assert has_color(part, 0) and has_color(part, 1)
        assert not has_color(part, 2)


def test_runs_without_the_class_are_left_out() -> None:
    with_it, without = some_curves(0), some_curves(1)
    del without['line']
    both = plot_curves({'a': with_it, 'b': without}, 'line')
    np.testing.assert_array_equal(both, plot_curves({'a': with_it}, 'line'))
    assert has_color(both, 0) and not has_color(both, 1)


def test_an_eleventh_run_can_be_told_from_the_first() -> None:
    """Of one color, but not solid; the ten others have no values to draw."""
    empty = curves(count_scores(np.zeros((2, 2), np.uint8), np.ones((2, 2, 1))), ['a'])
    others = {str(number): empty for number in range(10)}
    shown = {'shown': {'a': some_curves(0)['line']}}
    first, last = (plot_curves(runs, 'a') for runs in (shown | others, others | shown))
    color = np.round(255 * np.array(matplotlib.colormaps['tab10'].colors[0]))  # type: ignore[attr-defined]
    solid, dashed = ((p == color).all(axis=-1).sum() for p in (first, last))
    assert 0 < dashed < 0.9 * solid


def test_a_class_without_values_is_an_empty_plot() -> None:
    counts = count_scores(np.zeros((2, 2), np.uint8), np.full((2, 2, 1), 0.5))
    picture = plot_curves({'a': curves(counts, ('line',))}, 'line')
    assert picture.min() < 100  # axes and legend


@pytest.mark.parametrize('name', ['$x^{', '_hidden', '<script>', '%s {0}'])
def test_names_are_shown_as_they_are(name: str) -> None:
    """Never read as a formula, nor hidden for their first character."""
    named = plot_curves({name: some_curves(0)}, 'line')
    np.testing.assert_equal(
        named.shape, plot_curves({'': some_curves(0)}, 'line').shape
    )
    assert (named != plot_curves({'': some_curves(0)}, 'line')).any()
    grid = picture_grid([name], [[np.zeros((20, 20, 3), np.uint8)]])
    assert (grid != picture_grid([''], [[np.zeros((20, 20, 3), np.uint8)]])).any()


def test_a_grid_shows_each_picture_in_its_place() -> None:
    red, green, blue = (
        np.full((30, width, 3), np.eye(3, dtype=np.uint8)[i] * 255)
        for i, width in enumerate((30, 90, 30))
    )
    grid = picture_grid(['one', 'two'], [[red, green], [None, blue]])

    def middle(color: np.ndarray) -> tuple[float, float]:
        y, x = np.nonzero((grid == color[0, 0]).all(axis=-1))
        return float(y.mean()), float(x.mean())

    assert middle(red)[0] == pytest.approx(middle(green)[0], abs=2)
    assert middle(red)[1] < middle(green)[1]
    assert middle(blue)[0] > middle(green)[0]


def test_captions_are_yellow_in_their_picture_alone() -> None:
    black = np.zeros((60, 60, 3), np.uint8)
    grid = picture_grid(['a', 'b'], [[black, black]], [['', 'Err 1,234']])
    yellow = (grid[..., :2] > 200).all(axis=-1) & (grid[..., 2] < 80)
    middle = grid.shape[1] // 2
    assert yellow[:, middle:].sum() > 20 and not yellow[:, :middle].any()
