"""How the features of further decoders are disturbed, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cadnet_jax.training.semi_supervised import decoders

KEY = jax.random.key(0)
FEATURES = np.random.default_rng(0).normal(size=(3, 20, 20, 8)).astype(np.float32)


def test_feature_noise_is_a_factor_of_each_place_for_all_images() -> None:
    factors = np.asarray(decoders.feature_noise(jnp.asarray(FEATURES), KEY)) / FEATURES
    np.testing.assert_allclose(factors[0], factors[2], rtol=1e-4)
    assert np.abs(factors - 1).max() <= 0.3 + 1e-3
    assert factors.std() == pytest.approx(0.3 / np.sqrt(3), rel=0.1)


def test_dropout_keeps_the_mean() -> None:
    dropped = np.asarray(decoders.dropout(jnp.asarray(FEATURES), KEY))
    kept = dropped != 0
    assert kept.mean() == pytest.approx(0.5, abs=0.03)
    np.testing.assert_allclose(dropped[kept], 2 * FEATURES[kept])


def test_feature_dropout_takes_the_strongest_places() -> None:
    features = np.abs(FEATURES)
    dropped = np.asarray(decoders.feature_dropout(jnp.asarray(features), KEY))
    gone = np.asarray(~dropped.any(axis=-1))
    np.testing.assert_array_equal(dropped[~gone], features[~gone])
    for image, lost in zip(features.mean(axis=-1), gone, strict=True):
        assert 0 < lost.sum() < lost.size
        share = image[lost].min() / image.max()
        assert image[~lost].max() < image[lost].min()
        assert share > 0.7 and image[~lost].max() / image.max() < 0.9
