"""What lies in an output folder: the files of one run, whole or known as cut short."""

import json
import os
import pathlib

import numpy as np
import pytest

from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.inference import pair_results
from cadnet_jax.inference.decision import Rule
from cadnet_jax.inference.pair_files import PairFiles, list_pairs
from cadnet_jax.inference.predict_files import predict_files
from cadnet_jax.inference.results import RESULTS_FILE
from tests.support.tiny_data import tiny_board
from tests.support.tiny_run import differencing_predictor

KINDS = ('.json', '_mask.png', '_overlay.png')


@pytest.fixture
def pairs(tmp_path: pathlib.Path) -> list[PairFiles]:
    image, reference, _ = tiny_board(np.random.default_rng(0), (40, 48))
    for name in 'abc':
        write_png(tmp_path / 'image' / f'{name}.png', image)
    write_png(tmp_path / 'reference.png', reference)
    return list_pairs(
        image=tmp_path / 'image', reference=tmp_path / 'reference.png', pairs=''
    )


def predict(
    pairs: list[PairFiles],
    output: pathlib.Path,
    *,
    overwrite: bool = False,
    min_area: int = 1,
) -> None:
    predictor = differencing_predictor(rule=Rule(min_area=min_area))
    predict_files(predictor, pairs, output, overwrite=overwrite, progress=False)


def names_in(output: pathlib.Path) -> set[str]:
    return {path.name for path in output.iterdir()}


def test_results_json_lists_what_is_there(
    pairs: list[PairFiles], tmp_path: pathlib.Path
) -> None:
    predict(pairs, tmp_path / 'out')
    values = json.loads((tmp_path / 'out' / RESULTS_FILE).read_text())
    assert {*values['files'], RESULTS_FILE} == names_in(tmp_path / 'out')
    assert sorted(values['files']) == sorted(n + k for n in 'abc' for k in KINDS)
    assert values['complete'] is True
    assert values['run']['pairs'][2] == [str(pairs[2].image), str(pairs[2].reference)]


def test_an_equal_run_takes_the_place_of_an_interrupted_one(
    pairs: list[PairFiles], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / 'out'
    predict(pairs, output)
    with monkeypatch.context() as patch:

        def write_until_b(path: pathlib.Path, values: object) -> None:
            if path.stem == 'b':
                raise KeyboardInterrupt
            path.write_text(json.dumps(values))

        patch.setattr(pair_results, 'write_json', write_until_b)
        with pytest.raises(KeyboardInterrupt):
            predict(pairs, output)
    # Nothing of the complete run stands beside what the interrupted one wrote.
    assert not (output / 'b.json').exists()
    assert json.loads((output / RESULTS_FILE).read_text())['complete'] is False
    predict(pairs, output)
    assert json.loads((output / RESULTS_FILE).read_text())['complete'] is True
    assert names_in(output) == {RESULTS_FILE, *(n + k for n in 'abc' for k in KINDS)}


def test_an_equal_run_resumes_where_one_was_interrupted(
    pairs: list[PairFiles], tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs that are done stay; one whose image was replaced, by an older one, not."""
    output, whole = tmp_path / 'out', tmp_path / 'whole'
    predict(pairs, whole)
    with monkeypatch.context() as patch:

        def write_until_c(path: pathlib.Path, values: object) -> None:
            if path.stem == 'c':
                raise KeyboardInterrupt
            path.write_text(json.dumps(values, indent=2) + '\n')

        patch.setattr(pair_results, 'write_json', write_until_c)
        with pytest.raises(KeyboardInterrupt):
            predict(pairs, output)
    done = (output / 'a.json').stat().st_mtime_ns
    clean = read_image(pairs[1].reference)
    write_png(pairs[1].image, clean)
    os.utime(pairs[1].image, ns=(10**18, 10**18))
    assert json.loads((output / 'b.json').read_text())['defects']
    predict(pairs, output)
    assert (output / 'a.json').stat().st_mtime_ns == done
    assert not json.loads((output / 'b.json').read_text())['defects']
    predict(pairs, whole)
    for path in whole.iterdir():
        assert (output / path.name).read_bytes() == path.read_bytes()


def test_a_resumed_run_writes_all_that_it_lists(
    pairs: list[PairFiles], tmp_path: pathlib.Path
) -> None:
    predict(pairs, tmp_path / 'out')
    results = tmp_path / 'out' / RESULTS_FILE
    values = json.loads(results.read_text()) | {'complete': False}
    results.write_text(json.dumps(values))
    predict_files(
        differencing_predictor(), pairs, results.parent, panels=True, progress=False
    )
    listed = json.loads(results.read_text())['files']
    assert {*listed, RESULTS_FILE} == names_in(results.parent)
    assert 'a_panel.png' in listed


def test_another_run_needs_another_folder(
    pairs: list[PairFiles], tmp_path: pathlib.Path
) -> None:
    """Fewer pairs, or another rule; --overwrite leaves nothing of the first."""
    output = tmp_path / 'out'
    predict(pairs, output)
    before = {path: path.stat().st_mtime_ns for path in output.iterdir()}
    with pytest.raises(FileExistsError, match=r'results of another run \(9 files'):
        predict(pairs[:1], output)
    with pytest.raises(FileExistsError, match='--overwrite'):
        predict(pairs, output, min_area=9)
    assert before == {path: path.stat().st_mtime_ns for path in output.iterdir()}
    predict(pairs[:1], output, overwrite=True)
    assert names_in(output) == {RESULTS_FILE, *('a' + kind for kind in KINDS)}


def test_files_that_are_not_ours_stay(
    pairs: list[PairFiles], tmp_path: pathlib.Path
) -> None:
    output = tmp_path / 'out'
    output.mkdir()
    mask = output / 'b_mask.png'
    mask.write_text('a label of mine')
    (output / 'notes.txt').write_text('mine')
    with pytest.raises(FileExistsError, match=r'b_mask\.png already exists'):
        predict(pairs, output)
    assert names_in(output) == {'b_mask.png', 'notes.txt'}
    predict(pairs, output, overwrite=True)
    predict(pairs[:1], output, overwrite=True)
    assert (output / 'notes.txt').read_text() == 'mine'


@pytest.mark.parametrize(
    'content', ['', '[]', '{"tests": 3}', '{"run": {}, "files": ["../notes.txt"]}']
)
def test_a_results_json_of_another_tool_stays(
    pairs: list[PairFiles], tmp_path: pathlib.Path, content: str
) -> None:
    """And no file outside the folder is removed, whatever it says."""
    output = tmp_path / 'out'
    output.mkdir()
    (tmp_path / 'notes.txt').write_text('mine')
    (output / RESULTS_FILE).write_text(content)
    with pytest.raises(ValueError, match=r'results\.json: damaged.*--overwrite'):
        predict(pairs, output)
    assert (output / RESULTS_FILE).read_text() == content
    predict(pairs, output, overwrite=True)
    assert (tmp_path / 'notes.txt').exists()
