"""Pictures of found defects that a person can read."""

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from cadnet_jax.inference.defects import Defect
from cadnet_jax.pictures.overlays import class_colors

_LEAST_WIDTH = 384  # pixels: smaller images are enlarged, so that text fits
_LINE = 24  # pixels, height of a line of text
_MARGIN = 4  # pixels between a region and its box
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CLOSE_UP = 150  # pixels, side of a close-up: two beside their references
_GAP = 8  # pixels between close-ups
_MOST_CLOSE_UPS = 12  # the largest defects
_CONTEXT = 24  # pixels around a defect in its close-up


def draw_defects(
    image: np.ndarray,
    mask: np.ndarray,
    defects: Sequence[Defect],
    *,
    title: str,
    title_color: tuple[int, int, int] = (0, 0, 0),
    lines: Sequence[str] = (),
    reference: np.ndarray | None = None,
) -> np.ndarray:
    """The image at full brightness, with its defects, under a title and a legend.

    Defects are outlined and boxed in their class's color, with number, class and score
    of any defect. Below, close-ups of the largest show the image without marks, and
    the reference beside it.

    Args:
        image: uint8 [H, W, 3].
        mask: uint8 [H, W], class of the pixels of defects.
        defects: what is boxed, in the order of the close-ups.
        title: a word in large letters.
        title_color: RGB.
        lines: sentences below the title.
        reference: uint8 [H, W, 3], of the same places; None: it is not shown.

    Returns:
        uint8 [H', W', 3].
    """
    factor = math.ceil(_LEAST_WIDTH / image.shape[1])
    picture = np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)
    _outline(picture, mask, factor)
    for number, defect in enumerate(defects, 1):
        _box(picture, defect, number, factor)
    legend = {defect.class_name: _color(defect.class_id) for defect in defects}
    heading = _heading(title, title_color, lines, legend, picture.shape[1])
    rows = [heading, picture]
    if defects:
        rows.append(_close_ups(image, reference, defects, picture.shape[1]))
    return np.concatenate(rows)


def _outline(picture: np.ndarray, mask: np.ndarray, factor: int) -> None:
    for class_id in np.unique(mask[mask > 0]).tolist():
        pixels = np.kron(mask == class_id, np.ones((factor, factor), np.uint8))
        contours, _ = cv2.findContours(
            pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(picture, contours, -1, _color(class_id), 1)


def _box(picture: np.ndarray, defect: Defect, number: int, factor: int) -> None:
    color = _color(defect.class_id)
    x_min, y_min, x_max, y_max = (factor * value for value in defect.box)
    cv2.rectangle(
        picture,
        (x_min - _MARGIN, y_min - _MARGIN),
        (x_max + _MARGIN, y_max + _MARGIN),
        color,
        1,
    )
    text = f'{number} {_label(defect)}'
    (width, height), _ = cv2.getTextSize(text, _FONT, 0.45, 1)
    x = min(max(0, x_min - _MARGIN), max(0, picture.shape[1] - width))
    y = y_min - _MARGIN - 4
    if y < height:  # no room above
        y = min(y_max + _MARGIN + height + 4, picture.shape[0] - 2)
    # On a dark plate, so that it can be read on any image.
    cv2.rectangle(picture, (x - 1, y - height - 2), (x + width, y + 3), (30,) * 3, -1)
    cv2.putText(picture, text, (x, y), _FONT, 0.45, color, 1, cv2.LINE_AA)


def _heading(
    title: str,
    color: tuple[int, int, int],
    lines: Sequence[str],
    legend: Mapping[str, tuple[int, ...]],
    width: int,
) -> np.ndarray:
    """Title, colors of the classes, and sentences, on white."""
    heading = np.full(((1 + len(lines)) * _LINE + 8, width, 3), 255, np.uint8)
    cv2.putText(heading, title, (6, 22), _FONT, 0.75, color, 2, cv2.LINE_AA)
    x = 24 + cv2.getTextSize(title, _FONT, 0.75, 2)[0][0]
    for name, class_color in legend.items():
        cv2.rectangle(heading, (x, 8), (x + 12, 20), class_color, -1)
        cv2.putText(heading, name, (x + 18, 20), _FONT, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        x += 40 + cv2.getTextSize(name, _FONT, 0.5, 1)[0][0]
    for row, line in enumerate(lines, 1):
        # OpenCV's fonts have ASCII alone.
        text = line.replace('±', '+-').encode('ascii', 'replace').decode()
        _fit_text(heading, text, (6, row * _LINE + 20), width - 12)
    return heading


def _close_ups(
    image: np.ndarray,
    reference: np.ndarray | None,
    defects: Sequence[Defect],
    width: int,
) -> np.ndarray:
    """Image and reference around the largest defects, each under its label."""
    sources = [image] if reference is None else [image, reference]
    cell = len(sources) * (_CLOSE_UP + 2) - 2 + _GAP
    columns = max(1, (width + _GAP) // cell)
    shown = sorted(enumerate(defects, 1), key=lambda item: -item[1].area)
    shown = sorted(shown[:_MOST_CLOSE_UPS], key=lambda item: item[0])
    rows = -(-len(shown) // columns)
    height = _LINE + _CLOSE_UP + _GAP
    canvas = np.full((rows * height, max(width, cell), 3), 255, np.uint8)
    for place, (number, defect) in enumerate(shown):
        y, x = height * (place // columns), cell * (place % columns)
        label = f'{number} {_label(defect)}, {defect.area} px'
        _fit_text(canvas, label, (x + 2, y + 17), cell - _GAP)
        for index, source in enumerate(sources):
            left = x + index * (_CLOSE_UP + 2)
            canvas[y + _LINE : y + _LINE + _CLOSE_UP, left : left + _CLOSE_UP] = _crop(
                source, defect
            )
    return canvas[:, :width]


def _crop(source: np.ndarray, defect: Defect) -> np.ndarray:
    """A square around the defect, enlarged or reduced to the side of a close-up."""
    x_min, y_min, x_max, y_max = defect.box
    side = max(x_max - x_min, y_max - y_min) + 2 * _CONTEXT
    side = min(side, *source.shape[:2])
    top, left = (
        min(max(0, (low + high - side) // 2), size - side)
        for low, high, size in (
            (y_min, y_max, source.shape[0]),
            (x_min, x_max, source.shape[1]),
        )
    )
    pixels = source[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > _CLOSE_UP else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (_CLOSE_UP, _CLOSE_UP), interpolation=method))


def _fit_text(
    picture: np.ndarray, text: str, place: tuple[int, int], width: int
) -> None:
    """Black text, no wider than so many pixels."""
    size = 0.5 * min(1, width / max(1, cv2.getTextSize(text, _FONT, 0.5, 1)[0][0]))
    cv2.putText(picture, text, place, _FONT, size, (0, 0, 0), 1, cv2.LINE_AA)


def _label(defect: Defect) -> str:
    return f'{defect.class_name} {defect.defect_score:.2f}'


def _color(class_id: int) -> tuple[int, ...]:
    """The class's color, bright enough for any image."""
    color = class_colors()[class_id].astype(int)
    return tuple((255 * color // max(1, int(color.max()))).tolist())
