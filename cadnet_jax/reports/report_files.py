"""A report as files: report.json, report.md with figures/, and report.html.

The HTML page holds its figures in itself. Names of folders, data sets and classes are
shown as they are: none is taken for HTML or Markdown.
"""

import base64
import contextlib
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from cadnet_jax.files.atomic import write_json, write_text
from cadnet_jax.files.images import write_png
from cadnet_jax.files.markdown import markdown_table
from cadnet_jax.files.pages import render_page
from cadnet_jax.files.text import read_object
from cadnet_jax.reports.figures import Figure
from cadnet_jax.reports.grouping import Mean, format_mean
from cadnet_jax.reports.rows import Column, Row, Table

TITLE = "CADNet: the paper's tables and figures"
NOTE = (
    'Scores are in percent: mean ± sample standard deviation over n runs that differ '
    'in the seed alone; one value where there is one run.'
)
_MARKDOWN = re.compile(r'([\\`*_\[\]<>|~$&])')


def write_report(
    tables: Sequence[Table], figures: Sequence[Figure], output_dir: pathlib.Path
) -> None:
    """Writes all files; those of an earlier report give way.

    Raises:
        FileExistsError: there is a page of that name that something else wrote.
    """
    _remove_report(output_dir)
    paths = {f.key: output_dir / 'figures' / f'{f.key}.png' for f in figures}
    for figure in figures:
        write_png(paths[figure.key], figure.picture)
    write_text(output_dir / 'report.md', _markdown(tables, figures))
    page = render_page(
        'cadnet_jax.reports',
        'report.html',
        title=TITLE,
        note=NOTE,
        tables=tables,
        figures=figures,
        data={
            key: base64.b64encode(p.read_bytes()).decode() for key, p in paths.items()
        },
        show=show,
    )
    write_text(output_dir / 'report.html', page)
    write_json(output_dir / 'report.json', _as_json(tables, figures))


def _remove_report(output_dir: pathlib.Path) -> None:
    """Removes what `write_report` wrote, which its pages tell by their title."""
    pages = [output_dir / name for name in ('report.md', 'report.html')]
    there = [page for page in pages if page.exists()]
    for page in there:
        if TITLE not in page.read_text(errors='replace').replace('&#39;', "'"):
            raise FileExistsError(
                f'{page}: not written by report.py, so it is not replaced. Name '
                'another --output_dir.'
            )
    if there:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            earlier = read_object(output_dir / 'report.json', remedy='')
            names = [f'{pathlib.PurePath(key).name}.png' for key in earlier['figures']]
            there += [output_dir / 'figures' / name for name in names]
    for path in there:
        path.unlink(missing_ok=True)


def show(value: Mean | str | None, column: Column) -> str:
    """A cell as text."""
    if isinstance(value, str):
        return value
    text = format_mean(value, percent=column.percent, digits=2)
    return text if value is None or value.std is None else f'{text} (n={value.n})'


def _markdown(tables: Sequence[Table], figures: Sequence[Figure]) -> str:
    lines = [f'# {_plain(TITLE)}', '', _plain(NOTE)]
    for table in tables:
        lines += ['', f'## {_plain(table.title)}', '', _plain(table.note)]
        lines += ['', format_table(table)]
    for figure in figures:
        name = f'figures/{figure.key}.png'
        lines += ['', f'## {_plain(figure.title)}', '', f'![]({name})']
    return '\n'.join(lines) + '\n'


def format_table(table: Table) -> str:
    """A table in Markdown, without its title and note."""
    names = ['', *(column.name for column in table.columns)]
    rows = [
        [row.label, *(show(row.cells[column.name], column) for column in table.columns)]
        for row in table.rows
    ]
    return markdown_table(
        [_plain(name) for name in names],
        [[_plain(cell) for cell in row] for row in rows],
    )


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKDOWN.sub(r'\\\1', ' '.join(text.split()))


def _as_json(tables: Sequence[Table], figures: Sequence[Figure]) -> dict[str, Any]:
    return {
        'tables': {
            table.key: {
                'title': table.title,
                'note': table.note,
                'rows': [_row(row) for row in table.rows],
            }
            for table in tables
        },
        'figures': {
            figure.key: {'title': figure.title, 'file': f'figures/{figure.key}.png'}
            for figure in figures
        },
    }


def _row(row: Row) -> dict[str, Any]:
    """Scores as fractions."""
    return {
        'label': row.label,
        'values': {
            name: value._asdict() if isinstance(value, Mean) else value
            for name, value in row.cells.items()
        },
        'evaluations': [str(result.directory) for result in row.results],
        'seeds': [result.config.train.seed for result in row.results],
    }
