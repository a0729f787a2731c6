"""Scores averaged over orientations of a pair, whole and in tiles."""

import dataclasses

import numpy as np
import pytest

from cadnet_jax.config import Config
from cadnet_jax.inference.predictor import Predictor, make_predictor
from cadnet_jax.model_config import ModelConfig
from tests.support.same_maps import assert_same_maps
from tests.support.tiny_data import CLASS_NAMES, boards
from tests.support.tiny_run import differencing_predictor, random_predictor

pytestmark = pytest.mark.unoptimized

COUNTS = (2, 4, 8)
# By hand, in the order in which the counts take them.
WAYS = (
    (lambda x: x, lambda x: x),
    (lambda x: x[:, ::-1, ::-1], lambda x: x[:, ::-1, ::-1]),
    (lambda x: x.swapaxes(1, 2)[:, ::-1], lambda x: x[:, ::-1].swapaxes(1, 2)),
    (lambda x: x.swapaxes(1, 2)[:, :, ::-1], lambda x: x[:, :, ::-1].swapaxes(1, 2)),
    (lambda x: x[:, :, ::-1], lambda x: x[:, :, ::-1]),
    (lambda x: x[:, ::-1], lambda x: x[:, ::-1]),
    (lambda x: x.swapaxes(1, 2), lambda x: x.swapaxes(1, 2)),
    (
        lambda x: x.swapaxes(1, 2)[:, ::-1, ::-1],
        lambda x: x[:, ::-1, ::-1].swapaxes(1, 2),
    ),
)


@pytest.fixture(scope='module', params=['cad', 'ooc'])
def network(request: pytest.FixtureRequest, small_b0: None) -> Predictor:
    network = random_predictor(request.param)
    return dataclasses.replace(network, tile_size=40, tile_margin=4)


@pytest.mark.parametrize('count', COUNTS)
@pytest.mark.parametrize('head', ['cad', 'ooc'])
@pytest.mark.parametrize('tile_size', [512, 40])
def test_a_network_that_sees_single_cells_answers_the_same(
    count: int, head: str, tile_size: int
) -> None:
    """Every map comes back to the place that it belongs to."""
    images, references, _ = boards(2, (72, 44))
    one = differencing_predictor(cell=4, head=head, tile_size=tile_size, tile_margin=4)
    several = dataclasses.replace(one, orientations=count)
    expected = one.predict_batch(images, references, with_probabilities=True)
    actual = several.predict_batch(images, references, with_probabilities=True)
    assert_same_maps(actual, expected, 1e-6)
    np.testing.assert_array_equal(actual.mask, expected.mask)
    assert (expected.mask > 0).any()
    for name, values in actual.scores._asdict().items():
        wanted = getattr(expected.scores, name)
        assert (values is None) == (wanted is None), name
        if values is not None:
            assert (values.dtype, values.shape) == (wanted.dtype, wanted.shape), name
            np.testing.assert_allclose(values, wanted, atol=1e-6, err_msg=name)


def test_scores_are_means_over_orientations(network: Predictor) -> None:
    """Of the probabilities, or change scores, and of DistMap; classes follow them."""
    images, references, _ = boards(1, (70, 45))
    all_maps = []
    for there, back in WAYS:
        maps = network.predict_batch(
            np.ascontiguousarray(there(images)),
            np.ascontiguousarray(there(references)),
            with_probabilities=True,
        )
        assert maps.scores.probabilities is not None and maps.distance is not None
        all_maps.append((back(maps.scores.probabilities), back(maps.distance)))
    differing = np.abs(all_maps[0][0] - all_maps[5][0]).max()
    assert differing > 1e-3  # or the means would prove nothing
    for count in COUNTS:
        several = dataclasses.replace(network, orientations=count)
        scores = several.predict_batch(
            images, references, with_probabilities=True
        ).scores
        probabilities, distance = (
            np.mean(maps, axis=0) for maps in zip(*all_maps[:count], strict=True)
        )
        assert scores.probabilities is not None and scores.distance is not None
        np.testing.assert_allclose(scores.probabilities, probabilities, atol=1e-5)
        np.testing.assert_allclose(scores.distance, distance, rtol=1e-4, atol=1e-5)
        if network.head.answer == 'classes':
            np.testing.assert_allclose(
                scores.score, 1 - probabilities[..., 0], atol=1e-5
            )
            np.testing.assert_array_equal(
                scores.likeliest, scores.probabilities.argmax(axis=-1)
            )


@pytest.mark.parametrize('count', [2, 8])
def test_a_reference_is_encoded_once_in_each_orientation(
    network: Predictor, count: int
) -> None:
    images, references, _ = boards(2, (70, 45))
    references[:] = references[0]
    network = dataclasses.replace(network, orientations=count)
    expected = network.predict_batch(images, references)
    actual = network.with_reference(references[0]).predict_batch(images)
    assert_same_maps(actual, expected, 1e-4)
    assert actual.scores.probabilities is None


@pytest.mark.parametrize('size', [(70, 45), (33, 100)])
def test_progress_counts_each_pixel_once(size: tuple[int, int]) -> None:
    images, references, _ = boards(2, size)
    seen: list[int] = []
    differencing_predictor(tile_size=40, tile_margin=4, orientations=4).predict_batch(
        images, references, progress=seen.append
    )
    assert sum(seen) == 2 * size[0] * size[1]
    assert min(seen) >= 0


@pytest.mark.parametrize('count', [0, 3, 16])
def test_other_numbers_of_orientations_are_refused(count: int) -> None:
    with pytest.raises(
        ValueError, match=f'orientations is {count}; it must be 1, 2, 4'
    ):
        make_predictor(
            Config(model=ModelConfig()),
            CLASS_NAMES,
            {'params': {}},
            workdir='run',
            step=0,
            orientations=count,
        )
