"""A picture of an inspection that a person can read."""

from collections.abc import Sequence

import cv2
import numpy as np

from cadnet_jax.inspection.inspector import Inspection
from cadnet_jax.inspection.rules import INVALID, NG, OK, Region
from cadnet_jax.pictures.overlays import class_colors

_LEAST_WIDTH = 640  # pixels: smaller images are enlarged, so that text fits
_LINE = 24  # pixels, height of a line of text
_MARGIN = 4  # pixels between a region and its box
_VERDICT_COLORS = {OK: (0, 150, 0), NG: (200, 0, 0), INVALID: (120, 120, 120)}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(inspection: Inspection, class_names: Sequence[str]) -> np.ndarray:
    """The image at full brightness, with what was found, under verdict and reasons.

    Defects are outlined and boxed in their class's color, with class and score. What
    the image does not show of the reference is gray.

    Args:
        inspection: of a part, with an image.
        class_names: background first.

    Returns:
        uint8 [H', W', 3].

    Raises:
        ValueError: the inspection has no image.
    """
    if inspection.image is None:
        raise ValueError('the inspection has no image; there is nothing to draw.')
    picture = inspection.image.copy()
    if inspection.registration is not None:
        picture[~inspection.registration.valid] = 128
    factor = max(1, round(_LEAST_WIDTH / picture.shape[1]))
    picture = np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1)
    defects = [region for region in inspection.regions if region.is_defect]
    if inspection.mask is not None:
        _outline(picture, inspection.mask, factor)
    for region in defects:
        _box(picture, region, factor)
    shown = dict.fromkeys(region.defect.class_id for region in defects)
    heading = _heading(
        inspection, {class_names[i]: _color(i) for i in shown}, picture.shape[1]
    )
    return np.concatenate([heading, picture])


def _outline(picture: np.ndarray, mask: np.ndarray, factor: int) -> None:
    for class_id in np.unique(mask[mask > 0]).tolist():
        pixels = np.kron(mask == class_id, np.ones((factor, factor), np.uint8))
        contours, _ = cv2.findContours(
            pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(picture, contours, -1, _color(class_id), 1)


def _box(picture: np.ndarray, region: Region, factor: int) -> None:
    defect = region.defect
    color = _color(defect.class_id)
    x_min, y_min, x_max, y_max = (factor * value for value in defect.box)
    cv2.rectangle(
        picture,
        (x_min - _MARGIN, y_min - _MARGIN),
        (x_max + _MARGIN, y_max + _MARGIN),
        color,
        1,
    )
    text = f'{defect.class_name} {defect.defect_score:.2f}'
    (width, height), _ = cv2.getTextSize(text, _FONT, 0.45, 1)
    x = min(max(0, x_min - _MARGIN), max(0, picture.shape[1] - width))
    y = y_min - _MARGIN - 4
    if y < height:  # no room above
        y = min(y_max + _MARGIN + height + 4, picture.shape[0] - 2)
    _write(picture, text, (x, y), color, 0.45)


def _heading(
    inspection: Inspection, legend: dict[str, tuple[int, ...]], width: int
) -> np.ndarray:
    """Verdict, reasons and colors, on white."""
    lines = list(inspection.reasons)
    rows = 1 + len(lines)
    heading = np.full((rows * _LINE + 8, width, 3), 255, np.uint8)
    color = _VERDICT_COLORS[inspection.verdict]
    cv2.putText(
        heading, inspection.verdict, (6, 22), _FONT, 0.75, color, 2, cv2.LINE_AA
    )
    x = 130
    for name, class_color in legend.items():
        cv2.rectangle(heading, (x, 8), (x + 12, 20), class_color, -1)
        cv2.putText(heading, name, (x + 18, 20), _FONT, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        x += 40 + cv2.getTextSize(name, _FONT, 0.5, 1)[0][0]
    for row, line in enumerate(lines, 1):
        # OpenCV's fonts have ASCII alone.
        text = line.replace('±', '+-').encode('ascii', 'replace').decode()
        fit = min(0.5, 0.5 * (width - 12) / cv2.getTextSize(text, _FONT, 0.5, 1)[0][0])
        y = row * _LINE + 20
        cv2.putText(heading, text, (6, y), _FONT, fit, (0, 0, 0), 1, cv2.LINE_AA)
    return heading


def _write(
    picture: np.ndarray,
    text: str,
    place: tuple[int, int],
    color: tuple[int, ...],
    size: float,
) -> None:
    """With a dark rim, so that it can be read on any image."""
    cv2.putText(picture, text, place, _FONT, size, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, place, _FONT, size, color, 1, cv2.LINE_AA)


def _color(class_id: int) -> tuple[int, ...]:
    """The class's color, bright enough for any image."""
    color = class_colors()[class_id].astype(int)
    return tuple((255 * color // max(1, int(color.max()))).tolist())
