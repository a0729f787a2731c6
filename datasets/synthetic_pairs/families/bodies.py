"""Bodies: parts of one material with lit edges and a shadow on the ground."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels
from cadnet_jax.datasets.synthetic_pairs.families import outlines, shapes, textures
from cadnet_jax.datasets.synthetic_pairs.families.features import Feature, Light, off

_TEXTURES = (
    textures.grain,
    textures.brushed,
    textures.cast,
    textures.turned_rings,
    textures.milled,
)
_ROOM = 1.4  # a body's square against its radius, with room for its shadow


def body(
    rng: np.random.Generator,
    shape: outlines.Shape,
    center: NDArray[np.float64],
    radius: float,
    color: NDArray[np.float64],
    light: Light,
) -> Feature:
    """A part of one material with a lit edge and a shadow."""
    side = 2 * round(_ROOM * radius) + 8
    texture = _TEXTURES[rng.integers(len(_TEXTURES))](rng, side)
    spread = rng.uniform(4, 18)
    soft = 2 * int(rng.integers(1, max(2, min(6, int(radius) // 8)))) + 1
    drop = light * rng.uniform(1.5, max(2.5, radius * 0.06))
    dim = rng.uniform(0.2, 0.6)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        place = center + off(part, 1.2)
        middle = color + part.uniform(-5, 5)
        material = textures.tinted(texture(part), middle - spread, middle + spread)
        corner = np.floor(place).astype(int) - side // 2
        mask = np.zeros((side, side), np.uint8)
        shape(mask, place - corner, part, altered)
        material = _lit(material, mask, soft, light)
        _paste(canvas, material, mask, _shadow(mask, drop, dim), corner)

    return draw


def _lit(material: Pixels, mask: outlines.Mask, soft: int, light: Light) -> Pixels:
    """The edges toward the light are brighter, those away from it darker."""
    slope = np.array([[0, -light[1], 0], [-light[0], 0, light[0]], [0, light[1], 0]])
    height = cv2.blur(mask, (soft, soft))
    relief = cv2.filter2D(height, cv2.CV_16S, slope * (0.22 * soft))
    return cv2.add(material, cv2.merge([relief, relief, relief]), dtype=cv2.CV_8U)


def _shadow(mask: outlines.Mask, drop: Light, dim: float) -> NDArray[np.uint8]:
    """How much light the ground keeps, of 255."""
    shift = np.array([[1, 0, drop[0]], [0, 1, drop[1]]])
    moved = cv2.warpAffine(mask, shift, mask.shape[::-1])
    soft = cv2.blur(moved, (5, 5))
    return np.asarray(cv2.convertScaleAbs(soft, alpha=-dim, beta=255), np.uint8)


def _paste(
    canvas: Pixels,
    material: Pixels,
    mask: outlines.Mask,
    light: NDArray[np.uint8],
    corner: NDArray[np.intp],
) -> None:
    """Puts the square `material` onto the canvas, its top left at `corner`."""
    low = np.maximum(corner, 0)
    high = np.minimum(corner + len(mask), canvas.shape[1::-1])
    (x0, y0), (x1, y1) = low - corner, high - corner
    inside = np.s_[y0:y1, x0:x1]
    target = canvas[low[1] : high[1], low[0] : high[0]]
    shaded = cv2.multiply(target, cv2.merge([light[inside]] * 3), scale=1 / 255)
    share = mask[inside].astype(np.float32) / 255
    target[:] = cv2.blendLinear(
        np.ascontiguousarray(material[inside]), shaded, share, 1 - share
    )


def ball(
    center: NDArray[np.float64],
    radius: float,
    color: NDArray[np.float64],
    light: Light,
) -> Feature:
    """A shiny ball, or a tuft, a pin; the defect: it is missing."""
    dark, bright = shapes.scaled(color, 0.55), shapes.scaled(color * 1.2 + 40, 1)

    def draw(canvas: Pixels, part: np.random.Generator, altered: bool) -> None:
        place = center + off(part, 1.0)
        if altered:
            return
        shapes.disc(canvas, place + light, radius, shapes.scaled(color, 0.25))
        shapes.disc(canvas, place, radius, dark)
        shapes.disc(canvas, place - light * radius * 0.12, radius * 0.8, tuple(color))
        shapes.disc(canvas, place - light * radius * 0.3, radius * 0.35, bright)

    return draw
