"""Measured memory is that of the work, and of nothing else."""

import numpy as np
import pytest

from cadnet_jax import memory
from cadnet_jax.config import Config, DataConfig, ModelConfig
from cadnet_jax.models.mix_transformer import VARIANTS, Variant

MEGABYTES = 1_000_000
SMALL = Config(
    model=ModelConfig(head='segformer'),
    data=DataConfig(crop_size=32, batch_size=1),
)
TINY = Variant((8, 16, 20, 32), (1, 1, 1, 1))  # compiles fast


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


def _train_tiny(config: Config, side: int) -> None:
    """In the measured process, where nothing is patched."""
    VARIANTS['b0'] = TINY
    memory._train(config, side)


def _predict_tiny(config: Config, side: int) -> None:
    VARIANTS['b0'] = TINY
    memory._predict(config, side)


def test_training_and_predicting_a_tiny_pair_take_some_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than the imports alone, and not what the full size takes."""
    # The time goes into compiling what runs twice.
    monkeypatch.setenv('XLA_FLAGS', '--xla_backend_optimization_level=0')
    monkeypatch.setattr(memory, '_train', _train_tiny)
    monkeypatch.setattr(memory, '_predict', _predict_tiny)
    assert 0.3 < memory.training_peak(SMALL) < 4
    assert 0.3 < memory.prediction_peak(SMALL, 64) < 4
