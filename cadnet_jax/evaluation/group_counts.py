"""What a network finds of each group (product) of a split, all defects as one class."""

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from tqdm import tqdm

from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.evaluation.metrics import Counts, count, no_counts
from cadnet_jax.evaluation.predictions import check_classes, predicted_pairs
from cadnet_jax.inference.predictor import Predictor


class GroupCounts(TypedDict):
    """Sums over pairs.

    pairs: how many.
    defects, hits, false_regions: see `metrics.Counts`.
    overlap, union: pixels of label and prediction, whose ratio is the IoU.
    """

    pairs: int
    defects: int
    hits: int
    false_regions: int
    overlap: int
    union: int


def count_groups(
    predictor: Predictor,
    data_dir: str | pathlib.Path,
    split: str,
    *,
    batch_size: int,
    groups: Sequence[str] = (),
    progress: bool = True,
) -> dict[str, GroupCounts]:
    """The counts of each group, by its name.

    Args:
        predictor: the network.
        data_dir: prepared data set.
        split: of it.
        batch_size: pairs that go through the network together.
        groups: that are counted; none: all.
        progress: show a bar.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: no such split or group, or other classes than the network's.
    """
    check_classes(predictor, read_info(data_dir), data_dir)
    nothing = no_counts(len(predictor.class_names))
    found: dict[str, Counts] = {}
    pairs = predicted_pairs(predictor, data_dir, split, batch_size, groups=groups)
    for pair in tqdm(pairs, desc=f'test {split}', unit='pairs', disable=not progress):
        counts = count(pair.label, pair.prediction, len(predictor.class_names))
        found[pair.group] = found.get(pair.group, nothing) + counts
    return {group: _as_one_class(counts) for group, counts in sorted(found.items())}


def add_counts(counts: Iterable[GroupCounts]) -> GroupCounts:
    """Their sum."""
    total: GroupCounts = {
        'pairs': 0,
        'defects': 0,
        'hits': 0,
        'false_regions': 0,
        'overlap': 0,
        'union': 0,
    }
    for one in counts:
        for name in total:
            total[name] += one[name]  # type: ignore[literal-required]
    return total


def rates(counts: Mapping[str, float]) -> dict[str, float | None]:
    """Hit rate, false regions an image and IoU; None where undefined."""
    return {
        name: counts[part] / counts[whole] if counts[whole] else None
        for name, (part, whole) in RATES.items()
    }


def _as_one_class(counts: Counts) -> GroupCounts:
    confusion = counts.confusion
    return {
        'pairs': counts.images,
        'defects': counts.defects,
        'hits': counts.hits,
        'false_regions': counts.false_regions,
        'overlap': int(confusion[1:, 1:].sum()),
        'union': int(confusion.sum() - confusion[0, 0]),
    }


RATES = {
    'hit_rate': ('hits', 'defects'),
    'false_regions': ('false_regions', 'pairs'),
    'iou': ('overlap', 'union'),
}
"""Name of each rate -> the counts that it is the ratio of."""
