"""How many of the tested groups a run learned from, by what it was trained on."""

import dataclasses
import json
import pathlib
import shutil
from typing import Any

import numpy as np
import pytest

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.evaluation.learned_groups import format_groups, group_metrics
from cadnet_jax.runs.checkpoint import save_variables
from cadnet_jax.runs.scores import GroupMetrics
from cadnet_jax.runs.workdir import (
    training_data,
    write_config,
    write_dataset_info,
    write_learned_images,
    write_origin,
)
from tests.support.tiny_data import prepare_tiny
from tests.support.tiny_run import differencing_predictor

pytestmark = pytest.mark.unoptimized


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Two groups in each split; the pairs of a split are of one and the other."""
    return prepare_tiny(tmp_path_factory.mktemp('data'), sizes=[(32, 32)])


def write_run(workdir: pathlib.Path, data_dir: pathlib.Path, **settings: Any) -> Config:
    config = configs.replace(Config(), data_dir=str(data_dir), **settings)
    write_config(workdir, config)
    split = config.data.train_split
    write_dataset_info(workdir, training_data(read_info(data_dir), split))
    return config


def learned(
    workdir: pathlib.Path | str, config: Config, data_dir: pathlib.Path
) -> int | None:
    predictor = differencing_predictor(workdir=str(workdir), config=config)
    found = group_metrics(predictor, data_dir, 'test')
    assert found['tested'] == 2
    return found['learned']


def copy(data_dir: pathlib.Path, folder: pathlib.Path, name: str) -> pathlib.Path:
    """The data under another name, as another set has it, with other records."""
    target = shutil.copytree(data_dir, folder)
    for file in target.iterdir():
        if file.suffix == '.json':
            text = file.read_text().replace('tiny_pairs', name)
            file.write_text(text)
        else:
            file.rename(file.with_name(file.name.replace('tiny_pairs', name)))
    metadata = json.loads((target / 'metadata.json').read_text())
    (target / 'metadata.json').write_text(
        json.dumps(metadata | {'records': f'those of {name}'})
    )
    return target


@pytest.mark.parametrize(
    ('settings', 'number'),
    [
        ({}, 2),
        ({'train_split': 'val'}, 2),
        ({'train_split': 'train[:1]'}, 1),
        ({'leave_out': 'group_0'}, 1),
        ({'label_fraction': 0.05}, 1),
    ],
)
def test_groups_are_those_of_the_pairs_that_were_trained_on(
    data_dir: pathlib.Path,
    tmp_path: pathlib.Path,
    settings: dict[str, Any],
    number: int,
) -> None:
    config = write_run(tmp_path, data_dir, **settings)
    assert learned(tmp_path, config, data_dir) == number


def test_unlabeled_pairs_are_learned_from_too(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    settings = {'label_fraction': 0.05, 'semi_supervised': 'ucc'}
    config = write_run(tmp_path, data_dir, **settings)
    assert config.loss.learns_unlabeled
    assert learned(tmp_path, config, data_dir) == 2


def test_data_that_were_moved_are_known_by_their_records(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Other records at that place, or none, tell nothing."""
    config = write_run(tmp_path / 'run', data_dir)
    moved = configs.replace(config, data_dir=str(tmp_path / 'gone'))
    assert learned(tmp_path / 'run', moved, data_dir) == 2
    other = copy(data_dir, tmp_path / 'other', 'tiny_pairs')
    assert learned(tmp_path / 'run', moved, other) is None
    assert learned(tmp_path / 'run', config, other) == 2
    moved = configs.replace(config, data_dir=str(other))
    assert learned(tmp_path / 'run', moved, other) is None
    without = configs.replace(config, train_split='no_more')
    assert learned(tmp_path / 'run', without, data_dir) is None


def test_a_network_without_a_record_is_not_said_to_have_learned_nothing(
    data_dir: pathlib.Path,
) -> None:
    assert learned('no_such_run', Config(), data_dir) is None


def test_groups_of_other_sets_are_others_unless_pairs_are_ones_own(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Names of own groups, such as 'a', may mean the same products or others."""
    config = write_run(tmp_path / 'run', data_dir)
    assert learned(tmp_path / 'run', config, copy(data_dir, tmp_path / '1', 'b')) == 0
    own = copy(data_dir, tmp_path / '2', 'paired_folder')
    assert learned(tmp_path / 'run', config, own) is None
    of_own = write_run(tmp_path / 'of_own', own)
    assert learned(tmp_path / 'of_own', of_own, own) == 2
    assert learned(tmp_path / 'of_own', of_own, data_dir) is None
    again = copy(data_dir, tmp_path / '3', 'paired_folder')
    metadata = json.loads((again / 'metadata.json').read_text())
    (again / 'metadata.json').write_text(json.dumps(metadata | {'records': 'again'}))
    assert learned(tmp_path / 'of_own', of_own, again) is None


def test_what_the_first_weights_learned_counts(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Nothing is known of a run that is gone; foreign weights learned from no pairs."""
    write_run(tmp_path / 'first', data_dir, leave_out='group_1')
    settings: dict[str, Any] = {'leave_out': 'group_0'}
    first = f'{tmp_path}/first/checkpoints/latest/8'
    config = write_run(tmp_path / 'run', data_dir, init_from=first, **settings)
    assert learned(tmp_path / 'run', config, data_dir) == 2
    gone = dataclasses.replace(
        config, train=dataclasses.replace(config.train, init_from=f'{tmp_path}/gone')
    )
    assert learned(tmp_path / 'run', gone, data_dir) is None
    (tmp_path / 'gone').mkdir()
    assert learned(tmp_path / 'run', gone, data_dir) is None
    save_variables(tmp_path / 'gone', {'params': {'a': np.zeros(1)}}, {})
    assert learned(tmp_path / 'run', gone, data_dir) == 1
    for dataset, number in (('tiny_pairs', None), ('synthetic_pairs', 1)):
        record = {'init_from': 'a run', 'dataset': None}
        earlier = {'init_from': 'released', 'dataset': dataset}
        write_origin(tmp_path / 'gone', {**record, 'started_from': earlier})
        assert learned(tmp_path / 'run', gone, data_dir) == number
    (tmp_path / 'gone' / 'started_from.json').unlink()
    write_learned_images(tmp_path / 'gone', ['of an encoder'])
    assert learned(tmp_path / 'run', gone, data_dir) is None


def test_what_cannot_be_read_of_earlier_runs_is_not_known(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Nor a run that was retrained, starting from one that had started from it."""
    settings: dict[str, Any] = {'leave_out': 'group_0'}
    first = tmp_path / 'first'
    config = write_run(tmp_path / 'run', data_dir, init_from=str(first), **settings)
    write_run(first, data_dir, init_from=str(tmp_path / 'run'), **settings)
    assert learned(tmp_path / 'run', config, data_dir) is None
    (first / 'config.json').write_text('{"another": "version"}')
    assert learned(tmp_path / 'run', config, data_dir) is None


def test_released_weights_learned_from_drawn_products_alone(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    config = write_run(tmp_path / 'run', data_dir, init_from='released')
    assert learned('released', config, data_dir) == 0
    own = copy(data_dir, tmp_path / 'own', 'paired_folder')
    assert learned('released', config, own) == 0
    drawn = copy(data_dir, tmp_path / 'drawn', 'synthetic_pairs')
    assert learned('released', config, drawn) is None
    # Drawn screens show the training patterns of SynLCD.
    screens = copy(data_dir, tmp_path / 'screens', 'synlcd')
    assert learned('released', config, screens) is None
    of_drawn = write_run(tmp_path / 'of_drawn', drawn)
    assert learned(tmp_path / 'of_drawn', of_drawn, screens) is None
    left_out = write_run(tmp_path / 'x', own, leave_out='group_0', init_from='released')
    assert learned(tmp_path / 'x', left_out, own) == 1


@pytest.mark.parametrize(
    ('tested', 'known', 'text'),
    [
        (6, 6, 'Each of the 6 groups is in the training part too: these products'),
        (6, 2, '2 of 6 groups are in the training part too: these products are not'),
        (6, 1, '1 of 6 groups is in the training part too: this product is not new'),
        (6, 0, 'None of the 6 groups is in the training part.'),
        (6, None, 'It is not known whether the 6 groups are in the training part.'),
        (6, (None, 5), 'At least 5 of 6 groups are in the training part too, and not'),
        (6, (None, 1), 'At least 1 of 6 groups is in the training part too, and not'),
        (1, 1, 'The one group is in the training part too: this product is not new'),
        (1, 0, 'The one group is not in the training part.'),
        (1, None, 'It is not known whether the one group is in the training part.'),
    ],
)
def test_the_sentence_says_no_more_than_is_known(
    tested: int, known: int | tuple[None, int] | None, text: str
) -> None:
    learned, at_least = known if isinstance(known, tuple) else (known, known or 0)
    groups: GroupMetrics = {
        'tested': tested,
        'learned': learned,
        'at_least': at_least,
    }
    assert format_groups(groups).startswith(text)


def test_pairs_without_groups_get_no_sentence() -> None:
    assert format_groups({'tested': 0, 'learned': None, 'at_least': 0}) == ''
