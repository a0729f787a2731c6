"""Gathers evaluated runs into the paper's tables and figures.

    python experiments/report.py WORKDIR... --output_dir=REPORT

It writes report.html (one file, with its figures), report.md, report.json and
runs.jsonl (settings and scores, one line per run), which report.py reads in place of
the work directories. A run's place in the tables follows from config.json, dataset.json
and what evaluate.py wrote, not from its name. Runs that differ only in the seed share
one row.
"""

import pathlib

import environment  # noqa: F401

from cadnet_jax import cli
from cadnet_jax.path_flags import define_path

_OUTPUT_DIR = define_path(
    'output_dir', None, 'Folder for what is written.', required=True
)


def main(argv: list[str]) -> None:
    from cadnet_jax.reports.figures import make_figures  # slow to import
    from cadnet_jax.reports.report_files import write_report
    from cadnet_jax.reports.tables import make_tables
    from cadnet_jax.runs.finished_runs import read_results, write_records

    results = read_results(argv[1:])
    evaluated = {result.workdir for result in results}
    for workdir in argv[1:]:
        if pathlib.Path(workdir).is_dir() and workdir not in evaluated:
            print(f'left out: {workdir} (not evaluated yet)')
    tables = make_tables(results)
    figures = make_figures(tables)
    output_dir = pathlib.Path(_OUTPUT_DIR.value)
    write_report(tables, figures, output_dir)
    write_records(results, output_dir / 'runs.jsonl')
    print(f'Written: {output_dir / "report.html"} ({len(evaluated)} runs)')


if __name__ == '__main__':
    cli.run(main, arguments='WORKDIR...')
