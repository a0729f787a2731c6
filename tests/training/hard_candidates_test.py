"""Of the candidates for unchanged crops the hardest are kept."""

import numpy as np

from cadnet_jax.training.hard_candidates import hardness, keep_hardest
from tests.support.tiny_run import Differencing


def test_hardness_is_the_mean_of_the_highest_hundredth_of_the_known_cells() -> None:
    """Oracle: sorting. Ignored cells count for nothing, however high."""
    rng = np.random.default_rng(0)
    defect = rng.random((3, 20, 30)).astype(np.float32)
    cells = rng.random((3, 20, 30)) < 0.3
    mask = np.where(np.repeat(np.repeat(cells, 4, 1), 4, 2), 255, 0).astype(np.uint8)
    expected = [
        np.sort(scores[~ignored])[-6:].mean()
        for scores, ignored in zip(defect, cells, strict=True)
    ]
    np.testing.assert_allclose(hardness(defect, mask), expected, rtol=1e-6)


def test_the_hardest_candidates_are_kept() -> None:
    """With a network that sees a defect wherever the two images differ."""
    rng = np.random.default_rng(0)
    batch = {
        'image': rng.integers(0, 256, (7, 64, 64, 3), np.uint8),
        'reference': rng.integers(0, 256, (7, 64, 64, 3), np.uint8),
        'mask': rng.integers(0, 3, (7, 64, 64), np.uint8),
    }
    batch['mask'][2:] = 0
    for crop, width in zip(range(2, 7), (1, 30, 0, 60, 8), strict=True):
        batch['reference'][crop] = batch['image'][crop] // 2
        batch['image'][crop] = batch['reference'][crop]
        batch['image'][crop, :8, :width] += 100
    network = Differencing(cell=4)
    kept = keep_hardest(batch, network, {'params': {}}, 2, 5, has_classes=True)
    for name, values in kept.items():
        chosen = [0, 1, 5, 3]
        np.testing.assert_array_equal(values, batch[name][chosen])
