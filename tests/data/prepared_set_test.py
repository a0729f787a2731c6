"""What a prepared directory says about itself, and how a bad one is refused."""

import pathlib

import numpy as np
import pytest

from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.data.prepared_set import DatasetInfo, read_info
from tests.support.tiny_data import CLASS_NAMES, SPLITS


def test_info_says_what_was_prepared(prepared: pathlib.Path) -> None:
    info = read_info(prepared)
    assert isinstance(info, DatasetInfo)
    assert info.name == 'tiny_pairs'
    assert info.class_names == CLASS_NAMES
    assert info.num_classes == 3
    assert info.num_examples == SPLITS


def test_class_pixels_are_those_of_the_masks(prepared: pathlib.Path) -> None:
    """Counted anew from the decoded masks, without the ignored pixels."""
    (batch,) = evaluation_batches(prepared, 'test', batch_size=7)
    counts = np.bincount(batch['mask'].ravel(), minlength=256)
    assert counts[255] == 7 * 64
    assert read_info(prepared).class_pixels['test'] == tuple(counts[:3])


def test_missing_and_unprepared_directories_name_the_remedy(
    prepared: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r'nowhere.*prepare_data\.py'):
        read_info(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match=r'data_dir.*prepare_data\.py'):
        read_info('')
    with pytest.raises(FileNotFoundError, match=r'not a prepared.*prepare_data\.py'):
        read_info(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'Did you mean .*1\.0\.0\?'):
        read_info(prepared.parent)


def test_a_missing_shard_is_found_before_anything_is_read(
    damaged: pathlib.Path,
) -> None:
    (shard,) = damaged.glob('*-val*')
    shard.unlink()
    with pytest.raises(FileNotFoundError, match=f'{shard.name} is missing'):
        read_info(damaged)


def test_data_of_another_builder_are_refused(damaged: pathlib.Path) -> None:
    (damaged / 'metadata.json').unlink()
    with pytest.raises(ValueError, match=r'metadata\.json is missing.*prepare'):
        read_info(damaged)
