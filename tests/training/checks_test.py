"""What is said of the data before a run starts."""

import json
import pathlib

import pytest

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data_config import DataConfig
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.runs.learned import keep_learned_images
from cadnet_jax.runs.workdir import training_data, write_dataset_info
from cadnet_jax.training.checks import check_inputs, check_norms, warn_of_origin
from cadnet_jax.training_config import TrainConfig
from tests.support.tiny_data import CLASS_NAMES, prepare_tiny
from tests.support.tiny_run import short_run


@pytest.mark.parametrize(
    ('pixels', 'said'),
    [
        ({'train': [900, 9, 9], 'val': [900, 9, 9]}, []),
        (
            {'train': [900, 9, 0], 'val': [900, 9, 7]},
            [f"the class '{CLASS_NAMES[2]}' has no pixel in 'train' (7 in 'val', "],
        ),
        ({'train': [900, 9, 9], 'val': [900, 0, 0]}, ["no pixel of 'val' is labeled"]),
        (
            {'train': [900, 0, 9], 'val': [900, 0, 0]},
            [f"the class '{CLASS_NAMES[1]}' has no pixel", "no pixel of 'val'"],
        ),
    ],
    ids=['all is there', 'class', 'split', 'both'],
)
def test_what_labels_cannot_teach_or_choose_is_said_once(
    pixels: dict[str, list[int]],
    said: list[str],
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data_dir = prepare_tiny(tmp_path / 'data', sizes=[(32, 32)])
    path = data_dir / 'metadata.json'
    values = json.loads(path.read_text())
    values['class_pixels'] |= pixels
    path.write_text(json.dumps(values))
    capsys.readouterr()
    check_inputs(Config(data=DataConfig(str(data_dir))), None, tmp_path / 'run')
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(said)
    for line, part in zip(lines, said, strict=True):
        assert line.startswith(f'warning: {data_dir}: ') and part in line


@pytest.mark.parametrize(
    ('head', 'side', 'refused'),
    [
        ('pspnet', 64, True),
        ('deeplabv3plus', 64, True),
        ('cad', 32, True),
        ('cad', 64, False),
        ('danet', 32, False),
    ],
)
def test_one_crop_that_leaves_one_value_a_channel_is_refused(
    head: str, side: int, refused: bool
) -> None:
    config = Config(
        model=ModelConfig(head=head), data=DataConfig(batch_size=1, crop_size=side)
    )
    check_norms(configs.replace(config, batch_size=2))
    if refused:
        with pytest.raises(
            ValueError, match=f'=.* {side} pixels.*--batch_size=4 or more'
        ):
            check_norms(config)
    else:
        check_norms(config)


def test_a_batch_of_one_is_refused_before_the_run_begins(
    tmp_path: pathlib.Path,
) -> None:
    data_dir = prepare_tiny(tmp_path / 'data', sizes=[(32, 32)])
    config = short_run(data_dir, head='pspnet', batch_size=1)
    with pytest.raises(ValueError, match='Set --batch_size=4 or more'):
        check_inputs(config, None, tmp_path / 'run')


def test_what_first_weights_have_seen_of_the_data_is_said(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data that were prepared again, and pairs of the split that chooses."""
    first = prepare_tiny(tmp_path / 'first', sizes=[(32, 32)])
    other = prepare_tiny(tmp_path / 'other', sizes=[(32, 32)], unchanged_every=5)
    origin = tmp_path / 'run'
    config = Config(data=DataConfig(str(first), train_split='train+val'))
    write_dataset_info(origin, training_data(read_info(first), 'train+val'))
    keep_learned_images(config, origin)

    def said(data_dir: pathlib.Path, eval_split: str = 'val') -> list[str]:
        capsys.readouterr()
        train = TrainConfig(init_from=str(origin))
        warn_of_origin(
            Config(data=DataConfig(str(data_dir), eval_split=eval_split), train=train)
        )
        return capsys.readouterr().out.splitlines()

    (line,) = said(first)
    assert line.startswith(f'warning: --init_from: {origin} learned from ')
    assert said(first, eval_split='test') == []
    lines = said(other, eval_split='test')
    assert read_info(first).fingerprint in lines[0]
    assert read_info(other).fingerprint in lines[0]
