"""The commands of the README, as they stand there, on small data of their own.

Of the training only the number and the size of its steps are changed.
"""

import os
import pathlib
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from cadnet_jax.files.images import read_image, write_png
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

README = (ROOT / 'README.md').read_text()
GOOD, SIDE = 63, 96  # parts, pixels
SHORTER = {
    'experiments/train.py': '--steps=2 --eval_every=2 --warmup_steps=1 --batch_size=2'
    ' --crop_size=64',
}


def commands(heading: str) -> list[str]:
    """The shell commands under a heading, one string each."""
    section = README.split(f'\n## {heading}\n')[1].split('\n## ')[0]
    blocks = re.findall(r'(?:^    .*\n)+', section, re.MULTILINE)
    lines = ''.join(blocks).replace('\\\n', ' ').splitlines()
    return [line.strip() for line in lines if line.lstrip().startswith('python ')]


def run(folder: pathlib.Path, heading: str) -> None:
    for command in commands(heading):
        script = command.split()[1]
        command = f'{command} {SHORTER.get(script, "")}'
        done = subprocess.run(
            command.replace('python', sys.executable, 1),
            shell=True,
            cwd=folder,
            env=os.environ | {'PYTHONPATH': str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f'{command}\n{done.stdout}\n{done.stderr}'


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder like the checkout, with small pictures of parts and pairs."""
    folder = tmp_path_factory.mktemp('user')
    for name in ('experiments', 'docs'):
        (folder / name).symlink_to(ROOT / name)
    example = read_image(ROOT / 'docs' / 'example' / 'reference.png')
    reference = example[100 : 100 + SIDE, 200 : 200 + SIDE]
    write_png(folder / 'reference.png', reference)
    for number in range(GOOD):
        write_png(folder / 'good' / f'{number:02}.png', photograph(reference, number))
    write_png(folder / 'parts' / 'good.png', photograph(reference, 100))
    write_png(folder / 'parts' / 'bad.png', scratched(photograph(reference, 101)))
    for number in range(10):
        pairs = folder / 'my_pairs'
        name = f'board_{number}/x.png'
        image = scratched(photograph(reference, 200 + number))
        mask = scratched(np.zeros((SIDE, SIDE), np.uint8))
        for kind, picture in (
            ('image', image),
            ('reference', reference),
            ('mask', mask),
        ):
            write_png(pairs / kind / name, picture)
    return folder


def photograph(reference: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 2, reference.shape)
    return np.asarray((reference + noise).clip(0, 255), np.uint8)


def scratched(picture: np.ndarray) -> np.ndarray:
    """With a white bar on a black track."""
    return np.asarray(cv2.rectangle(picture.copy(), (62, 22), (92, 34), [255] * 3, -1))


def test_the_example_is_marked(folder: pathlib.Path) -> None:
    run(folder, 'Mark defects')
    assert list((folder / 'predictions').rglob('*.json'))


def test_parts_get_verdicts_without_a_label(folder: pathlib.Path) -> None:
    run(folder, 'Inspect parts')
    lines = (folder / 'results' / 'results.csv').read_text().splitlines()
    verdicts = dict(line.split(',')[:2] for line in lines[1:])
    assert verdicts == {'good': 'OK', 'bad': 'NG'}


def test_labels_of_ones_own_are_learned_and_evaluated(folder: pathlib.Path) -> None:
    run(folder, 'Train on your own labels')
    assert list((folder / 'workdirs' / 'my_pairs' / 'evaluation').rglob('*.html'))


def test_the_python_lines_find_the_six_defects_of_the_example() -> None:
    """Image and reference are read before, as the text leaves it to the reader."""
    code = re.findall(r'(?:^    (?:from|pred).*\n)+', README, re.MULTILINE)
    (block,) = (text for text in code if 'load_predictor' in text)
    example = ROOT / 'docs' / 'example'
    given = {
        name: read_image(example / f'{name}.png') for name in ('image', 'reference')
    }
    exec(re.sub('^    ', '', block, flags=re.MULTILINE), given)
    found = given['prediction'].defects  # type: ignore[attr-defined]
    assert sum(defect.area >= 12 for defect in found) == 6
