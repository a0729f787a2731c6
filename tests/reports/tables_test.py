"""Claims about which runs make tables together, and the list of all runs."""

import pathlib
from typing import Any

import pytest

from cadnet_jax.reports.grouping import Mean
from tests.support.evaluated_run import (
    make_tables_of,
    write_evaluated_run,
    write_evaluation,
    write_fine_tuned_run,
)


def test_every_evaluation_is_listed_with_the_tables_it_went_into(
    tmp_path: pathlib.Path,
) -> None:
    runs = [
        write_evaluated_run(tmp_path / 'a', 'mixed', 'mixed', seed=3, steps=600),
        write_fine_tuned_run(tmp_path / 'b', 0.05, 0.6),
    ]
    write_evaluation(tmp_path / 'a', 'mixed', step=7)
    write_evaluation(tmp_path / 'a', 'line')
    tables = make_tables_of(*runs)
    assert list(tables) == ['table_3', 'table_6', 'table_7', 'all_runs']
    rows = {
        (row.label, row.cells['tested on'], row.cells['at step']): row.cells
        for row in tables['all_runs'].rows
    }
    assert len(rows) == 4
    first = rows[runs[0], 'synlcd/mixed, test', '600']
    assert first['stands in'] == 'table_3, table_7'
    assert (first['seed'], first['steps'], first['labels']) == ('3', '600', '100 %')
    assert rows[runs[0], 'synlcd/mixed, test', '7']['stands in'] == ''
    assert rows[runs[0], 'synlcd/line, test', '600']['stands in'] == ''
    tuned = rows[runs[1], 'synlcd/line, test', '50']
    assert tuned['stands in'] == 'table_6'
    assert (tuned['labels'], tuned['from']) == ('5 %', 'weights')


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'seed': 1, 'learned': (899, 60, 41)}, 'mixed, train: 900 and 899 pixels'),
        (
            {'seed': 1, 'pixels': 7},
            'mixed, test: 100 and 7 pixels.* Report them apart',
        ),
        ({'head': 'segformer', 'pixels': 7}, '--size, --count or --seed'),
        ({}, r'same settings and seed \(0\)'),
    ],
)
def test_data_that_differ_and_a_seed_that_is_there_twice_are_refused(
    tmp_path: pathlib.Path, settings: dict[str, Any], message: str
) -> None:
    runs = [
        write_evaluated_run(tmp_path / 'a', 'mixed', 'mixed'),
        write_evaluated_run(tmp_path / 'b', 'mixed', 'mixed', **settings),
    ]
    with pytest.raises(ValueError, match=message) as error:
        make_tables_of(*runs)
    assert str(error.value).startswith(f'{runs[0]} and {runs[1]} have ')


def test_data_of_other_pixels_but_one_size_and_count_are_compared(
    tmp_path: pathlib.Path,
) -> None:
    """Of a share, which the seed draws, the classes have other numbers of pixels."""
    shares = (90, 8, 2), (95, 4, 1)
    runs = [
        write_fine_tuned_run(tmp_path / str(seed), 0.1, 0.5, seed=seed, learned=learned)
        for seed, learned in enumerate(shares)
    ]
    (row,) = make_tables_of(*runs)['table_6'].rows
    assert row.cells['mIoU 10 %'] == Mean(0.5, 0, 2)


def test_a_run_that_no_table_of_the_paper_has_stands_alone_in_the_list(
    tmp_path: pathlib.Path,
) -> None:
    run = write_evaluated_run(tmp_path / 'a', 'mixed', 'line')
    assert list(make_tables_of(run)) == ['all_runs']
