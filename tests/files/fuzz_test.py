"""Damaged files of every kind, for seconds; `tests.support.fuzz` runs for hours.

Bits of checkpoints are flipped in tests/runs/checkpoint_damage_test.py.
"""

import pathlib

from tests.support import fuzz


def test_damaged_files_are_refused_in_one_line_or_read(tmp_path: pathlib.Path) -> None:
    """What has checksums is read right or not at all."""
    counts = fuzz.fuzz(tmp_path, seconds=2, seed=7)
    assert all(refused > 0 for _, refused in counts.values())


def test_each_bit_of_the_released_weights_is_noticed(tmp_path: pathlib.Path) -> None:
    assert fuzz.flip_released(tmp_path, flips=12, seed=7) == (12, 0)
