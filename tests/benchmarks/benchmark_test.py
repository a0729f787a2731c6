"""What the benchmark says is what happened: time, memory, and whose turn it was."""

import dataclasses
import importlib.util
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from absl import flags

from cadnet_jax import config as configs
from cadnet_jax import config_flags
from cadnet_jax.benchmarks import (
    benchmark,
    device,
    pair_folders,
    workloads,
    workloads_files,
    workloads_torch,
)
from cadnet_jax.benchmarks.benchmark import Job, Settings, Workload
from cadnet_jax.benchmarks.workloads_files import FILE_WORKLOADS
from cadnet_jax.config import Config
from cadnet_jax.data_config import DataConfig
from cadnet_jax.inference.pair_files import PairFiles
from cadnet_jax.inference.predict_files import predict_files
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.models.mix_transformer import VARIANTS, Variant
from cadnet_jax.training import losses, step
from tests.conftest import ROOT
from tests.support.tiny_data import prepare_tiny

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

MEGABYTES = 1_000_000
TINY = Config(data=DataConfig(crop_size=32, batch_size=2))
SETTINGS = Settings(TINY, image_size=48)


# Measured processes import the jobs below from here.
def _short(settings: Settings) -> Job:
    del settings
    return Job(lambda: time.sleep(0.02), pairs=1)


def _long(settings: Settings) -> Job:
    """Ten times the work of `_short`, for two pairs; half of it is waiting."""
    del settings
    return Job(lambda: time.sleep(0.2), pairs=2, waited=lambda: 0.1, gmacs=1.5)


def _large(settings: Settings) -> Job:
    """Holds `image_size` squared bytes for a moment; all of them are written."""
    side = settings.image_size
    return Job(lambda: np.ones((side, side), np.uint8), pairs=1)


def _noting(settings: Settings) -> Job:
    """Writes its name and the size to the file that stands as data_dir."""
    path = pathlib.Path(settings.config.data.data_dir)

    def run() -> None:
        with path.open('a') as file:
            file.write(f'{settings.image_size} ')

    return Job(run, pairs=1)


def test_times_are_those_of_the_work() -> None:
    results = benchmark.measure(
        [Workload('short', _short, SETTINGS), Workload('long', _long, SETTINGS)],
        rounds=2,
        runs=2,
    )
    short, long = results
    # A sleep can last longer on a busy machine, never less.
    assert short['median_ms'] >= 20
    assert long['median_ms'] >= 200
    assert long['start_s'] >= 0.2
    assert long['p95_ms'] >= long['median_ms']
    assert long['ms_per_pair'] == pytest.approx(long['median_ms'] / 2)
    assert long['pairs_per_s'] == pytest.approx(2000 / long['median_ms'])
    assert (long['wait_ms'], long['gmacs']) == (pytest.approx(100), 1.5)
    assert 'wait_ms' not in short and 'gmacs' not in short
    ratio = benchmark.ratios(long, short)
    assert ratio['smallest'] <= ratio['largest']
    expected = long['median_ms'] / 2 / short['median_ms']  # of a pair, and it has two
    assert ratio['ratio'] == pytest.approx(expected)
    table = benchmark.format_table(results)
    assert f'long / short, time of a pair: {ratio["ratio"]:.3f}' in table


def test_works_take_turns(tmp_path: pathlib.Path) -> None:
    """A B A B, after each has started by itself."""
    path = tmp_path / 'order'
    config = Config(data=DataConfig(data_dir=str(path)))
    sizes = [Workload('x', _noting, Settings(config, size)) for size in (1, 2)]
    benchmark.measure(sizes, rounds=2, runs=3)
    started = ['1'] * 3 + ['2'] * 3  # the first run, and two to warm up
    assert path.read_text().split() == started + 2 * (['1'] * 3 + ['2'] * 3)


def test_memory_that_was_freed_counts_and_that_of_others_does_not() -> None:
    """500 MB more is measured as that, while 700 MB are held here."""
    held = np.ones(700 * MEGABYTES, np.uint8)
    sides = 1, round((500 * MEGABYTES) ** 0.5)
    sizes = [Workload('x', _large, Settings(TINY, side)) for side in sides]
    nothing, square = benchmark.measure(sizes, rounds=1, runs=1)
    assert 0.05 < nothing['peak_gb'] < held.nbytes / 1e9
    assert square['peak_gb'] - nothing['peak_gb'] == pytest.approx(0.5, abs=0.05)


def test_a_fault_in_a_work_is_told() -> None:
    broken = Workload(
        'forward', workloads.forward, Settings(Config(data=DataConfig(crop_size=16)))
    )
    message = '16 x 16 pixels; each side must be at least 32'
    with pytest.raises(ValueError, match=message):
        benchmark.measure([broken])


def test_without_torch_its_workloads_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(ValueError, match=r'torch is not installed.* pip install torch'):
        workloads.interleaved(['forward', 'torch_forward'], [SETTINGS])


@pytest.mark.parametrize('name', workloads_torch.TORCH_WORKLOADS)
def test_torch_workloads_do_their_work(name: str) -> None:
    pytest.importorskip('torch')
    pytest.importorskip('transformers')
    job = workloads.WORKLOADS[name](Settings(TINY))
    job.run()
    assert job.pairs == 2


def test_two_settings_are_compared_work_by_work() -> None:
    other = SETTINGS._replace(devices=2)
    (both,) = workloads.interleaved(['forward', 'prediction'], [SETTINGS])
    assert [each.name for each in both] == ['forward', 'prediction']
    groups = workloads.interleaved(['forward', 'prediction'], [SETTINGS, other])
    assert [[each.name for each in group] for group in groups] == [
        ['forward A', 'forward B'],
        ['prediction A', 'prediction B'],
    ]
    assert [each.settings for each in groups[1]] == [SETTINGS, other]


def test_the_pipeline_asks_for_data_before_anything_starts() -> None:
    with pytest.raises(FileNotFoundError, match='--data_dir is missing'):
        workloads.interleaved(['forward', 'pipeline'], [SETTINGS])


@pytest.fixture(scope='module')
def prepared(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return prepare_tiny(tmp_path_factory.mktemp('tiny'))


def test_the_pipeline_asks_for_a_split_before_anything_starts(
    prepared: pathlib.Path,
) -> None:
    data = dataclasses.replace(TINY.data, data_dir=str(prepared), train_split='tarin')
    with pytest.raises(ValueError, match="cannot read split 'tarin'"):
        workloads.interleaved(['pipeline'], [Settings(Config(data=data))])


@pytest.mark.parametrize(
    'name',
    [
        name
        for name in workloads.WORKLOADS
        if name not in {**workloads_torch.TORCH_WORKLOADS, **FILE_WORKLOADS}
    ],
)
def test_each_workload_does_its_work(
    name: str, prepared: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VARIANTS, 'b0', Variant((8, 16, 20, 32), (1, 1, 1, 1)))
    data = dataclasses.replace(TINY.data, data_dir=str(prepared))
    data = dataclasses.replace(data, train_split='train[:50%]')
    job = workloads.WORKLOADS[name](Settings(Config(data=data), image_size=48))
    job.run()
    assert job.pairs == 2
    assert (job.waited is not None) == (name == 'pipeline')
    if job.waited:
        assert job.waited() > 0
    assert (job.gmacs is not None) == (name in ('forward', 'cached_forward'))
    if job.gmacs is not None:
        assert job.cost is not None
        # Of two pairs; XLA counts a multiply-add as two, and everything else too.
        assert job.cost['flops'] > 2 * 2 * 1e9 * job.gmacs


def test_a_step_without_its_candidates_is_refused_before_anything_starts() -> None:
    config = configs.replace(TINY, hard_candidates=3)
    with pytest.raises(ValueError, match='hard_candidates is 3'):
        workloads.interleaved(['training_step'], [Settings(config)])


@pytest.mark.parametrize('name', ['training_step', 'pipeline'])
def test_a_step_is_that_of_the_recipe(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes one of three candidates, and averages the parameters."""
    monkeypatch.setitem(VARIANTS, 'b0', Variant((8, 16, 20, 32), (1, 1, 1, 1)))
    learned: list[int] = []
    averaged: list[float] = []

    def total_loss(outputs: Any, mask: Any, *args: Any, **options: Any) -> Any:
        learned.append(len(mask))
        return losses.total_loss(outputs, mask, *args, **options)

    def update_average(average: Any, params: Any, step: Any, decay: float) -> Any:
        averaged.append(decay)
        return average

    monkeypatch.setattr(step, 'total_loss', total_loss)
    monkeypatch.setattr(step, 'update_average', update_average)
    prepared = prepare_tiny(tmp_path, num={'train': 4}, unchanged_every=2)
    config = configs.replace(
        TINY,
        data_dir=str(prepared),
        train_split='train',
        unchanged_fraction=0.5,
        hard_candidates=3,
        ema_decay=0.9,
    )
    job = workloads.WORKLOADS[name](Settings(config))
    job.run()
    assert job.pairs == 2
    assert set(learned) == {2} and set(averaged) == {0.9}


def test_all_of_a_device_takes_no_settings() -> None:
    values = flags.FlagValues()
    for names in (device.WORKLOAD_FLAGS, *config_flags.flag_groups().values()):
        for name in names:
            flags.DEFINE_string(name, '', '', flag_values=values)
    flags.DEFINE_multi_string('workload', [], '', flag_values=values)
    for given, match in (
        (['--workload=all', '--workload=forward'], 'run of their own'),
        (['--workload=all', '--compare=--batch_size=8'], '--compare: .* leave'),
        (['--workload=all', '--crop_size=96'], '--crop_size: .* leave'),
        (['--workload=all', '--files=3'], '--files: .* leave'),
    ):
        values.unparse_flags()
        values(['benchmark.py', *given])
        with pytest.raises(ValueError, match=match):
            device.check_flags(values)
        for name in values:
            values[name].unparse()
    values(['benchmark.py', '--workload=all'])
    device.check_flags(values)


@pytest.mark.parametrize('name', FILE_WORKLOADS)
def test_files_are_timed_beside_the_bare_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that is timed of files is done, each time; the network covers it."""
    monkeypatch.setitem(VARIANTS, 'b0', Variant((8, 16, 20, 32), (1, 1, 1, 1)))
    monkeypatch.setattr(workloads_files, 'LARGE', (60, 70))
    written: list[str] = []

    def noted(
        predictor: Predictor,
        pairs: Sequence[PairFiles],
        output_dir: pathlib.Path,
        **options: Any,
    ) -> None:
        predict_files(predictor, pairs, output_dir, **options)
        written.extend(path.name for path in output_dir.glob('*_mask.png'))

    monkeypatch.setattr(pair_folders, 'predict_files', noted)
    job = workloads.WORKLOADS[name](Settings(TINY, image_size=48, files=3))
    for number in (1, 2):
        job.run()
        kind, _, shape = name.partition('_')
        is_folder = kind == 'files' and shape != 'large'
        assert job.pairs == (3 if is_folder else 1)
        assert len(written) == (number * job.pairs if kind == 'files' else 0)


def test_files_are_compared_with_the_network_group_by_group() -> None:
    """Each ratio of the table is that of files to the bare network."""
    groups = workloads.interleaved(['files'], [SETTINGS])
    names = [[work.name for work in group] for group in groups]
    assert names == [
        [f'network_{shape}', f'files_{shape}']
        for shape in ('large', 'large_shared', 'shared', 'pairs')
    ]
    first, *others = workloads.interleaved(['forward', 'files'], [SETTINGS])
    assert [work.name for work in first] == ['forward'] and len(others) == 4


def test_the_script_compares_two_settings(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'figures.json'
    done = subprocess.run(
        [
            *(sys.executable, 'experiments/benchmark.py', f'--output={path}'),
            *('--workload=forward', '--crop_size=32', '--batch_size=1'),
            *('--compare=--batch_size=2 --head=plain', '--rounds=1', '--runs=2'),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert 'forward B / forward A, time of a pair: ' in done.stdout
    first, second = json.loads(path.read_text())
    assert [(r['work'], r['pairs']) for r in (first, second)] == [
        ('forward A', 1),
        ('forward B', 2),
    ]
    assert 0 < second['gmacs'] < first['gmacs']
    for result in first, second:
        assert 0 < result['matmul_share'] < 1
        assert result['peak_gb'] > 0.1


def test_the_script_names_a_flag_that_it_does_not_know() -> None:
    done = subprocess.run(
        [sys.executable, 'experiments/benchmark.py', '--compare=--batchsize=2'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert 'batchsize' in done.stderr and len(done.stderr.splitlines()) == 1
