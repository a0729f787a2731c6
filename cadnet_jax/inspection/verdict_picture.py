"""A picture of an inspection that a person can read."""

import numpy as np

from cadnet_jax.inference.defect_picture import draw_defects
from cadnet_jax.inspection.inspector import Inspection
from cadnet_jax.inspection.rules import INVALID, NG, OK

_COLORS = {OK: (0, 150, 0), NG: (200, 0, 0), INVALID: (120, 120, 120)}


def draw_verdict(
    inspection: Inspection, reference: np.ndarray | None = None
) -> np.ndarray:
    """The registered image with its defects, under verdict and reasons.

    See `inference.defect_picture.draw_defects`. What the image does not show of the
    reference is gray.

    Args:
        inspection: with an image.
        reference: uint8 [H, W, 3], for the close-ups; None: it is not shown.

    Returns:
        uint8 [H', W', 3].

    Raises:
        ValueError: the inspection has no image.
    """
    if inspection.image is None:
        raise ValueError('the inspection has no image; there is nothing to draw.')
    image, mask = inspection.image.copy(), inspection.mask
    if inspection.registration is not None:
        image[~inspection.registration.valid] = 128
    return draw_defects(
        image,
        np.zeros(image.shape[:2], np.uint8) if mask is None else mask,
        [region.defect for region in inspection.regions if region.is_defect],
        title=inspection.verdict,
        title_color=_COLORS[inspection.verdict],
        lines=inspection.reasons,
        reference=reference,
    )
