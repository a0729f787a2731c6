"""What differs between two pictures of good parts: contours, camera, light, sensor.

Each image of a pair has a `View` of its own. `photograph` is deterministic given a
view: geometry, blur and light. `expose` adds noise and compression. A label follows the
geometry of its image (`warp_label`).
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cadnet_jax.datasets.synthetic_pairs.drawing import Pixels

MARGIN = 18  # pixels of the canvas around what a view can show
LARGEST_THRESHOLD = 0.3  # of a binarization, off the middle of dark and bright
_WAVES = (4.0, 32.0)  # pixels, lengths of the waves that displace contours
_OTHER_LIGHT = 0.25  # share of pairs under two kinds of light
_STRONGEST_LIGHT = 2.2
_OTHER_COLORS = 0.3  # share of pairs whose colors are paler or stronger
_IDEAL = 0.15  # share of pairs of which one image is no photograph, but the artwork


class Severity(NamedTuple):
    """How strong the nuisance of a pair is at most; drawn once for its two images."""

    shift: float  # pixels along each axis
    turn: float  # degrees
    scale: float  # relative
    bend: float  # pixels
    wave: float  # pixels
    spread: float  # pixels that contours grow or shrink by
    light: float  # 0 to 1, or 2.2 where the light is another one
    colors: float  # largest natural logarithm of a saturation's exponent
    blur: float  # pixels
    noise: float  # gray levels
    jpeg: bool
    binary: bool


class View(NamedTuple):
    """One picture: where the camera stands, how it sees, how its sensor answers."""

    maps: NDArray[np.float32]  # [2, size, size]: x and y in the canvas
    spread: float  # pixels; positive: bright grows
    kernel: NDArray[np.float32] | None  # of the blur
    colors: Pixels | None  # [256]: saturation -> saturation
    table: Pixels  # [1, 256, 3]: gray level -> gray level
    shading: NDArray[np.float32] | None  # [size, size] factor
    glare: NDArray[np.float32] | None  # [size, size] gray levels
    grid: NDArray[np.float32] | None  # [size, size, 3] factor: moire, a screen's pixels
    noise: float  # standard deviation, gray levels
    color_noise: bool
    quality: int  # of JPEG; 0: none
    threshold: float | None  # of the binarization, relative to the middle
    levels: int  # gray levels that are told apart; 256: all


def draw_severity(rng: np.random.Generator, *, binary: bool) -> Severity:
    """Half of the kinds are absent from a pair, the others up to their largest."""

    def up_to(largest: float, chance: float = 0.6) -> float:
        return float(rng.uniform(0, largest)) if rng.random() < chance else 0.0

    light = up_to(1, 0.75)
    if rng.random() < _OTHER_LIGHT:
        light = float(rng.uniform(1, _STRONGEST_LIGHT))
    return Severity(
        shift=up_to(4),
        turn=up_to(2, 0.4),
        scale=up_to(0.01, 0.4),
        bend=up_to(2, 0.4),
        wave=up_to(1.5, 0.5),
        spread=up_to(0.8, 0.4),
        light=light,
        colors=up_to(0.8, _OTHER_COLORS),
        blur=up_to(1.6, 0.5),
        noise=up_to(4, 0.4) + up_to(10, 0.4),
        jpeg=rng.random() < 0.35,
        binary=binary,
    )


def draw_views(rng: np.random.Generator, severity: Severity, size: int) -> list[View]:
    """Two pictures of `size` pixels a side; one of them may be the artwork itself."""
    views = [draw_view(rng, severity, size) for _ in range(2)]
    if rng.random() < _IDEAL:
        views[int(rng.integers(2))] = ideal_view(size, binary=severity.binary)
    return views


def ideal_view(size: int, *, binary: bool = False) -> View:
    """A picture that shows the middle of the canvas as it is drawn."""
    line = np.arange(size, dtype=np.float32) + MARGIN
    return View(
        maps=np.stack(np.meshgrid(line, line)),
        spread=0.0,
        kernel=None,
        colors=None,
        table=np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1),
        shading=None,
        glare=None,
        grid=None,
        noise=0.0,
        color_noise=False,
        quality=0,
        threshold=0.0 if binary else None,
        levels=256,
    )


def draw_view(rng: np.random.Generator, severity: Severity, size: int) -> View:
    """One picture of `size` pixels a side."""
    light = severity.light
    return View(
        maps=_maps(rng, severity, size),
        spread=float(rng.uniform(-1, 1)) * severity.spread,
        kernel=_blur_kernel(rng, severity.blur),
        colors=_saturation_table(rng, severity.colors),
        table=_table(rng, light),
        shading=_shading(rng, light, size) if rng.random() < 0.6 else None,
        glare=_glare(rng, size) if light and rng.random() < 0.08 else None,
        grid=_grid(rng, size) if rng.random() < 0.12 else None,
        noise=float(rng.uniform(0.3, 1)) * severity.noise,
        color_noise=bool(rng.random() < 0.6),
        quality=int(rng.integers(35, 96))
        if severity.jpeg and rng.random() < 0.8
        else 0,
        threshold=(
            float(rng.uniform(-LARGEST_THRESHOLD, LARGEST_THRESHOLD))
            if severity.binary
            else None
        ),
        levels=int(rng.choice([32, 64])) if rng.random() < 0.04 else 256,
    )


def photograph(canvas: Pixels, view: View, *, middle: float) -> Pixels:
    """The canvas as the view shows it, without noise, RGB uint8 [size, size, 3].

    Args:
        canvas: RGB uint8 [size + 2 MARGIN, size + 2 MARGIN, 3].
        view: of the image.
        middle: gray level that a binarization's threshold is relative to; of the good
            part, so that a change does not move it.
    """
    image = _spread(canvas, view.spread)
    x, y = view.maps
    image = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    if view.kernel is not None:
        image = cv2.filter2D(image, -1, view.kernel, borderType=cv2.BORDER_REFLECT)
    if view.threshold is not None:
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        reach = min(middle, 255 - middle)
        white = np.where(gray > middle + view.threshold * reach, 255, 0)
        return np.repeat(white.astype(np.uint8)[..., None], 3, axis=-1)
    if view.colors is not None:
        image = _saturate(image, view.colors)
    image = cv2.LUT(image, view.table)
    if view.shading is not None or view.grid is not None or view.glare is not None:
        values = image.astype(np.float32)
        if view.shading is not None:
            values *= view.shading[..., None]
        if view.grid is not None:
            values *= view.grid
        if view.glare is not None:
            values += view.glare[..., None]
        image = values.clip(0, 255).astype(np.uint8)
    return np.asarray(image, np.uint8)


def expose(image: Pixels, view: View, rng: np.random.Generator) -> Pixels:
    """What the sensor makes of it: noise, coarse levels, compression; uint8."""
    if view.noise > 0.3 and view.threshold is None:
        channels = 3 if view.color_noise else 1
        shape = (*image.shape[:2], channels)
        noise = rng.standard_normal(shape, np.float32) * np.float32(view.noise)
        image = (image + noise).clip(0, 255).astype(np.uint8)
    if view.levels < 256:
        step = 256 // view.levels
        image = image // step * step + step // 2
    if view.quality:
        options = [cv2.IMWRITE_JPEG_QUALITY, view.quality]
        encoded = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
        return np.asarray(cv2.imdecode(encoded[1], cv2.IMREAD_COLOR_RGB), np.uint8)
    return np.asarray(image, np.uint8)


def noise_level(view: View) -> float:
    """Standard deviation in gray levels of what `expose` adds, about."""
    compression = (100 - view.quality) / 15 if view.quality else 0.0
    coarse = 256 / view.levels / 3.5
    return float(np.hypot(np.hypot(view.noise, compression), coarse)) + 0.5


def warp_label(mask: NDArray[np.bool_], view: View) -> NDArray[np.bool_]:
    """A mask of the canvas in the image's coordinates, bool [size, size]."""
    x, y = view.maps
    values = cv2.remap(mask.astype(np.uint8) * 255, x, y, cv2.INTER_LINEAR)
    return np.asarray(values > 127)


def _maps(
    rng: np.random.Generator, severity: Severity, size: int
) -> NDArray[np.float32]:
    """Where in the canvas each pixel of the picture comes from, x and y."""
    angle = np.deg2rad(rng.uniform(-1, 1) * severity.turn)
    scale = 1 + rng.uniform(-1, 1) * severity.scale
    shift = rng.uniform(-1, 1, 2) * severity.shift
    if rng.random() < 0.25:
        shift = np.round(shift)
    center = (size - 1) / 2
    grid = (np.arange(size, dtype=np.float32) - np.float32(center)) * np.float32(scale)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    origin = (center + MARGIN + shift).astype(np.float32)
    maps = np.empty((2, size, size), np.float32)
    maps[0] = grid[None, :] * cosine - grid[:, None] * sine + origin[0]
    maps[1] = grid[None, :] * sine + grid[:, None] * cosine + origin[1]
    if severity.bend:
        maps += _displacement(rng, size, rng.uniform(60, 200), severity.bend)
    if severity.wave:
        length = np.exp(rng.uniform(*np.log(_WAVES)))
        maps += _displacement(rng, size, length, severity.wave)
    limit = size + 2 * MARGIN - 1
    return maps.clip(0, limit, out=maps)


def _displacement(
    rng: np.random.Generator, size: int, length: float, amplitude: float
) -> NDArray[np.float32]:
    """A smooth random field along x and y, [2, size, size], at most about amplitude."""
    knots = max(2, round(2 * size / length)) + 1
    field = rng.uniform(-amplitude, amplitude, (knots, knots, 2)).astype(np.float32)
    resized = cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized.transpose(2, 0, 1), np.float32)


def _spread(image: Pixels, amount: float) -> Pixels:
    """Lets bright areas grow by `amount` pixels, or dark ones if it is negative."""
    if abs(amount) < 0.1:
        return image
    grow = cv2.dilate if amount > 0 else cv2.erode
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    whole, part = divmod(abs(amount), 1)
    if whole:
        image = grow(image, kernel, iterations=int(whole))
    if part < 0.1:
        return image
    return np.asarray(cv2.addWeighted(image, 1 - part, grow(image, kernel), part, 0))


def _blur_kernel(
    rng: np.random.Generator, largest: float
) -> NDArray[np.float32] | None:
    """Of a lens, out of focus, or in motion; None below 0.3 pixels."""
    sigma = rng.uniform(0, 1) * largest
    if sigma < 0.3:
        return None
    kind = rng.choice(['lens', 'lens', 'focus', 'motion'])
    if kind == 'lens':
        line = cv2.getGaussianKernel(2 * int(np.ceil(2.5 * sigma)) + 1, sigma)
        return np.asarray(line @ line.T, np.float32)
    radius = int(np.ceil(2 * sigma))
    kernel = np.zeros((2 * radius + 1,) * 2, np.float32)
    if kind == 'focus':
        cv2.circle(
            kernel, (radius * 16,) * 2, int(2 * sigma * 16), 1, -1, cv2.LINE_AA, 4
        )
    else:
        angle = rng.uniform(0, np.pi)
        reach = np.array([np.cos(angle), np.sin(angle)]) * radius
        start, end = (
            (radius + sign * reach).round().astype(int).tolist() for sign in (-1, 1)
        )
        cv2.line(kernel, start, end, 1)
    return np.asarray(kernel / kernel.sum())


def _saturation_table(rng: np.random.Generator, most: float) -> Pixels | None:
    """Saturation to a power, as a table [256]; None: it stays."""
    if not most:
        return None
    exponent = np.exp(rng.uniform(-1, 1) * most)
    return np.asarray((255 * (np.arange(256) / 255) ** exponent).round(), np.uint8)


def _saturate(image: Pixels, table: Pixels) -> Pixels:
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL))
    colors = cv2.merge([hue, cv2.LUT(saturation, table), value])
    return np.asarray(cv2.cvtColor(colors, cv2.COLOR_HSV2RGB_FULL), np.uint8)


def _table(rng: np.random.Generator, light: float) -> Pixels:
    """Gamma, gain, offset and color cast as a table for each channel, [1, 256, 3]."""
    gamma = np.exp(rng.uniform(-0.35, 0.35) * light)
    gain = np.exp(rng.uniform(-0.3, 0.3) * light)
    cast = 1 + rng.uniform(-0.08, 0.08, 3) * light
    offset = (rng.uniform(-28, 28) + rng.uniform(-12, 12, 3)) * light
    values = 255 * (np.arange(256)[:, None] / 255) ** gamma * gain * cast + offset
    return np.asarray(values.clip(0, 255).round()[None], np.uint8)


def _shading(rng: np.random.Generator, light: float, size: int) -> NDArray[np.float32]:
    """Uneven light: a smooth field and the darker corners of a lens."""
    field = rng.uniform(-0.2, 0.2, (3, 3)).astype(np.float32) * np.float32(light)
    shading = 1 + cv2.resize(field, (size, size), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.4:
        line = np.linspace(-1, 1, size, dtype=np.float32) ** 2
        amount = np.float32(rng.uniform(0, 0.15) * light)
        shading = shading - amount * (line + line[:, None])
    return np.asarray(shading, np.float32)


def _glare(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """A soft bright spot, gray levels."""
    y, x = np.ogrid[:size, :size]
    row, column = rng.uniform(0, size, 2)
    reach = rng.uniform(0.1, 0.4) * size
    squares = ((y - row) ** 2 + (x - column) ** 2) / (2 * reach**2)
    return np.asarray(rng.uniform(10, 70) * np.exp(-squares), np.float32)


def _grid(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    """Moire or the pixels of a screen: two crossed gratings, a factor [size, size, 3].

    In half of them the columns of red, green and blue are a third of a period apart.
    """
    period = np.exp(rng.uniform(np.log(2.5), np.log(40)))
    angle, strength = rng.uniform(0, np.pi), rng.uniform(0.01, 0.1)
    turn = 2 * np.pi / period
    line = np.arange(size, dtype=np.float32) * np.float32(turn)
    along = line[None] * np.cos(angle) + line[:, None] * np.sin(angle)
    across = line[:, None] * np.cos(angle) - line[None] * np.sin(angle)
    apart = np.arange(3) * (rng.integers(2) * 2 * np.pi / 3)
    waves = np.stack([np.cos(along + phase) for phase in apart], axis=-1)
    waves += rng.integers(2) * np.cos(across)[..., None]
    return np.asarray(1 + strength * waves, np.float32)
