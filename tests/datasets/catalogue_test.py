"""Claims about the table of data sets, and about the experiments that name them."""

import json
import pathlib
import shlex
import subprocess
import sys
from typing import Any

import pytest

from cadnet_jax import config
from cadnet_jax.datasets import catalogue
from tests.conftest import ROOT
from tests.support.tiny_mvtec_ad import write_tiny_mvtec_ad
from tests.support.tiny_pku_market_pcb import write_tiny_pku_market_pcb

EXPERIMENTS = ROOT / 'experiments'
FLAGFILES = sorted((EXPERIMENTS / 'flagfiles').glob('*.cfg'))
VALUES: dict[str, Any] = {
    'count': 12,
    'size': 96,
    'seed': 5,
    'workers': 2,
    'leave_out': 'prints',
    'photo_dir': str(ROOT / 'docs' / 'example'),
    'reference': 'first',
}
WITH_OPTIONS = [name for name in catalogue.NAMES if name != 'paired_folder']
FLAGS_SCRIPT = """
import dataclasses, json
from cadnet_jax import cli, config_flags
from tests.conftest import ROOT
config_flags.define_flags()
cli.run(lambda argv: print(json.dumps(dataclasses.asdict(config_flags.from_flags()))))
"""


@pytest.mark.parametrize('name', WITH_OPTIONS)
def test_a_builder_is_called_as_its_data_set(name: str, tmp_path: pathlib.Path) -> None:
    """All options that are for it reach it."""
    dataset = name.partition('/')[0]
    options = {
        option: VALUES[option]
        for option, of in catalogue.OPTIONS.items()
        if dataset in of.datasets
    }
    builder = catalogue.builder(name, options)(data_dir=tmp_path)
    assert pathlib.Path(builder.data_path) == tmp_path / name / version(name)
    stored = getattr(builder, 'options', {})
    options.pop('workers', None)  # the data do not depend on it
    if options.pop('photo_dir', None):  # their content is stored, not where they lie
        assert stored.pop('photographs')
    assert stored == options


@pytest.mark.parametrize('option', catalogue.OPTIONS)
def test_an_option_for_other_data_sets_is_refused(option: str) -> None:
    for name in catalogue.NAMES:
        allowed = catalogue.OPTIONS[option].datasets
        if name.partition('/')[0] in allowed:
            continue
        with pytest.raises(
            ValueError, match=f'^--{option} is for .*{allowed[-1]}, not for .* it out'
        ):
            catalogue.builder(name, {option: VALUES[option]})


def version(name: str) -> str:
    """Of a data set of the table, as its folder has it."""
    later = {'deep_pcb': '1.1.0', 'paired_folder': '2.0.0', 'synthetic_pairs': '1.2.0'}
    return later.get(name, '3.0.0' if name.startswith('synlcd/') else '1.0.0')


def prepare_data(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXPERIMENTS / 'prepare_data.py'), *flags],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_public_sets_are_prepared_by_command(tmp_path: pathlib.Path) -> None:
    write_tiny_pku_market_pcb(tmp_path)
    write_tiny_mvtec_ad(tmp_path)
    for flags, stored in (
        (
            ('--dataset=pku_market_pcb/by_board', '--size=64', '--seed=2'),
            {'size': 64, 'seed': 2},
        ),
        (
            ('--dataset=mvtec_ad/binary', '--reference=first'),
            {'seed': 0, 'reference': 'first'},
        ),
    ):
        output = f'--output_dir={tmp_path}/prepared'
        done = prepare_data(*flags, f'--source_dir={tmp_path}', output)
        assert done.returncode == 0, done.stderr
        prepared = tmp_path / 'prepared' / flags[0].partition('=')[2] / '1.0.0'
        assert f'Prepared: {prepared}' in done.stdout and '100%' in done.stderr
        metadata = json.loads((prepared / 'metadata.json').read_text())
        assert metadata['options'] == stored
    wrong = prepare_data('--dataset=mvtec_ad/binary', '--source_dir=.', '--size=9')
    assert wrong.returncode == 1 and len(wrong.stderr.splitlines()) == 1
    assert (
        '--size is for synlcd, pku_market_pcb, synthetic_pairs, not for mvtec_ad'
        in wrong.stderr
    )


@pytest.mark.slow
@pytest.mark.parametrize('path', FLAGFILES, ids=lambda path: path.stem)
def test_a_flagfile_begins_with_its_command_and_sets_what_exists(
    path: pathlib.Path,
) -> None:
    first = shlex.split(path.read_text().splitlines()[0])
    assert first[:3] == ['#', 'python', 'experiments/train.py']
    assert f'--flagfile=experiments/flagfiles/{path.name}' in first
    done = subprocess.run(
        [sys.executable, '-c', FLAGS_SCRIPT, f'--flagfile={path}'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    settings = config.from_dict(json.loads(done.stdout), source=str(path))
    data_dir = settings.data.data_dir
    assert any(
        data_dir.endswith(f'/{name}/{version(name)}') for name in catalogue.NAMES
    )


@pytest.mark.slow
def test_help_lists_the_flags_of_the_builders() -> None:
    listed = prepare_data('--help').stdout
    assert '--dataset' in listed and '--count' in listed and '--group_by' in listed
    headings = [line for line in listed.splitlines() if line.endswith(':')]
    assert headings == ['Flags:']


@pytest.mark.slow
def test_a_flag_that_is_missing_is_named() -> None:
    missing = prepare_data('--count=3').stderr
    assert missing == 'error: --dataset is missing. (--help lists the flags.)\n'
