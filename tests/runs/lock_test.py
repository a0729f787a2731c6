"""A work directory has one writer; a lock that a killed one left is no obstacle."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from cadnet_jax.runs.lock import locked
from cadnet_jax.runs.workdir import lock_file
from tests.conftest import ROOT

HOLD = """
import pathlib, sys, time
from cadnet_jax.runs.lock import locked
with locked(sys.argv[1]):
    print('locked', flush=True)
    time.sleep(600)
"""


def hold(workdir: pathlib.Path) -> subprocess.Popen[str]:
    """Another process that has the lock."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(workdir)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == 'locked\n'
    return process


def test_a_second_writer_is_told_who_the_first_one_is(tmp_path: pathlib.Path) -> None:
    """And a lock that is held no longer, by a kill, is taken over."""
    with hold(tmp_path) as process:
        try:
            says = (
                f'{tmp_path}: process {process.pid} on .*, since 2.*another --workdir'
            )
            with pytest.raises(ValueError, match=says), locked(tmp_path):
                pytest.fail('two writers')
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert json.loads(lock_file(tmp_path).read_text())['pid'] == process.pid
    with locked(tmp_path):
        assert json.loads(lock_file(tmp_path).read_text())['pid'] == os.getpid()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('content', ['', 'not JSON', '{"pid": 1}', '[3]'])
def test_whatever_the_file_holds_the_lock_decides(
    tmp_path: pathlib.Path, content: str
) -> None:
    path = lock_file(tmp_path)
    path.write_text(content)
    with locked(tmp_path):
        path.write_text(content)
        says = 'another process, is writing there'
        with pytest.raises(ValueError, match=says), locked(tmp_path):
            pytest.fail('two writers')


def test_an_error_of_a_run_frees_its_work_directory(tmp_path: pathlib.Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), locked(tmp_path / 'new'):
            raise KeyboardInterrupt
    assert not list((tmp_path / 'new').iterdir())
