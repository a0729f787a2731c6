"""Defects of worked masks."""

import numpy as np

from cadnet_jax.inference.defects import Defect, find_defects

NAMES = ('background', 'open', 'short')


def test_defects_of_a_worked_mask() -> None:
    """Touching regions of two classes are two defects, diagonal neighbors are one."""
    mask = np.array(
        [
            [0, 0, 2, 2],
            [1, 0, 2, 0],
            [0, 1, 0, 0],
        ],
        np.uint8,
    )
    confidence = np.array(
        [
            [0.9, 0.9, 0.5, 0.75],
            [0.5, 0.9, 1.0, 0.9],
            [0.9, 1.0, 0.9, 0.9],
        ],
        np.float32,
    )
    any_defect = np.where(mask == 2, 1.0, 0.5).astype(np.float32)
    first, second = find_defects(mask, confidence, any_defect, NAMES)
    assert first == Defect(
        class_name='short',
        class_id=2,
        score=0.75,
        defect_score=1.0,
        box=(2, 0, 4, 2),
        area=3,
        centroid=(7 / 3, 1 / 3),
    )
    assert second == Defect(
        class_name='open',
        class_id=1,
        score=0.75,
        defect_score=0.5,
        box=(0, 1, 2, 3),
        area=2,
        centroid=(0.5, 1.5),
    )


def test_a_clean_mask_has_no_defects() -> None:
    scores = np.ones((5, 4), np.float32)
    assert find_defects(np.zeros((5, 4), np.uint8), scores, scores, NAMES) == ()


def test_boxes_cut_out_exactly_their_regions() -> None:
    """The half-open box holds all of the region, and no smaller one does."""
    rng = np.random.default_rng(0)
    mask = (rng.random((30, 40)) < 0.1).astype(np.uint8)
    scores = np.ones((30, 40), np.float32)
    defects = find_defects(mask, scores, scores, NAMES)
    assert sum(defect.area for defect in defects) == np.count_nonzero(mask)
    for defect in defects:
        x_min, y_min, x_max, y_max = defect.box
        part = mask[y_min:y_max, x_min:x_max]
        edges = part[0], part[-1], part[:, 0], part[:, -1]
        assert all(edge.any() for edge in edges)
        x, y = defect.centroid
        assert x_min <= x <= x_max - 1 and y_min <= y <= y_max - 1
