"""What checks cost: two clones of the project do the same work, in turn.

    python -m tests.support.check_costs --before=OLD --after=NEW --data_dir=PREPARED

PREPARED is read by both, of 64 pixels a side at least. Prints seconds of the
preparation of drawn pairs, of a step of training, and of predict.py on the example of
the documentation by the weights that this training left. Then the checks by themselves,
in milliseconds of one core: they are below the spread of the others.
"""

import os
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable

import cv2
import numpy as np
from absl import app, flags
from tensorboardX.proto import event_pb2

from cadnet_jax.datasets import checks, schema
from cadnet_jax.datasets.paired_folder import pair_reading
from cadnet_jax.datasets.paired_folder.options import Options
from cadnet_jax.datasets.paired_folder.source import read_source
from cadnet_jax.files.images import has_fourth_band, write_png
from cadnet_jax.runs.checkpoint_record import not_finite, tree_digest
from cadnet_jax.weights import released
from tests.support.tiny_pairs import tiny_reference

_BEFORE = flags.DEFINE_string('before', None, 'A clone.', required=True)
_AFTER = flags.DEFINE_string('after', None, 'Another.', required=True)
_DATA_DIR = flags.DEFINE_string('data_dir', None, 'Prepared data.', required=True)
_PAIRS = flags.DEFINE_integer('pairs', 1000, 'Pairs that are prepared.', 4)
_TURNS = flags.DEFINE_integer('turns', 3, 'How often each does each.', 1)

_BATCH = 4
_TRAIN = (
    *('--crop_size=64', f'--batch_size={_BATCH}', '--steps=40', '--eval_every=1000'),
    *('--checkpoint_every=20', '--log_every=10', '--warmup_steps=5'),
    '--eval_split=train[:1]',
)


def draw_pairs(folder: pathlib.Path, number: int) -> None:
    """Pairs of 256 x 256 pixels, three of four with a defect."""
    rng = np.random.default_rng(0)
    for name in range(number):
        reference = tiny_reference(name, (256, 256))
        noise = rng.integers(-3, 4, reference.shape)
        image = (reference + noise).clip(0, 255).astype(np.uint8)
        mask = np.zeros((256, 256), np.uint8)
        if name % 4:
            y, x = rng.integers(10, 220, 2)
            image[y : y + 16, x : x + 16] ^= 255
            mask[y : y + 16, x : x + 16] = 255
        for kind, pixels in (('image', image), ('reference', reference)):
            write_png(folder / kind / f'{name}.png', pixels)
        write_png(folder / 'mask' / f'{name}.png', mask)
    (folder / 'classes.csv').write_text('value,name\n0,background\n255,spot\n')


def run(clone: str, script: str, *options: str) -> float:
    """Seconds that a script of a clone takes."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, f'{clone}/experiments/{script}.py', *options],
        cwd=clone,
        env={**os.environ, 'PYTHONPATH': clone},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


def step_seconds(workdir: pathlib.Path) -> float:
    """Of a step of training, behind the first ten: TensorBoard has the speed."""
    (path,) = (workdir / 'tensorboard').iterdir()
    data = path.read_bytes()
    speeds: list[float] = []
    while data:
        (length,) = struct.unpack('<Q', data[:8])
        event = event_pb2.Event.FromString(data[12 : 12 + length])
        data = data[length + 16 :]
        for value in event.summary.value:
            if value.tag == 'training/pairs_per_second':
                speeds.append(value.simple_value)
    return _BATCH * statistics.mean(1 / speed for speed in speeds[1:])


def main(argv: list[str]) -> None:
    del argv
    clones = {'before': _BEFORE.value, 'after': _AFTER.value}
    seconds: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        draw_pairs(folder / 'pairs', _PAIRS.value)
        for turn in range(_TURNS.value):
            for when, clone in clones.items():
                place = folder / f'{when}{turn}'
                found = measure(clone, folder / 'pairs', place)
                for what, value in found.items():
                    seconds.setdefault((what, when), []).append(value)
        print_alone(folder / 'pairs', folder / 'after0' / 'prepared')
    for what in dict.fromkeys(what for what, _ in seconds):
        before, after = (seconds[what, when] for when in clones)
        ratios = [new / old for old, new in zip(before, after, strict=True)]
        print(
            f'{what}: {statistics.median(before):.3f} s before, '
            f'{statistics.median(after):.3f} s after, ratio '
            f'{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})'
        )


def measure(clone: str, pairs: pathlib.Path, place: pathlib.Path) -> dict[str, float]:
    """Seconds of each kind of work, once."""
    example = pathlib.Path(_AFTER.value, 'docs', 'example')
    flags_of_data = (f'--source_dir={pairs}', f'--output_dir={place}/prepared')
    prepare = run(clone, 'prepare_data', '--dataset=paired_folder', *flags_of_data)
    workdir = f'--workdir={place}/run'
    run(clone, 'train', f'--data_dir={_DATA_DIR.value}', workdir, *_TRAIN)
    files = [f'--{name}={example}/{name}.png' for name in ('image', 'reference')]
    files.append(f'--output_dir={place}/predicted')
    predict = run(clone, 'predict', workdir, '--step=latest', *files)
    return {
        'preparation': prepare,
        'step of training': step_seconds(place / 'run'),
        'predict.py': predict,
    }


def print_alone(pairs: pathlib.Path, prepared: pathlib.Path) -> None:
    """Milliseconds of the checks that are new, each by itself."""
    cv2.setNumThreads(1)
    source = read_source(pairs, Options())
    files = source.pairs[:200]
    read = [pair_reading.read_pair(pair, source.class_map) for pair in files]
    examined = [checks.examine(pair) for pair in read]
    variables = released.read().variables
    (data_dir,) = (path.parent for path in prepared.rglob('dataset_info.json'))
    work: dict[str, tuple[Callable[[], object], int]] = {
        'a pair: small picture': (
            lambda: [checks.make_picture(pair.image, pair.mask) for pair in read],
            len(files),
        ),
        'a pair: copies, classes': (
            lambda: checks.summarize(
                examined, class_names=source.class_map.class_names
            ),
            len(files),
        ),
        'a pair: palette': (
            lambda: [pair_reading.palette_colors(pair.masks[0].path) for pair in files],
            len(files),
        ),
        'a pair: bands': (
            lambda: [has_fourth_band(p) for pair in files for p in pair.paths[:2]],
            len(files),
        ),
        'a set: digest of its records': (lambda: schema.digest_records(data_dir), 1),
        'weights: digest': (lambda: tree_digest(variables), 1),
        'weights: finite': (lambda: not_finite(variables), 1),
    }
    for what, (function, count) in work.items():
        times = timeit.repeat(function, number=1, repeat=7)
        print(f'{what}: {1000 * statistics.median(times) / count:.3f} ms')


if __name__ == '__main__':
    app.run(main)
