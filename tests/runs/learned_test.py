"""A run knows its data again, and the pairs that it learned from."""

import dataclasses
import pathlib
import shutil
from typing import Any

import pytest

from cadnet_jax.config import Config
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data_config import DataConfig
from cadnet_jax.datasets.schema import digest_records
from cadnet_jax.runs.learned import (
    check_new,
    check_will_be_new,
    describe_learned,
    describe_other_records,
    keep_learned_images,
)
from cadnet_jax.runs.workdir import (
    learned_file,
    read_learned_images,
    training_data,
    write_dataset_info,
)
from cadnet_jax.training_config import TrainConfig
from tests.support.tiny_data import SPLITS, prepare_tiny


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return prepare_tiny(tmp_path_factory.mktemp('data'), sizes=[(32, 32)])


def write_run(workdir: pathlib.Path, data_dir: pathlib.Path, **data: Any) -> Config:
    """What a run on `data_dir` keeps of its data."""
    config = Config(data=dataclasses.replace(DataConfig(str(data_dir)), **data))
    split = config.data.train_split
    write_dataset_info(workdir, training_data(read_info(data_dir), split))
    keep_learned_images(config, workdir)
    return config


def test_equal_records_have_one_fingerprint_and_others_another(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    fingerprint = read_info(data_dir).fingerprint
    copy = shutil.copytree(data_dir, tmp_path / 'copy')
    assert fingerprint == digest_records(copy) and len(fingerprint) == 16
    other = prepare_tiny(tmp_path / 'other', sizes=[(32, 32)], unchanged_every=5)
    assert read_info(other).fingerprint not in ('', fingerprint)
    records = next(copy.glob('*.array_record*'))
    damaged = bytearray(records.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    records.write_bytes(damaged)
    assert digest_records(copy) != fingerprint


@pytest.mark.parametrize(
    ('train_split', 'split', 'common'),
    [
        ('train', 'test', 0),
        ('train', 'train', SPLITS['train']),
        ('train[:4]', 'train[4:]', 0),
        ('train[:4]', 'train[2:]', 2),
        ('train', 'train[:3]+test', 3),
    ],
)
def test_pairs_that_a_run_learned_from_are_counted(
    data_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    train_split: str,
    split: str,
    common: int,
) -> None:
    write_run(tmp_path, data_dir, train_split=train_split)
    text = describe_learned(tmp_path, data_dir, split)
    assert bool(text) == bool(common)
    if common:
        assert f'learned from {common} of the ' in text and 'such as train_0' in text


def test_a_share_of_the_labels_is_all_that_was_learned_from(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    write_run(tmp_path, data_dir, label_fraction=0.25)
    assert 'from 3 of the 12 pairs' in describe_learned(tmp_path, data_dir, 'train')


def test_fine_tuned_weights_know_what_the_first_ones_learned_from(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    write_run(tmp_path / 'first', data_dir, train_split='train')
    origin = str(tmp_path / 'first/checkpoints/latest/8')
    config = Config(
        data=DataConfig(str(data_dir), train_split='val'),
        train=TrainConfig(init_from=origin),
    )
    keep_learned_images(config, tmp_path / 'second')
    kept = read_learned_images(tmp_path / 'second')
    assert len(kept) == SPLITS['train'] + SPLITS['val']


def test_an_evaluation_on_learned_pairs_is_refused_unless_it_is_asked_for(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, data_dir)
    check_new(tmp_path, data_dir, 'test')
    with pytest.raises(ValueError, match=r"12 of the 12.*'train'.*--allow_learned"):
        check_new(tmp_path, data_dir, 'train', allow_learned=False)
    with pytest.raises(ValueError, match=r'Name another --split\.$'):
        check_new(tmp_path, data_dir, 'train')
    assert not capsys.readouterr().out
    check_new(tmp_path, data_dir, 'train', allow_learned=True)
    assert 'warning: ' in capsys.readouterr().out


def test_a_test_on_what_a_run_would_learn_from_is_refused(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """What its first weights learned from is not new to it either."""
    write_run(tmp_path, data_dir)
    config = Config(data=DataConfig(str(data_dir), train_split='val'))
    check_will_be_new(config, data_dir, 'train')
    with pytest.raises(ValueError, match=r'--test_split=test\+val: 5 of its 12 pairs'):
        check_will_be_new(config, data_dir, 'test+val')
    config = dataclasses.replace(config, train=TrainConfig(init_from=str(tmp_path)))
    with pytest.raises(ValueError, match='--test_split=train: 12 of its 12 pairs'):
        check_will_be_new(config, data_dir, 'train')


def test_data_that_were_prepared_again_are_named(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """In place of those that a run learned from: with both fingerprints."""
    other = prepare_tiny(tmp_path / 'other', sizes=[(32, 32)], unchanged_every=5)
    write_run(tmp_path, data_dir)
    assert describe_other_records(tmp_path, data_dir) == ''
    text = describe_other_records(tmp_path, other)
    for path in (data_dir, other):
        assert read_info(path).fingerprint in text


def test_a_run_of_an_earlier_version_is_evaluated_on_anything(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    write_run(tmp_path, data_dir)
    learned_file(tmp_path).unlink()
    data = training_data(read_info(data_dir), 'train')
    write_dataset_info(tmp_path, data._replace(fingerprint=''))
    check_new(tmp_path, data_dir, 'train')
    check_new('released', data_dir, 'train')


@pytest.mark.parametrize('damage', ['', '[1]', '{"digests": [1]}', '{"digests": "a'])
def test_a_damaged_list_of_learned_images_is_named(
    tmp_path: pathlib.Path, damage: str
) -> None:
    learned_file(tmp_path).write_text(damage)
    with pytest.raises(ValueError, match=r'learned_images\.json: damaged') as error:
        read_learned_images(tmp_path)
    assert '\n' not in str(error.value)
