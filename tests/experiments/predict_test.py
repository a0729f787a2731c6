"""Claims about experiments/predict.py: which flags it passes on, how bad input ends."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from cadnet_jax.files.images import read_image
from tests.conftest import ROOT
from tests.support.tiny_data import write_board
from tests.support.tiny_run import write_run

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, 'experiments/predict.py', *arguments],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_the_script_predicts_with_a_trained_run(tmp_path: pathlib.Path) -> None:
    workdir = write_run(tmp_path / 'run')
    write_board(tmp_path, 'a.png', (64, 64))
    done = run_script(
        f'--workdir={workdir}',
        f'--image={tmp_path / "image/a.png"}',
        f'--reference={tmp_path / "reference/a.png"}',
        f'--output_dir={tmp_path / "out"}',
        '--panels',
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'out' / 'a_panel.png').is_file()
    values = json.loads((tmp_path / 'out' / 'a.json').read_text())
    assert values['model'] == {'workdir': str(workdir), 'step': 0}
    mask = read_image(tmp_path / 'out' / 'a_mask.png')
    assert mask.shape == (64, 64, 3)
    found = f'1 pairs, {int(mask.any())} with defects'
    assert done.stdout.splitlines()[-1] == f'Written: {tmp_path / "out"} ({found})'


def test_the_script_passes_the_size_of_tiles_on(tmp_path: pathlib.Path) -> None:
    workdir = write_run(tmp_path / 'run')
    write_board(tmp_path, 'a.png', (64, 64))
    panels = []
    for size in ('32', '64', '10'):
        done = run_script(
            f'--workdir={workdir}',
            f'--image={tmp_path / "image/a.png"}',
            f'--reference={tmp_path / "reference/a.png"}',
            f'--output_dir={tmp_path / size}',
            f'--tile_size={size}',
            '--panels',
        )
        if size != '10':
            panels.append(read_image(tmp_path / size / 'a_panel.png'))
    assert (panels[0] != panels[1]).any()
    assert done.returncode == 1
    assert done.stderr.startswith('error: flag --tile_size=10: 10 is not integer >= 32')
    assert not (tmp_path / '10').exists()


def test_the_script_passes_threshold_and_smallest_area_on(
    tmp_path: pathlib.Path,
) -> None:
    """With a threshold of 0 every pixel is a defect; none is as large as a million."""
    workdir = write_run(tmp_path / 'run')
    write_board(tmp_path, 'a.png', (64, 64))
    flags = ['--threshold=0'], ['--threshold=0', '--min_area=1000000']
    marked = []
    for number, rule in enumerate(flags):
        done = run_script(
            f'--workdir={workdir}',
            f'--image={tmp_path / "image/a.png"}',
            f'--reference={tmp_path / "reference/a.png"}',
            f'--output_dir={tmp_path / str(number)}',
            *rule,
        )
        assert done.returncode == 0, done.stderr
        marked.append(read_image(tmp_path / str(number) / 'a_mask.png') > 0)
    assert marked[0].all() and not marked[1].any()


@pytest.mark.parametrize(
    ('flag', 'message'),
    [
        ('--threshold=-0.1', 'flag --threshold=-0.1: -0.1 is not '),
        ('--threshold=1', 'threshold is 1.0; it must be in [0, 1)'),
        ('--min_area=0', 'flag --min_area=0: 0 is not '),
    ],
)
def test_a_rule_out_of_its_range_is_refused(
    flag: str, message: str, tmp_path: pathlib.Path
) -> None:
    write_board(tmp_path, 'a.png')
    done = run_script(
        f'--workdir={write_run(tmp_path / "run")}',
        f'--image={tmp_path / "image/a.png"}',
        f'--reference={tmp_path / "reference/a.png"}',
        f'--output_dir={tmp_path / "out"}',
        flag,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f'error: {message}')


@pytest.mark.parametrize('run', [True, False])
def test_the_script_ends_bad_input_with_one_line(
    tmp_path: pathlib.Path, run: bool
) -> None:
    """No run, which is quick to see, comes before images that cannot be read."""
    write_board(tmp_path, 'a.png')
    path = tmp_path / 'reference/a.png'
    path.write_bytes(path.read_bytes()[:-30])
    workdir = tmp_path / 'run'
    if run:
        write_run(workdir)
    done = run_script(
        f'--workdir={workdir}',
        f'--image={tmp_path / "image"}',
        f'--reference={tmp_path / "reference"}',
        f'--output_dir={tmp_path / "out"}',
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    if run:
        assert last.startswith(f'error: {path}: a truncated PNG')
    else:
        assert last.startswith(f'error: {workdir}/config.json: no such file')
    assert not (tmp_path / 'out').exists()
