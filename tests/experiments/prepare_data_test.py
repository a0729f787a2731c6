"""Claims about experiments/prepare_data.py, run as a user runs it."""

import json
import pathlib
import signal
import subprocess
import sys

import pytest

from cadnet_jax.data.prepared_set import read_info
from tests.conftest import ROOT
from tests.support.tiny_deep_pcb import write_tiny_deep_pcb

pytestmark = pytest.mark.slow

SCRIPT = ROOT / 'experiments/prepare_data.py'


def command(*flags: str) -> list[str]:
    return [sys.executable, str(SCRIPT), *flags]


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*flags), capture_output=True, text=True)


def test_a_set_is_prepared_once_and_summarized(tmp_path: pathlib.Path) -> None:
    source = write_tiny_deep_pcb(tmp_path)
    flags = (
        '--dataset=deep_pcb',
        f'--source_dir={source}',
        f'--output_dir={tmp_path}/data',
    )
    first = run(*flags)
    assert first.returncode == 0, first.stderr
    data_dir = tmp_path / 'data/deep_pcb/1.1.0'
    assert f'Prepared: {data_dir}' in first.stdout
    table = {line[:24].strip(): line[24:].split() for line in first.stdout.splitlines()}
    assert table[''] == ['train', 'val', 'test']
    assert table['pairs'] == ['10', '2', '3']
    # 15 pairs with a square of 25 pixels of class copper each, and pairs 4 and 10
    # (the latter in val) with a second one.
    assert table['pixels of copper'] == ['275', '75', '75']
    assert '100%' in first.stderr, 'no progress bar'

    summary = json.loads((data_dir / 'summary.json').read_text())
    info = read_info(data_dir)
    assert summary == json.loads(json.dumps(info._asdict()))

    again = run(*flags)
    assert again.returncode == 0, again.stderr
    assert f'Already prepared: {data_dir}' in again.stdout
    assert 'pairs/s' not in again.stderr


def test_a_bad_file_ends_in_one_line_and_nothing_is_written(
    tmp_path: pathlib.Path,
) -> None:
    source = write_tiny_deep_pcb(tmp_path, trainval=4, test=1)
    bad = source / 'group00041/00041/00041002_test.jpg'
    bad.write_bytes(bad.read_bytes()[:300])
    done = run(
        '--dataset=deep_pcb',
        f'--source_dir={source}',
        f'--output_dir={tmp_path}/data',
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith('error: bad files (1):') and str(bad) in last
    assert 'Get these files again' in last and 'Traceback' not in done.stderr
    assert not list((tmp_path / 'data').rglob('*1.1.0*'))


@pytest.mark.parametrize(
    ('flag', 'message'),
    [
        ('--dataset=imagenet', 'imagenet'),
        ('--source_dir=absent', 'absent: no such directory'),
        ('--source_dir=', '--source_dir is empty; name the directory'),
    ],
)
def test_a_wrong_flag_ends_in_one_line_that_names_it(
    flag: str, message: str, tmp_path: pathlib.Path
) -> None:
    done = run('--dataset=deep_pcb', '--source_dir=.', f'--output_dir={tmp_path}', flag)
    assert done.returncode != 0
    assert message in done.stderr and 'Traceback' not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_control_c_leaves_nothing_half_written(tmp_path: pathlib.Path) -> None:
    source = write_tiny_deep_pcb(tmp_path / 'source', trainval=400, test=1)
    process = subprocess.Popen(
        command(
            '--dataset=deep_pcb',
            f'--source_dir={source}',
            f'--output_dir={tmp_path}/data',
        ),
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    seen = b''
    while b'writing train' not in seen:
        byte = process.stderr.read(1)
        assert byte, seen.decode()
        seen += byte
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest.decode()
    assert not list((tmp_path / 'data').rglob('*1.1.0*'))
