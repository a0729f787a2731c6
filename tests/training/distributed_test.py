"""Two processes that train together, stopped and resumed, equal two that were not."""

import json
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from cadnet_jax.runs.checkpoint import kept_steps, load_variables
from tests.conftest import ROOT
from tests.support.tiny_data import prepare_tiny

pytestmark = pytest.mark.slow

# Process 1 alone is asked to stop, at the time its second batch is drawn.
PROCESS = """
import os, signal, sys
import jax
coordinator, index, stopping, workdir, data_dir = sys.argv[1:]
jax.distributed.initialize(coordinator, 2, int(index))
from cadnet_jax.training import loop
from cadnet_jax.config import Config, DataConfig, OptimConfig, TrainConfig

shard, calls = loop.shard, []

def counting(batch):
    calls.append(batch)
    if stopping == 'True' and index == '1' and len(calls) == 2:
        os.kill(os.getpid(), signal.SIGTERM)
    return shard(batch)

loop.shard = counting
loop.train(
    Config(
        data=DataConfig(
            data_dir=data_dir, batch_size=4, eval_batch_size=2, crop_size=32
        ),
        optim=OptimConfig(warmup_steps=2),
        train=TrainConfig(steps=6, log_every=2, eval_every=3, checkpoint_every=1),
    ),
    workdir,
)
print(len(calls))
"""


def train_on_two(
    workdir: pathlib.Path, data_dir: pathlib.Path, *, stopping: bool = False
) -> list[int]:
    """Runs or goes on with a run; the number of steps that each process made."""
    with socket.socket() as free:
        free.bind(('localhost', 0))
        coordinator = f'localhost:{free.getsockname()[1]}'
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                '-c',
                PROCESS,
                coordinator,
                str(index),
                str(stopping),
                str(workdir),
                str(data_dir),
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
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors
    return [int(output.split()[-1]) for output, _ in outputs]


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return prepare_tiny(tmp_path_factory.mktemp('data'), sizes=[(32, 32)])


def test_two_processes_stop_together_and_go_on_bit_for_bit(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """One of them is asked to stop at step 2; they agree on it when they next log."""
    whole, pieces = tmp_path / 'whole', tmp_path / 'pieces'
    assert train_on_two(whole, data_dir) == [6, 6]
    made = train_on_two(pieces, data_dir, stopping=True)
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
