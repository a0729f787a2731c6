"""Claims about which runs are a row, and what it is called."""

import pathlib

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
