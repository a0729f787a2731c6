"""Boxes of a split: scores of all pairs, of each group and of each pair."""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping

import jax

from cadnet_jax.evaluation.box_scores import PairBoxes, box_scores
from cadnet_jax.evaluation.boxes import BoxRule, find_boxes, require_boxes
from cadnet_jax.evaluation.predictions import EvaluatedPair
from cadnet_jax.evaluation.thresholds import percent
from cadnet_jax.evaluation.windows import Windows
from cadnet_jax.inference.predictor import Predictor
from cadnet_jax.runs.scores import BoxMetrics, BoxScores, PairScores


class BoxEvaluation:
    """Collects the pairs of a split."""

    def __init__(
        self,
        predictor: Predictor,
        data_dir: str | pathlib.Path,
        rule: BoxRule,
    ) -> None:
        """Before the first pair.

        Raises:
            ValueError: several processes take part.
        """
        if jax.process_count() > 1:
            raise ValueError('--boxes works in one process: start only one.')
        self._predictor, self._rule = predictor, rule
        self._data_dir = data_dir
        self._pairs: dict[str, PairBoxes] = {}
        self._windows = Windows()

    def add(self, pair: EvaluatedPair) -> None:
        """Adds a pair.

        Raises:
            ValueError: the data have no boxes.
        """
        found = find_boxes(pair.scores, self._predictor.class_names, self._rule)
        labels = require_boxes(pair.boxes, self._data_dir)
        self._pairs[pair.id] = PairBoxes(labels, found)
        self._windows.add(pair.label, pair.scores.score)

    def summarize(self) -> BoxMetrics:
        """The scores of all pairs that were added."""
        return {
            'rule': dataclasses.asdict(self._rule),
            'one_class': self._predictor.has_one_class,
            'scores': self._scores(self._pairs),
            'windows': self._windows.summarize(),
        }

    def add_scores(
        self, pairs: Mapping[str, PairScores], groups: Mapping[str, PairScores]
    ) -> None:
        """Adds the scores of boxes to those of each pair and of each group.

        Args:
            pairs: the scores of all pairs that were added, by id.
            groups: those of groups, by name.
        """
        ids: dict[str, list[str]] = {}
        for id, pair in pairs.items():
            pair['boxes'] = self._scores([id])
            ids.setdefault(pair['group'], []).append(id)
        for name, group in groups.items():
            group['boxes'] = self._scores(ids[name])

    def _scores(self, ids: Iterable[str]) -> BoxScores:
        return box_scores([self._pairs[id] for id in ids], self._rule.min_score)


def format_scores(values: BoxScores) -> str:
    """Such as 'AP33 98.6, F33 98.2, ...', in percent."""
    shown = {
        'AP33': values['ap33'],
        'F33': values['f33'],
        'precision': values['precision33'],
        'recall': values['recall33'],
        'AP50': values['ap50'],
        'AP50:95': values['ap50_95'],
        'AP85': values['ap85'],
    }
    return ', '.join(f'{name} {_percent(value)}' for name, value in shown.items())


def format_boxes(metrics: BoxMetrics) -> list[str]:
    """Lines for the terminal, in percent."""
    windows = metrics['windows']
    classes = 'all defects as one class' if metrics['one_class'] else 'by class'
    lines = [
        f'boxes ({classes}): {BoxRule(**metrics["rule"]).describe()}',
        f'  {format_scores(metrics["scores"])}',
        f'windows of {windows["side"]} x {windows["side"]} px: {windows["good"]} good, '
        f'{windows["bad"]} bad',
    ]
    for share, value in windows['found_at'].items():
        lines.append(
            f'  {_percent(value)} % of the defects found at {percent(float(share))} '
            'false windows'
        )
    for row in windows['review']:
        escaped = row['held_out_escaped']
        held_out = (
            'nothing held out: one image has all bad windows'
            if escaped is None
            else f'limit of other images: {_percent(row["held_out_passed"])} % at '
            f'{percent(escaped)}'
        )
        lines.append(
            f'  {_percent(row["passed"])} % of the review removed at '
            f'{percent(row["escapes"])} escapes ({held_out})'
        )
    return lines


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.1f}'
