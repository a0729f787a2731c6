"""Claims about tiles, with networks whose borders reach a known distance."""

import dataclasses
import pathlib
from typing import Any, NamedTuple

import numpy as np
import pytest

from cadnet_jax.evaluation import tile_sizes
from cadnet_jax.evaluation.measuring import DataSet
from tests.support.tiny_data import prepare_tiny
from tests.support.tiny_run import differencing_predictor


class Scores(NamedTuple):
    score: np.ndarray


@dataclasses.dataclass
class Bordered:
    """A network that scores 1 up to `reach` pixels from any border, and 0 beyond."""

    tile_size: int
    reach: int

    def predict_batch(self, images: np.ndarray, references: np.ndarray) -> Scores:
        assert (
            images.shape == references.shape == (1, self.tile_size, self.tile_size, 3)
        )
        score = np.ones(images.shape[:3], np.float32)
        inside = slice(self.reach, self.tile_size - self.reach)
        score[:, inside, inside] = 0
        return Scores(score)


@pytest.mark.parametrize('reach', [0, 3, 8, 16])
def test_a_border_reaches_as_far_as_scores_change(reach: int) -> None:
    network: Any = Bordered(tile_size=64, reach=reach)
    image = np.zeros((70, 100, 3), np.uint8)
    changes = tile_sizes.border_changes(network, image, image)
    assert changes.shape == (16, 128)
    # Rows near the upper and lower border have the same scores in both tiles.
    expected = (64 - 2 * reach) / 64
    np.testing.assert_allclose(changes.mean(axis=1)[:reach], expected)
    np.testing.assert_allclose(changes.mean(axis=1)[reach:], 0)
    shares = tile_sizes.border_reach(changes)
    assert [*shares] == [0, 4, 8, 12]
    assert [distance for distance, share in shares.items() if share] == [
        distance for distance in shares if distance < reach
    ]


def test_an_image_must_hold_both_tiles() -> None:
    network: Any = Bordered(tile_size=32, reach=1)
    image = np.zeros((32, 47, 3), np.uint8)
    with pytest.raises(ValueError, match='tiles of 32 need 48 x 32'):
        tile_sizes.border_changes(network, image, image)


@pytest.fixture(scope='module')
def data_set(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    prepared = prepare_tiny(tmp_path_factory.mktemp('data'))
    return DataSet('boards', str(prepared), 'test')


def test_a_network_without_reach_loses_nothing_in_tiles(data_set: DataSet) -> None:
    """Differencing looks at a pixel alone, so the figures are equal in all tiles."""
    tilings = [tile_sizes.Tiling(64, 0), tile_sizes.Tiling(32, 4)]
    rows = tile_sizes.measure_tilings(
        differencing_predictor(), tilings, [data_set], limit=4
    )
    assert [(row['tile_size'], row['tile_margin']) for row in rows] == tilings
    assert rows[0]['best_iou'] == rows[1]['best_iou'] > 0
    assert rows[0]['hit_rate'] == rows[1]['hit_rate']
    assert rows[1]['reach'] is None or not any(rows[1]['reach'].values())
    table = tile_sizes.format_tilings(rows)
    assert table.splitlines()[2].startswith('| boards | 64 | 0 | ')


def test_a_set_without_a_defect_has_no_rates(tmp_path: pathlib.Path) -> None:
    prepared = prepare_tiny(tmp_path, num={'test': 1}, unchanged_every=1)
    good = DataSet('good', str(prepared), 'test')
    tilings = [tile_sizes.Tiling(64, 0)]
    rows = tile_sizes.measure_tilings(
        differencing_predictor(), tilings, [good], limit=0
    )
    assert '| good | 64 | 0 | - | - |' in tile_sizes.format_tilings(rows)


def test_each_tiling_has_its_speed() -> None:
    """Small tiles with margins as large as their cores are slower than large ones."""
    tilings = [tile_sizes.Tiling(512, 8), tile_sizes.Tiling(40, 8)]
    rows = tile_sizes.time_tilings(differencing_predictor(), tilings, rounds=1)
    assert [(row['tile_size'], row['tile_margin']) for row in rows] == tilings
    for name in ('megapixels_per_s', 'cached_megapixels_per_s'):
        assert rows[0][name] > rows[1][name] > 0
    assert tile_sizes.format_speeds(rows).splitlines()[3].startswith('| 40 | 8 | ')


@pytest.mark.parametrize(('text', 'tiling'), [('96:24', (96, 24)), ('64:0', (64, 0))])
def test_a_tiling_is_read(text: str, tiling: tuple[int, int]) -> None:
    assert tile_sizes.parse_tiling(text) == tiling


@pytest.mark.parametrize('text', ['', '96', 'x:1', '96:', '96:x', '-96:1', '96:48'])
def test_a_tiling_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='SIZE:MARGIN'):
        tile_sizes.parse_tiling(text)
