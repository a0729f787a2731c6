"""A text file of ours that was damaged or edited ends in one line with file and remedy.

Whatever was done to it: each kind of damage is tried on each kind of file.
"""

import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from cadnet_jax import config
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.files.atomic import write_json
from cadnet_jax.files.text import read_object, read_text
from cadnet_jax.runs.finished_runs import read_metrics
from cadnet_jax.runs.workdir import TrainingData, read_dataset_info, write_dataset_info
from cadnet_jax.training.log import read_log
from tests.support.tiny_data import prepare_tiny


class Kind(NamedTuple):
    name: str
    read: Callable[[pathlib.Path], Any]  # of the folder that holds it
    remedy: str


PREPARED = 'prepare them again with experiments/prepare_data.py'
KINDS = [
    Kind('config.json', lambda x: config.load(x / 'config.json'), 'Restore it, or'),
    Kind('dataset.json', read_dataset_info, 'Restore it, or'),
    Kind('metrics.jsonl', read_log, 'Take the line out'),
    Kind(
        'metrics.json', lambda x: read_metrics(x / 'metrics.json'), 'Evaluate the run'
    ),
    Kind('dataset_info.json', read_info, PREPARED),
    Kind('features.json', read_info, PREPARED),
    Kind('metadata.json', read_info, PREPARED),
]
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    'cut short': lambda data: data[: len(data) // 2] + b'\n',
    'one word': lambda data: b'null\n',
    'a list': lambda data: b'[1]\n',
    'NaN': lambda data: b'NaN\n',
    'nothing but zeros': lambda data: bytes(512) + b'\n',
    'UTF-16': lambda data: data.decode().encode('utf-16') + b'\n',
    'Latin-1': lambda data: data.replace(b'"', b'"\xe9', 1),
    'deep': lambda data: b'[' * 100_000 + b'\n',
}


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with a file of each kind, as it is written."""
    folder = prepare_tiny(tmp_path_factory.mktemp('data'))
    write_json(folder / 'config.json', {'train': {'steps': 5}})
    write_dataset_info(folder, TrainingData('boards', ('background', 'hole'), (9, 1)))
    (folder / 'metrics.jsonl').write_text('{"step": 1, "loss": 0.5}\n')
    scores = ('miou', 'macc', 'mfscore', 'defect_iou', 'defect_accuracy', 'parameters')
    metrics: dict[str, Any] = dict.fromkeys(scores, 0.5)
    metrics |= {'dataset': 'boards', 'split': 'test', 'step': 5}
    write_json(
        folder / 'metrics.json', metrics | {'classes': {'background': {'pixels': 9}}}
    )
    return folder


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize('damage', DAMAGE)
def test_a_damaged_file_is_one_line_with_the_remedy(
    whole: pathlib.Path, tmp_path: pathlib.Path, kind: Kind, damage: str
) -> None:
    folder = tmp_path / 'copy'
    shutil.copytree(whole, folder)
    path = folder / kind.name
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(ValueError) as error:
        kind.read(folder)
    message = str(error.value)
    assert message.startswith(f'{folder}') and kind.name in message
    assert kind.remedy in message and '\n' not in message


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.name)
def test_a_byte_order_mark_is_no_damage(
    whole: pathlib.Path, tmp_path: pathlib.Path, kind: Kind
) -> None:
    """Windows' editors write it; TFDS does not read its own files with one."""
    folder = tmp_path / 'copy'
    shutil.copytree(whole, folder)
    path = folder / kind.name
    path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes())
    try:
        assert kind.read(folder) == kind.read(whole)
    except ValueError as error:
        assert kind.remedy == PREPARED and kind.name in str(error)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'train': {'steps': '100'}}, "--steps is '100'; it must be a whole number"),
        ({'train': {'steps': 1.5}}, '--steps is 1.5; it must be a whole number'),
        ({'train': {'steps': True}}, '--steps is True; it must be a whole number'),
        ({'data': {'flip': 'yes'}}, "--flip is 'yes'; it must be true or false"),
        ({'data': {'scale_min': '0.5'}}, "--scale_min is '0.5'; it must be a number"),
        ({'data': {'data_dir': 7}}, '--data_dir is 7; it must be a text'),
        ({'model': {'head': ['cad']}}, "--head is .'cad'.; it must be a text"),
        ({'loss': {'tau_ok': None}}, '--tau_ok is None; it must be a number'),
    ],
)
def test_a_setting_of_another_type_is_named(
    tmp_path: pathlib.Path, values: dict[str, Any], message: str
) -> None:
    path = tmp_path / 'config.json'
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=message) as error:
        config.load(path)
    assert str(error.value).startswith(f'{path}: ')


@pytest.mark.parametrize('number', ['NaN', 'Infinity', '-Infinity'])
def test_what_is_no_number_in_json_is_refused(
    tmp_path: pathlib.Path, number: str
) -> None:
    path = tmp_path / 'config.json'
    path.write_text(f'{{"loss": {{"tau_ok": {number}}}}}')
    with pytest.raises(ValueError, match=f'{number} is no number'):
        config.load(path)


def test_features_from_elsewhere_import_nothing(
    whole: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """TFDS would import the module that the file names."""
    folder = tmp_path / 'copy'
    shutil.copytree(whole, folder)
    path = folder / 'features.json'
    path.write_text(
        path.read_text().replace(
            'tensorflow_datasets.core.features.text_feature.Text', 'antigravity.Text'
        )
    )
    with pytest.raises(ValueError, match=r"features\.json: names 'antigravity\.Text'"):
        read_info(folder)


def test_a_text_is_read_as_it_is(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'text'
    path.write_bytes('\ufeffgrün'.encode())
    assert read_text(path) == 'grün'
    path.write_bytes(b'{"a": 1}')
    assert read_object(path, remedy='') == {'a': 1}
