"""Memory and time of preparing a folder of generated pairs, at two numbers of pairs.

    python experiments/benchmark_preparation.py --num_pairs=300

prepares 300 pairs and then 600, checks among them, and prints the peak of all
processes together (shared pages once), and what 10,000 pairs would take at that slope.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np
from absl import flags

from cadnet_jax import cli
from cadnet_jax.image_files import write_png

_NUM_PAIRS = flags.DEFINE_integer('num_pairs', 300, 'The smaller number of pairs.')
_SIZE = flags.DEFINE_integer('size', 512, 'Side of the images in pixels.')


def _write_pairs(folder: pathlib.Path, count: int, size: int) -> None:
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (size // 16, size // 16, 3), np.uint8)
    scene = cv2.resize(scene, (size, size), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((size, size), np.uint8)
    mask[40:60, 40:60] = 255
    for number in range(count):
        noise = rng.integers(-6, 7, (2, size, size, 3))
        image, reference = (scene + noise).clip(0, 255).astype(np.uint8)
        image[mask != 0] ^= 255
        pictures = {'image': image, 'reference': reference, 'mask': mask}
        for name, pixels in pictures.items():
            write_png(folder / name / f'{number}.png', pixels)
    (folder / 'classes.csv').write_text('value,name\n0,background\n255,defect\n')


def _memory(pid: int) -> int:
    """KiB of a process and all below it."""
    try:
        children = pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
        own = pathlib.Path(f'/proc/{pid}/smaps_rollup').read_text()
    except OSError:  # it has ended
        return 0
    pss = next(line.split()[1] for line in own.splitlines() if line.startswith('Pss:'))
    return int(pss) + sum(_memory(int(child)) for child in children)


def _peak(command: list[str]) -> float:
    """MiB that a command takes at most."""
    peak = 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(0.05)
    return peak / 1024


def main(argv: list[str]) -> None:
    del argv
    script, count = (
        pathlib.Path(__file__).with_name('prepare_data.py'),
        _NUM_PAIRS.value,
    )
    command, peaks = [sys.executable, str(script), '--dataset=paired_folder'], []
    for number in (count, 2 * count):
        with tempfile.TemporaryDirectory() as name:
            _write_pairs(pathlib.Path(name), number, _SIZE.value)
            start, flag = time.monotonic(), f'--output_dir={name}/prepared'
            peaks.append(_peak([*command, f'--source_dir={name}', flag]))
            seconds = time.monotonic() - start
        print(f'{number} pairs: {seconds:.0f} s, at most {peaks[-1]:.0f} MiB')
    slope = (peaks[1] - peaks[0]) / count
    print(f'10,000 pairs at this slope: {peaks[1] + (1e4 - number) * slope:.0f} MiB')


if __name__ == '__main__':
    cli.run(main)
