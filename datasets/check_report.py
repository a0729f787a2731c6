"""What the checks found: a table, a CSV file, and one page with pictures.

The page needs no other file and no network: pictures are part of it.
"""

import base64
import os
import pathlib
from collections import Counter

import jinja2

from cadnet_jax.datasets.checks import KINDS, Finding, Report
from cadnet_jax.files.atomic import write_bytes
from cadnet_jax.files.csv_files import write_rows

CSV_FILE, PAGE = 'findings.csv', 'report.html'
COLUMNS = ('severity', 'kind', 'split', 'id', 'file', 'message', 'remedy')

_LISTED = 100  # findings of a kind on the page; the CSV file has all
_TEMPLATE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Check of the data</title>
<style>
body { font: 15px sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; }
td, th { border: 1px solid #ccc; padding: .3em .6em; text-align: left; }
figure { margin: 1em 0; }
li, figcaption { overflow-wrap: anywhere; }
</style>
<h1>Check of the data</h1>
<p>{% for split, count in pairs.items() %}{{ split }}: {{ count }} pairs. {% endfor %}
{{ errors }} errors, {{ warnings }} warnings.</p>
<table>
<tr><th>severity<th>what<th>found<th>remedy</tr>
{% for kind in kinds %}
<tr><td>{{ kind.severity }}<td>{{ kind.title }}<td>{{ kind.findings | length }}
<td>{{ kind.remedy }}</tr>
{% endfor %}
</table>
{% for kind in kinds if kind.findings %}
<h2>{{ kind.title | capitalize }}</h2>
<p>{{ kind.severity }}; {{ kind.findings | length }} found. {{ kind.remedy }}</p>
{% if kind.pictures %}
<p>The worst: image, reference, labels (red; ignored pixels gray).</p>
{% endif %}
{% for finding, picture in kind.pictures %}
<figure><img src="{{ picture }}" alt="{{ finding.id }}">
<figcaption>{{ finding.message }}</figcaption></figure>
{% endfor %}
<ul>
{% for finding in kind.findings[:listed] %}
<li>{{ finding.message }}</li>
{% endfor %}
</ul>
{% if kind.findings | length > listed %}
<p>{{ kind.findings | length - listed }} more are in {{ csv_file }}.</p>
{% endif %}
{% endfor %}
</html>
"""


def format_table(report: Report) -> str:
    """How many pairs there are, and how many findings of each kind."""
    counts = Counter(finding.kind for finding in report.findings)
    pairs = ', '.join(f'{n:,} {split}' for split, n in report.num_pairs.items())
    lines = [f'pairs: {pairs}']
    for name, kind in KINDS.items():
        lines.append(f'{_severity(name):<8} {kind.title:<48} {counts[name]:>8,}')
    return '\n'.join(lines)


def warn_of_sets(report: Report) -> list[str]:
    """A line for each warning about the splits or the set, not about one pair."""
    return [
        f'warning: {finding.message}.'
        for finding in report.findings
        if not (finding.file or KINDS[finding.kind].is_error)
    ]


def write(report: Report, output_dir: os.PathLike[str]) -> pathlib.Path:
    """Writes findings.csv and report.html, and returns the path of the latter."""
    folder = pathlib.Path(output_dir)
    findings = sorted(report.findings, key=_order)
    write_rows(
        folder / CSV_FILE,
        COLUMNS,
        [(_severity(f.kind), f.kind, *f[1:5], KINDS[f.kind].remedy) for f in findings],
    )
    write_bytes(folder / PAGE, _render(report, findings).encode())
    return folder / PAGE


def remove(output_dir: os.PathLike[str]) -> None:
    """Removes what `write` wrote, if it did.

    Raises:
        FileExistsError: there is a file of that name that something else wrote.
    """
    begins = {
        CSV_FILE: ','.join(COLUMNS),
        PAGE: _TEMPLATE[: _TEMPLATE.index('<style>')],
    }
    ours = []
    for name, begin in begins.items():
        path = pathlib.Path(output_dir, name)
        if path.is_file():
            with path.open('rb') as file:
                if file.read(len(begin)) != begin.encode():
                    raise FileExistsError(
                        f'{path}: not written by a check, so it is not replaced. Name '
                        'another --output_dir.'
                    )
            ours.append(path)
    for path in ours:
        path.unlink()


def _render(report: Report, findings: list[Finding]) -> str:
    kinds = [
        {
            **kind._asdict(),
            'severity': _severity(name),
            'findings': [f for f in findings if f.kind == name],
            'pictures': [
                (f, 'data:image/jpeg;base64,' + base64.b64encode(jpeg).decode())
                for f, jpeg in report.pictures.get(name, ())
            ],
        }
        for name, kind in KINDS.items()
    ]
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.from_string(_TEMPLATE).render(
        pairs=report.num_pairs,
        errors=len(report.errors),
        warnings=len(findings) - len(report.errors),
        kinds=kinds,
        listed=_LISTED,
        csv_file=CSV_FILE,
    )


def _severity(kind: str) -> str:
    return 'error' if KINDS[kind].is_error else 'warning'


def _order(finding: Finding) -> tuple[int, float]:
    """Errors first, kinds together, the worst of each first."""
    return list(KINDS).index(finding.kind), -finding.severity
