"""Two predictions, compared map by map."""

import numpy as np

from cadnet_jax.inference.predictor import PixelMaps


def assert_same_maps(actual: PixelMaps, expected: PixelMaps, tolerance: float) -> None:
    ours, theirs = (actual.mask, *actual.scores), (expected.mask, *expected.scores)
    for values, others in zip(ours, theirs, strict=True):
        assert (values is None) == (others is None)
        if values is None:
            continue
        np.testing.assert_allclose(
            values.astype(np.float32), others.astype(np.float32), atol=tolerance, rtol=0
        )
