"""Measured memory is that of the work, and of nothing else."""

import numpy as np
import pytest

from cadnet_jax import memory
from cadnet_jax.config import Config, DataConfig

MEGABYTES = 1_000_000
SMALL = Config(data=DataConfig(crop_size=32, batch_size=1))


def _nothing(config: Config, side: int) -> None:
    """The work that takes no memory. Measured processes import it from here."""
    del config, side


def _square(config: Config, side: int) -> None:
    """Holds `side` x `side` bytes for a moment; all of them are written."""
    del config
    np.ones((side, side), np.uint8)


def test_memory_that_was_freed_counts_and_that_of_the_caller_does_not() -> None:
    """500 MB more is measured as that, while 700 MB are held here."""
    held = np.ones(700 * MEGABYTES, np.uint8)
    nothing = memory._peak_of(_nothing, SMALL, 0)
    assert 0.05 < nothing < held.nbytes / 1e9
    square = memory._peak_of(_square, SMALL, round((500 * MEGABYTES) ** 0.5))
    assert square - nothing == pytest.approx(0.5, abs=0.05)


def test_training_and_predicting_a_tiny_pair_take_some_memory() -> None:
    """More than the imports alone, and not what the full size takes."""
    figures = memory.training_peak(SMALL), memory.prediction_peak(SMALL, 64)
    assert all(0.3 < figure < 4 for figure in figures)


def test_work_that_fails_is_an_error_and_no_figure() -> None:
    with pytest.raises(ValueError, match='negative dimensions'):
        memory._peak_of(_square, SMALL, -1)
