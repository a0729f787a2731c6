"""The change of the whole screen that is no defect: the paper's sigma (eq. 1)."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synlcd.patterns import DRAWN_SIZE
from cadnet_jax.datasets.synlcd.screen_parts import Pixels

BRIGHTNESS = range(1, 7)  # gray levels that are added
CONTRAST = range(50, 151, 10)  # percent that values are multiplied by
NOISE = range(10, 101, 10)  # percent of the strongest ISO noise
DEVIATION = range(3, 34, 3)  # gray levels, the channel that deviates most
SATURATION = range(50, 201, 10)  # percent, the exponent of the saturation
TEXTURE = range(0, 11)  # percent of the brightness; half of all screens have none

_BAND = 128  # rows that are disturbed at a time, which bounds the memory
_NOISE_LUMINANCE = 10.0  # standard deviation in gray levels, in white, at 100 %
_NOISE_COLOR = 5.0
_TEXTURE_PERIOD = (3.0, 40.0)  # pixels at 512 x 512: from a pixel grid to moire
_TEXTURE_BENDS = 6  # points a side between which the grid is bent
_TEXTURE_TILT = 0.1  # radians, standard deviation
_TEXTURE_TURNS = 1.5  # periods that it is bent by, standard deviation


class Disturbance(NamedTuple):
    """How strongly a screen is changed, in the units above."""

    brightness: int
    contrast: int
    noise: int
    deviation: int
    texture: int
    saturation: int


def random_disturbance(rng: np.random.Generator) -> Disturbance:
    """Each value from its range, evenly."""
    return Disturbance(
        brightness=int(rng.choice(BRIGHTNESS)),
        contrast=int(rng.choice(CONTRAST)),
        noise=int(rng.choice(NOISE)),
        deviation=int(rng.choice(DEVIATION)),
        texture=int(rng.choice(TEXTURE[1:])) if rng.integers(2) else 0,
        saturation=int(rng.choice(SATURATION)),
    )


def disturb(
    screen: Pixels, disturbance: Disturbance, rng: np.random.Generator
) -> Pixels:
    """The disturbed screen, RGB uint8 [size, size, 3]; values are clipped."""
    size = screen.shape[0]
    shift = disturbance.brightness + _deviation(disturbance.deviation, rng)
    phases = _texture_phases(size, rng) if disturbance.texture else None
    disturbed = np.empty_like(screen)
    for top in range(0, size, _BAND):
        band = slice(top, top + _BAND)
        values = _saturate(screen[band].astype(np.float32), disturbance.saturation)
        if phases is not None:
            values *= 1 + disturbance.texture / 100 * _texture(phases[:, band])
        values *= disturbance.contrast / 100
        values += shift
        values += disturbance.noise / 100 * _noise(values, rng)
        disturbed[band] = values.clip(0, 255).round()
    return disturbed


def _saturate(values: NDArray[np.float32], exponent: int) -> NDArray[np.float32]:
    """Colors whose saturation (HSV) is raised to a power; hue and value stay.

    Grays and pure colors stay as they are, those between become paler or stronger:
    the nonlinear saturation difference of the paper's figure 5 (f).

    Args:
        values: float32 [H, W, 3].
        exponent: in percent.
    """
    value = values.max(axis=-1, keepdims=True)
    chroma = value - values.min(axis=-1, keepdims=True)
    saturation = np.divide(chroma, value, out=np.ones_like(value), where=chroma > 0)
    return np.asarray(value - (value - values) * saturation ** (exponent / 100 - 1))


def _deviation(most: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """What is added to each channel, [3]; one of them by `most`, up or down."""
    direction = rng.uniform(-1, 1, 3)
    direction *= most / np.abs(direction).max()
    return direction.astype(np.float32)


def _noise(
    values: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Noise as of a camera at high ISO: of light and of color, stronger in the light.

    Both arrays are [H, W, 3].
    """
    height, width, _ = values.shape
    light = rng.standard_normal((height, width, 1), np.float32) * _NOISE_LUMINANCE
    color = rng.standard_normal((height, width, 3), np.float32) * _NOISE_COLOR
    brightness = values.mean(axis=-1, keepdims=True).clip(0, 255) / 255
    return np.asarray((light + color) * np.sqrt(0.2 + 0.8 * brightness))


def _texture_phases(size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Phases of the two families of lines of a bent grid, [2, size, size], in radians.

    Each is a plane plus a smooth random field.
    """
    shortest, longest = np.log(_TEXTURE_PERIOD)
    period = max(np.exp(rng.uniform(shortest, longest)) * size / DRAWN_SIZE, 2)
    angle = rng.normal(0, _TEXTURE_TILT)
    cosine, sine = np.array([np.cos(angle), np.sin(angle)]) * (2 * np.pi / period)
    y, x = np.ogrid[:size, :size]
    shape = (2, _TEXTURE_BENDS, _TEXTURE_BENDS)
    bends = rng.normal(0, 2 * np.pi * _TEXTURE_TURNS, shape).astype(np.float32)
    phases = np.empty((2, size, size), np.float32)
    for phase, bend in zip(phases, bends, strict=True):
        cv2.resize(bend, (size, size), dst=phase, interpolation=cv2.INTER_CUBIC)
    phases[0] += cosine * x + sine * y
    phases[1] += cosine * y - sine * x
    return phases


def _texture(phases: NDArray[np.float32]) -> NDArray[np.float32]:
    """The grid, -1 to 1, [h, w, 3]; columns of R, G and B are a third period apart."""
    thirds = np.arange(3, dtype=np.float32) * np.float32(2 * np.pi / 3)
    columns = np.cos(phases[0, ..., None] + thirds)
    return np.asarray((columns + np.cos(phases[1])[..., None]) / 2)
