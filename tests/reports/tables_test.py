"""Made-up runs in the paper's tables; the values are worked out by hand."""

import pathlib
from typing import Any

import pytest

from cadnet_jax.reports.grouping import Mean
from cadnet_jax.reports.tables import Table, make_tables
from cadnet_jax.runs.finished_runs import read_results
from tests.conftest import ROOT
from tests.support.evaluated_run import (
    write_evaluated_run,
    write_evaluation,
    write_public_run,
)


def tables_of(*workdirs: str) -> dict[str, Table]:
    return {table.key: table for table in make_tables(read_results(workdirs))}


def cells(table: Table, label: str) -> dict[str, Any]:
    """Of the one row with that label: the means alone."""
    (row,) = (row for row in table.rows if row.label == label)
    return {
        name: round(value.mean, 6) if isinstance(value, Mean) else value
        for name, value in row.cells.items()
    }


def test_table_3_compares_heads_over_seeds(tmp_path: pathlib.Path) -> None:
    """IoU of lines .5, .7 and .9: .7 with a sample standard deviation of .2."""
    runs = [
        write_evaluated_run(
            tmp_path / f'cad{seed}', 'mixed', 'mixed', seed=seed, line=line, abpt=0.3
        )
        for seed, line in enumerate((0.5, 0.7, 0.9))
    ]
    runs.append(
        write_evaluated_run(
            tmp_path / 's', 'mixed', 'mixed', head='segformer', line=0.2, abpt=None
        )
    )
    table = tables_of(*runs)['table_3']
    assert [row.label for row in table.rows] == ['CADNet', 'SegFormer']
    assert cells(table, 'CADNet')['mAcc'] == 0.8
    ours: Any = table.rows[0].cells
    assert ours['IoU line'] == (pytest.approx(0.7), pytest.approx(0.2), 3)
    assert ours['IoU abpt'] == (pytest.approx(0.3), pytest.approx(0), 3)
    assert ours['mIoU'] == (pytest.approx(0.5), pytest.approx(0.1), 3)
    assert table.rows[1].cells['IoU line'] == Mean(0.2, None, 1)
    assert table.rows[1].cells['IoU abpt'] is None
    # Convolutions alone, and with all of attention.
    costs = [ours[name] for name in ('MParams', 'GMACs', 'GMACs with attention')]
    expected = (3.897, 8.209, 10.984)
    for cost, value in zip(costs, expected, strict=True):
        assert cost == (pytest.approx(value, abs=0.0006), None, 1)


@pytest.mark.parametrize(
    ('key', 'dataset'),
    [('table_4', 'pku_market_pcb/by_crop'), ('table_5', 'mvtec_ad/by_object')],
)
def test_tables_4_and_5_have_the_classes_of_their_set(
    key: str, dataset: str, tmp_path: pathlib.Path
) -> None:
    """And no run of another one; the paper's names are those of the data."""
    ious = {'short': 0.5, 'spur': 0.3}
    runs = [
        write_public_run(tmp_path / '0', dataset, ious, seed=0),
        write_public_run(tmp_path / '1', dataset, ious | {'spur': 0.7}, seed=1),
        write_public_run(tmp_path / 's', dataset, ious, head='segformer'),
        write_evaluated_run(tmp_path / 'm', 'mixed', 'mixed'),
    ]
    tables = tables_of(*runs)
    assert list(tables) == ['table_3', key, 'table_7', 'all_runs']
    table = tables[key]
    names = ['IoU short', 'IoU spur', 'mIoU', 'mAcc', 'mFscore']
    assert [column.name for column in table.columns] == names
    assert [row.label for row in table.rows] == ['CADNet', 'SegFormer']
    expected = dict(zip(names, (0.5, 0.5, 0.5, 0.8, 0.7), strict=True))
    assert cells(table, 'CADNet') == expected
    assert table.rows[0].cells['IoU spur'] == (
        pytest.approx(0.5),
        pytest.approx(0.4 / 2**0.5),
        2,
    )


def test_rows_of_one_method_name_the_settings_that_differ(
    tmp_path: pathlib.Path,
) -> None:
    runs = [
        write_evaluated_run(tmp_path / 'a', 'mixed', 'mixed', learning_rate=1e-3),
        write_evaluated_run(tmp_path / 'b', 'mixed', 'mixed', init_from='mit_b0'),
        write_evaluated_run(tmp_path / 'c', 'mixed', 'mixed', head='segformer'),
    ]
    write_evaluation(tmp_path / 'c', 'mixed', split='val', step=126_000)
    labels = [row.label for row in tables_of(*runs)['table_3'].rows]
    assert labels == [
        'CADNet, learning_rate=0.001, no init_from',
        'CADNet, learning_rate=6e-05, init_from=given',
        'SegFormer',
        'SegFormer, on val',
    ]


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
    table = tables_of(*runs)['figure_6']
    assert [row.label for row in table.rows] == ['CADNet', 'CADNet, out of class']
    found = cells(table, 'CADNet, out of class')
    ious = {'IoU LL': 0.7, 'IoU AA': 0.5, 'IoU LA': 0.1, 'IoU AL': 0.4}
    assert {name: found[name] for name in ious} == ious
    accuracies = {'Acc LL': 0.75, 'Acc AA': 0.75, 'Acc LA': 0.3, 'Acc AL': 0.75}
    assert {name: found[name] for name in accuracies} == accuracies
    # Over two seeds the mean of .75 and 1.6 / 1.8.
    assert found['Fscore LL'] == round((0.75 + 1.6 / 1.8) / 2, 6)
    assert found['Fscore LA'] == round(0.2 / 1.1, 6)
    cad = cells(table, 'CADNet')
    assert {name: value for name, value in cad.items() if value is not None} == {
        'IoU AA': 0.9,
        'Acc AA': 0.75,
        'Fscore AA': round(1.8 / 1.9, 6),
    }


def fine_tuned(
    folder: pathlib.Path, fraction: float, iou: float, **settings: Any
) -> str:
    """On lines; from a run on points of the same head, unless `origin` says more."""
    head = settings.get('head', 'ooc')
    origin = {'dataset': 'synlcd/abpt', 'label_fraction': 1.0, 'head': head}
    return write_evaluated_run(
        folder,
        'line',
        'line',
        iou=iou,
        **{
            'head': head,
            'init_from': 'runs/abpt',
            'label_fraction': fraction,
            'steps': 50,
            'warmup_steps': 5,
            **settings,
            'origin': origin | settings.get('origin', {}),
        },
    )


def test_table_6_goes_from_no_labeled_line_to_some(tmp_path: pathlib.Path) -> None:
    """0 %: the run on points, tested on lines. F-score of IoU .4 is .8 / 1.4."""
    runs = [
        write_evaluated_run(tmp_path / 'abpt', 'abpt', 'abpt', head='ooc', iou=0.7),
        fine_tuned(tmp_path / 'five', 0.05, 0.6),
        fine_tuned(tmp_path / 'ten', 0.1, 0.7),
        fine_tuned(tmp_path / 'ten1', 0.1, 0.9, seed=1, init_from='runs/abpt1'),
    ]
    write_evaluation(tmp_path / 'abpt', 'line', iou=0.4, step=126_000)
    tables = tables_of(*runs)
    table = tables['table_6']
    assert len(table.rows) == 1
    assert cells(table, 'CADNet, out of class') == {
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
        fine_tuned(tmp_path / method, 0.05, iou, semi_supervised=method, **common)
        for method, iou in (('labeled', 0.3), ('dct', 0.4))
    ]
    table = tables_of(start, *runs)['table_6']
    assert [row.label for row in table.rows] == [
        'U-Net, semi_supervised=labeled',
        'U-Net, semi_supervised=dct',
    ]
    for row, iou in zip(table.rows, (0.3, 0.4), strict=True):
        assert row.cells['mIoU 0 %'] == Mean(0.1, None, 1)
        assert row.cells['mIoU 5 %'] == Mean(iou, None, 1)


def test_table_6_mixes_no_two_kinds_of_starts(tmp_path: pathlib.Path) -> None:
    """Where it is unclear which run was fine-tuned, 0 % is a row of its own."""
    runs = [fine_tuned(tmp_path / 'five', 0.05, 0.6)]
    for name, steps in (('x', 600), ('y', 700)):
        settings = {'head': 'ooc', 'steps': steps}
        runs.append(write_evaluated_run(tmp_path / name, 'abpt', 'line', **settings))
    table = tables_of(*runs)['table_6']
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
        fine_tuned(tmp_path / 'five', 0.05, 0.6),
        write_evaluated_run(tmp_path / 'x', 'abpt', 'line', iou=0.4, **start),
    ]
    row = tables_of(*runs)['table_6'].rows[0]
    assert row.cells['mIoU 0 %'] is None
    assert row.cells['mIoU 5 %'] == Mean(0.6, None, 1)


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
    run = fine_tuned(tmp_path / 'five', 0.05, 0.6, origin=origin)
    assert list(tables_of(run)) == ['all_runs']


def test_scores_of_another_step_are_a_row_of_their_own(tmp_path: pathlib.Path) -> None:
    runs = [
        write_evaluated_run(tmp_path / str(seed), 'mixed', 'mixed', seed=seed, steps=9)
        for seed in (0, 1)
    ]
    (path,) = (tmp_path / '1').glob('evaluation/*/metrics.json')
    path.unlink()
    write_evaluation(tmp_path / '1', 'mixed', step=3)
    labels = [row.label for row in tables_of(*runs)['table_3'].rows]
    assert labels == ['CADNet', 'CADNet, at step 3']


def test_table_7_adds_losses_and_the_decoder(tmp_path: pathlib.Path) -> None:
    kinds: dict[str, dict[str, Any]] = {
        'CE': {'head': 'plain', 'contrastive_weight': 0.0},
        'CE + CL': {'head': 'plain', 'balance': 'none'},
        'CE + BCL': {'head': 'plain'},
        'CE + BCL + CAD': {},
        'none of them': {'balance': 'none'},  # CAD with the plain contrastive loss
    }
    runs = [
        write_evaluated_run(
            tmp_path / str(i), 'mixed', 'mixed', line=i / 10, **settings
        )
        for i, settings in enumerate(kinds.values())
    ]
    tables = tables_of(*reversed(runs))
    table = tables['table_7']
    assert [row.label for row in table.rows] == list(kinds)[:4]
    lines = [cells(table, label)['IoU line'] for label in list(kinds)[:4]]
    assert lines == [0, 0.1, 0.2, 0.3]
    assert len(tables['table_3'].rows) == 2  # CADNet with either loss


def test_every_evaluation_is_listed_with_the_tables_it_went_into(
    tmp_path: pathlib.Path,
) -> None:
    runs = [
        write_evaluated_run(tmp_path / 'a', 'mixed', 'mixed', seed=3, steps=600),
        fine_tuned(tmp_path / 'b', 0.05, 0.6),
    ]
    write_evaluation(tmp_path / 'a', 'mixed', step=7)
    write_evaluation(tmp_path / 'a', 'line')
    tables = tables_of(*runs)
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
        tables_of(*runs)
    assert str(error.value).startswith(f'{runs[0]} and {runs[1]} have ')


def test_data_of_other_pixels_but_one_size_and_count_are_compared(
    tmp_path: pathlib.Path,
) -> None:
    """Of a share, which the seed draws, the classes have other numbers of pixels."""
    shares = (90, 8, 2), (95, 4, 1)
    runs = [
        fine_tuned(tmp_path / str(seed), 0.1, 0.5, seed=seed, learned=learned)
        for seed, learned in enumerate(shares)
    ]
    (row,) = tables_of(*runs)['table_6'].rows
    assert row.cells['mIoU 10 %'] == Mean(0.5, 0, 2)


def test_a_run_that_no_table_of_the_paper_has_stands_alone_in_the_list(
    tmp_path: pathlib.Path,
) -> None:
    run = write_evaluated_run(tmp_path / 'a', 'mixed', 'line')
    assert list(tables_of(run)) == ['all_runs']


def test_the_published_runs_make_the_published_table() -> None:
    """Table 3 of docs/synlcd_results.md, of the runs in docs/results."""
    table = tables_of(str(ROOT / 'docs/results/synlcd_small.jsonl'))['table_3']
    names = ('IoU line', 'IoU abpt', 'mIoU', 'mAcc', 'mFscore')
    lines = []
    for row in table.rows:
        values: Any = [row.cells[name] for name in names]
        assert {value.n for value in values} == {3}
        cells = [f'{100 * v.mean:.1f} ± {100 * v.std:.1f}' for v in values]
        lines.append(' | '.join([row.label.partition(',')[0], *cells]))
    published = (ROOT / 'docs/synlcd_results.md').read_text()
    assert len(lines) == 2
    assert all(f'| {line} |' in published for line in lines)
