"""Claims about tables 3, 4, 5 and 7; the values are worked out by hand."""

import pathlib
from typing import Any

import pytest

from cadnet_jax.reports.grouping import Mean, format_mean
from tests.conftest import ROOT
from tests.support.evaluated_run import (
    cells_of,
    make_tables_of,
    write_evaluated_run,
    write_public_run,
)


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
    table = make_tables_of(*runs)['table_3']
    assert [row.label for row in table.rows] == ['CADNet', 'SegFormer']
    assert cells_of(table, 'CADNet')['mAcc'] == 0.8
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
    tables = make_tables_of(*runs)
    assert list(tables) == ['table_3', key, 'table_7', 'all_runs']
    table = tables[key]
    names = ['IoU short', 'IoU spur', 'mIoU', 'mAcc', 'mFscore']
    assert [column.name for column in table.columns] == names
    assert [row.label for row in table.rows] == ['CADNet', 'SegFormer']
    expected = dict(zip(names, (0.5, 0.5, 0.5, 0.8, 0.7), strict=True))
    assert cells_of(table, 'CADNet') == expected
    assert table.rows[0].cells['IoU spur'] == (
        pytest.approx(0.5),
        pytest.approx(0.4 / 2**0.5),
        2,
    )


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
    tables = make_tables_of(*reversed(runs))
    table = tables['table_7']
    assert [row.label for row in table.rows] == list(kinds)[:4]
    lines = [cells_of(table, label)['IoU line'] for label in list(kinds)[:4]]
    assert lines == [0, 0.1, 0.2, 0.3]
    assert len(tables['table_3'].rows) == 2  # CADNet with either loss


def test_tables_3_and_7_name_transfer(tmp_path: pathlib.Path) -> None:
    run = write_evaluated_run(tmp_path / 'run', 'mixed', 'mixed', init_from='released')
    tables = make_tables_of(run)
    labels = [row.label for key in ('table_3', 'table_7') for row in tables[key].rows]
    assert labels == ['Transfer: CADNet', 'Transfer: CE + BCL + CAD']


@pytest.mark.parametrize('dataset', ['pku_market_pcb/by_crop', 'mvtec_ad/by_object'])
def test_tables_4_and_5_name_transfer(dataset: str, tmp_path: pathlib.Path) -> None:
    ious = {'short': 0.5}
    run = write_public_run(tmp_path / 'run', dataset, ious, init_from='released')
    table, *_ = make_tables_of(run).values()
    assert [row.label for row in table.rows] == ['Transfer: CADNet']
    assert 'learned from synthetic pairs' in table.note


def test_the_published_runs_make_the_published_table() -> None:
    """Table 3 of docs/synlcd_results.md, of the runs in docs/results."""
    table = make_tables_of(str(ROOT / 'docs/results/synlcd_small.jsonl'))['table_3']
    names = ('IoU line', 'IoU abpt', 'mIoU', 'mAcc', 'mFscore')
    lines = []
    for row in table.rows:
        values: Any = [row.cells[name] for name in names]
        assert {value.n for value in values} == {1}
        cells = [format_mean(value, percent=True, digits=1) for value in values]
        lines.append(' | '.join([row.label.partition(',')[0], *cells]))
    published = (ROOT / 'docs/synlcd_results.md').read_text()
    assert len(lines) == 3
    assert all(f'| {line} |' in published for line in lines)
