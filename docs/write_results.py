"""Writes docs/results.md and the tables of the model card from docs/results.

    python docs/write_results.py

Measurements are files that the commands of the page wrote. Nothing is measured here.
"""

import json
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jinja2

from cadnet_jax.files.atomic import write_text
from cadnet_jax.files.markdown import markdown_table
from cadnet_jax.reports.report_files import format_table
from cadnet_jax.reports.tables import make_tables
from cadnet_jax.runs.finished_runs import read_results

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / 'docs' / 'results'
PAGE = ROOT / 'docs' / 'results.md'
CARD = ROOT / 'cadnet_jax' / 'weights' / 'released_weights' / 'CARD.md'

_SETS = {
    'held_out': 'families held out of the generator',
    'deep_pcb_val': "DeepPCB, every tenth line of the training part's list",
    'pku_val': 'PKU, boards 01 and 07',
    'synlcd_train': 'SynLCD, training patterns, seed 1',
    'deep_pcb_test': 'DeepPCB, test part',
    'pku_test': 'PKU, boards 10 and 11',
    'synlcd_test': 'SynLCD, unseen patterns',
    'prints': 'drawn prints, of the training part',
    'surfaces': 'drawn surfaces, of the training part',
}
_CHOOSING = ('held_out', 'deep_pcb_val', 'pku_val', 'synlcd_train')
_REPORTED = ('deep_pcb_test', 'pku_test', 'synlcd_test')
_REFERENCES = {
    'as_is': 'its own',
    'reference_other': "another pair's",
    'reference_self': 'the image itself',
    'reference_gray': 'plain gray',
}
_NUISANCES = {
    'nuisance_none': 'none',
    'nuisance_brightness': 'brightness + 25',
    'nuisance_gain': 'gain 0.8',
    'nuisance_shift': 'shift of 2 pixels',
    'nuisance_turn': 'turn by 0.5 degrees',
    'nuisance_blur': 'blur, sigma 1.2',
    'nuisance_noise': 'noise, sigma 8',
}
_SYSTEMS = ('network', 'differencing')

_Measurement = Mapping[str, Any]


def main() -> None:
    write_text(PAGE, page())
    write_text(CARD, card(CARD.read_text()))


def page() -> str:
    """The text of docs/results.md."""
    template = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    ).from_string((RESULTS / 'page.md').read_text())
    results = read_results([str(RESULTS / 'synlcd_small.jsonl')])
    text = template.render(
        weights=weights_tables(),
        few_labels={
            path.stem: path.read_text().rstrip()
            for path in sorted((RESULTS / 'few_labels').glob('*.md'))
        },
        screens=make_tables(results)[:-1],  # the last one lists all runs
        format_table=format_table,
    )
    return text.rstrip() + '\n'


def card(text: str) -> str:
    """The model card with today's tables between its markers.

    Raises:
        ValueError: a table of the card has no measurement.
    """

    def table(match: re.Match[str]) -> str:
        name = match[1]
        if name not in tables:
            raise ValueError(f'{CARD}: no measurement for the table {name!r}.')
        return f'<!-- table: {name} -->\n\n{tables[name]}\n\n<!-- end -->'

    tables = weights_tables()
    return re.sub(r'<!-- table: (\w+) -->.*?<!-- end -->', table, text, flags=re.DOTALL)


def weights_tables() -> dict[str, str]:
    """Name -> a table of what `measure_weights.py` measured of the released weights."""
    of = {
        path.stem: json.loads(path.read_text())
        for path in sorted((RESULTS / 'weights').glob('*.json'))
    }
    if not of:
        return {}
    plain = of['as_is']
    reported = [(plain, name, _SETS[name]) for name in _REPORTED]
    if 'pku_nuisance' in of:
        title = f'{_SETS["pku_test"]}, with nuisance'
        reported.insert(2, (of['pku_nuisance'], 'pku_test', title))
    return {
        'choosing': _sets_table([(plain, name, _SETS[name]) for name in _CHOOSING]),
        'reported': _sets_table(reported),
        'references': _reference_table(of),
        'nuisance': _nuisance_table(of),
    }


def _sets_table(rows: Iterable[tuple[_Measurement, str, str]]) -> str:
    """A line for each set and system."""
    head = ('set', '', 'IoU', 'best IoU', 'hit at 0.1', 'at 0.3', 'at 1', 'false/good')
    lines = []
    for measurement, name, title in rows:
        for system in _SYSTEMS:
            scores = measurement[system]['sets'][name]
            size = f' ({scores["pairs"]} pairs, {scores["defects"]} defects)'
            lines.append(
                (
                    title + size if system == 'network' else '',
                    system,
                    _number(scores['iou']),
                    _number(scores['best_iou']),
                    *(_number(rate) for rate in scores['hit_rate_at'].values()),
                    _number(scores['false_regions_per_good_image'], 2),
                )
            )
    return markdown_table(head, lines)


def _reference_table(of: Mapping[str, _Measurement]) -> str:
    head = ('reference', 'IoU', 'hit at 1', 'false/MP')
    lines = []
    for name, title in _REFERENCES.items():
        if name in of:
            scores = of[name]['network']['sets']['pku_test']
            lines.append((title, *_three(scores)))
    return markdown_table(head, lines)


def _nuisance_table(of: Mapping[str, _Measurement]) -> str:
    """A line for each nuisance and set; the network beside differencing."""
    head = ('nuisance', 'set', 'IoU', 'hit at 1', 'false/MP')
    head += ('differencing: best IoU', 'differencing: hit at 1')
    lines = []
    for key, title in _NUISANCES.items():
        for number, name in enumerate(('pku_test', 'prints', 'surfaces')):
            if key not in of or name not in of[key]['network']['sets']:
                continue
            network, differencing = (of[key][x]['sets'][name] for x in _SYSTEMS)
            cells = (
                *_three(network),
                _number(differencing['best_iou']),
                _number(differencing['hit_rate_at']['1.0']),
            )
            lines.append(('' if number else title, _SETS[name], *cells))
    return markdown_table(head, lines)


def _three(scores: Mapping[str, Any]) -> tuple[str, str, str]:
    return (
        _number(scores['iou']),
        _number(scores['hit_rate_at']['1.0']),
        _number(scores['false_per_megapixel'], 1),
    )


def _number(value: float | None, digits: int = 3) -> str:
    return '-' if value is None else f'{value:.{digits}f}'


if __name__ == '__main__':
    main()
