"""The scripts that run the paper's experiments: which runs, with what, until when."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

# The script as it is; what it would prepare, train and evaluate is printed instead.
RUN = """
import runpy, sys
from cadnet_jax.reports import studies
from cadnet_jax.datasets import preparation

def prepare(make_builder, output_dir):
    print('prepare', make_builder.keywords, output_dir)
    return output_dir / make_builder.keywords['config']

def complete(run, root, data_dirs, **options):
    print('complete', root / run.name, run.config.train.steps, options)
    return run.name != 'abpt_cad_seed0'

preparation.prepare, studies.complete = prepare, complete
sys.path.insert(0, 'experiments')
runpy.run_path(f'experiments/{sys.argv.pop(1)}', run_name='__main__')
"""


def run_script(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, '-c', RUN, *arguments],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_is_named_is_prepared_and_run(tmp_path: pathlib.Path) -> None:
    lines = run_script(
        *('reproduce.py', f'--root={tmp_path}', '--study=comparison', '--steps=7'),
        '--warmup_steps=1',
        *('--seeds=2', '--count=3', '--size=256', '--prepared_dir=p'),
        *('--test_split=test[:25%]', '--num_pictures=2'),
    )
    options = {'split': 'test[:25%]', 'num_pictures': 2}
    names = [f'mixed_{h}_seed{seed}' for seed in (0, 1) for h in ('cad', 'segformer')]
    expected = ["prepare {'config': 'mixed', 'count': 3, 'size': 256} p"]
    for number, name in enumerate(names, start=1):
        expected += [
            f'{number} of 4: {name}',
            f'complete {tmp_path / name} 7 {options}',
        ]
    report = f'python experiments/report.py {tmp_path}/* --output_dir=report'
    assert lines == [*expected, f'All runs are done. Their tables: {report}']


def test_a_study_can_be_of_one_head(tmp_path: pathlib.Path) -> None:
    lines = run_script(
        *('reproduce.py', f'--root={tmp_path}', '--study=networks', '--batch_size=2'),
        *('--only_head=fcn', '--only_head=danet'),
    )
    started = [line.split(': ')[1] for line in lines if ' of 2: ' in line]
    assert started == ['mixed_fcn_seed0', 'mixed_danet_seed0']


@pytest.mark.parametrize(
    ('script', 'total'), [('reproduce.py', 14), ('cross_test.py', 6)]
)
def test_all_studies_or_one_and_none_after_a_stop(
    script: str, total: int, tmp_path: pathlib.Path
) -> None:
    lines = run_script(script, f'--root={tmp_path}')
    prepared = [line.split("'")[3] for line in lines if line.startswith('prepare')]
    assert prepared == (['abpt', 'line', 'mixed'] if total == 14 else ['abpt', 'line'])
    started = [line.split(': ') for line in lines if ' of ' in line]
    assert started[-1][1] == 'abpt_cad_seed0'
    assert started[0][0] == f'1 of {total}'
    assert len(started) < total
