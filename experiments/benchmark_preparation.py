"""Memory and time of preparing a folder of 512x512 pairs, at two numbers of pairs.

    python experiments/benchmark_preparation.py --num_pairs=300

It generates, checks and prepares 300 pairs and then 1,500. It prints the peak memory of
all its processes together (shared pages count once), and extrapolates to 10,000 pairs.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import environment  # noqa: F401
import cv2
import numpy as np
from absl import flags

from cadnet_jax import cli
from cadnet_jax.files.images import write_png

_NUM_PAIRS = flags.DEFINE_integer('num_pairs', 300, 'The smaller number of pairs.', 3)
_SCRIPT = str(pathlib.Path(__file__).with_name('prepare_data.py'))
_FLAGS = '--dataset=paired_folder', '--without_mask=defect_free'


def _write_pairs(folder: pathlib.Path, count: int) -> None:
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 256, (32, 32, 3), np.uint8), (512, 512))
    for number in range(count):
        noise = rng.integers(-6, 7, (2, *scene.shape))
        image, reference = (scene + noise).clip(0, 255).astype(np.uint8)
        write_png(folder / f'image/{number}.png', image)
        write_png(folder / f'reference/{number}.png', reference)
    (folder / 'classes.csv').write_text('value,name\n0,background\n255,defect\n')


def _memory(pid: int) -> float:
    """MiB of a process and all below it."""
    try:
        children = pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
        own = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
    except OSError:  # it has ended
        return 0
    kilobytes = int(own.partition('\nPss:')[2].split()[0])
    return kilobytes / 1024 + sum(_memory(int(child)) for child in children)


def main(argv: list[str]) -> None:
    del argv
    peaks, count = [0.0, 0.0], _NUM_PAIRS.value
    for i, number in enumerate((count, 5 * count)):
        with tempfile.TemporaryDirectory() as folder:
            _write_pairs(pathlib.Path(folder), number)
            start = time.monotonic()
            paths = f'--source_dir={folder}', f'--output_dir={folder}/prepared'
            with subprocess.Popen([sys.executable, _SCRIPT, *_FLAGS, *paths]) as run:
                while run.poll() is None:
                    peaks[i] = max(peaks[i], _memory(run.pid))
                    time.sleep(0.05)
            seconds = time.monotonic() - start
        if run.returncode:
            raise ChildProcessError(f'{_SCRIPT} failed, see above.')
        print(f'{number} pairs: {seconds:.0f} s, at most {peaks[i]:.0f} MiB')
    slope = max(0, peaks[1] - peaks[0]) / (4 * count)
    print(f'10,000 pairs at this slope: {peaks[1] + slope * (10_000 - number):.0f} MiB')


if __name__ == '__main__':
    cli.run(main)
