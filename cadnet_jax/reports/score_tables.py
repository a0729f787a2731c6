"""Tables 3, 4, 5 and 7: networks and losses, trained and tested on one data set."""

from collections.abc import Sequence

from cadnet_jax.models.complexity import gmacs, multiply_adds
from cadnet_jax.models.heads import HEADS
from cadnet_jax.reports.grouping import Mean, mean
from cadnet_jax.reports.rows import Column, Method, Row, Table, by_head, label_groups
from cadnet_jax.runs.finished_runs import Result
from cadnet_jax.runs.scores import Metrics

MIXED = 'synlcd/mixed'
PKU, MVTEC = 'pku_market_pcb/by_crop', 'mvtec_ad/by_object'
_PAPER_SIZE = 512  # pixels a side
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
            for label, group in label_groups(_compared(), chosen)
        ),
    )


def ablation(results: Sequence[Result]) -> Table:
    """Table 7: what the losses and the change-aware decoder add."""
    methods = [
        Method('CE', lambda result: _head_and_loss(result) == ('plain', '')),
        Method('CE + CL', lambda result: _head_and_loss(result) == ('plain', 'CL')),
        Method('CE + BCL', lambda result: _head_and_loss(result) == ('plain', 'BCL')),
        Method(
            'CE + BCL + CAD', lambda result: _head_and_loss(result) == ('cad', 'BCL')
        ),
    ]
    return Table(
        'table_7',
        'Table 7: ablation of losses and decoder',
        'CE: cross entropy; CL, BCL: contrastive loss, plain and balanced; CAD: '
        f'change-aware decoder. {_SCORES_NOTE}',
        _SCORES,
        _score_rows(methods, _on_one(results, MIXED)),
    )


def _compared() -> list[Method]:
    """The networks of table 3; 'plain' stands in the ablation."""
    heads = [head for head, row in HEADS.items() if row.answer == 'classes']
    return by_head(*(head for head in heads if head != 'plain'))


def _on_one(results: Sequence[Result], dataset: str) -> list[Result]:
    """Trained on all labels of a data set, and tested on it."""
    return [
        result
        for result in results
        if (result.data.name, result.tested_on) == (dataset, dataset)
        and result.config.data.label_fraction == 1
    ]


def _head_and_loss(result: Result) -> tuple[str, str]:
    """The head, and its contrastive loss: '', 'CL', or 'BCL', which is balanced."""
    head, loss = result.config.model.head, result.config.loss
    if not loss.contrastive_weight:
        return head, ''
    return head, 'CL' if loss.balance == 'none' else 'BCL'


def _score_rows(
    methods: Sequence[Method], results: Sequence[Result]
) -> tuple[Row, ...]:
    return tuple(
        Row(label, _score_cells(group), tuple(group))
        for label, group in label_groups(methods, results)
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
