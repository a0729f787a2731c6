"""Pictures of labels, predictions and DistMaps: uint8 RGB arrays, no files."""

from collections.abc import Sequence

import cv2
import numpy as np

from cadnet_jax.data.labels import IGNORED, is_defect

HIT = (255, 255, 255)
MISS = (0, 200, 0)
FALSE_ALARM = (230, 0, 0)
_IGNORED_COLOR = (110, 110, 110)
# Matplotlib's 'tab10', which is slow to import: a first mask waits for this table only.
_CLASS_COLORS = (
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (214, 39, 40),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (127, 127, 127),
    (188, 189, 34),
    (23, 190, 207),
)
_TITLE_HEIGHT = 24
_MIN_COLUMN_WIDTH = 96
_GAP = 4


def class_colors() -> np.ndarray:
    """Color of each value of a mask: uint8 [256, 3].

    Background is black, ignored pixels are gray; the defect classes take ten colors
    that are easily told apart, over and over.
    """
    palette = np.array(_CLASS_COLORS, np.uint8)
    colors: np.ndarray = palette[np.arange(256) % len(palette) - 1]
    colors[0] = 0
    colors[IGNORED] = _IGNORED_COLOR
    return colors


def color_distance(distance: np.ndarray, *, largest: float = 2.2) -> np.ndarray:
    """A DistMap as a colored picture.

    Args:
        distance: float [H, W], at least 0.
        largest: value of the brightest color, larger ones look the same. Default: the
            paper's tau_ng, which trained defects exceed. The scale is fixed, so that
            pictures can be compared.

    Returns:
        uint8 [H, W, 3].
    """
    return heat_map(distance, largest=largest)


def heat_map(values: np.ndarray, *, largest: float) -> np.ndarray:
    """Values as colors from black to light yellow.

    Args:
        values: float [H, W].
        largest: value of the brightest color; black is 0.

    Returns:
        uint8 [H, W, 3].
    """
    import matplotlib  # slow to import

    table = matplotlib.colormaps['inferno'](np.arange(256), bytes=True)[:, :3]
    levels = np.clip(values * (255 / largest), 0, 255)
    return table[levels.astype(np.uint8)]


def overlay(image: np.ndarray, mask: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Where label and prediction agree on defects, over the dimmed image.

    Hits are white, misses green, false alarms red, as in the paper's figures; classes
    are not told apart, ignored pixels are not marked.

    Args:
        image: uint8 [H, W, 3].
        mask: uint8 [H, W], labels.
        prediction: uint8 [H, W], predicted classes.

    Returns:
        uint8 [H, W, 3].
    """
    picture = image // 3
    labeled, predicted = is_defect(mask), prediction != 0
    picture[labeled & predicted] = HIT
    picture[labeled & ~predicted] = MISS
    picture[(mask == 0) & predicted] = FALSE_ALARM
    return picture


def count_errors(picture: np.ndarray) -> int:
    """Pixels of an overlay, uint8 [H, W, 3], that are missed or marked falsely.

    No other pixel of an overlay has these colors, as the image in it is dimmed.
    """
    return sum(
        int((picture == color).all(axis=-1).sum()) for color in (MISS, FALSE_ALARM)
    )


def highlight(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Defects in their class's color over the dimmed image; ignored pixels in gray.

    Args:
        image: uint8 [H, W, 3].
        mask: uint8 [H, W], labeled or predicted classes.

    Returns:
        uint8 [H, W, 3].
    """
    picture = image // 3
    marked = mask != 0
    picture[marked] = class_colors()[mask[marked]]
    return picture


def _column(title: str, picture: np.ndarray) -> np.ndarray:
    """`picture` under its title, on white."""
    height, width = picture.shape[:2]
    column = np.full(
        (_TITLE_HEIGHT + height, max(width, _MIN_COLUMN_WIDTH), 3), 255, np.uint8
    )
    cv2.putText(
        column, title, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA
    )
    column[_TITLE_HEIGHT:, :width] = picture
    return column


def side_by_side(titles: Sequence[str], pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures uint8 [H, W, 3] of one height in a row, each under its title."""
    columns = []
    for title, picture in zip(titles, pictures, strict=True):
        column = _column(title, picture)
        columns += [column, np.full((column.shape[0], _GAP, 3), 255, np.uint8)]
    return np.concatenate(columns[:-1], axis=1)


def panel(
    image: np.ndarray,
    reference: np.ndarray,
    mask: np.ndarray | None,
    prediction: np.ndarray,
    distance: np.ndarray | None,
) -> np.ndarray:
    """Image, reference, mask, prediction and DistMap in a row, with titles.

    What is None has no column.

    Args:
        image: uint8 [H, W, 3].
        reference: uint8 [H, W, 3].
        mask: uint8 [H, W], labels, or None.
        prediction: uint8 [H, W], predicted classes.
        distance: float [H, W], or None.

    Returns:
        uint8 [H', W', 3], a little higher than the image.
    """
    pictures = {'image': image, 'reference': reference}
    if mask is not None:
        pictures['mask'] = highlight(image, mask)
    pictures['prediction'] = highlight(image, prediction)
    if distance is not None:
        pictures['DistMap'] = color_distance(distance)
    return side_by_side(list(pictures), list(pictures.values()))
