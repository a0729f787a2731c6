"""Figure 6 and table 6: trained on one kind of defects, tested on another.

Figure 6 is without labels of the other kind, table 6 with a few of them. Networks that
learned from synthetic pairs before know both kinds: they have a table beside figure 6.
"""

from collections.abc import Sequence
from typing import Any

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.models.heads import HEADS
from cadnet_jax.reports.grouping import Mean, group_by, mean
from cadnet_jax.reports.rows import (
    Column,
    Row,
    Table,
    by_head,
    evaluated_with,
    is_transfer,
    kind_of,
    label_groups,
)
from cadnet_jax.runs.finished_runs import Result
from cadnet_jax.runs.workdir import origins

_SCREENS = 'synlcd/'
LINE, ABPT = f'{_SCREENS}line', f'{_SCREENS}abpt'
FRACTIONS = (0.05, 0.1, 0.15)  # of the labels, in table 6
_LETTER_OF = {LINE: 'L', ABPT: 'A'}
_PAIRINGS = ('LL', 'AA', 'LA', 'AL')


def cross_test(results: Sequence[Result]) -> Table:
    """Figure 6: trained on lines (L) or points (A), tested on either."""
    return _crossed(
        [result for result in results if not _saw_both_kinds(result)],
        'figure_6',
        'Figure 6: trained on one kind of defects, tested on another',
        '',
    )


def transfer_cross_test(results: Sequence[Result]) -> Table:
    """As figure 6, of networks to which neither kind of defects is new."""
    return _crossed(
        [result for result in results if _saw_both_kinds(result)],
        'figure_6_transfer',
        'Transfer: as figure 6, for networks that saw both kinds of defects',
        ' These networks saw lines and dots in synthetic pairs or painted changes, or '
        'their initial weights learned from the other kind of defects. So their LA and '
        "AL are not the paper's, and are shown apart.",
    )


def _saw_both_kinds(result: Result) -> bool:
    """Whether what it learned shows both kinds, however many runs lie between."""
    earlier = [
        *origins(result.origin),
        {'paint_defects': result.config.data.paint_defects},
    ]
    painted = any(origin.get('paint_defects') for origin in earlier)
    screens = {str(origin.get('dataset')) for origin in earlier} - {result.data.name}
    return (
        is_transfer(result)
        or painted
        or any(name.startswith(_SCREENS) for name in screens)
    )


def _crossed(results: Sequence[Result], key: str, title: str, remark: str) -> Table:
    chosen = [
        result
        for result in results
        if {result.data.name, result.tested_on} <= set(_LETTER_OF)
        and result.config.data.label_fraction == 1
    ]
    rows = []
    for label, group in label_groups(by_head(*HEADS), chosen):
        cells = {}
        for name in _PAIRINGS:
            scores = [r.metrics for r in group if pairing(r) == name]
            ious = [score['defect_iou'] for score in scores]
            cells[f'IoU {name}'] = mean(ious)
            cells[f'Acc {name}'] = mean(s['defect_accuracy'] for s in scores)
            cells[f'Fscore {name}'] = mean(map(_fscore, ious))
        rows.append(Row(label, cells, tuple(group)))
    return Table(
        key,
        title,
        'Scores of any defect; Acc: the share of its pixels that are found; Fscore = '
        '2 IoU / (1 + IoU). The first letter is what '
        'was trained on, the second what was tested on: lines (L) or abnormal points '
        f'(A).{remark}',
        tuple(
            Column(f'{score} {name}', percent=True)
            for score in ('IoU', 'Acc', 'Fscore')
            for name in _PAIRINGS
        ),
        tuple(rows),
    )


def few_labels(results: Sequence[Result]) -> Table:
    """Table 6: trained on points, then on a share of the labeled lines.

    Without any of these (0 %) it is the run that learned points: of CADNet that with
    the out-of-class head, of the semi-supervised methods that with 'labeled'. It stands
    in the rows of the fine-tuned runs where there is one such kind of run only, and
    otherwise in rows of its own.
    """
    tuned = [
        result
        for result in results
        if result.config.data.label_fraction < 1
        and (result.data.name, result.tested_on) == (LINE, LINE)
        and _learned_points_first(result)
    ]
    start = [
        result
        for result in results
        if (
            HEADS[result.config.model.head].answer == 'change'
            or result.config.loss.semi_supervised == 'labeled'
        )
        and result.config.data.label_fraction == 1
        and (result.data.name, result.tested_on) == (ABPT, LINE)
    ]
    fractions = sorted({0.0, *FRACTIONS, *map(_share, tuned)})
    columns = [
        Column(f'{score} {100 * fraction:g} %', percent=True)
        for score in ('mIoU', 'Fscore')
        for fraction in fractions
    ]
    return Table(
        'table_6',
        'Table 6: few labeled lines',
        'Trained on abnormal points, then on a share of the labeled lines (0 %: not '
        'at all), tested on lines. Scores of any defect, of which lines are the only '
        'one; Fscore = 2 IoU / (1 + IoU).',
        tuple(columns),
        tuple(
            Row(label, _share_cells(group, fractions), tuple(group))
            for label, group in _join_starts(tuned, start)
        ),
    )


def pairing(result: Result) -> str:
    """LL, AA, LA or AL: what was trained on, and what was tested on."""
    return _LETTER_OF[result.data.name] + _LETTER_OF[result.tested_on]


def _join_starts(
    tuned: Sequence[Result], start: Sequence[Result]
) -> list[tuple[str, list[Result]]]:
    """Groups of fine-tuned runs, each with the runs that it may have started from.

    Where these are of several kinds, they are groups of their own.
    """
    rows = []
    used: set[int] = set()
    for label, group in label_groups(by_head(*HEADS), tuned, _any_fraction):
        fitting = [
            result
            for result in start
            if result.split == group[0].split
            and is_transfer(result) == is_transfer(group[0])
            and _as_started(result) == _as_started(group[0])
            and _evaluated_with(result) == _evaluated_with(group[0])
            and result.config.train.seed in {r.config.train.seed for r in group}
        ]
        if len(group_by(fitting, _kind)) == 1:
            group = [*fitting, *group]
            used |= set(map(id, fitting))
        rows.append((label, group))
    left = [result for result in start if id(result) not in used]
    return rows + label_groups(by_head(*HEADS), left)


def _learned_points_first(result: Result) -> bool:
    """Whether it started from a run of the same head on all labeled points."""
    origin = result.origin
    return (
        origin.get('dataset') == ABPT
        and origin.get('label_fraction') == 1
        and origin.get('head') == result.config.model.head
    )


def _share(result: Result) -> float:
    """Share of the labeled lines that it learned from."""
    return result.config.data.label_fraction if result.data.name == LINE else 0.0


def _as_started(result: Result) -> Config:
    """Its settings, but for those in which fine-tuning differs from what it is of."""
    default = Config()
    return configs.replace(
        result.settings,
        init_from='',
        label_fraction=1.0,
        semi_supervised='none',
        paint_defects=False,
        steps=default.train.steps,
        warmup_steps=default.optim.warmup_steps,
    )


def _kind(result: Result) -> tuple[tuple[str, Any], ...]:
    return tuple(kind_of(result, result.settings).items())


def _evaluated_with(result: Result) -> dict[str, Any]:
    return evaluated_with(result.metrics, result.config, result.workdir)


def _any_fraction(result: Result) -> Config:
    return configs.replace(result.settings, label_fraction=FRACTIONS[0])


def _share_cells(
    group: Sequence[Result], fractions: Sequence[float]
) -> dict[str, Mean | None]:
    cells = {}
    for fraction in fractions:
        ious = [r.metrics['defect_iou'] for r in group if _share(r) == fraction]
        cells[f'mIoU {100 * fraction:g} %'] = mean(ious)
        cells[f'Fscore {100 * fraction:g} %'] = mean(map(_fscore, ious))
    return cells


def _fscore(iou: float | None) -> float | None:
    return None if iou is None else 2 * iou / (1 + iou)
