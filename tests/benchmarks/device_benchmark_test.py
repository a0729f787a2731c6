"""A device's benchmark: what it writes, whatever goes wrong, and what it says of it."""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from unittest.mock import ANY

import jax
import numpy as np
import pytest

from cadnet_jax.benchmarks import device, forms, parity, subject, tables, timing
from cadnet_jax.benchmarks.runner import Part, run_parts
from cadnet_jax.config import Config
from cadnet_jax.data_config import DataConfig
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import initialize
from cadnet_jax.models.mix_transformer import VARIANTS, Variant
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

# What a device's machine may lack.
ABSENT = 'tensorflow_datasets', 'grain', 'array_record', 'tensorboardX'
SIZES = subject.Sizes(
    precisions=('default',),
    side=32,
    batches=(1,),
    parity=(1, 32),
    training=((4, 32),),
    forms=((1, 32),),
    files=((1, 40, 32, False), (2, 32, 32, True)),
    matrix=16,
    copied=1024,
    seconds=0.001,
)


def _two_rows(limit: float) -> Iterator[timing.Row]:
    yield {'ms': 1.5, 'share': float('nan')}
    yield {'ms': 2.5}


def _row_and_error(limit: float) -> Iterator[timing.Row]:
    yield {'ms': 3.5}
    raise ValueError('no such operation\nand more')


def _row_and_end(limit: float) -> Iterator[timing.Row]:
    yield {'ms': 4.5}
    os._exit(7)


def _row_and_wait(limit: float) -> Iterator[timing.Row]:
    yield {'ms': 5.5}
    time.sleep(60)


def test_parts_that_fail_lose_none_of_the_rows(tmp_path: pathlib.Path) -> None:
    """An error, the end of the process, and a part that takes too long."""
    path = tmp_path / 'device.json'
    functions = _row_and_error, _row_and_end, _row_and_wait, _two_rows
    parts = [
        Part(function.__name__, function, 0.2 if function is _row_and_wait else 1)
        for function in functions
    ]
    results = run_parts(parts, path, time_limit=60)
    assert results == json.loads(path.read_text())
    assert [(row['part'], row['ms']) for row in results['rows']] == [
        ('_row_and_error', 3.5),
        ('_row_and_end', 4.5),
        ('_row_and_wait', 5.5),
        ('_two_rows', 1.5),
        ('_two_rows', 2.5),
    ]
    assert 'share' not in results['rows'][3]  # JSON knows no such number
    assert results['failures'] == [
        {'part': '_row_and_error', 'reason': 'ValueError: no such operation'},
        {'part': '_row_and_end', 'reason': 'the process ended with 7'},
        {'part': '_row_and_wait', 'reason': ANY},
    ]
    assert re.fullmatch('stopped after [0-9]+ s', results['failures'][2]['reason'])
    assert results['machine']['backend'] == 'cpu'
    assert results['machine']['jax'] == jax.__version__


def _limit(limit: float) -> Iterator[timing.Row]:
    yield {'limit': limit}


def test_a_part_has_its_share_of_the_time_and_what_others_left(
    tmp_path: pathlib.Path,
) -> None:
    parts = [Part('first', _limit, 1), Part('second', _limit, 2), Part('last', _limit)]
    results = run_parts(parts, tmp_path / 'device.json', time_limit=100)
    first, second, last = (row['limit'] for row in results['rows'])
    assert first == pytest.approx(25, abs=0.5)
    left = 100 - results['seconds']
    assert second == pytest.approx(left * 2 / 3, abs=0.5)
    assert last == pytest.approx(left, abs=0.5)


def test_parts_without_time_are_named(tmp_path: pathlib.Path) -> None:
    parts = [Part('first', _two_rows), Part('second', _two_rows)]
    results = run_parts(parts, tmp_path / 'device.json', time_limit=0)
    assert not results['rows']
    assert [failure['part'] for failure in results['failures']] == ['first', 'second']


def test_a_case_that_fails_is_a_row_that_says_so() -> None:
    def refuse() -> timing.Program:
        raise ValueError('out of memory\nof the device')

    program = functools.partial(timing.program_of, lambda x: x + 1, np.ones(3))
    cases = [
        timing.Case({'batch': 1}, refuse),
        timing.Case({'batch': 2}, program, pairs=2, flops=3e9),
    ]
    bad, good = timing.measure_cases(cases, seconds=0.001, compile_limit=60)
    assert bad == {'batch': 1, 'error': 'ValueError: out of memory'}
    assert good['ms_low'] <= good['ms'] <= good['ms_high']
    assert good['pairs_per_s'] == pytest.approx(2000 / good['ms'])
    assert good['tflops'] == pytest.approx(3 / good['ms'])


def test_a_case_that_is_not_compiled_in_time_is_left_out() -> None:
    def wait() -> timing.Program:
        time.sleep(1)
        return timing.program_of(lambda x: x, np.ones(3))

    case = timing.Case({'batch': 1}, wait)
    (row,) = timing.measure_cases([case], seconds=0.001, compile_limit=0.1)
    assert row == {'batch': 1, 'error': 'not compiled within 0 s'}


def test_a_row_says_that_others_were_compiled_beside_it() -> None:
    """Those after it wait until nothing is compiled any more."""
    release, compiled = threading.Event(), []

    def wait() -> timing.Program:
        release.wait(60)
        compiled.append(True)
        return timing.Program(lambda: None)

    cases = [
        timing.Case({'batch': 1}, lambda: timing.Program(lambda: None)),
        timing.Case({'batch': 2}, wait),
    ]
    rows = timing.measure_cases(cases, seconds=0.001, compile_limit=0.5)
    assert next(rows)['compiling'] == 1
    assert 'error' in next(rows)
    release.set()
    assert not list(rows) and compiled


def test_a_time_is_that_of_a_run() -> None:
    times = timing.time_runs(lambda: time.sleep(0.01), 0.05)
    assert 10 <= times['ms_low'] <= times['ms'] <= times['ms_high']
    assert times['latency_ms'] >= 10


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> subject.Subject:
    """A tiny network with the released recipe's kinds of crops."""
    monkeypatch.setitem(VARIANTS, 'b0', Variant((8, 16, 20, 32), (1, 1, 1, 1)))
    config = Config(
        model=ModelConfig(drop_path=0.0, dropout=0.0),
        data=DataConfig(unchanged_fraction=0.25, hard_candidates=3),
    )
    variables = initialize(build_model(config.model, 2), seed=0)
    return subject.Subject(config, variables, 2, SIZES)


IN_FLOAT32 = {
    name: functools.partial(function, **options)
    for name, _, function, options in device.PARTS
    if name != 'parity' and options.get('precision', 'default') == 'default'
}


@pytest.mark.parametrize('part', IN_FLOAT32)
def test_each_part_has_its_figures(part: str, tiny: subject.Subject) -> None:
    rows = list(IN_FLOAT32[part](tiny))
    assert rows and not [row for row in rows if 'error' in row]
    for row in rows:
        json.dumps(row, allow_nan=False)
        assert row.get('precision', 'float32') in subject.PRECISIONS
        if part in ('forward', 'cached_forward', 'prediction', 'training'):
            assert row['pairs_per_s'] == pytest.approx(1e3 * row['batch'] / row['ms'])
            assert row['side'] == 32
        if part in ('forward', 'cached_forward', 'training'):
            assert row['tflops'] > 0 and row['program_gb'] > 0
        if part == 'files':
            megapixels = row['pairs'] * row['height'] * row['width'] / 1e6
            assert row['megapixels_per_s'] == pytest.approx(
                megapixels / row['ms'] * 1e3
            )
        if part in ('convolutions', 'operations'):
            assert row['direction'] in ('forward', 'gradient')
    if part in ('convolutions', 'operations'):
        fastest = tables.fastest_forms(rows)
        assert {key[0] for key in fastest} == {row['operation'] for row in rows}


def test_every_precision_is_compared_with_the_cpu(tiny: subject.Subject) -> None:
    rows = {row['precision']: row for row in parity.parity(tiny)}
    assert rows.keys() == subject.PRECISIONS.keys()
    assert rows['float32']['logits'] == 0  # The CPU against itself.
    assert rows['bfloat16']['logits'] > 0
    assert {name for name, *_ in device.PARTS} == {*IN_FLOAT32, 'parity'}


def test_parity_is_the_difference_of_the_results() -> None:
    same = parity.Results(*(np.zeros((1, 2, 2, 2), np.float32),) * 3, np.eye(2))
    other = same._replace(logits=same.logits - 3, classes=np.zeros((2, 2)))
    row = parity.differences(same, other)
    assert (row['logits'], row['logits_largest'], row['distance']) == (3, 3, 0)
    assert (row['classes_changed'], row['defects']) == (0.5, 0)
    broken = same._replace(logits=same.logits + np.nan)
    with pytest.raises(ValueError, match='not finite'):
        parity.differences(broken, same)


def test_forms_of_an_operation_agree() -> None:
    """Otherwise their times could not be compared."""
    rng = np.random.default_rng(0)
    found = forms.convolution_operations('b0', 1, 64)
    assert len(found) == 11  # patches, depthwise and, but at the last stage, reductions
    for operation in [*found, *forms.other_operations('b0', 1, 64)]:
        args = [
            rng.normal(0, 1, shape).astype(np.float32) for shape in operation.shapes
        ]
        values = [
            form(*args) for name, form in operation.forms.items() if name != 'cudnn'
        ]
        for other in values[1:]:
            np.testing.assert_allclose(
                values[0], other, rtol=0, atol=2e-4, err_msg=operation.name
            )


def test_the_tables_show_what_was_measured_and_what_was_not() -> None:
    convolution = {
        'part': 'convolutions',
        'operation': 'stage 1 patches',
        'shape': [1, 8, 8, 3],
        'direction': 'forward',
        'precision': 'default',
    }
    results = {
        'machine': {'device': 'A100', 'cores': 4},
        'seconds': 12.3,
        'failures': [{'part': 'training', 'reason': 'stopped after 9 s'}],
        'rows': [
            convolution | {'form': 'linen', 'ms': 2.0, 'compiling': 1},
            convolution | {'form': 'patches', 'ms': 1.0},
            {
                'part': 'forward',
                'precision': 'default',
                'batch': 8,
                'error': 'too large',
            },
        ],
    }
    text = tables.format_device(results)
    assert 'device A100, cores 4; 12 s in all.' in text
    assert 'linen 2.000; **patches 1.000** |' in text
    assert '- training: stopped after 9 s' in text
    assert '- forward, default, 8: too large' in text
    assert 'too slow:\n\n- convolutions, stage 1 patches, linen, forward' in text


def test_a_file_of_something_else_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'metrics.json'
    path.write_text('{"iou": 1}')
    with pytest.raises(ValueError, match='no results of a device'):
        tables.read_results(path)


def test_it_needs_no_reader_of_prepared_data() -> None:
    """A device's machine may have none, nor the packages of the rest."""
    code = (
        'import sys\n'
        f'sys.modules.update(dict.fromkeys({ABSENT}))\n'
        'import cadnet_jax.benchmarks.device as device\n'
        'device.released_subject()\n'
    )
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True)


def test_drawn_pairs_have_changes() -> None:
    images, references = subject.draw_pairs(6, 64)
    assert images.shape == references.shape == (6, 64, 64, 3)
    assert images.dtype == references.dtype == np.uint8
    change = np.abs(images.astype(int) - references).max(axis=-1) > 30
    assert (change.mean(axis=(1, 2)) > 0.001).all()
    np.testing.assert_array_equal(images[4], images[0])
