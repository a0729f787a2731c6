"""The scale of runs in words, beside the scores that it explains."""

import pathlib

import pytest

from cadnet_jax.reports.scale import scale_note
from cadnet_jax.runs.finished_runs import read_results
from tests.support.evaluated_run import (
    make_tables_of,
    write_evaluated_run,
    write_public_run,
)

MILLION = 1_000_000


def test_the_note_of_a_table_has_the_scale_of_its_runs_and_of_the_paper(
    tmp_path: pathlib.Path,
) -> None:
    """20 and 400 steps of 8 crops; 11 million labeled pixels, 3 x 2 million tested."""
    runs = [
        write_evaluated_run(
            tmp_path / str(steps),
            'mixed',
            'mixed',
            steps=steps,
            warmup_steps=5,
            batch_size=8,
            crop_size=48,
            learned=(9 * MILLION, MILLION, MILLION),
            pixels=2 * MILLION,
        )
        for steps in (20, 400)
    ]
    note = make_tables_of(*runs)['table_3'].note
    assert (
        'Scale of these runs: 20 to 400 steps of 8 crops of 48 pixels a side from '
        'random weights; 11.0 megapixels learned from, 6.0 tested on. The paper: '
        '126,000 steps' in note
    )


@pytest.mark.parametrize(
    ('settings', 'learned'),
    [
        ({'train_split': 'train[:98%]'}, '19.6'),
        ({'train_split': 'train[-10%:]'}, '2.0'),
        ({'train_split': 'train[25%:-25%]'}, '10.0'),
        ({'train_split': 'train+val'}, '20.0'),
        ({'train_split': 'train[:30]'}, 'at most 20.0'),
        # dataset.json has the pixels of a share of the labels already.
        ({'train_split': 'train[:98%]', 'label_fraction': 0.05}, '20.0'),
    ],
)
def test_of_a_part_of_a_split_its_own_pixels_are_counted(
    tmp_path: pathlib.Path, settings: dict[str, object], learned: str
) -> None:
    learned_from = (20 * MILLION, 0, 0)
    run = write_evaluated_run(
        tmp_path / 'run', 'mixed', 'mixed', learned=learned_from, **settings
    )
    note = scale_note(read_results([run]))
    assert f'from random weights; {learned} megapixels learned from' in note


def test_the_scale_of_the_paper_stands_beside_its_own_data_alone(
    tmp_path: pathlib.Path,
) -> None:
    run = write_public_run(
        tmp_path / 'run', 'pku_market_pcb/by_crop', {'short': 0.5}, init_from='released'
    )
    note = make_tables_of(run)['table_4'].note
    assert 'from given weights' in note and 'The paper:' not in note
