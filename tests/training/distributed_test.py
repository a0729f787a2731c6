"""Two processes that train together, stopped and resumed, equal two that were not."""

import json
import pathlib
import signal
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from cadnet_jax.runs.checkpoint import kept_steps, load_variables
from tests.conftest import ROOT
from tests.support.tiny_data import prepare_tiny

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

# Process 1 alone gets a signal, at the time its second batch is drawn.
PROCESS = """
import os, signal, sys
import jax
coordinator, index, signal_name, seed, workdir, data_dir = sys.argv[1:]
heartbeat = 10 if signal_name == 'SIGKILL' else 100  # seconds; train.py has 30
jax.distributed.initialize(
    coordinator, 2, int(index), heartbeat_timeout_seconds=heartbeat
)
from cadnet_jax import cli
from cadnet_jax.training import loop
from cadnet_jax.config import Config
from cadnet_jax.data_config import DataConfig
from cadnet_jax.training_config import OptimConfig, TrainConfig
from cadnet_jax.models.mix_transformer import VARIANTS
from tests.support.tiny_networks import TINY

VARIANTS['b0'] = TINY
shard, calls = loop.shard, []

def counting(batch):
    calls.append(batch)
    if signal_name != 'none' and index == '1' and len(calls) == 2:
        os.kill(os.getpid(), signal.Signals[signal_name])
    return shard(batch)

loop.shard = counting

def main(argv):
    loop.train(
        Config(
            data=DataConfig(
                data_dir=data_dir, batch_size=4, eval_batch_size=2, crop_size=32
            ),
            optim=OptimConfig(warmup_steps=2),
            train=TrainConfig(
                steps=6,
                log_every=2,
                eval_every=3,
                checkpoint_every=1,
                seed=int(seed) * int(index),
            ),
        ),
        workdir,
    )
    print(len(calls))

cli.run(main, arguments='COORDINATOR...')
"""


def start_two(
    workdir: pathlib.Path,
    data_dir: pathlib.Path,
    *,
    signal_name: str = 'none',
    seed: int = 0,
) -> list[tuple[int, str, str]]:
    """Exit status, stdout and stderr of two processes, the second one with `seed`."""
    with socket.socket() as free:
        free.bind(('localhost', 0))
        coordinator = f'localhost:{free.getsockname()[1]}'
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, '-c', PROCESS, coordinator),
                *map(str, (index, signal_name, seed, workdir, data_dir)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=900) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [
        (process.returncode, *texts)
        for process, texts in zip(processes, outputs, strict=True)
    ]


def train_on_two(
    workdir: pathlib.Path, data_dir: pathlib.Path, *, signal_name: str = 'none'
) -> list[int]:
    """Runs or goes on with a run; the number of steps that each process made.

    The first of them alone says how it ends.
    """
    done = start_two(workdir, data_dir, signal_name=signal_name)
    for status, _, errors in done:
        assert status == 0, errors
    (_, first, _), (_, second, _) = done
    says = ': all of the 6 steps are done' if signal_name == 'none' else 'Stopped at'
    assert says in first and says not in second
    return [int(output.split()[-1]) for output in (first, second)]


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return prepare_tiny(tmp_path_factory.mktemp('data'), sizes=[(32, 32)])


def test_two_processes_stop_together_and_go_on_bit_for_bit(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """One of them is asked to stop at step 2; they agree on it when they next log."""
    whole, pieces = tmp_path / 'whole', tmp_path / 'pieces'
    assert train_on_two(whole, data_dir) == [6, 6]
    made = train_on_two(pieces, data_dir, signal_name='SIGTERM')
    assert made[0] == made[1] and made[0] in (2, 4)
    assert max(kept_steps(pieces)['latest']) == made[0]
    rest = train_on_two(pieces, data_dir)
    assert rest == [6 - made[0]] * 2

    lines = (whole / 'metrics.jsonl').read_text()
    assert (pieces / 'metrics.jsonl').read_text() == lines
    steps = [json.loads(line)['step'] for line in lines.splitlines()]
    assert steps == [2, 3, 4, 6, 6]
    assert kept_steps(pieces) == kept_steps(whole)
    jax.tree.map(
        np.testing.assert_array_equal,
        load_variables(pieces, 'latest')[0],
        load_variables(whole, 'latest')[0],
    )
    (_, first, _), (_, second, _) = start_two(whole, data_dir)
    assert 'all of the 6 steps are done' in first and 'steps are done' not in second


def test_processes_with_other_settings_do_not_train_together(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Both end, and nothing is written; the one that differs names the setting."""
    first, second = start_two(tmp_path / 'run', data_dir, seed=3)
    says = 'error: process {}: not the settings and data of process 0: {}'
    assert says.format(1, 'seed is 3, not 0') in second[2] and second[0] != 0
    assert says.format(0, 'another process differs') in first[2] and first[0] != 0
    assert not (tmp_path / 'run').exists()


def test_a_process_that_dies_ends_the_other(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """kill -9: the other says so, at once or when the heartbeat is missed.

    That depends on whether it notices in an exchange of arrays, or waits at a barrier.
    """
    (status, _, errors), (killed, _, _) = start_two(
        tmp_path, data_dir, signal_name='SIGKILL'
    )
    assert killed == -signal.SIGKILL
    assert status != 0
    assert 'another process of this run ended' in errors or (
        'another task died' in errors
    )
