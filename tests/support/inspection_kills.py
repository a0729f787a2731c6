"""Kills an inspection twice and resumes it: no file may differ from undisturbed ones.

python -m tests.support.inspection_kills --parts=2000
"""

import argparse
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import cv2

from cadnet_jax.benchmarks.inspection_speed import draw_part
from cadnet_jax.files.images import write_png
from tests.conftest import ROOT

_EVERY = 5  # one part in so many has a defect
_LIMITS = ('any.threshold=0.8', 'any.min_area=10')


def write_line(folder: pathlib.Path, count: int) -> None:
    """Draws `count` parts and a reference, and makes the recipe."""
    write_png(folder / 'reference.png', draw_part(0, moved=False))
    for seed in range(count):
        image = draw_part(seed)
        if seed % _EVERY == 0:
            cv2.circle(image, (100 + seed % 300, 256), 7, (250, 30, 30), -1)
        write_png(folder / 'parts' / f'{seed:05}.png', image)
    subprocess.run(
        [
            *(sys.executable, 'experiments/make_recipe.py'),
            *(f'--recipe={folder}/recipe', f'--reference={folder}/reference.png'),
            *(f'--set=rules.{limit}' for limit in _LIMITS),
            '--set=registration.method=shift',
        ],
        cwd=ROOT,
        check=True,
    )


def inspect(folder: pathlib.Path, name: str) -> subprocess.Popen[bytes]:
    """Starts, or resumes, the inspection whose results are in `folder/name`."""
    return subprocess.Popen(
        [
            *(sys.executable, 'experiments/inspect_parts.py', '--keep_scores'),
            *(f'--recipe={folder}/recipe', f'--image={folder}/parts'),
            f'--output_dir={folder}/{name}',
        ],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )


def inspect_with_kills(folder: pathlib.Path, count: int) -> None:
    """Kills it after a third and after two thirds of the parts."""
    lines = folder / 'killed' / 'results.jsonl'
    for done in (count // 3, 2 * count // 3):
        process = inspect(folder, 'killed')
        while process.poll() is None and _num_lines(lines) < done:
            time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f'killed after {_num_lines(lines)} parts', flush=True)
    if inspect(folder, 'killed').wait():
        sys.exit('it did not resume')


def inspect_whole(folder: pathlib.Path) -> list[int]:
    """Undisturbed; memory of the process every two seconds, in MiB (Linux)."""
    process, memory = inspect(folder, 'whole'), []
    while process.poll() is None:
        pages = pathlib.Path(f'/proc/{process.pid}/statm').read_text().split()[1]
        memory.append(int(pages) * os.sysconf('SC_PAGE_SIZE') // 2**20)
        time.sleep(2)
    return memory


def digests(folder: pathlib.Path) -> dict[str, str]:
    """SHA-256 of each file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob('*')
        if path.is_file()
    }


def _num_lines(path: pathlib.Path) -> int:
    return path.read_bytes().count(b'\n') if path.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument('--parts', type=int, default=120)
    count = parser.parse_args().parts
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_line(folder, count)
        inspect_with_kills(folder, count)
        memory = inspect_whole(folder)
        killed, whole = digests(folder / 'killed'), digests(folder / 'whole')
        differing = [x for x in {*killed, *whole} if killed.get(x) != whole.get(x)]
        print(f'{len(whole)} files, different: {sorted(differing)}')
        quarter = len(memory) // 4  # all programs are compiled by then
        print(f'memory, MiB: {memory[quarter]}, at the end {memory[-2]}')


if __name__ == '__main__':
    main()
