"""Claims about the measurement of weights, with networks that are made up."""

import pathlib
from typing import Any, NamedTuple

import numpy as np
import pytest

from cadnet_jax.config import Config
from cadnet_jax.data.split_contents import image_digests
from cadnet_jax.evaluation import measuring
from cadnet_jax.evaluation.detection import DetectionCounts
from cadnet_jax.evaluation.measuring import DataSet, Options, best_threshold
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.runs.workdir import write_learned_images
from tests.support.tiny_data import prepare_tiny


class Scores(NamedTuple):
    score: np.ndarray


class Differencing:
    """A network whose score is the difference of its images."""

    config = Config()
    workdir = 'run'
    step = 7

    def predict_batch(self, images: np.ndarray, references: np.ndarray) -> Scores:
        apart = np.abs(images.astype(np.float32) - references).max(axis=-1)
        return Scores(np.clip(apart / 100, 0, 1))


class ChangeScores(Differencing):
    """Its scores are of changes: 1.1 where nothing differs, and up to 2.1."""

    config = Config(model=ModelConfig(head='ooc'))

    def predict_batch(self, images: np.ndarray, references: np.ndarray) -> Scores:
        return Scores(super().predict_batch(images, references).score + 1.1)


@pytest.fixture(scope='module')
def data_set(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    prepared = prepare_tiny(tmp_path_factory.mktemp('data'))
    return DataSet('boards', str(prepared), 'test')


def measure(data_set: DataSet, **options: Any) -> dict[str, Any]:
    network: Any = Differencing()
    return measuring.measure(network, [data_set], Options(**options), choose=['boards'])


def test_what_sees_each_difference_finds_each_defect(data_set: DataSet) -> None:
    """The tiny boards differ in their defects alone: so does differencing."""
    report = measure(data_set)
    for system in ('network', 'differencing'):
        scores = report[system]['sets']['boards']
        assert scores['pairs'] == 7
        assert scores['hit_rate_at'] == {'0.1': 1.0, '0.3': 1.0, '1.0': 1.0}
        assert scores['best_iou'] > 0.95
    assert measuring.format_table(report).count('\n') == 4


def test_change_scores_have_thresholds_of_their_own(data_set: DataSet) -> None:
    """Those of probabilities, up to 1, would mark all pixels."""
    network: Any = ChangeScores()
    report = measuring.measure(network, [data_set], Options(), choose=['boards'])
    assert 1.1 < report['network']['threshold'] < 2.1
    assert report['network']['sets']['boards']['best_iou'] > 0.95
    of_classes: Any = Differencing()
    probabilities = measuring.network_thresholds(of_classes)
    assert 0.0066 < probabilities[0] < 0.0068 and 0.9998 < probabilities[-1] < 1


def test_learned_pairs_are_measured_with_a_warning(
    data_set: DataSet, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network: Any = Differencing()
    network.workdir = str(tmp_path)
    digests = image_digests(data_set.data_dir, data_set.split)
    write_learned_images(tmp_path, [*digests][:3])
    measuring.measure(network, [data_set], Options(limit=1), choose=['boards'])
    assert 'learned from 3 of the 7 pairs' in capsys.readouterr().out


def test_a_threshold_allows_so_many_false_regions_in_a_good_image() -> None:
    """IoU alone takes the lower threshold, at which a good image has two of them."""
    thresholds = np.array([0.2, 0.5, 0.8], np.float32)
    counts = DetectionCounts(
        thresholds,
        hits=np.array([5, 4, 1]),
        false_regions=np.array([4, 1, 0]),
        false_regions_good=np.array([4, 1, 0]),
        true_positives=np.array([90, 80, 10]),
        false_positives=np.array([5, 2, 0]),
        defects=5,
        defect_pixels=100,
        pixels=1000,
        images=4,
        good_images=2,
    )
    for most, expected in ((None, 0.2), (2, 0.2), (0.5, 0.5), (0.1, 0.8)):
        best = best_threshold({'drawn': counts}, ['drawn'], most)
        assert best[0] == pytest.approx(expected)


def test_without_its_reference_a_comparison_finds_nothing(data_set: DataSet) -> None:
    scores = measure(data_set, reference='self')['network']['sets']['boards']
    assert scores['best_iou'] == 0
    assert scores['hit_rate_at']['1.0'] == 0
    other = measure(data_set, reference='other')['network']['sets']['boards']
    assert other['pairs'] == 6  # the first has no other before it
    assert other['best_iou'] < 0.5


def test_thresholds_of_an_earlier_measurement_are_kept(
    data_set: DataSet, tmp_path: pathlib.Path
) -> None:
    earlier = measure(data_set)
    network: Any = Differencing()
    disturbed = Options(nuisance='brightness')
    report = measuring.measure(network, [data_set], disturbed, earlier=earlier)
    assert report['network']['threshold'] == earlier['network']['threshold']
    assert report['chosen_on'] == ['boards']
    (tmp_path / 'x.json').write_text('{"network": 1}')
    with pytest.raises(ValueError, match='not a measurement'):
        measuring.read(tmp_path / 'x.json')


def test_a_set_that_is_not_there_cannot_choose(data_set: DataSet) -> None:
    network: Any = Differencing()
    with pytest.raises(ValueError, match='--choose=screens: no such set; there are b'):
        measuring.measure(network, [data_set], Options(), choose=['screens'])
    with pytest.raises(ValueError, match='--choose is missing'):
        measuring.measure(network, [data_set], Options())
    with pytest.raises(ValueError, match=r'--data=boards=\.\.\.: given twice'):
        measuring.measure(network, [data_set] * 2, Options(), choose=['boards'])


@pytest.mark.parametrize('text', ['boards', 'boards=dir', '=dir:test', 'boards=:test'])
def test_a_set_is_given_as_name_directory_and_split(text: str) -> None:
    with pytest.raises(ValueError, match='give NAME=DIR:SPLIT'):
        measuring.parse_data_set(text)
