"""The variation model of gray values: what it learns, scores and chooses."""

import pathlib

import numpy as np
import pytest

from cadnet_jax.data.labels import IGNORED, is_defect
from cadnet_jax.data.pair_source import PairSource
from cadnet_jax.evaluation.gray_variation import (
    LEAST_DEVIATION,
    GrayVariation,
    Parts,
    learn_variation,
    measure_variation,
)
from tests.support.tiny_data import prepare_tiny


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Two groups; every third pair is without a defect."""
    return prepare_tiny(
        tmp_path_factory.mktemp('data'),
        sizes=[(32, 32)],
        num={'train': 24, 'val': 12, 'test': 12},
        unchanged_every=3,
    )


def test_a_pixel_is_scored_by_its_own_deviation() -> None:
    mean = np.full((8, 8, 3), 100, np.float32)
    deviation = np.full((8, 8, 3), 2, np.float32)
    deviation[:, 4:] = 20
    image = np.full((8, 8, 3), 100, np.uint8)
    image[0, :, 1] = 140  # one channel of one row
    model = GrayVariation(mean, deviation)
    score = model.score(image)
    assert score.shape == (8, 8) and score.dtype == np.float32
    np.testing.assert_array_equal(score[0], [20] * 4 + [2] * 4)
    assert not score[1:].any()
    assert not model.score(image, opening=3).any()  # the row is one pixel high


def test_mean_and_deviation_are_those_of_the_good_images(
    data_dir: pathlib.Path,
) -> None:
    source = PairSource(data_dir, 'train')
    pairs = [source[index] for index in range(len(source))]
    models = learn_variation(data_dir, 'train', progress=False)
    assert set(models) == {'group_0', 'group_1'}
    for group, model in models.items():
        good = [
            pair['image']
            for pair in pairs
            if pair['group'] == group and not is_defect(pair['mask']).any()
        ]
        assert 1 < len(good) < len(pairs) / 2
        np.testing.assert_allclose(model.mean, np.mean(good, axis=0), atol=1e-4)
        deviation = np.maximum(np.std(good, axis=0, ddof=1), LEAST_DEVIATION)
        np.testing.assert_allclose(model.deviation, deviation, atol=1e-3)


def test_other_products_choose_and_the_test_is_measured(
    data_dir: pathlib.Path,
) -> None:
    found = measure_variation(
        data_dir, Parts('train', 'val'), Parts('train', 'test'), progress=False
    )
    source = PairSource(data_dir, 'test')
    models = learn_variation(data_dir, 'train', progress=False)
    overlap = union = 0
    for index in range(len(source)):
        pair = source[index]
        score = models[pair['group']].score(pair['image'], found['opening'])
        defect = is_defect(pair['mask'])
        marked = (score > found['threshold']) & (pair['mask'] != IGNORED)
        overlap += np.sum(marked & defect)
        union += np.sum(marked | defect)
    assert found['pairs'] == 12
    assert 0 < found['iou'] <= found['best_iou']
    assert found['iou'] == pytest.approx(overlap / union)


def test_a_product_without_good_images_is_named(data_dir: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"group '.*' of 'test' has fewer than two"):
        measure_variation(
            data_dir, Parts('train', 'val'), Parts('val[:1]', 'test'), progress=False
        )
