"""Claims about SynLCD's builder, its worker processes, and the command."""

import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.datasets import preparation, synlcd, worker_pool
from cadnet_jax.datasets.synlcd import composition, patterns, sheet
from tests.conftest import ROOT

SCRIPT = ROOT / 'experiments/prepare_data.py'


def prepare(output: pathlib.Path, config: str, **options: Any) -> pathlib.Path:
    options = {'count': 2, 'size': 64, 'workers': 1, **options}
    return preparation.prepare(
        functools.partial(synlcd.Builder, config=config, **options), output
    )


def read(prepared: pathlib.Path, split: str) -> dict[str, dict[str, Any]]:
    """The examples of a split, by id."""
    source = tfds.builder_from_directory(prepared).as_data_source(split)
    return {pair['id'].decode(): pair for pair in source}


def files(prepared: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in prepared.iterdir()}


@pytest.fixture(scope='module')
def mixed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return prepare(tmp_path_factory.mktemp('prepared'), 'mixed')


def test_a_pattern_has_as_many_defective_samples_as_defect_free_ones(
    mixed: pathlib.Path,
) -> None:
    assert mixed.parts[-3:] == ('synlcd', 'mixed', '3.0.0')
    for split, names in (('train', patterns.TRAIN), ('test', patterns.TEST)):
        pairs = read(mixed, split)
        assert set(pairs) == {
            f'mixed/{name}/{kind}_{number:04}'
            for name in names
            for kind in ('defect', 'clean')
            for number in range(2)
        }
        for id, pair in pairs.items():
            assert pair['group'].decode() == id.split('/')[1]
            assert pair['mask'].any() == ('defect' in id)


def test_the_pairs_are_what_the_recipes_make(mixed: pathlib.Path) -> None:
    for split in ('train', 'test'):
        for id, pair in read(mixed, split).items():
            kind, pattern, name = id.split('/')
            defective = name.startswith('defect')
            recipe = composition.Recipe(
                kind, pattern, int(name[-4:]), defective, size=64, seed=0
            )
            sample = composition.compose(recipe)
            np.testing.assert_array_equal(pair['image'], sample.image)
            np.testing.assert_array_equal(pair['mask'][..., 0], sample.mask)
            np.testing.assert_array_equal(pair['reference'], patterns.draw(pattern, 64))


def test_metadata_hold_classes_pixels_options_and_statistics(
    mixed: pathlib.Path,
) -> None:
    metadata = json.loads((mixed / 'metadata.json').read_text())
    assert metadata['class_names'] == ['background', 'line', 'abpt']
    assert metadata['options'] == {'count': 2, 'size': 64, 'seed': 0}
    for split, names in (('train', patterns.TRAIN), ('test', patterns.TEST)):
        masks = np.stack([pair['mask'] for pair in read(mixed, split).values()])
        pixels = [np.count_nonzero(masks == index) for index in range(3)]
        assert metadata['class_pixels'][split] == pixels
        samples = [
            composition.compose(composition.Recipe('mixed', name, number, True, 64, 0))
            for name in names
            for number in range(2)
        ]
        statistics = metadata['statistics'][split]
        assert statistics['samples'] == {
            'defect-free': 2 * len(names),
            'defective': 2 * len(names),
            'patterns': len(names),
        }
        assert statistics['defects'] == {
            'dots': sum(len(sample.dots) for sample in samples),
            'lines': sum(len(sample.lines) for sample in samples),
        }
        widths = [str(line.width) for sample in samples for line in sample.lines]
        assert statistics['line width (pixels at 512)'] == {
            width: widths.count(width) for width in widths
        }
        assert sum(statistics['contrast (%)'].values()) == 4 * len(names)


@pytest.mark.parametrize(('config', 'classes'), [('line', {0, 1}), ('abpt', {0, 2})])
def test_all_configs_share_one_class_map(
    config: str, classes: set[int], tmp_path: pathlib.Path
) -> None:
    info = read_info(prepared := prepare(tmp_path, config, count=1))
    assert info.name == f'synlcd/{config}'
    assert info.class_names == ('background', 'line', 'abpt')
    for id, pair in read(prepared, 'test').items():
        assert set(np.unique(pair['mask'])) == (classes if 'defect' in id else {0})


def test_the_number_of_workers_does_not_change_a_byte(
    mixed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    assert files(prepare(tmp_path, 'mixed', workers=2)) == files(mixed)


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(
    mixed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for number in ('1', '2'):
        folder = tmp_path / number
        flags = ('--count=2', '--size=64', f'--workers={number}')
        done = run('--dataset=synlcd/mixed', f'--output_dir={folder}', *flags)
        assert done.returncode == 0, done.stderr
        written = files(folder / 'synlcd/mixed/3.0.0')
        del written['summary.json']  # the command's own
        assert written == files(mixed)


def test_another_seed_makes_other_data(
    mixed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    first, second = (
        read(mixed, 'test'),
        read(prepare(tmp_path, 'mixed', seed=1), 'test'),
    )
    for id in first:
        assert (first[id]['image'] != second[id]['image']).any()
        np.testing.assert_array_equal(first[id]['reference'], second[id]['reference'])


def test_a_killed_worker_is_an_error_and_no_endless_wait() -> None:
    with pytest.raises(ChildProcessError, match='a worker process was killed'):
        list(worker_pool.map_in_order(os._exit, [1, 2, 3], workers=2))


@pytest.mark.slow
def test_worker_processes_import_neither_jax_nor_tfds() -> None:
    """Each would take seconds to start; the script is imported by them as well."""
    code = (
        'import sys, prepare_data, cadnet_jax.datasets.synlcd.composition;'
        'print({"jax", "tensorflow_datasets", "scipy"} & set(sys.modules))'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        env={**os.environ, 'PYTHONPATH': str(SCRIPT.parent)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == 'set()', done.stderr


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ({'count': 0}, 'count=0 is out of range: 1 to 10000'),
        ({'count': 10_001}, 'count=10001'),
        ({'size': 100}, 'size=100 is out of range: 64 to 4096 in steps of 32'),
        ({'size': 32}, 'size=32'),
        ({'seed': -1}, 'seed=-1'),
        ({'workers': 0}, 'workers=0'),
    ],
    ids=str,
)
def test_an_option_out_of_range_is_named_and_nothing_is_written(
    option: dict[str, int], message: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(tmp_path / 'data', 'mixed', **option)
    assert not (tmp_path / 'data').exists()


def command(*flags: str) -> list[str]:
    return [sys.executable, str(SCRIPT), *flags]


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*flags), capture_output=True, text=True)


@pytest.mark.slow
def test_the_command_prepares_once_and_refuses_other_options(
    tmp_path: pathlib.Path,
) -> None:
    flags = ('--dataset=synlcd/line', f'--output_dir={tmp_path}', '--size=64')
    first = run(*flags, '--count=1', '--workers=2')
    assert first.returncode == 0, first.stderr
    prepared = tmp_path / 'synlcd/line/3.0.0'
    assert f'Prepared: {prepared}' in first.stdout and '100%' in first.stderr
    assert 'line width (pixels at 512)' in first.stdout
    again = run(*flags, '--count=1', '--workers=1')
    assert f'Already prepared: {prepared}' in again.stdout, again.stderr
    other = run(*flags, '--count=2', '--seed=5')
    assert other.returncode == 1
    [line] = other.stderr.splitlines()
    assert 'with count=1, seed=0, not with count=2, seed=5. ' in line
    assert 'prepare_data.py --overwrite' in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--dataset=synlcd/spots'], 'synlcd/spots'),
        (['--dataset=synlcd/mixed', '--size=65'], 'size=65 is out of range'),
        (['--dataset=synlcd/mixed', '--source_dir=.'], 'source_dir=.; leave it out'),
        (['--dataset=deep_pcb'], 'deep_pcb: source_dir is missing'),
        (
            ['--dataset=deep_pcb', '--source_dir=.', '--count=3'],
            '--count is for synlcd',
        ),
    ],
)
def test_flags_that_do_not_fit_end_in_one_line(
    flags: list[str], message: str, tmp_path: pathlib.Path
) -> None:
    done = run(*flags, f'--output_dir={tmp_path}/data')
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr
    assert not (tmp_path / 'data').exists()


@pytest.mark.slow
def test_control_c_ends_all_processes_and_leaves_nothing(
    tmp_path: pathlib.Path,
) -> None:
    """As a terminal sends it: to the workers as well."""
    flags = ('--dataset=synlcd/abpt', f'--output_dir={tmp_path}', '--workers=2')
    with subprocess.Popen(
        command(*flags), stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stderr is not None
        seen = b''
        while not re.search(rb'[1-9]/4200', seen):
            seen += (byte := process.stderr.read(1))
            assert byte, seen.decode()
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read().decode()
        assert process.wait(timeout=60) == 130, rest
    assert rest.splitlines()[-1] == 'interrupted' and 'Traceback' not in rest
    assert not list(tmp_path.rglob('*3.0.0*'))
    with pytest.raises(ProcessLookupError):
        for _ in range(100):  # for what has ended to be cleared away
            os.killpg(process.pid, 0)
            time.sleep(0.1)


def test_the_sheet_is_drawn(tmp_path: pathlib.Path) -> None:
    """Patterns, samples of each kind with their masks, disturbances; in color."""
    drawn = sheet.draw_sheet()
    assert drawn.shape[1:] == (1440, 3) and 2000 < drawn.shape[0] < 3000
    for color in ((255, 60, 60), (255, 220, 0)):
        assert (drawn == color).all(axis=-1).sum() > 500
