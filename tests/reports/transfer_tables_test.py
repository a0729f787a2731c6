"""Claims about figure 6 and table 6; the values are worked out by hand."""

import pathlib
from typing import Any

import pytest

from cadnet_jax.files.atomic import write_json
from cadnet_jax.reports.grouping import Mean
from tests.support.evaluated_run import (
    cells_of,
    make_tables_of,
    write_evaluated_run,
    write_evaluation,
    write_fine_tuned_run,
)


def test_figure_6_crosses_what_was_trained_and_tested_on(
    tmp_path: pathlib.Path,
) -> None:
    runs = [
        write_evaluated_run(tmp_path / 'l0', 'line', 'line', head='ooc', iou=0.6),
        write_evaluated_run(
            tmp_path / 'l1', 'line', 'line', head='ooc', seed=1, iou=0.8
        ),
        write_evaluated_run(tmp_path / 'a', 'abpt', 'abpt', head='ooc', iou=0.5),
        write_evaluated_run(tmp_path / 'c', 'abpt', 'abpt', iou=0.9),
    ]
    write_evaluation(tmp_path / 'l0', 'abpt', iou=0.1, accuracy=0.3, step=126_000)
    write_evaluation(tmp_path / 'a', 'line', iou=0.4, step=126_000)
    table = make_tables_of(*runs)['figure_6']
    assert [row.label for row in table.rows] == ['CADNet', 'CADNet, out of class']
    found = cells_of(table, 'CADNet, out of class')
    ious = {'IoU LL': 0.7, 'IoU AA': 0.5, 'IoU LA': 0.1, 'IoU AL': 0.4}
    assert {name: found[name] for name in ious} == ious
    accuracies = {'Acc LL': 0.75, 'Acc AA': 0.75, 'Acc LA': 0.3, 'Acc AL': 0.75}
    assert {name: found[name] for name in accuracies} == accuracies
    # Over two seeds the mean of .75 and 1.6 / 1.8.
    assert found['Fscore LL'] == round((0.75 + 1.6 / 1.8) / 2, 6)
    assert found['Fscore LA'] == round(0.2 / 1.1, 6)
    cad = cells_of(table, 'CADNet')
    assert {name: value for name, value in cad.items() if value is not None} == {
        'IoU AA': 0.9,
        'Acc AA': 0.75,
        'Fscore AA': round(1.8 / 1.9, 6),
    }


OLD = {'dataset': 'synlcd/line'}  # without what was before that
RELEASED = {'init_from': 'released', 'dataset': 'synthetic_pairs', 'sha256': 64 * 'f'}
OF_POINTS = {'dataset': 'synlcd/abpt', 'label_fraction': 1.0, 'head': 'ooc'}


@pytest.mark.parametrize(
    ('init_from', 'origin'),
    [
        ('released', None),
        ('released', RELEASED),
        ('runs/own', {'init_from': 'runs/own', 'dataset': 'synthetic_pairs'}),
        ('runs/x', {**OF_POINTS, 'init_from': 'runs/x', 'started_from': RELEASED}),
        (
            'encoder',
            {'init_from': 'encoder', 'dataset': None, 'started_from': RELEASED},
        ),
    ],
    ids=['no record', 'released', 'own', 'through a run', 'through an import'],
)
def test_transfer_stands_apart_from_la_and_al(
    init_from: str, origin: dict[str, Any] | None, tmp_path: pathlib.Path
) -> None:
    """The paper's own setting, an encoder that no run learned, is not transfer."""
    starts = {
        'paper': ('mit_b0', {'init_from': 'mit_b0', 'dataset': None}, 0.1),
        'transfer': (init_from, origin, 0.7),
    }
    runs = [
        write_evaluated_run(
            tmp_path / name,
            'line',
            'abpt',
            head='ooc',
            iou=iou,
            init_from=start,
            origin=of_start,
        )
        for name, (start, of_start, iou) in starts.items()
    ]
    tables = make_tables_of(*runs)
    (row,) = tables['figure_6'].rows
    assert row.label == 'CADNet, out of class'
    assert row.cells['IoU LA'] == Mean(0.1, None, 1)
    assert 'ransfer' not in tables['figure_6'].note
    (row,) = tables['figure_6_transfer'].rows
    assert row.label == 'Transfer: CADNet, out of class'
    assert row.cells['IoU LA'] == Mean(0.7, None, 1)
    note = tables['figure_6_transfer'].note
    assert "not the paper's" in note and 'Transfer: the initial weights' in note
    said = [row.cells['from'] for row in tables['all_runs'].rows]
    assert said == ['weights', 'weights (transfer)']
    assert 'figure_6_transfer' not in make_tables_of(runs[0])
    assert 'figure_6' not in make_tables_of(runs[1])


@pytest.mark.parametrize(
    'settings',
    [
        {'paint_defects': True},
        {'origin': {'init_from': 'x', 'dataset': 'synlcd/line'}},
        {'origin': {'init_from': 'x', 'dataset': 'own', 'paint_defects': True}},
    ],
    ids=['painted', 'other kind', 'painted before'],
)
def test_networks_that_saw_the_other_kind_stand_apart_as_well(
    settings: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    """Changes are painted as lines and dots; a run on points knows no line."""
    own = {'init_from': 'y', 'dataset': 'synlcd/abpt', 'paint_defects': False}
    runs = [
        write_evaluated_run(
            tmp_path / name, 'abpt', 'line', head='ooc', iou=iou, **of_run
        )
        for name, iou, of_run in (('a', 0.1, {'origin': own}), ('b', 0.7, settings))
    ]
    tables = make_tables_of(*runs)
    for key, iou in (('figure_6', 0.1), ('figure_6_transfer', 0.7)):
        (row,) = tables[key].rows
        assert row.cells['IoU AL'] == Mean(iou, None, 1)


def test_the_records_of_earlier_versions_are_followed_in_their_folders(
    tmp_path: pathlib.Path,
) -> None:
    """They describe one run only; one that was retrained under its name ends it."""
    root = tmp_path / 'runs'
    last = root / 'b'
    run = write_evaluated_run(
        last, 'line', 'abpt', head='ooc', origin={'init_from': str(root / 'a')} | OLD
    )
    write_json(root / 'a/started_from.json', {'init_from': str(last)} | OLD)
    assert 'figure_6_transfer' not in make_tables_of(run)
    write_json(root / 'a/started_from.json', RELEASED)
    assert 'figure_6' not in make_tables_of(run)


def test_table_6_names_transfer_and_joins_it_to_no_other_run(
    tmp_path: pathlib.Path,
) -> None:
    """All tuned runs started from points; some of these from the released weights."""
    released = {'init_from': 'released', 'origin': RELEASED}
    before = {'started_from': RELEASED}
    runs = [
        write_evaluated_run(tmp_path / 'p', 'abpt', 'line', head='ooc', iou=0.1),
        write_fine_tuned_run(tmp_path / 'p5', 0.05, 0.2),
        write_evaluated_run(
            tmp_path / 't', 'abpt', 'line', head='ooc', iou=0.3, **released
        ),
        write_fine_tuned_run(tmp_path / 't5', 0.05, 0.4, origin=before),
        # No run of this seed started from random weights.
        write_fine_tuned_run(tmp_path / 't6', 0.05, 0.6, seed=1, origin=before),
    ]
    table = make_tables_of(*runs)['table_6']
    values = [
        (
            row.label.partition(',')[0],
            *(cells_of(table, row.label)[f'mIoU {share} %'] for share in (0, 5)),
            len(row.results),
        )
        for row in table.rows
    ]
    assert values == [('CADNet', 0.1, 0.2, 2), ('Transfer: CADNet', 0.3, 0.5, 3)]
    assert 'Transfer: the initial weights' in table.note


def test_table_6_goes_from_no_labeled_line_to_some(tmp_path: pathlib.Path) -> None:
    """0 %: the run on points, tested on lines. F-score of IoU .4 is .8 / 1.4."""
    runs = [
        write_evaluated_run(tmp_path / 'abpt', 'abpt', 'abpt', head='ooc', iou=0.7),
        write_fine_tuned_run(tmp_path / 'five', 0.05, 0.6),
        write_fine_tuned_run(tmp_path / 'ten', 0.1, 0.7),
        write_fine_tuned_run(
            tmp_path / 'ten1', 0.1, 0.9, seed=1, init_from='runs/abpt1'
        ),
    ]
    write_evaluation(tmp_path / 'abpt', 'line', iou=0.4, step=126_000)
    tables = make_tables_of(*runs)
    table = tables['table_6']
    assert len(table.rows) == 1
    assert cells_of(table, 'CADNet, out of class') == {
        'mIoU 0 %': 0.4,
        'mIoU 5 %': 0.6,
        'mIoU 10 %': 0.8,
        'mIoU 15 %': None,
        'Fscore 0 %': round(0.8 / 1.4, 6),
        'Fscore 5 %': 0.75,
        'Fscore 10 %': round((1.4 / 1.7 + 1.8 / 1.9) / 2, 6),
        'Fscore 15 %': None,
    }
    # Fine-tuned runs are no LL; the run on points is AA and AL.
    (row,) = tables['figure_6'].rows
    filled = [name for name, value in row.cells.items() if value]
    assert filled == ['IoU AA', 'Acc AA', 'Fscore AA', 'IoU AL', 'Acc AL', 'Fscore AL']


def test_table_6_has_a_row_for_each_method_of_one_start(
    tmp_path: pathlib.Path,
) -> None:
    common = {'head': 'unet', 'ema_decay': 0.99}
    learned_points = {**common, 'semi_supervised': 'labeled'}
    start = write_evaluated_run(
        tmp_path / 'abpt', 'abpt', 'line', iou=0.1, **learned_points
    )
    runs = [
        write_fine_tuned_run(
            tmp_path / method, 0.05, iou, semi_supervised=method, **settings
        )
        for method, iou, settings in (
            ('labeled', 0.3, common),
            ('dct', 0.4, common),
            ('pairs', 0.5, {**common, 'paint_defects': True}),
        )
    ]
    table = make_tables_of(start, *runs)['table_6']
    assert [row.label for row in table.rows] == [
        'U-Net, paint_defects=False, semi_supervised=labeled',
        'U-Net, paint_defects=False, semi_supervised=dct',
        'U-Net, paint_defects=True, semi_supervised=pairs',
    ]
    for row, iou in zip(table.rows, (0.3, 0.4, 0.5), strict=True):
        assert row.cells['mIoU 0 %'] == Mean(0.1, None, 1)
        assert row.cells['mIoU 5 %'] == Mean(iou, None, 1)


def test_table_6_mixes_no_two_kinds_of_starts(tmp_path: pathlib.Path) -> None:
    """Where it is unclear which run was fine-tuned, 0 % is a row of its own."""
    runs = [write_fine_tuned_run(tmp_path / 'five', 0.05, 0.6)]
    for name, steps in (('x', 600), ('y', 700)):
        settings = {'head': 'ooc', 'steps': steps}
        runs.append(write_evaluated_run(tmp_path / name, 'abpt', 'line', **settings))
    table = make_tables_of(*runs)['table_6']
    assert [row.label for row in table.rows] == [
        'CADNet, out of class',
        'CADNet, out of class, steps=600',
        'CADNet, out of class, steps=700',
    ]
    assert table.rows[0].cells['mIoU 0 %'] is None
    assert all(row.cells['mIoU 0 %'] for row in table.rows[1:])


@pytest.mark.parametrize(
    'start',
    [
        {'head': 'ooc', 'learning_rate': 1e-3},
        {'head': 'ooc', 'seed': 1},
        {'head': 'ooc', 'variant': 'b1'},
        {'head': 'cad'},
    ],
)
def test_table_6_joins_no_start_of_another_kind(
    tmp_path: pathlib.Path, start: dict[str, Any]
) -> None:
    runs = [
        write_fine_tuned_run(tmp_path / 'five', 0.05, 0.6),
        write_evaluated_run(tmp_path / 'x', 'abpt', 'line', iou=0.4, **start),
    ]
    row = make_tables_of(*runs)['table_6'].rows[0]
    assert row.cells['mIoU 0 %'] is None
    assert row.cells['mIoU 5 %'] == Mean(0.6, None, 1)


def test_table_6_joins_no_start_that_was_evaluated_in_another_way(
    tmp_path: pathlib.Path,
) -> None:
    runs = [
        write_fine_tuned_run(tmp_path / 'five', 0.05, 0.6),
        write_evaluated_run(tmp_path / 'x', 'abpt', 'line', head='ooc', iou=0.4),
    ]
    write_evaluation(tmp_path / 'x', 'line', step=126_000, threshold=0.1)
    rows = make_tables_of(*runs)['table_6'].rows
    assert [row.cells['mIoU 0 %'] is None for row in rows] == [True, False]


@pytest.mark.parametrize(
    'origin',
    [
        {'dataset': 'synlcd/mixed'},
        {'dataset': None},
        {'head': 'cad'},
        {'label_fraction': 0.5},
    ],
)
def test_table_6_has_only_what_learned_points_first(
    tmp_path: pathlib.Path, origin: dict[str, Any]
) -> None:
    run = write_fine_tuned_run(tmp_path / 'five', 0.05, 0.6, origin=origin)
    assert list(make_tables_of(run)) == ['all_runs']
