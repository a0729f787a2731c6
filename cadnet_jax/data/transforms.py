"""Paired augmentation: one geometry for image, reference and mask.

The one exception is `reference_shift`, which imitates pairs that are badly aligned.

The random resize and the crop are done as one step, in the other order: a window of
`crop_size / factor` pixels is cut out of the source and resized to the crop. The
geometry is the same, and only the pixels that are used are touched.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np

from cadnet_jax.data import painting
from cadnet_jax.data.labels import IGNORED
from cadnet_jax.data_config import DataConfig

# ImageNet statistics in RGB order, on the scale 0 to 255 (mmsegmentation, SegFormer).
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
PAINTED = 1  # the label of a painted change
_SMALLEST_PART = 32  # pixels; what is painted needs some room
_MOST_CHANGES = 3  # painted in a pair
_GRAY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma
_TURNS = (cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)


class Pair(NamedTuple):
    """An inspected image, its reference and its label."""

    image: np.ndarray  # uint8 [H, W, 3], RGB
    reference: np.ndarray  # uint8 [H, W, 3], RGB
    mask: np.ndarray  # uint8 [H, W]: 0 background, 1..K defects, 255 ignored


class _Window(NamedTuple):
    """A part of the source, in source pixels, and its size [h, w] in the crop."""

    rows: slice
    columns: slice
    size: tuple[int, int]


def normalize(image: Any) -> Any:
    """uint8 [..., 3] RGB (NumPy or JAX) -> float32, zero mean and unit deviation."""
    shape = (1,) * (image.ndim - 1) + (3,)
    mean = np.array(MEAN, np.float32).reshape(shape)
    std = np.array(STD, np.float32).reshape(shape)
    return (image.astype(np.float32) - mean) / std


def augment(
    pair: Pair,
    config: DataConfig,
    rng: np.random.Generator,
    *,
    painted_label: int = PAINTED,
) -> Pair:
    """Resizes, crops, flips and turns a pair, and changes its lighting, at random.

    Args:
        pair: arrays of one height and width.
        config: the ranges and probabilities.
        rng: source of all random draws.
        painted_label: see `paint_pair`.

    Returns:
        A pair of [crop_size, crop_size]. Where the resized image is smaller than the
        crop, the crop is filled up at the bottom and at the right: image and reference
        with ImageNet's mean color, the mask with 255.
    """
    window = _draw_window(pair.mask, config, rng)
    if config.paint_defects:
        pair, window = _surroundings(pair, window, config.reference_shift)
        part = window.rows, window.columns
        pair = paint_pair(pair, part, rng, label=painted_label)
    image = _cut(pair.image, window, cv2.INTER_LINEAR)
    shifted = _shift_window(window, pair.mask.shape, config.reference_shift, rng)
    reference = _cut(pair.reference, shifted, cv2.INTER_LINEAR)
    # Not INTER_NEAREST, whose samples lie up to half a step off the pixel centers.
    mask = _cut(pair.mask, window, cv2.INTER_NEAREST_EXACT)
    side = config.crop_size
    mean = tuple(round(value) for value in MEAN)
    cropped = Pair(
        image=_pad(_change_lighting(image, config, rng), side, mean),
        reference=_pad(_change_lighting(reference, config, rng), side, mean),
        mask=_pad(mask, side, (IGNORED,)),
    )
    return _flip_and_turn(cropped, config, rng)


def paint_pair(
    pair: Pair,
    part: tuple[slice, slice],
    rng: np.random.Generator,
    *,
    changed_share: float = 0.5,
    label: int = PAINTED,
) -> Pair:
    """Paints changes into a part of a pair.

    One to three changes are laid, each over the image or over the reference, and get
    a label. In half of the other draws they are laid over both, and nothing has
    changed: paint alone is no sign of a defect. In the rest there are none.

    Args:
        pair: of good parts; labels that it has stay. What is ignored stays ignored, and
            so becomes a defect that is painted over in both images.
        part: rows and columns, which are extended to 32 pixels where they are fewer. A
            pair that is smaller is returned as it is.
        rng: source of all random draws.
        changed_share: probability that the pair is changed.
        label: of what is painted: the one class of defects, or `ANY_DEFECT`.
    """
    sides = _draw_sides(rng, changed_share)
    if min(pair.mask.shape) < _SMALLEST_PART or not sides:
        return pair
    pair = Pair(*(array.copy() for array in pair))
    rows, columns = map(_extend, part, pair.mask.shape)
    mask = pair.mask[rows, columns]
    views = [image[rows, columns] for image in (pair.image, pair.reference)]
    for painted in sides:
        before = [view.copy() for view in views]
        first = painted[0]
        paint = painting.draw_paint(before[first], rng, other=before[1 - first])
        for side in painted:
            views[side][:] = painting.apply(before[side], paint)
        if len(painted) == 1:
            mask[painting.support(before[first], views[first]) & (mask == 0)] = label
        else:
            mask[(views[0] != before[0]).any(axis=-1) & (mask > 0)] = IGNORED
    return pair


def _draw_sides(
    rng: np.random.Generator, changed_share: float
) -> list[tuple[int, ...]]:
    """For each change where it is laid: 0 the image, 1 the reference."""
    number = int(rng.integers(1, _MOST_CHANGES + 1))
    if rng.random() < changed_share:
        return [(int(side),) for side in rng.integers(2, size=number)]
    return [(0, 1)] * number if rng.random() < 0.5 else []


def _surroundings(pair: Pair, window: _Window, shift: int) -> tuple[Pair, _Window]:
    """The part of a pair that a window needs, and the window in it.

    Painting copies what it is given, which of a whole large image takes long.
    """
    margin = max(shift, _SMALLEST_PART)
    inside, around = [], []
    for part, length in zip(
        (window.rows, window.columns), pair.mask.shape, strict=True
    ):
        start = max(0, part.start - margin)
        around.append(slice(start, min(part.stop + margin, length)))
        inside.append(slice(part.start - start, part.stop - start))
    rows, columns = around
    cut = Pair(*(array[rows, columns] for array in pair))
    return cut, window._replace(rows=inside[0], columns=inside[1])


def _extend(part: slice, length: int) -> slice:
    """`part` of an axis, extended within it to the smallest part."""
    missing = max(0, _SMALLEST_PART - (part.stop - part.start))
    start = max(0, min(part.start - missing // 2, length - _SMALLEST_PART))
    return slice(start, max(part.stop, start + _SMALLEST_PART))


def _draw_window(
    mask: np.ndarray, config: DataConfig, rng: np.random.Generator
) -> _Window:
    side = config.crop_size
    factor = rng.uniform(config.scale_min, config.scale_max)
    span = max(1, round(side / factor))
    around_defect = rng.random() < config.defect_crop_fraction
    pixel = _draw_defect_pixel(mask, rng) if around_defect else None
    slices, size = [], []
    for axis, length in enumerate(mask.shape):
        last_start = max(0, length - span)
        if pixel is None:
            start = int(rng.integers(last_start + 1))
        else:
            start = int(np.clip(pixel[axis] - rng.integers(span), 0, last_start))
        stop = min(start + span, length)
        slices.append(slice(start, stop))
        size.append(max(1, round((stop - start) * side / span)))
    return _Window(rows=slices[0], columns=slices[1], size=(size[0], size[1]))


def _shift_window(
    window: _Window, shape: tuple[int, ...], limit: int, rng: np.random.Generator
) -> _Window:
    """`window` moved within the source by up to `limit` pixels in half of the draws."""
    if not limit or rng.random() < 0.5:
        return window
    slices = []
    for part, length in zip((window.rows, window.columns), shape, strict=True):
        offset = int(rng.integers(-limit, limit + 1))
        offset = int(np.clip(offset, -part.start, length - part.stop))
        slices.append(slice(part.start + offset, part.stop + offset))
    return window._replace(rows=slices[0], columns=slices[1])


def _draw_defect_pixel(
    mask: np.ndarray, rng: np.random.Generator
) -> tuple[int, int] | None:
    """(row, column) in a class drawn uniformly from those present; None without any.

    A class comes first so that a rare or small kind is seen as often as a large one.
    """
    counts = cv2.calcHist([mask], [0], None, [256], [0, 256]).ravel()
    classes = np.flatnonzero(counts[1:IGNORED]) + 1
    if not classes.size:
        return None
    row, column = divmod(
        int(rng.choice(np.flatnonzero(mask == rng.choice(classes)))), mask.shape[1]
    )
    return row, column


def _cut(image: np.ndarray, window: _Window, interpolation: int) -> np.ndarray:
    part = image[window.rows, window.columns]
    if part.shape[:2] == window.size:
        return part
    height, width = window.size
    return cv2.resize(part, (width, height), interpolation=interpolation)


def _pad(image: np.ndarray, side: int, color: tuple[int, ...]) -> np.ndarray:
    height, width = image.shape[:2]
    if height == width == side:
        return image
    return cv2.copyMakeBorder(
        image, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT, value=color
    )


def _change_lighting(
    image: np.ndarray, config: DataConfig, rng: np.random.Generator
) -> np.ndarray:
    """Saturation, contrast and brightness, each with `photometric_probability`.

    All three are linear in the color, and so are done as one matrix: saturation
    blends each pixel with its gray value, contrast multiplies all values (as in
    mmsegmentation's PhotoMetricDistortion), brightness is added. Gray images have no
    saturation to change.
    """
    drawn = rng.random(3) < config.photometric_probability
    if not drawn.any():
        return image
    limits = np.array([config.saturation, config.contrast, config.brightness])
    saturation, contrast, brightness = drawn * rng.uniform(-limits, limits)
    matrix = (1 + saturation) * np.eye(3) - saturation * np.tile(_GRAY, (3, 1))
    offset = np.full((3, 1), 255 * brightness)
    return cv2.transform(image, np.hstack([(1 + contrast) * matrix, offset]))


def _flip_and_turn(pair: Pair, config: DataConfig, rng: np.random.Generator) -> Pair:
    up_down, left_right = rng.random(2) < (0.5 if config.flip else 0)
    turns = rng.integers(4) if config.rotate else 0

    # OpenCV copies reversed and transposed images ten times as fast as NumPy.
    def move(image: np.ndarray) -> np.ndarray:
        image = cv2.flip(image, 0) if up_down else image
        image = cv2.flip(image, 1) if left_right else image
        image = cv2.rotate(image, _TURNS[turns - 1]) if turns else image
        return np.ascontiguousarray(image)

    return Pair(*(move(image) for image in pair))
