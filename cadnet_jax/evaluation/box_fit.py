"""Threshold and margin of boxes, fitted on labeled pairs that are not evaluated.

At each of some thresholds the margin is the median distance between the sides of
regions and of the labels that they belong to. The threshold is the one with the highest
average precision at an IoU of 0.33, and the smallest score that of the highest F-score.
"""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.data.selection import split_names
from cadnet_jax.data.split_contents import image_digests
from cadnet_jax.evaluation.box_scores import (
    PairBoxes,
    box_scores,
    script_average_precision,
    script_matches,
)
from cadnet_jax.evaluation.boxes import (
    BoxRule,
    read_rule,
    region_boxes,
    require_boxes,
    widen,
)
from cadnet_jax.evaluation.predictions import check_classes, predicted_pairs
from cadnet_jax.inference.predictor import Predictor, score_scale
from cadnet_jax.runs.checkpoint_record import tree_digest
from cadnet_jax.runs.scores import BoxScores

TRAINING_PARTS = frozenset({'train', 'val'})
"""Splits that may be fitted on and evaluated in parts: neither is a test split."""

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
"""Of a probability; a change score goes up to twice its default threshold."""


def fit_boxes(
    predictor: Predictor,
    data_dir: str | pathlib.Path,
    split: str,
    *,
    batch_size: int,
    progress: bool = True,
) -> tuple[BoxRule, BoxScores]:
    """The rule that does best on a split, and its scores there, which flatter.

    Args:
        predictor: the network.
        data_dir: prepared data set with labeled boxes.
        split: of it; a training part.
        batch_size: pairs that go through the network together.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: there is no such split, its data have no boxes or other classes, or
            nothing is found.
    """
    check_classes(predictor, read_info(data_dir), data_dir)
    if not_training := sorted(split_names(split) - TRAINING_PARTS):
        print(
            f'warning: --split={split}: the rule will be refused for the rest of '
            f'{not_training[0]!r}, because labels of a test part show its products. '
            'Fit on train or val.'
        )
    scale = score_scale(predictor.config)
    thresholds = [scale * share for share in THRESHOLDS]
    regions: dict[float, list[PairBoxes]] = {x: [] for x in thresholds}
    sizes = []
    pairs = predicted_pairs(predictor, data_dir, split, batch_size)
    for pair in tqdm(pairs, desc=f'fit {split}', unit='pairs', disable=not progress):
        labels = require_boxes(pair.boxes, data_dir)
        sizes.append(pair.mask.shape)
        for threshold, of in regions.items():
            found = region_boxes(pair.scores, predictor.class_names, threshold)
            of.append(PairBoxes(labels, found))
    chosen = choose_rule(regions, sizes, split)
    if not chosen:
        raise ValueError(
            f'{split!r} of {data_dir}: no region lies in a labeled box, so there '
            'is no margin; name another split or other weights.'
        )
    rule, widened = chosen
    rule = dataclasses.replace(
        rule,
        weights_sha256=tree_digest(predictor.variables),
        tile_size=predictor.tile_size,
        orientations=predictor.orientations,
    )
    return rule, box_scores(widened, rule.min_score)


def choose_rule(
    regions: Mapping[float, Sequence[PairBoxes]],
    sizes: Sequence[tuple[int, ...]],
    split: str,
) -> tuple[BoxRule, list[PairBoxes]] | None:
    """The best rule of several thresholds, and the boxes that it makes.

    Args:
        regions: threshold -> of each pair the boxes of regions, without a margin.
        sizes: (H, W) of each pair.
        split: that the pairs are of.

    Returns:
        None where no region is labeled.
    """
    best: tuple[float, BoxRule, list[PairBoxes]] | None = None
    for threshold, of in regions.items():
        if rule := fit_margin(of, threshold, split):
            widened = widen_all(of, rule, sizes)
            average = script_average_precision(widened) or 0.0
            if not best or average > best[0]:
                best = average, rule, widened
    return (fit_min_score(best[2], best[1]), best[2]) if best else None


def widen_all(
    pairs: Sequence[PairBoxes], rule: BoxRule, sizes: Sequence[tuple[int, ...]]
) -> list[PairBoxes]:
    """The boxes of regions with the rule's margin; see `boxes.widen`."""
    return [
        pair._replace(found=widen(pair.found, rule, size))
        for pair, size in zip(pairs, sizes, strict=True)
    ]


def fit_margin(
    pairs: Sequence[PairBoxes], threshold: float, split: str
) -> BoxRule | None:
    """The rule with the median margins at a threshold; None where no region is labeled.

    A region belongs to the label that its middle lies in. Where it lies in several, or
    several regions lie in one label, they say nothing of a margin.

    Args:
        pairs: found are boxes of regions without a margin.
        threshold: of them.
        split: that the pairs are of.
    """
    margins = [_margins(pair) for pair in pairs]
    before = np.concatenate([m[:, :2] for m in margins])
    after = np.concatenate([m[:, 2:] for m in margins])
    if not len(before):
        return None
    return BoxRule(
        threshold=threshold,
        margin_before=float(np.median(before)),
        margin_after=float(np.median(after)),
        min_score=0.0,
        fitted_on=split,
    )


def fit_min_score(pairs: Sequence[PairBoxes], rule: BoxRule) -> BoxRule:
    """The rule with the smallest score of the highest F-score.

    Boxes below it change nothing of the others' matches, as each label takes the first
    box, the one with the highest score.
    """
    scores = np.concatenate([pair.found.scores for pair in pairs])
    right = np.concatenate([script_matches(pair) for pair in pairs])
    order = np.argsort(-scores, kind='stable')
    scores, hits = scores[order], np.cumsum(right[order])
    total = sum(len(pair.labels) for pair in pairs)
    fscores = 2 * hits / (np.arange(1, len(hits) + 1) + total)
    last = np.append(scores[1:] < scores[:-1], True)  # of those of one score
    chosen = np.flatnonzero(last)[np.argmax(fscores[last])]
    return dataclasses.replace(rule, min_score=float(scores[chosen]))


def load_rule(
    path: str | os.PathLike[str],
    predictor: Predictor,
    data_dir: str | pathlib.Path,
    split: str,
) -> BoxRule:
    """A rule of this network, fitted on other pairs than those that are evaluated.

    Args:
        path: of the rule.
        predictor: the network.
        data_dir: prepared data set, where its split is looked for as well.
        split: that is to be evaluated.

    Raises:
        FileNotFoundError: there is no such rule or data set.
        ValueError: the rule is damaged or of scores that were made in another way, a
            split is missing, or the two have a pair in common or are parts of one
            split that is not a training part.
    """
    rule = read_rule(path)
    if rule.weights_sha256 != tree_digest(predictor.variables):
        raise ValueError(
            f'{path}: fitted to scores of other weights than those of '
            f'{predictor.workdir}; fit a rule to these with experiments/fit_boxes.py.'
        )
    if (rule.tile_size, rule.orientations) != (
        predictor.tile_size,
        predictor.orientations,
    ):
        raise ValueError(
            f'{path}: fitted to scores of --tile_size={rule.tile_size} '
            f'--orientations={rule.orientations}, not of {predictor.tile_size} and '
            f'{predictor.orientations}; give both as they were, or fit another rule '
            'with experiments/fit_boxes.py.'
        )
    try:
        fitted = image_digests(data_dir, rule.fitted_on)
    except ValueError as error:
        raise ValueError(
            f'{path}: fitted on {rule.fitted_on!r}, which the evaluated data lack. Fit '
            f'a rule on these with experiments/fit_boxes.py. ({error})'
        ) from None
    common = fitted.keys() & image_digests(data_dir, split).keys()
    if common:
        raise ValueError(
            f'{path}: fitted on {len(common)} of the pairs of {split!r}, such as '
            f'{fitted[min(common)]}; fit it on a training part by '
            'experiments/fit_boxes.py.'
        )
    if shared := shared_test(rule.fitted_on, split):
        raise ValueError(
            f'{path}: fitted on {rule.fitted_on!r}, a part of {shared!r}, as is '
            f'{split!r}; fit the rule on a training part (train or val) with '
            'experiments/fit_boxes.py.'
        )
    return rule


def shared_test(fitted_on: str, split: str) -> str:
    """The split of which both are parts, unless for training; '' if there is none.

    Even if test pairs are not evaluated, their labels are test labels: they show the
    products of the test, which no training part does.
    """
    fitted, evaluated = split_names(fitted_on), split_names(split)
    if 'all' in fitted | evaluated:
        return 'all'
    return min((fitted & evaluated) - TRAINING_PARTS, default='')


def _margins(pair: PairBoxes) -> NDArray[np.float64]:
    """How far each side of a label is from its region: left, top, right, bottom."""
    labels, regions = pair.labels.coordinates, pair.found.coordinates
    middles = (regions[:, None, :2] + regions[:, None, 2:]) / 2
    inside = ((middles >= labels[:, :2]) & (middles <= labels[:, 2:])).all(axis=-1)
    alone = (
        inside & (inside.sum(axis=0) == 1) & (inside.sum(axis=1, keepdims=True) == 1)
    )
    of_region, of_label = np.nonzero(alone)
    outward = np.array([-1, -1, 1, 1])
    return np.asarray((labels[of_label] - regions[of_region]) * outward)
