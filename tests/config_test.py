"""Settings: their JSON, the flags made from them, and what is refused."""

import dataclasses
import json
import math
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from cadnet_jax import config, config_flags
from cadnet_jax.config import Config
from cadnet_jax.models.heads import HEADS

SECTIONS = [section.name for section in dataclasses.fields(Config)]
FIELDS = [
    (section, field)
    for section in SECTIONS
    for field in dataclasses.fields(getattr(Config(), section))
]

# A setting that does not go with a value other than the default of most others.
APART = 'semi_supervised'

FLAGS_SCRIPT = """
import dataclasses, json
from cadnet_jax import cli, config_flags
config_flags.define_flags({sections})
cli.run(lambda argv: print(json.dumps(dataclasses.asdict(config_flags.from_flags()))))
"""


def _flags(*arguments: str, sections: str = '') -> subprocess.CompletedProcess[str]:
    """A script that prints the configuration which its command line says."""
    return subprocess.run(
        [sys.executable, '-c', FLAGS_SCRIPT.format(sections=sections), *arguments],
        capture_output=True,
        text=True,
    )


def _another(field: dataclasses.Field[Any]) -> Any:
    """A value of the field's type that is not its default."""
    default: Any = field.default
    if choices := field.metadata['choices']:
        return next(choice for choice in choices if choice != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, str):
        return default + 'x'
    if isinstance(default, int):
        return default + 1
    if field.name == 'label_fraction':
        return default / 2
    if field.name == 'unchanged_fraction':
        return 0.25
    return (default + 0.9) / 2 if default < 0.9 else default + 1


def _all_changed() -> Config:
    return Config(
        **{
            section: type(getattr(Config(), section))(
                **{
                    field.name: _another(field)
                    for owner, field in FIELDS
                    if owner == section and field.name != APART
                }
            )
            for section in SECTIONS
        }
    )


def _semi_supervised() -> Config:
    return config.replace(
        Config(), head='unet', label_fraction=0.5, semi_supervised='dct'
    )


@pytest.mark.parametrize('make', [_all_changed, _semi_supervised])
def test_json_gives_every_field_back(
    tmp_path: pathlib.Path, make: Callable[[], Config]
) -> None:
    path = tmp_path / 'config.json'
    path.write_text(json.dumps(dataclasses.asdict(make())))
    assert config.load(path) == make()


def test_what_is_missing_from_json_keeps_its_default() -> None:
    """A work directory of an earlier version can still be read."""
    loaded = config.from_dict({'train': {'steps': 7}}, source='here')
    assert config.differences(Config(), loaded) == {'steps': (126_000, 7)}


@pytest.mark.parametrize(
    ('values', 'name'),
    [({'optimizer': {}}, 'optimizer'), ({'train': {'step': 1}}, 'step')],
)
def test_an_unknown_name_in_json_is_refused(values: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=rf'^config\.json: .*{name}'):
        config.from_dict(values, source='config.json')


def test_a_file_that_is_absent_or_broken_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'config.json'
    with pytest.raises(FileNotFoundError, match=r'config\.json'):
        config.load(path)
    path.write_text('{')
    with pytest.raises(ValueError, match=r'config\.json: damaged: not valid JSON'):
        config.load(path)
    for text in ('[]', '{"data": 7}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r'config\.json: damaged'):
            config.load(path)


def test_field_names_are_unique_over_all_sections() -> None:
    """A flag is simply the field's name."""
    names = [field.name for _, field in FIELDS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('field', [f for _, f in FIELDS], ids=lambda field: field.name)
def test_every_field_is_explained(field: dataclasses.Field[Any]) -> None:
    help = field.metadata['help']
    assert help[0].isupper() or help.startswith('lambda')
    assert help.endswith('.')


@pytest.mark.parametrize(
    ('section', 'field'),
    [(s, f) for s, f in FIELDS if f.metadata['choices']],
    ids=lambda value: getattr(value, 'name', value),
)
def test_a_value_outside_the_choices_is_refused(
    section: str, field: dataclasses.Field[Any]
) -> None:
    """The message names the field, the value and what it can be."""
    assert field.default in field.metadata['choices']
    with pytest.raises(ValueError, match=f"{field.name} is 'other'.*{field.default}"):
        config.from_dict({section: {field.name: 'other'}}, source='here')


@pytest.mark.parametrize(
    ('section', 'name', 'value'),
    [
        ('model', 'drop_path', 1.0),
        ('model', 'dropout', -0.1),
        ('data', 'defect_crop_fraction', 1.5),
        ('data', 'photometric_probability', -1.0),
    ],
)
def test_a_probability_outside_its_range_is_refused(
    section: str, name: str, value: float
) -> None:
    with pytest.raises(ValueError, match=rf'{name} is {value}; it must be in \[0, 1'):
        config.from_dict({section: {name: value}}, source='here')


# Of each numeric setting: a value below its range, one above it (None: there is no
# upper end), and how the range is named.
OUT_OF_RANGE: list[tuple[str, float, float | None, str]] = [
    ('drop_path', -0.1, 1.0, 'in [0, 1)'),
    ('dropout', -0.1, 1.0, 'in [0, 1)'),
    ('label_fraction', 0.0, 1.1, 'in (0, 1]'),
    ('batch_size', 0, None, 'at least 1'),
    ('eval_batch_size', 0, None, 'at least 1'),
    ('crop_size', 0, None, 'at least 1'),
    ('scale_min', 0.0, None, 'positive'),
    ('scale_max', 0.0, None, 'positive'),
    ('defect_crop_fraction', -0.1, 1.5, 'in [0, 1]'),
    ('unchanged_fraction', -0.5, 1.5, 'in [0, 1], or -1'),
    ('hard_candidates', 0, None, 'at least 1'),
    ('reference_shift', -1, None, 'at least 0'),
    ('brightness', -0.1, 1.5, 'in [0, 1]'),
    ('contrast', -3.0, 1.5, 'in [0, 1]'),
    ('saturation', -0.1, 1.5, 'in [0, 1]'),
    ('photometric_probability', -1.0, 1.5, 'in [0, 1]'),
    ('reader_threads', 0, None, 'at least 1'),
    ('cache_gb', -1.0, None, 'at least 0'),
    ('ce_weight', -1.0, None, 'at least 0'),
    ('defect_weight', 0.0, None, 'positive'),
    ('defect_odds', 0.0, None, 'positive'),
    ('contrastive_weight', -1.0, None, 'at least 0'),
    ('score_ratio', 0.0, None, 'positive'),
    ('tau_ok', -0.1, None, 'at least 0'),
    ('tau_ng', -1.0, None, 'positive'),
    ('ramp_steps', -1, None, 'at least 0'),
    ('learning_rate', -1.0, None, 'positive'),
    ('decoder_rate_factor', -1.0, None, 'at least 0'),
    ('weight_decay', -1.0, None, 'at least 0'),
    ('warmup_steps', -1, None, 'at least 0'),
    ('cooldown_steps', -1, None, 'at least 0'),
    ('clip_norm', -1.0, None, 'at least 0'),
    ('ema_decay', -0.1, 1.0, 'in [0, 1)'),
    ('steps', 0, None, 'at least 1'),
    ('seed', -1, None, 'at least 0'),
    ('log_every', 0, None, 'at least 1'),
    ('eval_every', 0, None, 'at least 1'),
    ('checkpoint_every', 0, None, 'at least 1'),
    ('keep_checkpoints', 0, None, 'at least 1'),
    ('norm_batches', -1, None, 'at least 0'),
]


def test_every_numeric_setting_has_a_range() -> None:
    """And stands in the table above."""
    numeric = {field.name for _, field in FIELDS if type(field.default) in (int, float)}
    assert {field.name for _, field in FIELDS if field.metadata['range']} == numeric
    assert [name for name, *_ in OUT_OF_RANGE] == [
        field.name for _, field in FIELDS if field.name in numeric
    ]


@pytest.mark.parametrize('case', OUT_OF_RANGE, ids=lambda case: case[0])
def test_a_setting_out_of_its_range_is_one_line(
    case: tuple[str, float, float | None, str],
) -> None:
    """It names the flag, the value and the range; infinity and NaN are in none."""
    name, below, above, expected = case
    highest = math.inf if above is None else above
    for value in (below, highest, math.nan):
        with pytest.raises(ValueError) as error:
            config.replace(Config(), **{name: value})
        assert str(error.value) == f'--{name} is {value}; it must be {expected}.'


@pytest.mark.parametrize(
    'flags',
    [
        ('--learning_rate=-1', '--learning_rate is -1.0; it must be positive.'),
        ('--contrast=-3', '--contrast is -3.0; it must be in [0, 1].'),
        ('--tau_ng=-1', '--tau_ok=5', '--tau_ng is -1.0; it must be positive.'),
        (
            '--tau_ok=5',
            '--tau_ok is 5.0 and --tau_ng is 2.2: --tau_ok must be smaller.',
        ),
    ],
    ids=lambda flags: flags[0],
)
def test_the_command_line_refuses_it_in_one_line(flags: tuple[str, ...]) -> None:
    *arguments, expected = flags
    done = _flags(*arguments)
    assert done.returncode == 1
    assert done.stderr == f'error: {expected}\n'


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'scale_min': 2.0, 'scale_max': 1.0}, '--scale_min is 2.0 and --scale_max is'),
        ({'tau_ok': 2.2}, '--tau_ok is 2.2 and --tau_ng is 2.2'),
        ({'ce_weight': 0.0, 'contrastive_weight': 0.0}, "head 'cad' has no other loss"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        config.replace(Config(), **values)


def test_a_file_with_a_value_out_of_its_range_is_named() -> None:
    for values in ({'loss': {'tau_ok': -1.0}}, {'loss': {'tau_ok': 3.0}}):
        with pytest.raises(ValueError, match=r'^config\.json: --tau_ok is'):
            config.from_dict(values, source='config.json')


def test_help_says_the_range_of_each_numeric_setting() -> None:
    shown = ' '.join(_flags('--help').stdout.split())
    for name, *_, expected in OUT_OF_RANGE:
        assert f'It must be {expected}.' in shown.partition(f'--{name}:')[2][:900]


@pytest.mark.parametrize('name', ['defect_weight', 'defect_odds'])
def test_a_weight_that_is_not_positive_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf'{name} is 0.0; it must be positive'):
        config.from_dict({'loss': {name: 0.0}}, source='here')


@pytest.mark.parametrize(
    ('head', 'name'), [('ooc', 'contrastive_weight'), ('segformer', 'ce_weight')]
)
def test_a_head_without_any_loss_is_refused(head: str, name: str) -> None:
    values = {'model': {'head': head}, 'loss': {name: 0.0}}
    with pytest.raises(ValueError, match=f"{name} is 0: head '{head}'"):
        config.from_dict(values, source='here')


@pytest.mark.parametrize('fraction', [0.0, -0.1, 1.1])
def test_no_labels_at_all_are_refused(fraction: float) -> None:
    values = {'data': {'label_fraction': fraction}}
    with pytest.raises(ValueError, match=f'label_fraction is {fraction}'):
        config.from_dict(values, source='here')


def test_replace_finds_the_section_of_each_field() -> None:
    replaced = config.replace(Config(), head='plain', steps=7, crop_size=64)
    assert config.differences(Config(), replaced) == {
        'head': ('cad', 'plain'),
        'crop_size': (512, 64),
        'steps': (126_000, 7),
    }
    with pytest.raises(ValueError, match="no field 'crop'"):
        config.replace(Config(), crop=64)


def test_differences_name_what_changed_and_nothing_else() -> None:
    assert config.differences(Config(), Config()) == {}
    changed = config.differences(Config(), _all_changed())
    assert set(changed) == {field.name for _, field in FIELDS} - {APART}
    assert changed['steps'] == (126_000, 126_001)


@pytest.mark.parametrize(
    ('method', 'before', 'after', 'differ'),
    [
        ('none', 30_000, 0, False),  # as runs of earlier versions have it
        ('pairs', 30_000, 0, False),
        ('dct', 600, 0, False),
        ('dct', 30_000, 0, True),
        ('dct', 0, 300, True),
    ],
)
def test_a_ramp_differs_where_it_is_used_and_of_another_length(
    method: str, before: int, after: int, differ: bool
) -> None:
    base = config.replace(
        Config(),
        semi_supervised=method,
        label_fraction=0.5 if method != 'none' else 1.0,
        ema_decay=0.99,
        steps=600,
    )
    old, new = (config.replace(base, ramp_steps=steps) for steps in (before, after))
    expected = f'ramp_steps: {before} -> {after}' if differ else ''
    assert config.changed_settings(old, new) == expected


@pytest.mark.slow
def test_flags_say_every_field() -> None:
    arguments = [
        f'--{field.name}={json.dumps(_another(field)).strip(chr(34))}'
        for _, field in FIELDS
        if field.name != APART
    ]
    done = _flags(*arguments)
    assert json.loads(done.stdout) == dataclasses.asdict(_all_changed()), done.stderr


@pytest.mark.slow
def test_a_later_flag_overrides_the_flagfile(tmp_path: pathlib.Path) -> None:
    flagfile = tmp_path / 'experiment.cfg'
    flagfile.write_text('# The command.\n--steps=10\n--head=plain\n--noflip\n')
    done = _flags(f'--flagfile={flagfile}', '--steps=20')
    loaded = config.from_dict(json.loads(done.stdout), source='stdout')
    assert config.differences(Config(), loaded) == {
        'steps': (126_000, 20),
        'head': ('cad', 'plain'),
        'flip': (True, False),
    }


@pytest.mark.slow
def test_a_choice_is_enforced_on_the_command_line() -> None:
    done = _flags('--head=resnet')
    assert done.returncode != 0
    assert done.stderr.count('\n') == 1
    assert 'resnet' in done.stderr
    assert all(head in done.stderr for head in HEADS)


@pytest.mark.slow
def test_only_the_named_sections_get_flags() -> None:
    assert _flags('--crop_size=64', sections="'data'").returncode == 0
    assert 'steps' in _flags('--steps=1', sections="'data'").stderr


def test_each_setting_is_in_one_group() -> None:
    grouped = [name for group in config_flags.flag_groups().values() for name in group]
    assert sorted(grouped) == sorted(field.name for _, field in FIELDS)


@pytest.mark.slow
def test_help_lists_every_flag_of_the_script_once_in_groups() -> None:
    """With --help, not only with --helpfull, which lists other packages' flags too."""
    done = _flags('--help')
    assert done.returncode == 0
    listed = re.findall(r'^ *--(?:\[no\])?(\w+):', done.stdout, re.MULTILINE)
    assert sorted(listed) == sorted({*listed, *(field.name for _, field in FIELDS)})
    titles = re.findall(r'^(\w.*):$', done.stdout, re.MULTILINE)
    assert titles[0] == 'What matters first'
    assert titles[-6:] == list(config_flags.flag_groups())
    first = done.stdout.split('\nData:')[0]
    assert '--data_dir' in first and '--tau_ok' not in first
