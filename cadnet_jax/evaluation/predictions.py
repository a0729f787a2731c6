"""The pairs of a split with their labels, and what a network predicts of them."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.data.labels import IGNORED, is_defect
from cadnet_jax.data.prepared_set import DatasetInfo
from cadnet_jax.evaluation.boxes import Boxes, labeled_boxes
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.inference.predictor import Predictor


class EvaluatedPair(NamedTuple):
    """A pair, its label and what is predicted of it, all of one height and width.

    Attributes:
        id: of the pair in its data set.
        group: of the pair.
        image: uint8 [H, W, 3].
        reference: uint8 [H, W, 3].
        mask: uint8 [H, W], labels in the data's classes.
        label: uint8 [H, W], labels in the network's.
        boxes: labeled boxes in the network's classes; None where the data have none.
        prediction: uint8 [H, W], predicted classes.
        scores: what the prediction follows from, of this pair alone.
    """

    id: str
    group: str
    image: np.ndarray
    reference: np.ndarray
    mask: np.ndarray
    label: np.ndarray
    boxes: Boxes | None
    prediction: np.ndarray
    scores: PixelScores


def predicted_pairs(
    predictor: Predictor,
    data_dir: str | pathlib.Path,
    split: str,
    batch_size: int,
    *,
    with_probabilities: bool = False,
    painted: bool = False,
    groups: Sequence[str] = (),
) -> Iterator[EvaluatedPair]:
    """Each pair of this process with its prediction.

    Args:
        predictor: the network.
        data_dir: prepared data set.
        split: of it.
        batch_size: pairs that go through the network together.
        with_probabilities: keep those of all classes.
        painted: paint changes into each pair first, always the same.
        groups: that pairs are taken of; none: of all.

    Raises:
        FileNotFoundError: there is no prepared data set.
        ValueError: no such split or group, an empty split, or a label outside the
            class map.
    """
    batches = evaluation_batches(
        data_dir,
        split,
        batch_size=batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        painted=painted,
        groups=groups,
    )
    one_class = predictor.has_one_class
    for batch in batches:
        maps = predictor.predict_batch(
            batch['image'], batch['reference'], with_probabilities=with_probabilities
        )
        for index in np.flatnonzero(batch['valid']):
            boxes = batch['boxes'][index] if 'boxes' in batch else None
            mask = batch['mask'][index]
            yield EvaluatedPair(
                id=batch['id'][index],
                group=batch['group'][index],
                image=batch['image'][index],
                reference=batch['reference'][index],
                mask=mask,
                label=_as_one_class(mask) if one_class else mask,
                boxes=None if boxes is None else labeled_boxes(boxes, one_class),
                prediction=maps.mask[index],
                scores=PixelScores(
                    *(None if x is None else x[index] for x in maps.scores)
                ),
            )


def check_classes(
    predictor: Predictor, info: DatasetInfo, data_dir: str | pathlib.Path
) -> None:
    """Refuses data of other classes, unless the network tells none apart.

    Raises:
        ValueError: the classes differ.
    """
    if predictor.has_one_class:
        return
    if predictor.class_names != info.class_names:
        raise ValueError(
            f'{data_dir} has the {len(info.class_names)} classes '
            f'{", ".join(info.class_names)}, but the checkpoint in {predictor.workdir} '
            f'the {len(predictor.class_names)} classes '
            f'{", ".join(predictor.class_names)}; evaluate on data with the classes '
            'that it was trained on.'
        )


def _as_one_class(mask: np.ndarray) -> np.ndarray:
    label = is_defect(mask).astype(np.uint8)
    label[mask == IGNORED] = IGNORED
    return label
