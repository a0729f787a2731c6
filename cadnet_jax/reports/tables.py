"""The paper's tables, made of runs.

A row is the runs whose settings are equal (`runs.Result.settings`), and a score the
mean over them. A table that no run belongs to is left out; the last one lists every
evaluation, and the tables that it went into.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.models.complexity import gmacs, multiply_adds
from cadnet_jax.models.heads import HEADS
from cadnet_jax.reports.grouping import Mean, group_by, mean
from cadnet_jax.runs.finished_runs import Result, last_evaluations
from cadnet_jax.runs.scores import Metrics

LINE, ABPT, MIXED = 'synlcd/line', 'synlcd/abpt', 'synlcd/mixed'
PKU, MVTEC = 'pku_market_pcb/by_crop', 'mvtec_ad/by_object'
_LETTER_OF = {LINE: 'L', ABPT: 'A'}
_PAIRINGS = ('LL', 'AA', 'LA', 'AL')
FRACTIONS = (0.05, 0.1, 0.15)  # of the labels, in table 6
_PAPER_SIZE = 512  # pixels a side


class Column(NamedTuple):
    """A column; `percent`: its values are fractions, which are shown in percent."""

    name: str
    percent: bool = False


class Row(NamedTuple):
    """A row.

    Attributes:
        label: the method, and the settings by which it differs from others like it.
        cells: name of a column -> its value; None where nothing is known.
        results: what the values were computed from.
    """

    label: str
    cells: Mapping[str, Mean | str | None]
    results: tuple[Result, ...]


class Table(NamedTuple):
    """A table; `key` is its name in JSON."""

    key: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


class Method(NamedTuple):
    """A kind of runs that a table has rows of."""

    name: str
    includes: Callable[[Result], bool]


_SCORES = (
    Column('IoU line', percent=True),
    Column('IoU abpt', percent=True),
    Column('mIoU', percent=True),
    Column('mAcc', percent=True),
    Column('mFscore', percent=True),
    Column('MParams'),
    Column('GMACs'),
    Column('GMACs with attention'),
)
_SCORES_NOTE = (
    'Trained and tested on lines and points together. GMACs: 1e9 multiply-adds of a '
    f"pair of {_PAPER_SIZE} x {_PAPER_SIZE} pixels, as the paper's GFLOPs are counted, "
    'without attention; and of all products, attention among them.'
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
        few_labels(last),
        ablation(last),
    ]
    tables = [table for table in tables if table.rows]
    _check_data([result for t in tables for row in t.rows for result in row.results])
    for table in tables:
        for row in table.rows:
            _check_seeds(row)
    return [*tables, _all_results(results, tables)]


def comparison(results: Sequence[Result]) -> Table:
    """Table 3: CADNet and the other networks on lines and points together."""
    return Table(
        'table_3',
        'Table 3: comparison on SynLCD',
        _SCORES_NOTE,
        _SCORES,
        _score_rows(_compared(), _on_one(results, MIXED)),
    )


def public_comparison(
    results: Sequence[Result], key: str, title: str, dataset: str
) -> Table:
    """Tables 4 and 5: the same networks on a public set, with the IoU of each class.

    Args:
        results: of all runs.
        key: of the table.
        title: of the table.
        dataset: its name.
    """
    chosen = _on_one(results, dataset)
    classes = chosen[0].data.class_names[1:] if chosen else ()
    return Table(
        key,
        title,
        f'Trained and tested on {dataset}; the means are over its classes.',
        (
            *(Column(f'IoU {name}', percent=True) for name in classes),
            *(Column(name, percent=True) for name in ('mIoU', 'mAcc', 'mFscore')),
        ),
        tuple(
            Row(label, _class_cells(group, classes), tuple(group))
            for label, group in _labeled(_compared(), chosen)
        ),
    )


def ablation(results: Sequence[Result]) -> Table:
    """Table 7: what the losses and the change-aware decoder add."""
    methods = [
        Method('CE', lambda r: _head(r) == 'plain' and not _contrast(r)),
        Method('CE + CL', lambda r: _head(r) == 'plain' and _contrast(r) == 'CL'),
        Method('CE + BCL', lambda r: _head(r) == 'plain' and _contrast(r) == 'BCL'),
        Method('CE + BCL + CAD', lambda r: _head(r) == 'cad' and _contrast(r) == 'BCL'),
    ]
    return Table(
        'table_7',
        'Table 7: ablation of losses and decoder',
        'CE: cross entropy; CL, BCL: contrastive loss, plain and balanced; CAD: '
        f'change-aware decoder. {_SCORES_NOTE}',
        _SCORES,
        _score_rows(methods, _on_one(results, MIXED)),
    )


def cross_test(results: Sequence[Result]) -> Table:
    """Figure 6: trained on lines (L) or points (A), tested on either."""
    chosen = [
        result
        for result in results
        if {result.data.name, result.tested_on} <= set(_LETTER_OF)
        and result.config.data.label_fraction == 1
    ]
    rows = []
    for label, group in _labeled(_by_head(*HEADS), chosen):
        cells = {}
        for name in _PAIRINGS:
            scores = [r.metrics for r in group if pairing(r) == name]
            ious = [score['defect_iou'] for score in scores]
            cells[f'IoU {name}'] = mean(ious)
            cells[f'Acc {name}'] = mean(s['defect_accuracy'] for s in scores)
            cells[f'Fscore {name}'] = mean(map(_fscore, ious))
        rows.append(Row(label, cells, tuple(group)))
    return Table(
        'figure_6',
        'Figure 6: trained on one kind of defects, tested on another',
        'Scores of any defect; Acc: the share of its pixels that are found; Fscore = '
        '2 IoU / (1 + IoU). The first letter is what '
        'was trained on, the second what was tested on: lines (L) or abnormal points '
        '(A).',
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
        if (_head(result) == 'ooc' or result.config.loss.semi_supervised == 'labeled')
        and result.config.data.label_fraction == 1
        and (result.data.name, result.tested_on) == (ABPT, LINE)
    ]
    rows = []
    used: set[int] = set()
    for label, group in _labeled(_by_head(*HEADS), tuned, _any_fraction):
        fitting = [
            result
            for result in start
            if result.split == group[0].split
            and _as_started(result) == _as_started(group[0])
            and result.config.train.seed in {r.config.train.seed for r in group}
        ]
        if len(group_by(fitting, lambda result: result.settings)) == 1:
            group = [*fitting, *group]
            used |= set(map(id, fitting))
        rows.append((label, group))
    rows += _labeled(_by_head(*HEADS), [r for r in start if id(r) not in used])
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
            for label, group in rows
        ),
    )


def pairing(result: Result) -> str:
    """LL, AA, LA or AL: what was trained on, and what was tested on."""
    return _LETTER_OF[result.data.name] + _LETTER_OF[result.tested_on]


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


def _head(result: Result) -> str:
    return result.config.model.head


def _contrast(result: Result) -> str:
    """'' without a contrastive loss; 'CL'; or 'BCL', balanced."""
    loss = result.config.loss
    if not loss.contrastive_weight:
        return ''
    return 'CL' if loss.balance == 'none' else 'BCL'


def _share(result: Result) -> float:
    """Share of the labeled lines that it learned from."""
    return result.config.data.label_fraction if result.data.name == LINE else 0.0


def _learned_points_first(result: Result) -> bool:
    """Whether it started from a run of the same head on all labeled points."""
    origin = result.origin
    return (
        origin.get('dataset') == ABPT
        and origin.get('label_fraction') == 1
        and origin.get('head') == _head(result)
    )


def _as_started(result: Result) -> Config:
    """Its settings, but for those in which fine-tuning differs from what it is of."""
    default = Config()
    return configs.replace(
        result.settings,
        init_from='',
        label_fraction=1.0,
        semi_supervised='none',
        steps=default.train.steps,
        warmup_steps=default.optim.warmup_steps,
    )


def _any_fraction(result: Result) -> Config:
    return configs.replace(result.settings, label_fraction=FRACTIONS[0])


def _by_head(*heads: str) -> list[Method]:
    return [
        Method(HEADS[head].title, lambda result, head=head: _head(result) == head)  # type: ignore[misc]
        for head in heads
    ]


def _compared() -> list[Method]:
    """The networks of table 3; 'plain' stands in the ablation."""
    heads = [head for head, row in HEADS.items() if row.answer == 'classes']
    return _by_head(*(head for head in heads if head != 'plain'))


def _on_one(results: Sequence[Result], dataset: str) -> list[Result]:
    """Trained on all labels of a data set, and tested on it."""
    return [
        result
        for result in results
        if (result.data.name, result.tested_on) == (dataset, dataset)
        and result.config.data.label_fraction == 1
    ]


def _labeled(
    methods: Sequence[Method],
    results: Sequence[Result],
    settings: Callable[[Result], Config] = lambda result: result.settings,
) -> list[tuple[str, list[Result]]]:
    """Groups of equal settings and split, by method, with a label each.

    Where a method has several groups, the settings that differ stand in the label, and
    the step where it is not the last one.
    """
    labeled = []
    for method in methods:
        included = [result for result in results if method.includes(result)]
        groups = group_by(
            included,
            lambda result: (settings(result), result.split, _early_step(result)),
        )
        kinds = [settings(group[0]) for group in groups]
        differing = {
            name for kind in kinds for name in configs.differences(kinds[0], kind)
        }
        for kind, group in zip(kinds, groups, strict=True):
            parts = [method.name, *_values(kind, differing)]
            if group[0].split != 'test':
                parts.append(f'on {group[0].split}')
            if (step := _early_step(group[0])) is not None:
                parts.append(f'at step {step}')
            labeled.append((', '.join(parts), group))
    return labeled


def _early_step(result: Result) -> int | None:
    """The evaluated step; None for the last one."""
    step = result.metrics['step']
    return None if step == result.config.train.steps else step


def _values(config: Config, names: set[str]) -> list[str]:
    """`name=value` of the named fields, or `no name`, in the order of the settings."""
    return [
        f'no {name}' if value == '' else f'{name}={value}'
        for section in dataclasses.asdict(config).values()
        for name, value in section.items()
        if name in names
    ]


def _score_rows(
    methods: Sequence[Method], results: Sequence[Result]
) -> tuple[Row, ...]:
    return tuple(
        Row(label, _score_cells(group), tuple(group))
        for label, group in _labeled(methods, results)
    )


def _score_cells(group: Sequence[Result]) -> dict[str, Mean | str | None]:
    first = group[0]  # Equal settings have equal costs.
    network = first.config.model, len(first.data.class_names), _PAPER_SIZE, _PAPER_SIZE
    return _class_cells(group, ('line', 'abpt')) | {
        'MParams': mean([first.metrics['parameters'] / 1e6]),
        'GMACs': mean([gmacs(*network)]),
        'GMACs with attention': mean([sum(multiply_adds(*network))]),
    }


def _class_cells(
    group: Sequence[Result], classes: Sequence[str]
) -> dict[str, Mean | str | None]:
    metrics = [result.metrics for result in group]
    return {
        **{f'IoU {name}': mean(_iou(m, name) for m in metrics) for name in classes},
        'mIoU': mean(m['miou'] for m in metrics),
        'mAcc': mean(m['macc'] for m in metrics),
        'mFscore': mean(m['mfscore'] for m in metrics),
    }


def _iou(metrics: Metrics, name: str) -> float | None:
    classes = metrics['classes']
    return classes[name]['iou'] if name in classes else None


def _fscore(iou: float | None) -> float | None:
    return None if iou is None else 2 * iou / (1 + iou)


def _share_cells(
    group: Sequence[Result], fractions: Sequence[float]
) -> dict[str, Mean | None]:
    cells = {}
    for fraction in fractions:
        ious = [r.metrics['defect_iou'] for r in group if _share(r) == fraction]
        cells[f'mIoU {100 * fraction:g} %'] = mean(ious)
        cells[f'Fscore {100 * fraction:g} %'] = mean(map(_fscore, ious))
    return cells


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
            'from': 'weights' if config.train.init_from else 'random',
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
