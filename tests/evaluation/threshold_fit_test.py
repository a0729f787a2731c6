"""A threshold by the share of the background that is marked."""

import pathlib

import numpy as np
import pytest

from cadnet_jax.evaluation import threshold_fit
from cadnet_jax.evaluation.evaluate import end_of_curves
from cadnet_jax.evaluation.predictions import predicted_pairs
from cadnet_jax.evaluation.threshold_fit import fit_threshold
from cadnet_jax.inference.predictor import Predictor
from tests.support.tiny_data import prepare_tiny
from tests.support.tiny_run import random_predictor

pytestmark = pytest.mark.unoptimized


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return prepare_tiny(tmp_path_factory.mktemp('data'), sizes=((64, 64),))


@pytest.fixture(scope='module', params=['cad', 'ooc'])
def predictor(request: pytest.FixtureRequest) -> Predictor:
    """Initial weights: scores of all values."""
    return random_predictor(request.param)


def scores(
    predictor: Predictor, data_dir: pathlib.Path
) -> tuple[np.ndarray, np.ndarray]:
    """Of the background and of defects, in 'val'."""
    pairs = list(predicted_pairs(predictor, data_dir, 'val', 2))
    values = np.concatenate([pair.scores.score.ravel() for pair in pairs])
    labels = np.concatenate([pair.label.ravel() for pair in pairs])
    return values[labels == 0], values[(labels > 0) & (labels < 255)]


def test_no_more_than_the_share_is_marked_and_a_lower_threshold_marks_more(
    predictor: Predictor, data_dir: pathlib.Path
) -> None:
    background, defects = scores(predictor, data_dir)
    step = end_of_curves(predictor) / 1000
    for share in (0.3, 0.01):
        found = fit_threshold(
            predictor, data_dir, 'val', share, batch_size=2, progress=False
        )
        marked = np.mean(background >= found.threshold)
        assert found.background == pytest.approx(marked, abs=1e-3)
        assert marked <= share + 1e-3
        if found.threshold >= step:
            assert np.mean(background >= found.threshold - step) > share - 1e-3
        assert found.defects == pytest.approx(
            np.mean(defects >= found.threshold), abs=1e-3
        )


@pytest.mark.parametrize('share', [0.0, 1.0])
def test_a_share_that_is_none_is_refused(data_dir: pathlib.Path, share: float) -> None:
    with pytest.raises(ValueError, match=r'share is .*in \(0, 1\)'):
        fit_threshold(random_predictor(), data_dir, 'val', share, batch_size=1)


def test_a_share_that_no_threshold_reaches_is_refused(
    data_dir: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All scores are beyond the end of the range."""
    monkeypatch.setattr(threshold_fit, 'end_of_curves', lambda _: 1e-9)
    with pytest.raises(ValueError, match=r'100.000% of the background.*larger --share'):
        fit_threshold(
            random_predictor(), data_dir, 'val', 0.3, batch_size=2, progress=False
        )
