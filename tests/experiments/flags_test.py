"""A script has the flags that have an effect, and no others."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

# Runs measure_registration.py, which says what it would measure at.
THRESHOLD = """
import runpy, sys
from cadnet_jax.benchmarks import registration_curve
registration_curve.measure_curve = lambda *_, threshold, **__: print(threshold) or []
sys.path.insert(0, 'experiments')
runpy.run_path('experiments/measure_registration.py', run_name='__main__')
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ('script', 'flag'),
    [
        ('fit_boxes', '--threshold=0.5'),
        ('fit_threshold', '--threshold=0.5'),
        ('measure_inspection', '--min_area=2'),
        ('measure_line', '--threshold=0.5'),
        ('measure_registration', '--min_area=2'),
        ('measure_tiles', '--tile_size=64'),
    ],
)
def test_a_flag_without_effect_is_unknown(script: str, flag: str) -> None:
    done = run(f'experiments/{script}.py', flag, '--data_dir=x', '--workdir=missing')
    assert done.returncode
    assert f"'{flag[2:].partition('=')[0]}'" in done.stderr
    assert 'Unknown command line flag' in done.stderr


def test_tiles_are_measured_of_a_network_without_that_flag() -> None:
    done = run('experiments/measure_tiles.py', '--workdir=missing')
    assert 'missing' in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(('given', 'used'), [(['--threshold=0'], '0.0'), ([], '0.5')])
def test_registration_is_measured_at_the_threshold(given: list[str], used: str) -> None:
    done = run('-c', THRESHOLD, '--data_dir=x', *given)
    assert done.stdout.startswith(f'{used}\n'), done.stderr
