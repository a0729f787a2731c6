"""The picture of found defects: what is marked, and what is left as it is."""

import numpy as np
import pytest

from cadnet_jax.inference.defect_picture import draw_defects
from cadnet_jax.inference.defects import find_defects


@pytest.mark.parametrize(('width', 'factor'), [(128, 3), (200, 2), (384, 1), (700, 1)])
def test_small_images_are_enlarged_so_that_text_fits(width: int, factor: int) -> None:
    """Each pixel becomes a square; without defects nothing below the title is drawn."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, width, 3), np.uint8)
    picture = draw_defects(image, np.zeros((60, width), np.uint8), (), title='OK')
    square = np.ones((factor, factor, 1), np.uint8)
    np.testing.assert_array_equal(
        picture[-60 * factor :], np.kron(image.astype(np.uint8), square)
    )
    assert picture.shape[1] >= 384


def test_a_defect_is_boxed_and_shown_beside_its_reference() -> None:
    """Away from box, outline and label the image is at full brightness."""
    image = np.full((200, 400, 3), 90, np.uint8)
    mask = np.zeros((200, 400), np.uint8)
    mask[100:120, 50:80] = 1
    image[mask > 0] = 200
    score = mask.astype(np.float32)
    defects = find_defects(mask, score, score, ('background', 'scratch'))
    reference = np.full_like(image, 60)
    picture = draw_defects(image, mask, defects, title='1 defects', reference=reference)
    top = 32  # of the image, below the heading
    shown = picture[top : top + 200]
    changed = (shown != image).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert changed.any()
    assert rows.min() >= 70 and rows.max() <= 125
    assert columns.min() >= 40 and columns.max() <= 200
    below = picture[top + 200 :]
    assert (below == 60).all(axis=-1).sum() >= 140 * 140  # the reference's close-up
    assert (below == 200).all(axis=-1).any()  # the defect itself, without marks
