"""evaluation.html: scores, curves and the worst pairs, on a page that needs no file."""

import heapq
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax

from cadnet_jax.data.split_contents import is_named
from cadnet_jax.evaluation.box_evaluation import format_boxes
from cadnet_jax.evaluation.evaluation_files import CURVES_PICTURE, picture_links
from cadnet_jax.evaluation.learned_groups import format_groups
from cadnet_jax.evaluation.metrics import Counts, no_counts, scores
from cadnet_jax.evaluation.predictions import EvaluatedPair
from cadnet_jax.files.atomic import write_text
from cadnet_jax.files.images import read_image
from cadnet_jax.files.pages import render_page
from cadnet_jax.pictures.embedded import embed_jpeg
from cadnet_jax.pictures.overlays import overlay, side_by_side
from cadnet_jax.runs.scores import Metrics, PairScores

PAGE_FILE = 'evaluation.html'
_WIDTH = 1200  # pixels of a picture
_NUM_WORST = 12


class PairLine(NamedTuple):
    """Scores of a pair, or of all pairs of a group.

    Attributes:
        id: of the pair, or the group's name.
        group: of the pair.
        defects: labeled ones.
        missed: of them.
        false_regions: see `metrics.Counts`.
        iou: of any defect; None where there is neither label nor prediction.
    """

    id: str
    group: str
    defects: int
    missed: int
    false_regions: int
    iou: float | None

    @classmethod
    def of(
        cls, id: str, group: str, counts: Counts, class_names: Sequence[str]
    ) -> 'PairLine':
        """The line of a pair, or of a group, of which `counts` were counted."""
        return cls(
            id=id,
            group=group,
            defects=counts.defects,
            missed=counts.defects - counts.hits,
            false_regions=counts.false_regions,
            iou=scores(counts.confusion, class_names)['defect_iou'],
        )

    @property
    def scores(self) -> PairScores:
        """What metrics.json holds of it."""
        return {
            'group': self.group,
            'defect_iou': self.iou,
            'defects': self.defects,
            'hits': self.defects - self.missed,
            'false_regions': self.false_regions,
        }

    @property
    def badness(self) -> tuple[int, int, float, str]:
        """Missed defects, then false regions, then the IoU."""
        iou = 1.0 if self.iou is None else self.iou
        return self.missed, self.false_regions, -iou, self.id


class PairList:
    """The pairs of an evaluation in this process, and pictures of the worst ones.

    A picture is drawn of each pair that is among the worst so far, so that memory does
    not grow with the set.
    """

    def __init__(self, class_names: Sequence[str], *, pictured: bool) -> None:
        """Before the first pair.

        Args:
            class_names: of the network.
            pictured: draw the worst pairs.
        """
        self.lines: list[PairLine] = []
        self._groups: dict[str, Counts] = {}
        self._class_names = class_names
        self._num_worst = _NUM_WORST if pictured else 0
        self._worst: list[tuple[tuple[int, int, float, str], str]] = []

    def add(self, pair: EvaluatedPair, counts: Counts) -> None:
        """Adds a pair; `counts` are those of its pixels."""
        line = PairLine.of(pair.id, pair.group, counts, self._class_names)
        self.lines.append(line)
        if is_named(pair.group, pair.id):  # else its scores are those of the pair
            nothing = no_counts(len(self._class_names))
            self._groups[pair.group] = self._groups.get(pair.group, nothing) + counts
        if len(self._worst) < self._num_worst:
            heapq.heappush(self._worst, (line.badness, _draw(pair)))
        elif self._worst and line.badness > self._worst[0][0]:
            heapq.heapreplace(self._worst, (line.badness, _draw(pair)))

    def pair_scores(self) -> dict[str, PairScores]:
        """Id -> scores of the pair."""
        return {line.id: line.scores for line in sorted(self.lines, key=lambda x: x.id)}

    def group_scores(self) -> dict[str, PairScores]:
        """Name -> scores of all pairs of a group, where it is more than one pair."""
        return {
            name: PairLine.of(name, name, counts, self._class_names).scores
            for name, counts in sorted(self._groups.items())
        }

    def pictures(self) -> dict[str, str]:
        """Id of each of the worst pairs -> its picture, as `src` of an image."""
        return {badness[-1]: picture for badness, picture in self._worst}


def write_page(
    folder: pathlib.Path, metrics: Metrics, pairs: PairList, pictured: Sequence[str]
) -> None:
    """Writes evaluation.html; the curves' picture must be there.

    Args:
        folder: of the evaluation.
        metrics: its scores.
        pairs: that were evaluated.
        pictured: ids of the pairs that have pictures of their own in the folder.
    """
    curves = read_image(folder / CURVES_PICTURE)
    page = render_page(
        'cadnet_jax.evaluation',
        PAGE_FILE,
        metrics=metrics,
        groups=format_groups(metrics['groups']) if 'groups' in metrics else '',
        boxes=format_boxes(metrics['boxes']) if 'boxes' in metrics else [],
        of_all=jax.process_count() == 1,
        curves=embed_jpeg(curves, width=curves.shape[1]),
        pairs=sorted(pairs.lines, key=lambda line: line.badness, reverse=True),
        pictures=pairs.pictures(),
        links={id: picture_links(folder, id) for id in pictured},
    )
    write_text(folder / PAGE_FILE, page)


def _draw(pair: EvaluatedPair) -> str:
    marked = overlay(pair.image, pair.mask, pair.prediction)
    picture = side_by_side(
        ('image', 'reference', 'hits white, misses green, false alarms red'),
        (pair.image, pair.reference, marked),
    )
    return embed_jpeg(picture, width=min(_WIDTH, picture.shape[1]))
