"""Markdown tables of what `device.measure_device` wrote."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cadnet_jax.files.markdown import markdown_table
from cadnet_jax.files.text import read_object

Row = Mapping[str, Any]

_NETWORK = {
    'forward': 'Forward',
    'cached_forward': 'Forward, cached reference',
    'prediction': 'Prediction, in host memory',
    'training': 'Training step',
}
_FORMS = {'convolutions': 'Convolutions', 'operations': 'Other operations'}


def read_results(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What `run_parts` wrote.

    Raises:
        OSError: there is no such file.
        ValueError: it holds something else.
    """
    remedy = 'Write it with experiments/benchmark.py --workload=all.'
    results = read_object(path, remedy=remedy)
    if not {'machine', 'rows', 'failures', 'seconds'} <= results.keys():
        raise ValueError(f'{path}: no results of a device. {remedy}')
    return results


def format_device(results: Mapping[str, Any]) -> str:
    """The tables of docs/performance.md, as Markdown.

    Args:
        results: what `run_parts` returned, or its file.
    """
    rows = results['rows']
    sections = [_machine(results['machine'], results['seconds'])]
    sections += [_ceilings(_of(rows, 'ceilings')), _parity(_of(rows, 'parity'))]
    ceilings = {
        row.get('precision', 'copy'): row.get('tflops', row.get('gb_per_s'))
        for row in _of(rows, 'ceilings')
    }
    for part, title in _NETWORK.items():
        sections.append(_network(title, _of(rows, part), ceilings))
    sections.append(_files(_of(rows, 'files')))
    for part, title in _FORMS.items():
        sections.append(_forms(title, _of(rows, part)))
    sections.append(_disturbed(rows))
    sections.append(_failures(rows, results['failures']))
    return '\n\n'.join(section for section in sections if section)


def fastest_forms(rows: Sequence[Row]) -> dict[tuple[str, ...], str]:
    """(operation, shape, direction, precision) -> the form that took the least time."""
    best: dict[tuple[str, ...], Row] = {}
    for row in rows:
        if 'ms' in row and (_key(row) not in best or row['ms'] < best[_key(row)]['ms']):
            best[_key(row)] = row
    return {key: row['form'] for key, row in best.items()}


def _machine(machine: Row, seconds: float) -> str:
    names = 'device', 'cores', 'python', 'jax', 'flax'
    known = ', '.join(f'{name} {machine[name]}' for name in names if name in machine)
    return f'{known}; {seconds:.0f} s in all.'


def _ceilings(rows: Sequence[Row]) -> str:
    cells = [
        (
            f'{row["operation"]}, {row.get("precision", "float32")}',
            f'{row["tflops"]:.1f} TFLOP/s'
            if 'tflops' in row
            else f'{row["gb_per_s"]:.0f} GB/s',
        )
        for row in rows
        if 'ms' in row
    ]
    return _table(('large', 'rate'), cells)


def _parity(rows: Sequence[Row]) -> str:
    cells = [
        (
            row['precision'],
            f'{row["logits"]:.2g} of {row["logits_largest"]:.3g}',
            f'{row["distance"]:.2g} of {row["distance_largest"]:.3g}',
            f'{row["score"]:.2g}',
            f'{row["classes_changed"]:.3%} ({row["defects"]:.1%} are defects)',
        )
        for row in rows
        if 'error' not in row
    ]
    names = 'precision', 'logits', 'DistMap', 'score', 'pixels of another class'
    return _table(names, cells)


def _network(title: str, rows: Sequence[Row], ceilings: Mapping[str, Any]) -> str:
    cells = []
    for row in rows:
        if 'ms' not in row:
            continue
        ceiling = ceilings.get(row['precision'])
        cells.append(
            (
                row['precision'],
                f'{row["batch"]} x {row["side"]}²',
                f'{row["ms"]:.2f} ({row["ms_low"]:.2f} to {row["ms_high"]:.2f})',
                f'{row["latency_ms"]:.2f}',
                f'{row["pairs_per_s"]:,.0f}',
                _number(row, 'program_gb'),
                _number(row, 'tflops'),
                f'{row["tflops"] / ceiling:.1%}' if ceiling and 'tflops' in row else '',
            )
        )
    names = (
        title,
        'pairs',
        'ms',
        'alone, ms',
        'pairs/s',
        'GB',
        'TFLOP/s',
        'of the product',
    )
    return _table(names, cells)


def _files(rows: Sequence[Row]) -> str:
    cells = [
        (
            f'{row["pairs"]} x {row["height"]} x {row["width"]}'
            + (', one reference' if row['shared'] else ''),
            f'{row["ms"] / 1e3:.2f}',
            f'{row["pairs_per_s"]:,.1f}',
            f'{row["megapixels_per_s"]:.1f}',
        )
        for row in rows
    ]
    return _table(('From files to regions', 's', 'pairs/s', 'megapixels/s'), cells)


def _forms(title: str, rows: Sequence[Row]) -> str:
    """A line for each operation and direction, with the time of each form."""
    fastest = fastest_forms(rows)
    times: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if 'ms' in row:
            mark = '**' if fastest[_key(row)] == row['form'] else ''
            cell = f'{mark}{row["form"]} {row["ms"]:.3f}{mark}'
        else:
            cell = f'{row["form"]} failed'
        times.setdefault(_key(row), []).append(cell)
    cells = [(*key, '; '.join(forms)) for key, forms in times.items()]
    return _table((title, 'shape', 'direction', 'precision', 'ms of each form'), cells)


def _disturbed(rows: Sequence[Row]) -> str:
    lines = [f'- {_labels(row)}' for row in rows if 'compiling' in row]
    head = 'Timed while other programs were being compiled, so perhaps too slow:'
    return '\n'.join([head, '', *lines]) if lines else ''


def _failures(rows: Sequence[Row], failures: Sequence[Row]) -> str:
    lines = [f'- {row["part"]}: {row["reason"]}' for row in failures]
    lines += [f'- {_labels(row)}: {row["error"]}' for row in rows if 'error' in row]
    return '\n'.join(['Not measured:', '', *lines]) if lines else ''


def _labels(row: Row) -> str:
    names = 'part', 'operation', 'form', 'direction', 'precision', 'batch'
    return ', '.join(str(row[name]) for name in names if name in row)


def _of(rows: Iterable[Row], part: str) -> list[Row]:
    return [row for row in rows if row['part'] == part]


def _key(row: Row) -> tuple[str, ...]:
    shape = ' x '.join(str(length) for length in row['shape'])
    return row['operation'], shape, row['direction'], row['precision']


def _number(row: Row, name: str) -> str:
    return f'{row[name]:.2f}' if name in row else ''


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """'' if nothing was measured."""
    if not rows:
        return ''
    return markdown_table(names, rows)
