"""Claims about which runs are a row, and what it is called."""

import pathlib
from typing import Any

import pytest

from tests.support.evaluated_run import (
    make_tables_of,
    write_evaluated_run,
    write_evaluation,
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
    labels = [row.label for row in make_tables_of(*runs)['table_3'].rows]
    assert labels == [
        'CADNet, learning_rate=0.001, no init_from',
        'CADNet, learning_rate=6e-05, init_from=given',
        'SegFormer',
        'SegFormer, on val',
    ]


def test_scores_of_another_step_are_a_row_of_their_own(tmp_path: pathlib.Path) -> None:
    runs = [
        write_evaluated_run(tmp_path / str(seed), 'mixed', 'mixed', seed=seed, steps=9)
        for seed in (0, 1)
    ]
    (path,) = (tmp_path / '1').glob('evaluation/*/metrics.json')
    path.unlink()
    write_evaluation(tmp_path / '1', 'mixed', step=3)
    labels = [row.label for row in make_tables_of(*runs)['table_3'].rows]
    assert labels == ['CADNet', 'CADNet, at step 3']


def test_a_ramp_that_is_not_used_makes_no_row(tmp_path: pathlib.Path) -> None:
    """Runs of earlier versions have another default."""
    runs = [
        write_evaluated_run(
            tmp_path / str(seed), 'mixed', 'mixed', seed=seed, ramp_steps=steps
        )
        for seed, steps in enumerate((0, 30_000))
    ]
    (row,) = make_tables_of(*runs)['table_3'].rows
    assert row.label == 'CADNet'


@pytest.mark.parametrize(
    ('others', 'label'),
    [
        ({'tile_size': 512, 'orientations': 1, 'threshold': None, 'min_area': 1}, ''),
        ({'tile_size': 256}, 'tile_size=256'),
        ({'orientations': 4}, 'orientations=4'),
        ({'threshold': 0.3}, 'threshold=0.3'),
        ({'min_area': 9}, 'min_area=9'),
    ],
    ids=['the defaults', 'tile_size', 'orientations', 'threshold', 'min_area'],
)
def test_scores_that_were_made_in_another_way_are_no_other_seed(
    others: dict[str, Any], label: str, tmp_path: pathlib.Path
) -> None:
    """What an earlier version left out of metrics.json was the default."""
    runs = [
        write_evaluated_run(tmp_path / str(seed), 'mixed', 'mixed', seed=seed, steps=9)
        for seed in (0, 1)
    ]
    write_evaluation(tmp_path / '1', 'mixed', step=9, **others)
    rows = make_tables_of(*runs)['table_3'].rows
    assert [len(row.results) for row in rows] == ([1, 1] if label else [2])
    assert rows[-1].label == (f'CADNet, {label}' if label else 'CADNet')


def test_first_weights_of_another_kind_are_a_row_of_their_own(
    tmp_path: pathlib.Path,
) -> None:
    """In a study each seed starts from the run of its seed, and all are a row."""
    study = {'dataset': 'synlcd/abpt', 'label_fraction': 1.0, 'head': 'cad'}
    origins: list[dict[str, Any]] = [
        {**study, 'init_from': 'a', 'seed': 0, 'step': 600},
        {**study, 'init_from': 'b', 'seed': 1, 'step': 500},
        {**study, 'init_from': 'released', 'dataset': 'x', 'sha256': '0123456789' * 6},
        {**study, 'init_from': 'mit_b0', 'dataset': None},
    ]
    runs = [
        write_evaluated_run(
            tmp_path / str(seed),
            'mixed',
            'mixed',
            seed=seed,
            init_from=origin['init_from'],
            origin=origin,
        )
        for seed, origin in enumerate(origins)
    ]
    rows = make_tables_of(*runs)['table_3'].rows
    assert [(row.label, len(row.results)) for row in rows] == [
        ('CADNet, init_from.dataset=synlcd/abpt', 2),
        ('Transfer: CADNet, init_from.dataset=x, init_from.sha256=012345678901', 1),
        ('CADNet', 1),
    ]
