"""Kills a training run at random times and resumes it: the weights must not differ.

    python -m tests.support.kills --kills=50

Each run is started again until it ends, then compared bit for bit with one that was
left alone; a second writer is refused meanwhile. Prints what was counted.
"""

import argparse
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np

from cadnet_jax.runs.checkpoint import load_variables
from cadnet_jax.runs.workdir import lock_file, log_file
from tests.conftest import ROOT
from tests.support.tiny_data import prepare_tiny

SETTINGS = (
    *('--crop_size=32', '--batch_size=2', '--eval_batch_size=2', '--warmup_steps=2'),
    *('--steps=40', '--eval_every=20', '--checkpoint_every=2', '--log_every=5'),
)
LONGEST = 20.0  # seconds after the start at which a run is killed


def start(data_dir: pathlib.Path, workdir: pathlib.Path) -> subprocess.Popen[str]:
    """train.py in a process."""
    paths = f'--data_dir={data_dir}', f'--workdir={workdir}'
    return subprocess.Popen(
        [sys.executable, 'experiments/train.py', *paths, *SETTINGS],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_second_writer(data_dir: pathlib.Path, workdir: pathlib.Path) -> None:
    """A second run in a work directory that is locked ends with one line."""
    with start(data_dir, workdir) as second:
        _, text = second.communicate()
        assert second.returncode == 1 and 'is writing there' in text, text


def train_with_kills(
    data_dir: pathlib.Path, workdir: pathlib.Path, rng: random.Random, most: int
) -> int:
    """Trains to the end, killed at most `most` times; returns how often."""
    kills = 0
    while True:
        with start(data_dir, workdir) as process:
            try:
                limit = rng.uniform(1, LONGEST) if kills < most else None
                _, text = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
                continue
            assert process.returncode == 0, text
            return kills


def equal(one: pathlib.Path, two: pathlib.Path) -> bool:
    """Whether weights, best and latest, and the log of two runs are the same."""
    for step in ('best', 'latest'):
        values = [load_variables(workdir, step) for workdir in (one, two)]
        if values[0][1] != values[1][1] or not all(
            jax.tree.leaves(jax.tree.map(np.array_equal, values[0][0], values[1][0]))
        ):
            return False
    return log_file(one).read_text() == log_file(two).read_text()


def main() -> None:
    """Counts kills until there are as many as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--kills', type=int, default=50)
    parser.add_argument('--seed', type=int, default=0)
    arguments = parser.parse_args()
    rng, kills, runs, began = random.Random(arguments.seed), 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        data_dir = prepare_tiny(root / 'data', sizes=[(32, 32)])
        train_with_kills(data_dir, root / 'whole', rng, 0)
        with start(data_dir, root / 'locked') as first:
            while not lock_file(root / 'locked').exists():
                time.sleep(0.1)
            check_second_writer(data_dir, root / 'locked')
            first.kill()
        while kills < arguments.kills:
            workdir = root / str(runs)
            kills += train_with_kills(data_dir, workdir, rng, arguments.kills - kills)
            runs += 1
            assert equal(root / 'whole', workdir), workdir
            print(f'{kills} kills, {runs} runs that ended equal', flush=True)
    print(f'seconds: {time.monotonic() - began:.0f}')


if __name__ == '__main__':
    main()
