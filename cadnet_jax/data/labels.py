"""What the values of a mask mean: 0 is the background, 1 to K - 1 are the defects."""

import numpy as np

IGNORED = 255  # nothing is known of such a pixel: it is counted nowhere
ANY_DEFECT = 254  # a defect of unknown class: a painted change, in training alone


def is_defect(mask: np.ndarray) -> np.ndarray:
    """Where `mask` (any shape) has a defect class: neither background nor ignored."""
    return np.asarray((mask != 0) & (mask != IGNORED))
