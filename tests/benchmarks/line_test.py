"""A production line of prepared pairs: which windows are parts, and what is counted."""

import dataclasses
import json
import pathlib
from typing import Any

import numpy as np
import pytest

from cadnet_jax.benchmarks import line
from cadnet_jax.benchmarks.line import LineOptions, line_table, score_line
from cadnet_jax.benchmarks.registration_curve import (
    MOVES,
    Move,
    apply_move,
    measure_curve,
)
from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.inspection.registration import METHODS
from tests.support.tiny_data import prepare_tiny
from tests.support.tiny_run import differencing_predictor


def scored(score: float, *, bad: bool, group: str = 'tested') -> dict[str, Any]:
    scores = {'network': score}
    return {'part': '', 'group': group, 'bad': bad, 'first': True, 'scores': scores}


def test_a_table_counts_on_other_groups_than_those_that_calibrate() -> None:
    """59 good parts show 5 %; the threshold is their highest score."""
    lines = [scored(k / 100, bad=False, group='good') for k in range(59)]
    lines += [scored(0.9, bad=True), scored(0.9, bad=True), scored(0.5, bad=True)]
    lines += [scored(0.1, bad=False), scored(0.7, bad=False)]
    lines += [{**scored(0, bad=True), 'scores': None}]
    head, row = line_table(lines, ['good'], target=0.05)
    assert head.startswith('1 parts INVALID')
    assert 'threshold 0.58' in row
    assert 'false rejects 1 of 2' in row
    assert 'escapes 1 of 3' in row


def test_a_part_that_is_not_good_does_not_calibrate() -> None:
    """Names of other parts are refused."""
    lines = [
        scored(k / 100, bad=False, group='good') | {'part': f'good {k}'}
        for k in range(60)
    ]
    lines += [scored(0.585, bad=True) | {'part': 'bad'}]
    table = line_table(lines, ['good'], target=0.05, not_good=['good 59'])
    assert 'threshold 0.58' in table[1] and 'escapes 0 of 1' in table[1]
    assert 'escapes 1 of 1' in line_table(lines, ['good'], target=0.05)[1]
    with pytest.raises(ValueError, match="'bad' is not a part that calibrates"):
        line_table(lines, ['good'], target=0.05, not_good=['bad'])


def test_too_few_good_parts_give_no_table() -> None:
    lines = [scored(0.1, bad=False, group='good'), scored(0.9, bad=True)]
    with pytest.raises(ValueError, match='1 good parts cannot show'):
        line_table(lines, ['good'], target=0.05)


def test_whole_pairs_are_parts_and_a_run_resumes(tmp_path: pathlib.Path) -> None:
    data = prepare_tiny(
        tmp_path, sizes=((96, 96),), num={'train': 4}, unchanged_every=2
    )
    output = tmp_path / 'line.jsonl'
    options = LineOptions(window=0, method='none')
    lines = score_line(differencing_predictor(), data, ['train'], options, output)
    assert [line['bad'] for line in lines].count(True) == 2
    for system in ('network, smallest area 10', 'differencing 1, smallest area 10'):
        good = [line['scores'][system] for line in lines if not line['bad']]
        bad = [line['scores'][system] for line in lines if line['bad']]
        assert max(good) < min(bad)
    head, *written = output.read_text().splitlines()
    assert [json.loads(line) for line in written] == lines
    output.write_text('\n'.join([head, *written[:2], '']))
    again = score_line(differencing_predictor(), data, ['train'], options, output)
    assert again == lines


def test_scores_of_one_network_data_and_options_stand_in_a_file(
    tmp_path: pathlib.Path,
) -> None:
    num = {'train': 1, 'val': 1}
    data = prepare_tiny(tmp_path, sizes=((96, 96),), num=num)
    other = prepare_tiny(tmp_path / 'x', sizes=((96, 96),), num={'train': 2})
    output = tmp_path / 'line.jsonl'
    options = LineOptions(window=0, method='none')
    network = differencing_predictor()
    first = score_line(network, data, ['train'], options, output)
    assert len(score_line(network, data, ['train', 'val'], options, output)) == 2
    assert score_line(network, data, ['train'], options, output) == first
    written = output.read_bytes()
    trained = differencing_predictor(variables={'params': {'weight': np.ones(1)}})
    tiles = differencing_predictor(tile_size=96)
    shifted = dataclasses.replace(options, method='shift')
    for predictor, source, made, name in (
        (trained, data, options, 'weights_sha256'),
        (tiles, data, options, 'tile_size'),
        (network, other, options, 'data'),
        (network, data, shifted, 'method'),
    ):
        with pytest.raises(ValueError, match=f'another {name}; name another --output'):
            score_line(predictor, source, ['train'], made, output)
    assert output.read_bytes() == written
    output.write_text('\n'.join(output.read_text().splitlines()[1:]))
    with pytest.raises(ValueError, match='another weights_sha256, tile_size'):
        score_line(network, data, ['train'], options, output)
    output.write_text('no JSON')
    with pytest.raises(ValueError, match=r'line\.jsonl: damaged'):
        score_line(network, data, ['train'], options, output)


def test_options_without_effect_are_refused() -> None:
    for options in ({'nuisance': 'pku'}, {'reference_is_good': True}):
        with pytest.raises(ValueError, match='give --window=0'):
            LineOptions(**options)
    with pytest.raises(ValueError, match='--nuisance=typo: it can be: brightness'):
        LineOptions(window=0, nuisance='typo')


def test_what_cannot_be_is_refused_before_anything_is_scored(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown group, and images smaller than the windows."""
    data = prepare_tiny(tmp_path, num={'train': 2})
    monkeypatch.setattr(line, 'make_inspector', None)
    output = tmp_path / 'line.jsonl'
    groups = ('group_0', 'typo')
    for options, match in (
        (LineOptions(window=0, calibration_groups=groups), 'no group typo; there are'),
        (LineOptions(), 'no part with --window=320; give a smaller'),
    ):
        with pytest.raises(ValueError, match=match):
            score_line(differencing_predictor(), data, ['train'], options, output)
    assert not output.exists() or not output.read_text()


def test_a_table_says_what_is_not_tested() -> None:
    lines = [scored(k / 100, bad=False, group='good') for k in range(59)]
    _, row = line_table(lines, ['good'], target=0.05)
    assert 'false rejects not tested; escapes not tested' in row
    with pytest.raises(ValueError, match='all 59 parts are INVALID'):
        line_table([x | {'scores': None} for x in lines], ['good'], target=0.05)


@pytest.mark.parametrize('kept', [1, 2])
def test_a_defect_of_any_class_counts(
    kept: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each board has a defect of either class; one of the two is taken away."""
    data = prepare_tiny(tmp_path, sizes=((96, 96),), num={'train': 1})
    (board,) = evaluation_batches(data, 'train', batch_size=1)
    of_class = (board['mask'] == kept)[..., None]
    board['image'] = np.where(of_class, board['image'], board['reference'])
    monkeypatch.setattr(line, 'evaluation_batches', lambda *_, **__: [board])
    options = LineOptions(window=0, method='none')
    (scored_board,) = score_line(
        differencing_predictor(), data, ['train'], options, tmp_path / 'line.jsonl'
    )
    assert scored_board['scores']['network, smallest area 10'] > 0.3


def test_windows_show_a_whole_defect_or_none(tmp_path: pathlib.Path) -> None:
    data = prepare_tiny(tmp_path, sizes=((192, 192),), num={'train': 2})
    options = LineOptions(window=96, method='none', windows=2)
    lines = score_line(
        differencing_predictor(), data, ['train'], options, tmp_path / 'x.jsonl'
    )
    kinds = [(line['part'].split()[1], line['bad']) for line in lines]
    assert set(kinds) <= {('bad', True), ('good', False)}
    assert ('bad', True) in kinds
    firsts = [line for line in lines if line['bad'] and line['first']]
    assert len(firsts) == len({line['part'].split()[0] for line in firsts})


def test_pairs_without_room_for_a_window_are_counted(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = prepare_tiny(tmp_path, sizes=((192, 192), (64, 192)), num={'train': 4})
    options = LineOptions(window=96, method='none')
    output = tmp_path / 'x.jsonl'
    lines = score_line(differencing_predictor(), data, ['train'], options, output)
    assert len({line['part'].split()[0] for line in lines}) == 2
    said = capsys.readouterr().out
    assert 'warning: 2 pairs are smaller than --window=96' in said


def test_a_move_and_the_opposite_one_leave_the_middle_as_it_was() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    np.testing.assert_array_equal(apply_move(image, Move()), image)
    moved = apply_move(image, Move(shift=4 * np.sqrt(2)))
    np.testing.assert_array_equal(moved[8:, 8:], image[4:-4, 4:-4])


def test_a_curve_has_a_row_for_each_method_and_move(tmp_path: pathlib.Path) -> None:
    """Fewer pairs than the limit: shares are of those that there are."""
    data = prepare_tiny(tmp_path, sizes=((96, 96),), num={'train': 1})
    rows = measure_curve(
        differencing_predictor(), data, 'train', limit=5, threshold=0.5
    )
    assert len(rows) == len(METHODS) * len(MOVES)
    still = [row for row in rows if row.move == Move() and row.method == 'none']
    assert [row.invalid for row in still] == [0]
    assert still[0].hit_rate == 1
