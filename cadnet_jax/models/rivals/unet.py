"""U-Net, and FC-Siam-diff, which compares two images with its parts.

Ronneberger et al., U-Net, 2015, in the form of the semi-supervised methods of the
paper's table 6 (SSL4MIS): 16 to 256 channels, biases, leaky ReLU, dropout, and
upsampling that keeps the corners. Daudt et al., Fully Convolutional Siamese Networks
for Change Detection, 2018: the shared encoder sees both images, and what passes to the
decoder at each resolution is the absolute difference; the deepest features are those
of the inspected image.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.typing import DTypeLike

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import Features, Outputs, encode_pair
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.initializers import FAN_OUT
from cadnet_jax.models.layers import BatchNorm, Conv, Dense

Levels = tuple[tuple[int, float], ...]  # channels and dropout of each

LEVELS: Levels = ((16, 0.05), (32, 0.1), (64, 0.2), (128, 0.3), (256, 0.5))


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, each with BatchNorm and leaky ReLU, dropout between them.

    `[B, H, W, C]` -> `[B, H, W, channels]`.

    Attributes:
        channels: of both convolutions.
        dropout: probability of dropping a value.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    channels: int
    dropout: float = 0.0
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        for number in (1, 2):
            conv = functools.partial(Conv, pad=1, dtype=self.dtype, kernel_init=FAN_OUT)
            x = conv(self.channels, 3, name=f'conv_{number}')(x)
            norm = BatchNorm(self.axis_name, dtype=self.dtype, name=f'norm_{number}')
            x = nn.leaky_relu(norm(x, train=train))
            if number == 1:
                x = nn.Dropout(self.dropout)(x, deterministic=not train)
        return x


class UNetEncoder(nn.Module):
    """`[B, H, W, 3]` -> a feature map of each level, of strides 1, 2, 4 and so on.

    Attributes:
        drops: whether it drops values in training.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
        levels: see `LEVELS`.
    """

    drops: bool = True
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32
    levels: Levels = LEVELS

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> Features:
        features: list[jax.Array] = []
        for level, (channels, rate) in enumerate(self.levels, start=1):
            if features:
                x = nn.max_pool(x, (2, 2), strides=(2, 2))
            rate = rate if self.drops else 0.0
            block = ConvBlock(
                channels, rate, self.axis_name, self.dtype, name=f'level_{level}'
            )
            x = block(x, train=train)
            features.append(x)
        return tuple(features)


class UNetDecoder(nn.Module):
    """Feature maps of all levels to logits at stride 1.

    Attributes:
        num_classes: with the background.
        axis_name: device axis over which BatchNorm takes its statistics.
        dtype: format of the computation.
    """

    num_classes: int
    axis_name: str | None = None
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, features: Features, *, train: bool) -> jax.Array:
        *skips, x = features
        for level in range(len(skips), 0, -1):
            skip = skips[level - 1]
            channels = skip.shape[-1]
            x = Dense(
                channels, dtype=self.dtype, kernel_init=FAN_OUT, name=f'reduce_{level}'
            )(x)
            x = jnp.concatenate([skip, resize_aligned(x, skip.shape[1:3])], axis=-1)
            block = ConvBlock(
                channels, 0.0, self.axis_name, self.dtype, name=f'level_{level}'
            )
            x = block(x, train=train)
        x = Conv(self.num_classes, 3, pad=1, dtype=self.dtype, name='classifier')(x)
        return x.astype(jnp.float32)


class UNet(nn.Module):
    """U-Net; or FC-Siam-diff, if its head sees the reference.

    Attributes:
        config: head and rates; a `dropout` of 0 turns U-Net's own rates off.
        num_classes: with the background.
        axis_name: device axis over which BatchNorm takes its statistics.
        levels: see `LEVELS`.
    """

    config: ModelConfig
    num_classes: int
    axis_name: str | None = None
    levels: Levels = LEVELS

    def setup(self) -> None:
        dtype = jnp.dtype(self.config.dtype)
        self.encoder = UNetEncoder(
            self.config.dropout > 0, self.axis_name, dtype, self.levels
        )
        self.decoder = UNetDecoder(self.num_classes, self.axis_name, dtype)

    @property
    def smallest_side(self) -> int:
        """Pixels of the smallest height and width that it takes."""
        return 1 << (len(self.levels) - 1)

    def __call__(
        self,
        image: jax.Array,
        reference: jax.Array,
        *,
        train: bool = False,
        distance_limits: jax.Array | None = None,
    ) -> Outputs:
        """Logits of normalized images `[B, H, W, 3]`; see `CADNet.__call__`."""
        del distance_limits
        if not HEADS[self.config.head].sees_reference:
            return self.compare(self.encode(image, train=train), (), train=train)
        inspected, clean = encode_pair(self.encode, image, reference, train=train)
        return self.compare(inspected, clean, train=train)

    def encode(self, image: jax.Array, *, train: bool = False) -> Features:
        """Features of normalized images `[B, H, W, 3]` of each level."""
        features: Features = self.encoder(image, train=train)
        return features

    def compare(
        self,
        image: Features,
        reference: Features,
        *,
        train: bool = False,
        distance_limits: jax.Array | None = None,
    ) -> Outputs:
        """What `__call__` says of the images that were encoded."""
        del distance_limits
        if HEADS[self.config.head].sees_reference:
            differences = (
                jnp.abs(x - y) for x, y in zip(image[:-1], reference[:-1], strict=True)
            )
            image = (*differences, image[-1])
        return Outputs(self.decoder(image, train=train), None, ())


def resize_aligned(x: jax.Array, size: tuple[int, ...]) -> jax.Array:
    """Bilinear resize of `[B, H, W, C]` to a `size` of (height, width).

    The corners stay where they are: PyTorch's `interpolate(align_corners=True)`.
    """
    rows, columns = (
        jnp.asarray(_aligned_weights(old, new), x.dtype)
        for old, new in zip(x.shape[1:3], size, strict=True)
    )
    return jnp.einsum('ih,bhwc,jw->bijc', rows, x, columns)


def _aligned_weights(old: int, new: int) -> np.ndarray:
    """Weights `[new, old]` of the linear interpolation along one axis."""
    positions = np.linspace(0, old - 1, new)
    distances = np.abs(positions[:, None] - np.arange(old))
    return np.asarray(np.maximum(1 - distances, 0))
