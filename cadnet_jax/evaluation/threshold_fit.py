"""A threshold by the share of the background that it marks.

A threshold that does best on one kind of defects need not suit another kind, whose
scores are lower. The background is the same for both: the share of it that may be
marked is what carries over.
"""

import pathlib
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.evaluation.curves import BINS, count_scores, no_histograms
from cadnet_jax.evaluation.evaluate import end_of_curves
from cadnet_jax.evaluation.predictions import check_classes, predicted_pairs
from cadnet_jax.inference.predictor import Predictor


class FittedThreshold(NamedTuple):
    """What a threshold marks of the split that it was fitted on.

    Attributes:
        threshold: of the score of any defect, see `decision.Rule`.
        background: share of the background's pixels that is marked.
        defects: share of the defects' pixels that is marked; None if there are none.
    """

    threshold: float
    background: float
    defects: float | None


def fit_threshold(
    predictor: Predictor,
    data_dir: str | pathlib.Path,
    split: str,
    share: float,
    *,
    batch_size: int,
    progress: bool = True,
) -> FittedThreshold:
    """The lowest threshold that marks no more than a share of the background.

    It is a multiple of a thousandth of the range of scores.

    Args:
        predictor: the network.
        data_dir: prepared data set; defects in it may be of any kind, or none.
        split: of it, that the network did not learn from.
        share: of the background's pixels, that may be marked.
        batch_size: pairs that go through the network together.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: `share` is not in (0, 1), there is no such split, it has no
            background, too much of it has the highest scores, or its data have other
            classes than the network.
    """
    if not 0 < share < 1:
        raise ValueError(f'share is {share}; it must be in (0, 1).')
    check_classes(predictor, read_info(data_dir), data_dir)
    largest, counts = end_of_curves(predictor), no_histograms(1)
    pairs = predicted_pairs(predictor, data_dir, split, batch_size)
    for pair in tqdm(pairs, desc=f'fit {split}', unit='pairs', disable=not progress):
        score = pair.scores.score[..., None]
        counts += count_scores(pair.label, score, largest=largest)
    marked, found = (_from_above(x[0]) for x in (counts.unlabeled, counts.labeled))
    if not marked[0]:
        raise ValueError(
            f'{data_dir}: no background in {split!r}; name another --split.'
        )
    shares = marked / marked[0]
    if shares[-1] > share:
        raise ValueError(
            f'{shares[-1]:.3%} of the background of {split!r} of {data_dir} has the '
            'highest scores, so no threshold marks less; set a larger --share.'
        )
    index = int(np.argmax(shares <= share))
    return FittedThreshold(
        index * largest / BINS,
        float(shares[index]),
        float(found[index] / found[0]) if found[0] else None,
    )


def _from_above(counts: np.ndarray) -> np.ndarray:
    """Pixels at or above the lower end of each bin."""
    return np.asarray(np.cumsum(counts[::-1])[::-1])
