"""The three files of a report, and the script; names in them are hostile."""

import base64
import html.parser
import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from cadnet_jax.files.images import read_image
from cadnet_jax.pictures.overlays import HIT, MISS
from cadnet_jax.reports.figures import make_figures
from cadnet_jax.reports.grouping import Mean
from cadnet_jax.reports.report_files import show, write_report
from cadnet_jax.reports.rows import Column
from cadnet_jax.reports.tables import make_tables
from cadnet_jax.runs.finished_runs import read_results
from tests.conftest import ROOT
from tests.support.evaluated_run import (
    add_pictures,
    write_evaluated_run,
    write_evaluation,
    write_public_run,
)
from tests.support.tiny_data import prepare_tiny
from tests.support.tiny_run import write_run

pytestmark = pytest.mark.unoptimized

HOSTILE = '<script>alert(1)</script>|`x` &amp; "q"'


class _Page(html.parser.HTMLParser):
    """Tags, texts and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.sources: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [
            value or '' for name, value in attrs if name in ('src', 'href')
        ]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def write(*workdirs: str, output_dir: pathlib.Path) -> None:
    tables = make_tables(read_results(workdirs))
    write_report(tables, make_figures(tables), output_dir)


@pytest.mark.parametrize(
    ('value', 'percent', 'text'),
    [
        (Mean(0.94021, 0.00314, 3), True, '94.02 ± 0.31 (n=3)'),
        (Mean(0.94021, None, 1), True, '94.02'),
        (Mean(3.896867, None, 1), False, '3.90'),
        (None, True, '-'),
        ('cad', False, 'cad'),
    ],
)
def test_a_cell_as_text(value: Mean | str | None, percent: bool, text: str) -> None:
    assert show(value, Column('x', percent)) == text


def test_a_report_of_metrics_alone_has_tables_and_no_figures(
    tmp_path: pathlib.Path,
) -> None:
    runs = [
        write_evaluated_run(
            tmp_path / str(seed), 'mixed', 'mixed', seed=seed, line=line
        )
        for seed, line in enumerate((0.5, 0.7))
    ]
    write(*runs, output_dir=tmp_path / 'report')
    assert {p.name for p in (tmp_path / 'report').iterdir()} == {
        'report.json',
        'report.md',
        'report.html',
    }
    values = json.loads((tmp_path / 'report' / 'report.json').read_text())
    (row,) = values['tables']['table_3']['rows']
    assert row['label'] == 'CADNet' and row['seeds'] == [0, 1]
    assert row['values']['IoU line']['mean'] == pytest.approx(0.6)
    assert row['values']['IoU line']['std'] == pytest.approx(0.1 * 2**0.5)
    assert row['values']['IoU line']['n'] == 2
    assert values['figures'] == {}
    page = _Page((tmp_path / 'report' / 'report.html').read_text())
    assert '60.00 ± 14.14 (n=2)' in page.texts
    assert 'img' not in page.tags
    markdown = (tmp_path / 'report' / 'report.md').read_text()
    assert '| CADNet | 60.00 ± 14.14 (n=2) |' in markdown


def test_a_report_takes_the_place_of_an_earlier_one_alone(
    tmp_path: pathlib.Path,
) -> None:
    """A page that another tool wrote stays; so does whatever is beside the figures."""
    run = write_evaluated_run(tmp_path / 'run', 'mixed', 'mixed')
    output = tmp_path / 'report'
    write(run, output_dir=output)
    values = json.loads((output / 'report.json').read_text())
    values['figures'] = {'old': {'title': '', 'file': 'figures/old.png'}}
    (output / 'report.json').write_text(json.dumps(values))
    (output / 'figures').mkdir()
    for name in ('old.png', 'mine.png'):
        (output / 'figures' / name).write_bytes(b'')
    write(run, output_dir=output)
    assert [path.name for path in (output / 'figures').iterdir()] == ['mine.png']
    (output / 'report.html').write_text('<html>of another tool</html>')
    with pytest.raises(FileExistsError, match=r'html: not written by report\.py'):
        write(run, output_dir=output)
    assert (output / 'report.html').read_text() == '<html>of another tool</html>'


def test_names_are_neither_html_nor_markdown(tmp_path: pathlib.Path) -> None:
    """A folder's name cannot have a slash; a split's can."""
    folder = tmp_path / HOSTILE.replace('/', '')
    run = write_evaluated_run(folder, 'mixed', 'mixed')
    (path,) = folder.glob('evaluation/*/metrics.json')
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({**metrics, 'split': HOSTILE}))
    write(run, output_dir=tmp_path / 'report')
    page = _Page((tmp_path / 'report' / 'report.html').read_text())
    assert 'script' not in page.tags
    assert run in page.texts
    assert f'CADNet, on {HOSTILE}' in page.texts
    markdown = (tmp_path / 'report' / 'report.md').read_text()
    assert not re.search(r'(?<!\\)[<`]', markdown)
    lines = [line for line in markdown.splitlines() if 'alert' in line]
    assert len(lines) == 3  # tables 3 and 7, and all runs
    header = {line.count('|') for line in markdown.splitlines() if line[:3] == '|  '}
    unescaped = {len(re.findall(r'(?<!\\)\|', line)) for line in lines}
    assert unescaped == header


def test_the_page_holds_its_figures_in_itself(tmp_path: pathlib.Path) -> None:
    runs = []
    for name, head, color in (
        ('a', 'cad', (255, 0, 0)),
        ('b', 'segformer', (0, 0, 255)),
    ):
        folder = tmp_path / name
        runs.append(write_evaluated_run(folder, 'mixed', 'mixed', head=head, steps=9))
        directory = folder / 'evaluation' / 'synlcd-mixed-test-9'
        add_pictures(directory, ['p0', f'only {name}', 'p1'], color)
    write(*runs, output_dir=tmp_path / 'report')
    values = json.loads((tmp_path / 'report' / 'report.json').read_text())
    keys = [
        *('figure_7_1', 'figure_7_2', 'figure_7_3'),
        *('figure_8_1', 'figure_8_2', 'figure_8_3'),
        *('figure_9_1', 'figure_9_2', 'figure_9_3'),
    ]
    assert list(values['figures']) == keys
    page = _Page((tmp_path / 'report' / 'report.html').read_text())
    files = [tmp_path / 'report' / values['figures'][key]['file'] for key in keys]
    encoded = [base64.b64encode(file.read_bytes()).decode() for file in files]
    assert page.sources == [f'data:image/png;base64,{text}' for text in encoded]
    picture = read_image(files[6])  # figure 9: both runs, and the two common pairs
    for color in ((255, 0, 0), (0, 0, 255), (60, 60, 60), (120,) * 3, (180,) * 3):
        rows = np.flatnonzero((picture == color).all(axis=-1).sum(axis=1) > 100)
        assert 2 * 150 < len(rows) < picture.shape[0] - 10
    markdown = (tmp_path / 'report' / 'report.md').read_text()
    assert '![](figures/figure_9_1.png)' in markdown


def test_figure_12_shows_what_was_trained_and_tested_on(tmp_path: pathlib.Path) -> None:
    """A grid for each data set that is tested; runs without pictures are left out."""
    runs = []
    for name, seed in (('line', 0), ('abpt', 0), ('line', 1)):
        folder = tmp_path / f'{name}{seed}'
        settings = {'head': 'ooc', 'seed': seed, 'steps': 9}
        runs.append(write_evaluated_run(folder, name, name, **settings))
    write_evaluation(tmp_path / 'abpt0', 'line', step=9)
    for name, tested in (('abpt0', 'line'), ('line1', 'line')):
        directory = tmp_path / name / 'evaluation' / f'synlcd-{tested}-test-9'
        add_pictures(directory, ['p0'], (255, 0, 0))
    figures = make_figures(make_tables(read_results(runs)))
    titles = [figure.title for figure in figures]
    assert len(titles) == 3
    start = 'Figure 12: in and out of class, synlcd/line test: '
    assert all(title.startswith(start) for title in titles)
    red = (figures[0].picture == (255, 0, 0)).all(axis=-1).any(axis=0)
    assert np.sum(np.diff(red.astype(int)) == 1) == 2  # LL of seed 1, and AL


def test_figure_12_shows_transfer_apart(tmp_path: pathlib.Path) -> None:
    runs = []
    for name, start in (('a', ''), ('b', 'released')):
        settings = {'head': 'ooc', 'steps': 9, 'init_from': start}
        runs.append(write_evaluated_run(tmp_path / name, 'line', 'abpt', **settings))
        directory = tmp_path / name / 'evaluation' / 'synlcd-abpt-test-9'
        add_pictures(directory, ['p0'], (255, 0, 0))
    figures = make_figures(make_tables(read_results(runs)))
    keys = [f'{x}_{k}' for x in ('figure_12', 'figure_12_transfer') for k in (1, 2, 3)]
    assert [figure.key for figure in figures] == keys
    for figure in figures:
        red = (figure.picture == (255, 0, 0)).all(axis=-1).any(axis=0)
        assert np.sum(np.diff(red.astype(int)) == 1) == 1
        assert figure.title.startswith('Transfer: ') == ('transfer' in figure.key)


def test_figures_10_and_11_are_of_the_public_sets(tmp_path: pathlib.Path) -> None:
    runs = []
    for name, dataset in (('p', 'pku_market_pcb/by_crop'), ('m', 'mvtec_ad/by_object')):
        ious = {'short': 0.5}
        runs.append(write_public_run(tmp_path / name, dataset, ious, steps=9))
        folder = f'{dataset.replace("/", "-")}-test-9'
        add_pictures(tmp_path / name / 'evaluation' / folder, ['p0'], (255, 0, 0))
    keys = [figure.key for figure in make_figures(make_tables(read_results(runs)))]
    kinds = [key for key in keys if not key.startswith('figure_8')]
    assert kinds == [f'figure_{n}_{k}' for n in (10, 11) for k in (1, 2, 3)]


def test_a_figure_shows_pairs_with_defects_first(tmp_path: pathlib.Path) -> None:
    """Four of seven pairs: of two with misses, one with hits and four without either.

    The latter come first by name.
    """
    run = write_evaluated_run(tmp_path / 'run', 'mixed', 'mixed', steps=9)
    directory = tmp_path / 'run' / 'evaluation' / 'synlcd-mixed-test-9'
    clean = (200, 0, 0)
    for names, color in (
        (['a0', 'a1', 'a2', 'a3'], clean),
        (['b0', 'b1'], MISS),
        (['b2'], HIT),
    ):
        add_pictures(directory, names, color)
    overlays, *_ = make_figures(make_tables(read_results([run])))
    with_misses, without = (
        (overlays.picture == color).all(axis=-1).sum() for color in (MISS, clean)
    )
    assert with_misses == pytest.approx(2 * without, rel=0.02)


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_script_reports_a_run_that_evaluate_py_evaluated(
    tmp_path: pathlib.Path,
) -> None:
    data_dir = prepare_tiny(tmp_path / 'data', num={'train': 1, 'test': 2})
    workdir = write_run(tmp_path / 'run', data_dir=data_dir)
    script = 'experiments/report.py'
    output_dir = tmp_path / 'report'
    early = run_script(script, str(workdir), f'--output_dir={output_dir}')
    assert early.returncode == 1
    assert early.stderr.startswith('error: ') and early.stderr.count('\n') == 1
    command = f'experiments/evaluate.py --workdir={workdir}'
    assert early.stderr.endswith(f'{command}\n')
    assert not output_dir.exists()
    evaluated = run_script(*command.split(), '--batch_size=1', '--num_pictures=1')
    assert evaluated.returncode == 0, evaluated.stderr
    done = run_script(script, str(workdir), f'--output_dir={output_dir}')
    assert done.returncode == 0, done.stderr
    assert done.stdout == f'Written: {output_dir / "report.html"} (1 runs)\n'
    values = json.loads((output_dir / 'report.json').read_text())
    metrics = json.loads(next(workdir.glob('evaluation/*/metrics.json')).read_text())
    (row,) = values['tables']['all_runs']['rows']
    assert row['values']['tested on'] == 'tiny_pairs, test'
    assert row['values']['mIoU']['mean'] == metrics['miou']


@pytest.mark.slow
def test_help_names_what_is_given_without_a_flag() -> None:
    done = run_script('experiments/report.py', '--help')
    assert 'report.py WORKDIR... --output_dir=REPORT' in done.stdout
