"""The paper's tables, made of runs.

A row is the runs of one kind (`rows.kind_of`): of equal settings, evaluated in one way,
from first weights of one kind. A score is the mean over them. A table that no run
belongs to is left out; the last one lists every evaluation, and the tables that it went
into.
"""

from collections.abc import Sequence
from typing import Any

from cadnet_jax.reports.grouping import mean
from cadnet_jax.reports.rows import Column, Row, Table, is_transfer
from cadnet_jax.reports.scale import PAPER_SCALE, scale_note
from cadnet_jax.reports.score_tables import (
    MIXED,
    MVTEC,
    PKU,
    ablation,
    comparison,
    public_comparison,
)
from cadnet_jax.reports.transfer_tables import (
    cross_test,
    few_labels,
    transfer_cross_test,
)
from cadnet_jax.runs.finished_runs import Result, last_evaluations

_TRANSFER_NOTE = (
    'Transfer: the initial weights learned from synthetic pairs, as the released '
    'weights did, directly or in an earlier run.'
)


def make_tables(results: Sequence[Result]) -> list[Table]:
    """All tables that some of the results belong to, and that of all results.

    Raises:
        ValueError: two runs cannot stand in one report: data of one name differ in
            their pixels, or a mean would count a seed twice.
    """
    last = last_evaluations(results)
    tables = [
        comparison(last),
        public_comparison(
            last, 'table_4', 'Table 4: comparison on PKU-Market-PCB', PKU
        ),
        public_comparison(last, 'table_5', 'Table 5: comparison on MVTec AD', MVTEC),
        cross_test(last),
        transfer_cross_test(last),
        few_labels(last),
        ablation(last),
    ]
    tables = [table for table in tables if table.rows]
    _check_data([result for t in tables for row in t.rows for result in row.results])
    for table in tables:
        for row in table.rows:
            _check_seeds(row)
    return [*map(_with_scale, tables), _all_results(results, tables)]


def _with_scale(table: Table) -> Table:
    """With the scale of its runs in its note; on `MIXED`, that of the paper as well.

    If there is a row of transfer, the note also says what transfer is.
    """
    results = [result for row in table.rows for result in row.results]
    note = f'{table.note} {scale_note(results)}'
    if all(result.data.name == MIXED for result in results):
        note = f'{note} {PAPER_SCALE}'
    if any(map(is_transfer, results)):
        note = f'{note} {_TRANSFER_NOTE}'
    return table._replace(note=note)


def _check_data(results: Sequence[Result]) -> None:
    """SynLCD of any size, count and seed has one name: pixels of it tell them apart.

    These are the pixels of the background, or all those of a share of the labels, which
    is another one for each seed of a run.
    """
    first: dict[Any, tuple[int, Result]] = {}
    for result in results:
        share, pixels = result.config.data.label_fraction, result.data.class_pixels
        trained_on = result.data.name, result.config.data.train_split, share
        learned = pixels[0] if share == 1 else sum(pixels)
        tested_on = result.tested_on, result.split
        tested = result.metrics['classes']['background']['pixels']
        for key, number in (trained_on, learned), (tested_on, tested):
            before, other = first.setdefault(key, (number, result))
            if before != number:
                raise ValueError(
                    f'{other.workdir} and {result.workdir} have different data of the '
                    f'name {key[0]}, {key[1]}: {before:,} and {number:,} pixels. Are '
                    'they of another --size, --count or --seed? Report them apart.'
                )


def _check_seeds(row: Row) -> None:
    first: dict[Any, Result] = {}
    for result in row.results:
        config = result.config
        key = result.data.name, config.data.label_fraction, result.tested_on
        other = first.setdefault((*key, config.train.seed), result)
        if other is not result:
            raise ValueError(
                f'{other.workdir} and {result.workdir} have the same settings and seed '
                f'({config.train.seed}): a mean would count the run twice. Name one.'
            )


def _all_results(results: Sequence[Result], tables: Sequence[Table]) -> Table:
    rows = []
    for result in results:
        config, metrics = result.config, result.metrics
        used = [
            table.key
            for table in tables
            if any(result is other for row in table.rows for other in row.results)
        ]
        cells = {
            'head': config.model.head,
            'trained on': result.data.name,
            'labels': f'{100 * config.data.label_fraction:g} %',
            'from': _first_weights(result),
            'seed': str(config.train.seed),
            'steps': str(config.train.steps),
            'tested on': f'{result.tested_on}, {result.split}',
            'at step': str(metrics['step']),
            'IoU any defect': mean([metrics['defect_iou']]),
            'mIoU': mean([metrics['miou']]),
            'mFscore': mean([metrics['mfscore']]),
            'stands in': ', '.join(used),
        }
        rows.append(Row(result.workdir, cells, (result,)))
    scores = ('IoU any defect', 'mIoU', 'mFscore')
    return Table(
        'all_runs',
        'All runs',
        'Every evaluation of every run that was given. Of several evaluations of a run '
        'on one split, the tables take the one after the most steps.',
        tuple(Column(name, percent=name in scores) for name in rows[0].cells),
        tuple(rows),
    )


def _first_weights(result: Result) -> str:
    if is_transfer(result):
        return 'weights (transfer)'
    return 'weights' if result.config.train.init_from else 'random'
