"""A damaged or impossible record is named, in training as in evaluation."""

import json
import pathlib

import pytest

from cadnet_jax.data.batches import evaluation_batches, training_batches
from cadnet_jax.data.pair_source import PairSource
from cadnet_jax.data_config import DataConfig
from tests.support import tiny_data
from tests.support.tiny_data import CLASS_NAMES, prepare_tiny


def test_a_shard_cut_short_is_named(damaged: pathlib.Path) -> None:
    (shard,) = damaged.glob('*-val*')
    shard.write_bytes(shard.read_bytes()[:50_000])
    with pytest.raises(
        ValueError, match=r'split val.*damaged.*prepare_data\.py'
    ) as error:
        list(evaluation_batches(damaged, 'val', batch_size=2))
    assert str(damaged) in str(error.value) and '\n' not in str(error.value)


def test_a_shard_cut_at_the_end_of_a_block_is_named(tmp_path: pathlib.Path) -> None:
    """Its records can be read, but hold nothing."""
    prepared = prepare_tiny(tmp_path, sizes=[(256, 256)], num={'train': 60})
    (shard,) = prepared.glob('*-train*')
    assert shard.stat().st_size > 65_536
    shard.write_bytes(shard.read_bytes()[:65_536])
    source = PairSource(prepared, 'train')
    for read in (source.__getitem__, source.read_group, source.read_mask):
        with pytest.raises(ValueError, match=r'split train: cannot read pair 59\. The'):
            read(59)


def test_a_record_that_is_no_image_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_data, 'encode_png', lambda image: b'no image')
    directory = prepare_tiny(tmp_path)
    config = DataConfig(data_dir=str(directory), crop_size=32)
    with pytest.raises(ValueError, match=r"split train: the image of 'train_0\d\d'"):
        next(training_batches(config, seed=0))


def test_a_label_outside_the_class_map_is_named(damaged: pathlib.Path) -> None:
    """In training as in evaluation; data set, pair, value and remedy are said."""
    file = damaged / 'metadata.json'
    metadata = json.loads(file.read_text())
    assert metadata['class_names'].pop() == CLASS_NAMES[2]
    file.write_text(json.dumps(metadata))
    config = DataConfig(data_dir=str(damaged), batch_size=2, crop_size=32)
    readers = {
        'val': lambda: list(evaluation_batches(damaged, 'val', batch_size=2)),
        'train': lambda: next(training_batches(config, seed=0)),
    }
    for split, read in readers.items():
        with pytest.raises(ValueError, match='outside the class map') as error:
            read()
        message = str(error.value)
        assert message.startswith(f"{damaged}, split {split}: the mask of '{split}_0")
        # Defects of a 64 x 64 board are 8 x 8.
        assert 'has the value 2 (64 pixels)' in message
        assert ': 0 to 1, or 255 for pixels to ignore' in message
        assert '\n' not in message
