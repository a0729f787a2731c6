"""Folders of parts: what is written, what is resumed, and what is never mixed."""

import csv
import dataclasses
import functools
import json
import pathlib
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tifffile

from cadnet_jax import load_inspector
from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.inspection import inspecting, part_files
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.inspector import Inspection, Inspector, make_inspectors
from cadnet_jax.inspection.making import make_recipe
from cadnet_jax.inspection.part_files import (
    Outputs,
    inspect_batches,
    inspect_kept,
    inspect_parts,
)
from cadnet_jax.inspection.parts import Part, arriving, list_parts
from cadnet_jax.inspection.recipe import File, View
from cadnet_jax.inspection.recipe_files import add_image
from cadnet_jax.inspection.rules import INVALID, NG, OK, Limits
from cadnet_jax.inspection.verdict_picture import draw_verdict
from tests.conftest import ROOT
from tests.inspection.inspector_test import RULES, board, inspector, shot, with_spot
from tests.inspection.registration_test import view
from tests.support.tiny_run import differencing_predictor, write_run

pytestmark = pytest.mark.unoptimized

PLAIN = Outputs(overlays=False)
NOT_KEPT = 'its scores were not kept; inspect with --keep_scores'


def write_parts(folder: pathlib.Path) -> None:
    """A good part, a defective one, a black one, and a damaged file."""
    write_png(folder / 'a.png', shot(board(), 2, 3, 0, 1))
    write_png(folder / 'b.png', shot(with_spot(board())))
    write_png(folder / 'c.png', np.zeros_like(shot(board())))
    (folder / 'd.png').write_bytes((folder / 'a.png').read_bytes()[:999])
    (folder / '._a.png').write_bytes(b'a companion of macOS, which is no image')


def make(folder: pathlib.Path, **rules: Any) -> dict[str, Inspector]:
    rules = {'edge_tolerance': 4} | rules
    return {'': inspector(folder, rules=dataclasses.replace(RULES, **rules))}


def run(
    inspectors: dict[str, Inspector],
    parts: list[Part],
    out: pathlib.Path,
    outputs: Outputs = PLAIN,
) -> Counter[str]:
    return inspect_parts(inspectors, parts, out, outputs=outputs, progress=False)


def lines(folder: pathlib.Path) -> list[Any]:
    text = (folder / 'results.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_each_part_has_its_verdict_in_table_json_page_and_picture(
    tmp_path: pathlib.Path,
) -> None:
    """One bad file is INVALID and stops nothing."""
    write_parts(tmp_path / 'parts')
    out = tmp_path / 'out'
    inspectors = make(tmp_path / 'r')
    counts = run(inspectors, list_parts(tmp_path / 'parts'), out, Outputs())
    assert counts == {OK: 1, NG: 1, INVALID: 2}
    with (out / 'results.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['verdict'] for row in rows] == [OK, NG, INVALID, INVALID]
    assert [row['part'] for row in rows] == ['a', 'b', 'c', 'd']
    assert float(rows[0]['shift_y']) == pytest.approx(2, abs=0.3)
    assert rows[1]['defects'] == '1'
    assert 'truncated PNG' in rows[3]['reasons']
    found = lines(out)
    assert [values['verdict'] for values in found] == [OK, NG, INVALID, INVALID]
    assert found[0]['recipe'] == inspectors[''].recipe.settings_sha256()
    defects = [r for r in found[1]['views']['']['regions'] if r['is_defect']]
    assert defects[0]['centroid'] == pytest.approx([129.5, 109.5], abs=2)
    assert defects[0]['rule'] == 'area of at least 30 px'
    pictures = sorted(path.name for path in (out / 'overlays').iterdir())
    assert pictures == ['a.png', 'b.png', 'c.png']
    assert read_image(out / 'overlays' / 'b.png').shape[1] == 2 * 256


def test_the_page_is_sorted_by_verdict_and_needs_no_other_file(
    tmp_path: pathlib.Path,
) -> None:
    """Names are escaped; nothing is fetched."""
    write_parts(tmp_path / 'parts')
    (tmp_path / 'parts' / 'b.png').rename(tmp_path / 'parts' / 'x&<y.png')
    parts = list_parts(tmp_path / 'parts')
    run(make(tmp_path / 'r'), parts, tmp_path / 'out', Outputs())
    page = (tmp_path / 'out' / 'results.html').read_text()
    rows = [page.index(f'row-{verdict}">') for verdict in (NG, INVALID, OK)]
    assert rows == sorted(rows)
    assert page.count('data:image/jpeg;base64,') == 2
    assert 'x&amp;&lt;y.png' in page
    assert 'x&<y' not in page
    assert 'http' not in page
    assert 'src="overlays' not in page
    assert '4 parts; no false-reject bound: the recipe is not calibrated.' in page
    assert 'wrote no pictures' not in page
    run(make(tmp_path / 'r'), parts, tmp_path / 'plain', PLAIN)
    assert 'wrote no pictures' in (tmp_path / 'plain' / 'results.html').read_text()


def test_a_run_resumes_and_equals_an_undisturbed_one(tmp_path: pathlib.Path) -> None:
    """Bit for bit, also after a line that was cut off; nothing is inspected again."""
    write_parts(tmp_path / 'parts')
    inspectors = make(tmp_path / 'r')
    parts = list_parts(tmp_path / 'parts')
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    run(inspectors, parts, whole)
    assert not (whole / 'overlays').exists()
    run(inspectors, parts[:2], broken)
    results = broken / 'results.jsonl'
    results.write_bytes(results.read_bytes()[:-40])
    run(inspectors, parts, broken)
    for name in ('results.jsonl', 'results.csv', 'results.html'):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    run(inspectors, parts, broken)
    assert results.read_bytes() == (whole / 'results.jsonl').read_bytes()
    write_png(parts[0].images[''], shot(with_spot(board())))
    assert run(inspectors, parts, broken)[NG] == 2


def test_a_stopped_run_leaves_no_table_of_earlier_images(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parts(tmp_path / 'parts')
    inspectors, parts = make(tmp_path / 'r'), list_parts(tmp_path / 'parts')
    run(inspectors, parts, tmp_path / 'out')
    write_png(parts[0].images[''], shot(with_spot(board())))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(part_files, 'part_result', interrupt)
        run(inspectors, parts, tmp_path / 'out')
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {
        'results.jsonl',
        'run.json',
    }


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_file_that_could_not_be_read_is_tried_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parts(tmp_path / 'parts')
    inspectors, parts = make(tmp_path / 'r'), list_parts(tmp_path / 'parts')[:1]
    read_bytes = pathlib.Path.read_bytes

    def fail(path: pathlib.Path) -> bytes:
        if path == parts[0].images['']:
            raise OSError('Stale file handle')
        return read_bytes(path)

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, 'read_bytes', fail)
        assert run(inspectors, parts, tmp_path / 'out') == {INVALID: 1}
    assert run(inspectors, parts, tmp_path / 'out') == {OK: 1}


@pytest.mark.parametrize('damage', ['{', '[1]', '{"verdict": "OK"}'])
def test_a_damaged_line_of_results_is_named(
    damage: str, tmp_path: pathlib.Path
) -> None:
    write_parts(tmp_path / 'parts')
    inspectors, parts = make(tmp_path / 'r'), list_parts(tmp_path / 'parts')
    run(inspectors, parts, tmp_path / 'x')
    results = tmp_path / 'x' / 'results.jsonl'
    lines = results.read_text().splitlines()
    results.write_text('\n'.join([lines[0], damage, *lines[2:], '']))
    with pytest.raises(ValueError, match=r'results\.jsonl, line 2: damaged; take'):
        run(inspectors, parts, tmp_path / 'x')


def test_results_of_another_revision_are_not_mixed_in(tmp_path: pathlib.Path) -> None:
    write_parts(tmp_path / 'parts')
    parts = list_parts(tmp_path / 'parts')[2:]
    inspectors = make(tmp_path / 'r')
    run(inspectors, parts, tmp_path / 'out')
    recipe = dataclasses.replace(inspectors[''].recipe, revision=9)
    other = {'': dataclasses.replace(inspectors[''], recipe=recipe)}
    with pytest.raises(
        ValueError, match=r'has results of .* take another --output_dir'
    ):
        run(other, parts, tmp_path / 'out')


def test_kept_scores_give_the_verdicts_of_a_new_run(tmp_path: pathlib.Path) -> None:
    """With other rules and areas; the table is the same to the byte."""
    write_parts(tmp_path / 'parts')
    parts = list_parts(tmp_path / 'parts')
    recipe = tmp_path / 'r'
    kept = tmp_path / 'kept'
    run(make(recipe), parts, kept, Outputs(overlays=False, scores=True))
    for number, rules in enumerate(
        [{}, {'any': Limits(0.8, min_area=5)}, {'any': Limits(0.7, min_area=999)}]
    ):
        changed = make(recipe, **rules)
        fresh, again = tmp_path / f'fresh{number}', tmp_path / f'again{number}'
        counts = run(changed, parts, fresh)
        assert inspect_kept(changed, kept, again, progress=False) == counts
        for name in ('results.jsonl', 'results.csv'):
            assert (again / name).read_bytes() == (fresh / name).read_bytes()
    assert counts == {OK: 2, INVALID: 2}
    with pytest.raises(ValueError, match=r'scores below 0\.05 are not kept'):
        inspect_kept(
            make(recipe, any=Limits(0.01)), kept, tmp_path / 'x', progress=False
        )
    other = inspector(recipe, images=[view(board(1), np.eye(3))])
    with pytest.raises(ValueError, match='more than rules and areas'):
        inspect_kept({'': other}, kept, tmp_path / 'x', progress=False)
    with pytest.raises(FileNotFoundError, match='inspect with --keep_scores first'):
        inspect_kept(changed, tmp_path / 'fresh0', tmp_path / 'x', progress=False)


def test_kept_scores_are_those_of_the_image_in_the_line(tmp_path: pathlib.Path) -> None:
    """Never of an image that was there before; nor does its overlay stay."""
    write_parts(tmp_path / 'parts')
    parts, inspectors = list_parts(tmp_path / 'parts'), make(tmp_path / 'r')
    outputs, kept = Outputs(overlays=True, scores=True), tmp_path / 'kept'
    run(inspectors, parts, kept, outputs)
    before = (kept / 'results.jsonl').read_bytes()
    write_png(parts[0].images[''], shot(board(1)))  # another product
    parts[1].images[''].write_bytes(b'cut off')
    assert run(inspectors, parts, kept, outputs) == {INVALID: 4}
    assert not list((kept / 'scores').iterdir())
    assert not (kept / 'overlays' / 'b.png').exists()
    write_parts(tmp_path / 'parts')
    run(inspectors, parts[:1], kept, outputs)
    again = tmp_path / 'again'
    assert inspect_kept(inspectors, kept, again, progress=False) == {OK: 1, INVALID: 3}
    # An image without a defect was scored when the run was killed, before its line.
    write_png(parts[1].images[''], shot(board()))
    run(inspectors, parts, kept, outputs)
    (kept / 'results.jsonl').write_bytes(before)
    assert inspect_kept(inspectors, kept, again, progress=False) == {OK: 1, INVALID: 3}
    assert lines(again)[1]['reasons'] == [NOT_KEPT]


def test_kept_results_are_not_replaced(tmp_path: pathlib.Path) -> None:
    """Under whatever name, and not by those of other parts."""
    write_parts(tmp_path / 'parts')
    parts, inspectors = list_parts(tmp_path / 'parts'), make(tmp_path / 'r')
    run(inspectors, parts, tmp_path / 'kept', Outputs(False, scores=True))
    run(inspectors, parts[1:], tmp_path / 'other', Outputs())
    run(inspectors, parts[1:], tmp_path / 'bare', Outputs(overlays=False))
    (tmp_path / 'link').symlink_to(tmp_path / 'kept')
    run(inspectors, parts[:1], tmp_path / 'first', Outputs(False, scores=True))
    for source in ('first', 'kept'):  # by the same rules and images, again and again
        inspect_kept(inspectors, tmp_path / source, tmp_path / 'x', progress=False)
    for source, name in [
        ('kept', 'kept'),
        ('kept', 'link'),
        ('kept', 'other'),
        ('first', 'bare'),
    ]:
        before = (tmp_path / name / 'results.jsonl').read_bytes()
        with pytest.raises(ValueError, match='has results of other parts, scores or'):
            inspect_kept(inspectors, tmp_path / source, tmp_path / name, progress=False)
        assert (tmp_path / name / 'results.jsonl').read_bytes() == before


def test_a_part_is_done_once_all_that_is_asked_for_is_there(
    tmp_path: pathlib.Path,
) -> None:
    """Scores and overlays can be asked for later; until then no verdict is guessed."""
    write_parts(tmp_path / 'parts')
    parts, inspectors = list_parts(tmp_path / 'parts'), make(tmp_path / 'r')
    out, again = tmp_path / 'out', tmp_path / 'again'
    counts = run(inspectors, parts, out)
    with pytest.raises(FileNotFoundError, match=r'no kept scores, or .* earlier'):
        inspect_kept(inspectors, out, again, progress=False)
    run(inspectors, parts[:1], out, Outputs(overlays=False, scores=True))
    assert inspect_kept(inspectors, out, again, progress=False) == {OK: 1, INVALID: 3}
    assert lines(again)[1]['reasons'] == [NOT_KEPT]
    assert run(inspectors, parts, again) == counts
    for outputs in (Outputs(False, scores=True), Outputs(True, scores=True)):
        assert run(inspectors, parts, out, outputs) == counts
        done = (out / 'results.jsonl').read_bytes()
        run(inspectors, parts, out, outputs)
        assert (out / 'results.jsonl').read_bytes() == done
    assert inspect_kept(inspectors, out, again, progress=False) == counts
    assert len(list((out / 'overlays').iterdir())) == 3
    # An earlier version did not say which image the scores are of.
    old = lines(out)
    for line in old:
        line['views'][''].pop('scores_sha256', None)
    (out / 'results.jsonl').write_text(''.join(json.dumps(x) + '\n' for x in old))
    with pytest.raises(FileNotFoundError, match='inspect with --keep_scores first'):
        inspect_kept(inspectors, out, again, progress=False)
    run(inspectors, parts, out, Outputs(scores=True))
    assert inspect_kept(inspectors, out, again, progress=False) == counts


def test_parts_come_from_a_folder_a_list_or_a_file(tmp_path: pathlib.Path) -> None:
    write_png(tmp_path / 'x' / '1.png', shot(board()))
    write_png(tmp_path / 'y' / '1.png', shot(board()))
    (tmp_path / 'list.csv').write_text('serial,image\n7,x/1.png\n8,y/1.png\n')
    assert [p.name for p in list_parts(tmp_path / 'list.csv')] == ['x-1', 'y-1']
    assert [p.name for p in list_parts(tmp_path / 'x')] == ['1']
    assert [p.name for p in list_parts(tmp_path / 'x' / '1.png')] == ['1']
    with pytest.raises(FileNotFoundError, match='no such file or folder'):
        list_parts(tmp_path / 'z')
    with pytest.raises(ValueError, match='no image'):
        list_parts(tmp_path)


def test_parts_are_inspected_as_they_arrive(tmp_path: pathlib.Path) -> None:
    """Not while they are written, and each once; it ends if nothing arrives."""
    (tmp_path / 'line').mkdir()
    write_png(tmp_path / 'line' / 'a.png', shot(board()))
    growing = tmp_path / 'line' / 'b.png'
    data = (tmp_path / 'line' / 'a.png').read_bytes()

    def write() -> None:
        for end in range(0, len(data), len(data) // 10):
            growing.write_bytes(data[:end])
            time.sleep(0.05)
        growing.write_bytes(data)

    writer = threading.Thread(target=write)
    writer.start()
    batches = list(arriving(tmp_path / 'line', idle=1.5, interval=0.2))
    writer.join()
    assert [[part.name for part in batch] for batch in batches] == [['a'], ['b']]
    inspectors = make(tmp_path / 'r')
    out = tmp_path / 'out'
    counts = inspect_batches(inspectors, batches, out, outputs=PLAIN, progress=False)
    assert counts == {OK: 2}
    assert [line['part'] for line in lines(out)] == ['a', 'b']
    with pytest.raises(FileNotFoundError, match='watching needs one'):
        next(arriving(tmp_path / 'none'))


def touch(folder: pathlib.Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def watched(
    folder: pathlib.Path, steps: list[Callable[[], object]], **options: Any
) -> list[list[tuple[str, list[str]]]]:
    """Names and files of the parts of each batch; a step is taken after each."""
    remaining, found = iter(steps), []
    for batch in arriving(folder, idle=0.2, interval=0.05, **options):
        found.append(
            [(part.name, [f.name for f in part.images.values()]) for part in batch]
        )
        next(remaining, lambda: None)()
    return found


def test_a_watched_file_keeps_its_name_whatever_arrives(tmp_path: pathlib.Path) -> None:
    """Each is a part, again once it is rewritten; later runs use the same names."""
    line = tmp_path / 'line'
    write_png(line / '1.png', shot(board()))
    found = watched(
        line,
        [
            lambda: touch(line, '1.jpg'),
            lambda: touch(line, '0.png', '2.PNG', '2.png'),
            lambda: write_png(line / '1.png', shot(board(1))),
            lambda: write_png(line / 'a b.png', shot(board())),
            lambda: touch(line, '1-jpg.png', 'a_b.png'),
        ],
    )
    assert found == [
        [('1', ['1.png'])],
        [('1-jpg', ['1.jpg'])],
        [('0', ['0.png']), ('2', ['2.PNG']), ('2-png', ['2.png'])],
        [('1', ['1.png'])],
        [('a_b', ['a b.png'])],
        [('1-jpg-png', ['1-jpg.png']), ('a_b-png', ['a_b.png'])],
    ]
    known = {line / file: name for batch in found for name, (file,) in batch}
    (again,) = watched(line, [], known=known)
    listed = list_parts(line, known=known)
    assert [part.name for part in listed] == [name for name, _ in again]
    assert {part.images['']: part.name for part in listed} == known
    assert list_parts(line / '1.jpg', known=known)[0].name == '1-jpg'
    assert list_parts(line / '1.jpg')[0].name == '1'


def test_a_resumed_run_knows_the_names_of_the_first(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watched or not; a rewritten file is judged again, and counted once."""
    inspectors, parts = make(tmp_path / 'r'), tmp_path / 'parts'
    monkeypatch.setattr(inspecting, 'load_inspectors', lambda *_: inspectors)
    arriving_fast = functools.partial(arriving, interval=0.05)
    monkeypatch.setattr(inspecting, 'arriving', arriving_fast)

    def inspect(**options: Any) -> tuple[Counter[str], list[str]]:
        out = tmp_path / 'out'
        counts, _ = inspecting.inspect_files(
            tmp_path / 'r', out, image=parts, outputs=PLAIN, **options
        )
        return counts, [line['part'] for line in lines(out)]

    write_png(parts / '1.png', shot(board()))
    assert inspect(watch=0.2) == ({OK: 1}, ['1'])
    write_png(parts / '1.bmp.png', shot(with_spot(board())))
    (parts / '1.bmp.png').rename(parts / '1.bmp')
    for options in ({}, {'watch': 0.2}):
        assert inspect(**options) == ({OK: 1, NG: 1}, ['1', '1-bmp'])
    batches = list_parts(parts / '1.png') * 2
    run_twice = ([part] for part in batches)
    counts = inspect_batches(
        inspectors, run_twice, tmp_path / 'out', outputs=PLAIN, progress=False
    )
    assert counts == {OK: 1}


def test_watching_leaves_no_part_out_quietly(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing view is said at the end, a file that does not fit at once, once."""
    touch(tmp_path, '1_top.png', '1_back.png', '2_top.png', '4_back.png')
    touch(tmp_path, '1_top.tif', '3_left.png', 'notes.png')
    found = watched(
        tmp_path,
        [lambda: touch(tmp_path, '4_top.png')],
        pattern='(?P<part>.)_(?P<view>.+)',
        views=('top', 'back'),
    )
    assert found == [
        [('1', ['1_back.png', '1_top.png'])],
        [('4', ['4_back.png', '4_top.png'])],
        [('2', ['2_top.png'])],
    ]
    said = capsys.readouterr().err.splitlines()
    assert all(line.startswith('warning: not inspected: ') for line in said)
    assert 'part 1 already has' in said[0] and '1_top.tif' in said[0]
    assert "3_left.png: view 'left' is not in the recipe" in said[1]
    assert 'notes.png: its name does not match' in said[2]
    assert len(said) == 3


def test_views_of_a_part_are_found_by_names_or_columns(tmp_path: pathlib.Path) -> None:
    for name in ('7_top', '7_bottom', '8_top'):
        (tmp_path / f'{name}.png').touch()
    pattern, views = r'(?P<part>\d+)_(?P<view>\w+)', ('top', 'bottom')
    parts = {p.name: p for p in list_parts(tmp_path, pattern=pattern, views=views)}
    assert set(parts) == {'7', '8'}
    assert parts['7'].images['bottom'] == tmp_path / '7_bottom.png'
    assert set(parts['8'].images) == {'top'}
    (tmp_path / 'list.csv').write_text(
        'image,part,view\n7_top.png,A/1,top\n8_top.png,A/1,bottom\n'
    )
    (part,) = list_parts(tmp_path / 'list.csv', views=views)
    assert part.name == 'A_1'
    with pytest.raises(ValueError, match=r"view 'bottom' is not in the recipe"):
        list_parts(tmp_path, pattern=pattern, views=('top',))
    (tmp_path / 'notes.png').touch()
    with pytest.raises(ValueError, match=r'notes\.png: its name does not match'):
        list_parts(tmp_path, pattern=pattern, views=views)
    (tmp_path / 'list.csv').write_text('image,part\n7_top.png,A\n8_top.png,A\n')
    with pytest.raises(ValueError, match='a part has one image of each view'):
        list_parts(tmp_path / 'list.csv')


def test_the_worst_view_decides(tmp_path: pathlib.Path) -> None:
    """Each has its own reference; a missing one makes the part INVALID."""
    folder = tmp_path / 'r'
    files = [add_image(folder, 'references', shot(board(n), seed=9)) for n in (0, 1)]
    recipe = recipes.Recipe(
        views={'top': View((files[0],)), 'back': View((files[1],))},
        part_pattern='(?P<part>.)_(?P<view>.+)',
        rules=dataclasses.replace(RULES, edge_tolerance=4),
    )
    recipe = recipes.save(recipe, folder)
    assert recipes.read(folder) == recipe
    inspectors = make_inspectors(recipe, folder, differencing_predictor(cell=4))
    good, back, bad = shot(board()), shot(board(1)), shot(with_spot(board()))
    images = {'1_top': good, '1_back': back, '2_top': bad, '2_back': back}
    images |= {'3_top': good, '4_top': bad, '4_back': good}
    for name, image in images.items():
        write_png(tmp_path / 'parts' / f'{name}.png', image)
    parts = list_parts(
        tmp_path / 'parts', pattern=recipe.part_pattern, views=list(inspectors)
    )
    run(inspectors, parts, tmp_path / 'out', Outputs(scores=True))
    found = lines(tmp_path / 'out')
    assert [part['verdict'] for part in found] == [OK, NG, INVALID, NG]
    assert found[1]['reasons'][0].startswith('top: 1 missing, ')
    assert found[2]['reasons'] == ["back: view 'back' is missing"]
    assert (tmp_path / 'out' / 'overlays' / '2.top.png').exists()
    again = inspect_kept(
        inspectors, tmp_path / 'out', tmp_path / 'again', progress=False
    )
    assert again == {OK: 1, NG: 2, INVALID: 1}


def test_a_fourth_band_is_said_once_and_a_fifth_is_invalid(
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Verdicts are those of the three bands; kept scores keep what was left out."""
    good, bad = shot(board()), shot(with_spot(board()))
    colors = {'a': (good, 3), 'b': (good, 4), 'c': (bad, 4), 'd': (bad, 5)}
    for name, (pixels, bands) in colors.items():
        stored = np.dstack([pixels, 255 - pixels])[..., :bands]
        path = tmp_path / 'parts' / f'{name}.tif'
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, stored, photometric='rgb')
    inspectors = make(tmp_path / 'r')
    monkeypatch.setattr(inspecting, 'load_inspectors', lambda *_: inspectors)
    for out, source in (
        ('out', {'image': tmp_path / 'parts', 'outputs': Outputs(False, True)}),
        ('again', {'rules_only': tmp_path / 'out'}),
    ):
        found, summary = inspecting.inspect_files(
            tmp_path / 'r', tmp_path / out, **source
        )
        assert found == {OK: 2, NG: 1, INVALID: 1}
        assert summary.count('warning: ') == 1
        assert 'warning: 2 images have a fourth band, which is left out' in summary
    assert '5 bands; export three' in lines(tmp_path / 'out')[3]['reasons'][0]
    capsys.readouterr()
    reference = tmp_path / 'parts' / 'b.tif'
    run_dir = write_run(tmp_path / 'run')
    make_recipe(tmp_path / 'new', references=[reference], workdir=run_dir)
    said = 'warning: four bands, of which the fourth is left out: b.tif;'
    assert capsys.readouterr().err.count(said) == 1
    with pytest.raises(ValueError, match=r'd\.tif: 5 bands; export three'):
        make_recipe(tmp_path / 'new', references=[tmp_path / 'parts' / 'd.tif'])
    # A recipe that was edited names a file of four bands.
    recipe = recipes.read(tmp_path / 'r')
    (tmp_path / 'r' / 'references' / 'b.tif').write_bytes(reference.read_bytes())
    edited = dataclasses.replace(recipe, references=(File('references/b.tif'),))
    make_inspectors(edited, tmp_path / 'r', inspectors[''].predictor)
    assert capsys.readouterr().err.count(said) == 1


def test_the_picture_shows_the_image_at_full_brightness(tmp_path: pathlib.Path) -> None:
    """Outlined and boxed defects change it, the rest stays; without one, all stays."""
    (inspect,) = make(tmp_path).values()
    for canvas, changed in [(board(), False), (with_spot(board()), True)]:
        inspection = inspect(shot(canvas))
        assert inspection.image is not None
        top = 24 * (1 + len(inspection.reasons)) + 8
        picture = draw_verdict(inspection)[top : top + 2 * 256]
        enlarged = inspection.image.repeat(2, axis=0).repeat(2, axis=1)
        differs = (picture != enlarged).any(-1)
        assert differs.any() == changed
        assert differs.mean() < 0.03
    with pytest.raises(ValueError, match='no image'):
        draw_verdict(Inspection(OK, ()))


def test_each_defect_has_a_close_up_beside_the_reference(
    tmp_path: pathlib.Path,
) -> None:
    """Below the picture: what is red and blue there is the spot, unmarked."""
    (inspect,) = make(tmp_path).values()
    inspection = inspect(shot(with_spot(board())))
    picture = draw_verdict(inspection, inspect.references[0])
    close_ups = picture[24 * 2 + 8 + 2 * 256 :]
    assert close_ups.shape[0] == 24 + 150 + 8
    is_spot = (close_ups[..., 0] > 200) & (close_ups[..., 1] < 50)
    rows, columns = np.nonzero(is_spot)
    assert columns.max() < 150  # in the image, not in the reference
    assert rows.mean() - 24 == pytest.approx(75, abs=5)
    assert columns.mean() == pytest.approx(75, abs=5)


@pytest.mark.slow
def test_the_scripts_make_a_recipe_and_inspect_by_it(tmp_path: pathlib.Path) -> None:
    """Exit status, recipe and results are those of Python."""
    write_run(tmp_path / 'run')
    write_png(tmp_path / 'good.png', shot(board())[:64, :96])
    write_png(tmp_path / 'parts' / 'a.png', np.zeros((64, 96, 3), np.uint8))
    write_png(tmp_path / 'parts' / 'b.png', shot(board(), seed=1)[:64, :96])
    recipe = tmp_path / 'recipe'

    def call(script: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, f'experiments/{script}.py', f'--recipe={recipe}']
        return subprocess.run(
            [*command, *options], cwd=ROOT, capture_output=True, text=True
        )

    options = [f'--reference={tmp_path}/good.png', f'--workdir={tmp_path}/run']
    done = call('make_recipe', *options, '--set=rules.any.threshold=0.6')
    assert done.returncode == 0, done.stderr
    same = make_recipe(recipe)
    assert same.revision == 1
    assert recipes.read(recipe) == same
    options = [f'--image={tmp_path}/parts', f'--output_dir={tmp_path}/out']
    done = call('inspect_parts', *options, '--fail_on=invalid')
    assert done.returncode == 3, done.stderr
    assert '1 INVALID' in done.stdout
    inspection = load_inspector(recipe)(read_image(tmp_path / 'parts' / 'b.png'))
    second = lines(tmp_path / 'out')[1]
    assert second['verdict'] == inspection.verdict
    assert second['reasons'] == list(inspection.reasons)
    assert [r['area'] for r in second['views']['']['regions']] == [
        region.defect.area for region in inspection.regions
    ]
    page = (tmp_path / 'out' / 'results.html').read_text()
    assert all(reason in page for reason in inspection.reasons)
    assert call('inspect_parts', *options).returncode == 0
    done = call('inspect_parts', '--image=nothing', '--output_dir=x')
    assert done.returncode == 1
    assert done.stderr.count('\n') == 1
