"""Prepared sets that the tests of several modules read."""

import pathlib
import shutil

import pytest

from cadnet_jax.data_config import DataConfig
from tests.support.tiny_data import prepare_tiny


@pytest.fixture(scope='package')
def prepared(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """12 training pairs of 64x64; 5 and 7 pairs for validation and testing."""
    return prepare_tiny(tmp_path_factory.mktemp('tiny'))


@pytest.fixture
def config(prepared: pathlib.Path) -> DataConfig:
    return DataConfig(
        data_dir=str(prepared), batch_size=4, crop_size=32, reader_threads=2
    )


@pytest.fixture
def damaged(prepared: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy to be damaged."""
    return pathlib.Path(shutil.copytree(prepared, tmp_path / 'tiny_pairs' / '1.0.0'))
