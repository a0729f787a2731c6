"""What the parts of a device's benchmark measure: the network, and at which sizes."""

import functools
from typing import NamedTuple

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.models.cadnet import CADNet, build_model
from cadnet_jax.weights import released


class Precision(NamedTuple):
    """How the network computes.

    Attributes:
        dtype: format of its values, as `--dtype` sets it.
        products: `jax.default_matmul_precision`, of products and convolutions.
    """

    dtype: str
    products: str


PRECISIONS = {
    'float32': Precision('float32', 'highest'),
    'tensorfloat32': Precision('float32', 'tensorfloat32'),
    # What --dtype=float32 means on the device: TensorFloat-32 on NVIDIA's GPUs.
    'default': Precision('float32', 'default'),
    'bfloat16': Precision('bfloat16', 'default'),
}


class Sizes(NamedTuple):
    """How large everything is.

    Attributes:
        precisions: names of `PRECISIONS` that are timed.
        side: of predicted images, in pixels.
        batches: numbers of pairs that are predicted at a time.
        parity: number of pairs, and their side in pixels, whose results are compared.
        training: number of pairs in a step, and side of the crops in pixels.
        forms: number of images, and their side in pixels, of single operations.
        files: number of pairs in a folder, their height and width in pixels, and
            whether they have one reference.
        matrix: side of the large matrices.
        copied: bytes of the large copy.
        seconds: that each row is timed.
        compiling: seconds after which those programs are timed that are compiled.
    """

    precisions: tuple[str, ...]
    side: int
    batches: tuple[int, ...]
    parity: tuple[int, int]
    training: tuple[tuple[int, int], ...]
    forms: tuple[tuple[int, int], ...]
    files: tuple[tuple[int, int, int, bool], ...]
    matrix: int
    copied: int
    seconds: float
    compiling: float = 60.0


GPU_SIZES = Sizes(
    precisions=('default', 'bfloat16', 'float32'),
    side=512,
    batches=(1, 8, 32, 64),
    parity=(2, 512),
    training=((16, 96), (1, 96), (4, 96), (64, 96), (16, 256)),
    # Images and references of eight pairs; of a step with its candidates.
    forms=((16, 512), (48, 96)),
    files=((1, 3000, 4000, False), (64, 512, 512, True), (64, 512, 512, False)),
    matrix=8192,
    copied=2**30,
    seconds=0.5,
)
CPU_SIZES = Sizes(
    precisions=('default',),
    side=128,
    batches=(1,),
    parity=(1, 128),
    training=((2, 64),),
    forms=((2, 64),),
    files=((1, 384, 512, False), (4, 128, 128, True), (4, 128, 128, False)),
    matrix=1024,
    copied=2**26,
    seconds=0.1,
)


class Subject(NamedTuple):
    """The network that is measured.

    Attributes:
        config: the recipe that its weights were trained with.
        variables: its 'params' and 'batch_stats'.
        num_classes: with the background.
        sizes: see `Sizes`.
    """

    config: Config
    variables: dict[str, object]
    num_classes: int
    sizes: Sizes

    def model(self, precision: str, *, axis_name: str | None = None) -> CADNet:
        """The network in a precision of `PRECISIONS`."""
        config = configs.replace(self.config, dtype=PRECISIONS[precision].dtype)
        return build_model(config.model, self.num_classes, axis_name=axis_name)

    @property
    def device_variables(self) -> dict[str, jax.Array]:
        """The variables in the memory of the device."""
        placed: dict[str, jax.Array] = jax.device_put(self.variables)
        return placed


@functools.cache
def released_subject() -> Subject:
    """The released weights, at sizes for the device.

    Raises:
        FileNotFoundError: no weights come with this package.
    """
    weights = released.read()
    sizes = CPU_SIZES if jax.default_backend() == 'cpu' else GPU_SIZES
    return Subject(weights.config, weights.variables, len(weights.class_names), sizes)


def draw_pairs(count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and references, uint8 [B, H, W, 3]: smooth, with six changes in each.

    Every fourth pair is the same.
    """
    rng = np.random.default_rng(0)
    images, references = [], []
    for _ in range(min(count, 4)):
        coarse = rng.integers(0, 256, (16, 16, 3), np.uint8)
        reference = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        image = reference.copy()
        for _ in range(6):
            row, column = rng.integers(0, side, 2).tolist()
            color = rng.integers(0, 256, 3).tolist()
            radius = int(rng.integers(2, max(side // 20, 3)))
            cv2.circle(image, (column, row), radius, color, cv2.FILLED, cv2.LINE_AA)
        noise = rng.normal(0, 2, image.shape)
        images.append(np.clip(image + noise, 0, 255).astype(np.uint8))
        references.append(reference)
    shape = count, side, side, 3
    return np.resize(images, shape), np.resize(references, shape)


def draw_values(shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    """Normal values on the device; a million of them, repeated.

    They are drawn by NumPy: JAX would compile a program for each shape. On zeros some
    devices compute faster than on data.
    """
    block = np.random.default_rng(0).normal(0, 0.1, 2**20).astype(np.dtype(dtype))
    values: jax.Array = jax.device_put(np.resize(block, shape))
    return values


def value_dtype(precision: str) -> np.dtype:
    """Format of the values in a precision of `PRECISIONS`."""
    return jnp.dtype(PRECISIONS[precision].dtype)
