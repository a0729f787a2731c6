"""Folders of parts: what is written, what is resumed, and what is never mixed."""

import csv
import dataclasses
import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from cadnet_jax.files.images import read_image, write_png
from cadnet_jax.inspection import recipe as recipes
from cadnet_jax.inspection.inspector import Inspection, Inspector
from cadnet_jax.inspection.making import make_recipe
from cadnet_jax.inspection.overlay import draw
from cadnet_jax.inspection.part_files import inspect_parts, list_parts
from cadnet_jax.inspection.rules import INVALID, NG, OK
from tests.inspection.inspector_test import board, inspector, shot, with_spot
from tests.support.tiny_run import write_run

ROOT = pathlib.Path(__file__).parents[2]


def write_parts(folder: pathlib.Path) -> None:
    """A good part, a defective one, a black one, and a damaged file."""
    write_png(folder / 'a.png', shot(board(), 2, 3, 0, 1))
    write_png(folder / 'b.png', shot(with_spot(board())))
    write_png(folder / 'c.png', np.zeros_like(shot(board())))
    (folder / 'd.png').write_bytes((folder / 'a.png').read_bytes()[:999])
    (folder / '._a.png').write_bytes(b'a companion of macOS, which is no image')


def make(folder: pathlib.Path) -> Inspector:
    made = inspector(folder)
    rules = dataclasses.replace(made.recipe.rules, edge_tolerance=4)
    return inspector(folder, rules=rules)


def lines(folder: pathlib.Path) -> list[Any]:
    text = (folder / 'results.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_each_part_has_its_verdict_in_table_json_and_picture(
    tmp_path: pathlib.Path,
) -> None:
    """One bad file is INVALID and stops nothing."""
    write_parts(tmp_path / 'parts')
    out = tmp_path / 'out'
    parts = list_parts(tmp_path / 'parts')
    counts = inspect_parts(make(tmp_path / 'r'), parts, out, progress=False)
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
    defects = [r for r in found[1]['regions'] if r['is_defect']]
    assert defects[0]['centroid'] == pytest.approx([129.5, 109.5], abs=2)
    assert defects[0]['rule'] == 'area of at least 30 px'
    pictures = sorted(path.name for path in (out / 'overlays').iterdir())
    assert pictures == ['a.png', 'b.png', 'c.png']
    assert read_image(out / 'overlays' / 'b.png').shape[1] == 2 * 256


def test_a_run_resumes_and_equals_an_undisturbed_one(tmp_path: pathlib.Path) -> None:
    """Also after a line that was cut off; what is there is not inspected again."""
    write_parts(tmp_path / 'parts')
    inspect = make(tmp_path / 'r')
    parts = list_parts(tmp_path / 'parts')
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    inspect_parts(inspect, parts, whole, overlays=False, progress=False)
    assert not (whole / 'overlays').exists()
    inspect_parts(inspect, parts[:2], broken, overlays=False, progress=False)
    results = broken / 'results.jsonl'
    first = results.read_bytes()
    results.write_bytes(first[:-40])
    inspect_parts(inspect, parts, broken, overlays=False, progress=False)
    kept = results.read_bytes().splitlines()
    assert kept[0] == first.splitlines()[0]
    assert len(kept) == len(parts)
    assert (broken / 'results.csv').read_text() == (whole / 'results.csv').read_text()
    before = results.read_bytes()
    inspect_parts(inspect, parts, broken, overlays=False, progress=False)
    assert results.read_bytes() == before
    write_png(parts[0].image, shot(with_spot(board())))
    counts = inspect_parts(inspect, parts, broken, overlays=False, progress=False)
    assert counts[NG] == 2


def test_results_of_another_revision_are_not_mixed_in(tmp_path: pathlib.Path) -> None:
    write_parts(tmp_path / 'parts')
    parts = list_parts(tmp_path / 'parts')[2:]
    inspect = make(tmp_path / 'r')
    inspect_parts(inspect, parts, tmp_path / 'out', progress=False)
    other = dataclasses.replace(
        inspect, recipe=dataclasses.replace(inspect.recipe, revision=9)
    )
    with pytest.raises(
        ValueError, match=r'has results of .* take another --output_dir'
    ):
        inspect_parts(other, parts, tmp_path / 'out', progress=False)


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


def test_the_picture_shows_the_image_at_full_brightness(tmp_path: pathlib.Path) -> None:
    """Outlined and boxed defects change it, the rest stays; without one, all stays."""
    inspect = make(tmp_path)
    names = inspect.predictor.class_names
    for canvas, changed in [(board(), False), (with_spot(board()), True)]:
        inspection = inspect(shot(canvas))
        assert inspection.image is not None
        picture = draw(inspection, names)[-512:]
        enlarged = inspection.image.repeat(2, axis=0).repeat(2, axis=1)
        differs = (picture != enlarged).any(-1)
        assert differs.any() == changed
        assert differs.mean() < 0.03
    with pytest.raises(ValueError, match='no image'):
        draw(Inspection(OK, ()), names)


@pytest.mark.slow
def test_the_scripts_make_a_recipe_and_inspect_by_it(tmp_path: pathlib.Path) -> None:
    """The exit status says what was asked for, and the recipe is the one of Python."""
    run = write_run(tmp_path / 'run')
    write_png(tmp_path / 'good.png', shot(board())[:64, :96])
    write_png(tmp_path / 'parts' / 'a.png', np.zeros((64, 96, 3), np.uint8))
    recipe = tmp_path / 'recipe'

    def call(script: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, f'experiments/{script}.py', f'--recipe={recipe}']
        return subprocess.run(
            [*command, *options], cwd=ROOT, capture_output=True, text=True
        )

    options = [f'--reference={tmp_path}/good.png', f'--workdir={run}']
    done = call('make_recipe', *options, '--set=rules.any.threshold=0.9')
    assert done.returncode == 0, done.stderr
    same = make_recipe(recipe)
    assert same.revision == 1
    assert recipes.read(recipe) == same
    options = [f'--image={tmp_path}/parts', f'--output_dir={tmp_path}/out']
    done = call('inspect_parts', *options, '--fail_on=invalid')
    assert done.returncode == 3, done.stderr
    assert '1 parts: 0 OK, 0 NG, 1 INVALID' in done.stdout
    assert call('inspect_parts', *options).returncode == 0
    done = call('inspect_parts', '--image=nothing', '--output_dir=x')
    assert done.returncode == 1
    assert done.stderr.count('\n') == 1
