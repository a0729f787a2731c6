"""A prediction depends on nothing but its pair, and a tile's scores on nothing but it.

Bit for bit, in the programs that users have.
"""

import dataclasses

import numpy as np
import pytest

from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inference.predictor import PixelMaps, Predictor
from tests.support.same_maps import assert_same_maps
from tests.support.tiny_data import boards
from tests.support.tiny_run import random_predictor


@pytest.fixture(scope='module', params=['cad', 'ooc'])
def network(request: pytest.FixtureRequest) -> Predictor:
    return random_predictor(request.param)


@pytest.mark.parametrize('tile_size', [512, 40])
def test_a_prediction_depends_on_nothing_but_its_pair(
    network: Predictor, tile_size: int
) -> None:
    """Bit for bit: neither on its batch nor on the order; at sides of any length."""
    network = dataclasses.replace(network, tile_size=tile_size, tile_margin=4)
    images, references, _ = boards(3, (70, 45))
    # A neighbor with far larger differences would show in any shared scale.
    references[2] = 255 - images[2]
    together = network.predict_batch(images, references)
    fixed = network.with_reference(references[0])
    all_fixed = fixed.predict_batch(images)
    order = [2, 0, 1]
    shuffled = network.predict_batch(images[order], references[order])
    for index in range(3):
        part = slice(index, index + 1)
        expected = _rows(together, part)
        alone = network.predict_batch(images[part], references[part])
        assert_same_maps(alone, expected, 0)
        place = order.index(index)
        assert_same_maps(_rows(shuffled, slice(place, place + 1)), expected, 0)
        assert_same_maps(fixed.predict_batch(images[part]), _rows(all_fixed, part), 0)


def _rows(maps: PixelMaps, rows: slice) -> PixelMaps:
    """Some pairs of a batch."""
    scores = PixelScores(*(None if x is None else x[rows] for x in maps.scores))
    return PixelMaps(maps.mask[rows], scores)


@pytest.mark.parametrize('rows', [1, 3])
def test_a_tile_has_the_same_scores_wherever_it_stands(
    network: Predictor, rows: int
) -> None:
    """Bit for bit: the lower part of an image alone, and as a part of a larger one."""
    network = dataclasses.replace(network, tile_size=40, tile_margin=4)
    if network.config.model.scales_distance:
        pytest.skip('scales DistMap by its range over the image')
    images, references, _ = boards(1, (40 + 32 * rows, 90))
    whole = network.predict_batch(images, references)
    lower = slice(32 * rows, None)
    part = network.predict_batch(images[:, lower], references[:, lower])
    np.testing.assert_array_equal(part.score[:, 4:], whole.score[:, lower][:, 4:])
