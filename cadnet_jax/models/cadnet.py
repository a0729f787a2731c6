"""CADNet: a shared encoder, multi-stage subtraction and a change-aware decoder."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.change import distance_map
from cadnet_jax.models.decoder import Decoder
from cadnet_jax.models.heads import HEADS, Head
from cadnet_jax.models.mix_transformer import SMALLEST_SIDE, MixTransformer

ENCODER = 'encoder'  # the attribute of a network, and so the name of its parameters

Features = tuple[jax.Array, ...]
"""Feature maps after each stage of the encoder, `[B, H_i, W_i, C_i]`."""


class Outputs(NamedTuple):
    """What the network says of a batch of pairs.

    Attributes:
        logits: float32 `[B, H/4, W/4, K]`, K classes, or 1 change score; some rivals
            have another stride.
        distance: DistMap, float32 `[B, H/4, W/4]`; None if the head has none.
        differences: image minus reference after each stage, `[B, H_i, W_i, C_i]`;
            empty if the head has no DistMap.
        auxiliary: logits of the auxiliary heads, in the order of the weights in the
            table of heads; in training.
    """

    logits: jax.Array
    distance: jax.Array | None
    differences: tuple[jax.Array, ...]
    auxiliary: tuple[jax.Array, ...] = ()


class CADNet(nn.Module):
    """The network of the paper, and its appearance-only counterpart, SegFormer.

    Attributes:
        config: head, variant and rates.
        num_classes: with the background.
        axis_name: device axis over which BatchNorm takes its statistics.
    """

    config: ModelConfig
    num_classes: int
    axis_name: str | None = None

    def setup(self) -> None:
        config, head = self.config, self.head
        dtype = jnp.dtype(config.dtype)
        self.encoder = MixTransformer(
            config.variant,
            config.drop_path,
            shared_draws=2 if config.share_drop_path and head.sees_reference else 1,
            dtype=dtype,
        )
        self.decoder = Decoder(
            head.attention,
            head.outputs(self.num_classes),
            config.dropout,
            config.norm_limits,
            self.axis_name,
            dtype,
        )

    @property
    def head(self) -> Head:
        """Its row of the table of heads."""
        return HEADS[self.config.head]

    @property
    def smallest_side(self) -> int:
        """Pixels of the smallest height and width that it takes."""
        return SMALLEST_SIDE

    def __call__(
        self,
        image: jax.Array,
        reference: jax.Array,
        *,
        train: bool = False,
        distance_limits: jax.Array | None = None,
    ) -> Outputs:
        """Compares normalized images `[B, H, W, 3]`; sides of 32 pixels or more.

        Args:
            image: the inspected ones, see `transforms.normalize`.
            reference: their defect-free references; 'segformer' does not look at them.
            train: batch statistics, dropout and drop path (streams 'dropout',
                'drop_path').
            distance_limits: `[B, 2]`, smallest and largest DistMap of the whole image
                where `image` is a tile of it; used by 'ooc' alone.
        """
        if not self.head.sees_reference:
            return self.compare(self.encode(image, train=train), (), train=train)
        inspected, clean = encode_pair(self.encode, image, reference, train=train)
        return self.compare(
            inspected, clean, train=train, distance_limits=distance_limits
        )

    def encode(self, image: jax.Array, *, train: bool = False) -> Features:
        """Features of normalized images `[B, H, W, 3]` after each stage."""
        return self.encoder(image, train=train)

    def compare(
        self,
        image: Features,
        reference: Features,
        *,
        train: bool = False,
        distance_limits: jax.Array | None = None,
    ) -> Outputs:
        """What `__call__` says of the images that were encoded.

        Args:
            image: features of the inspected images, B of each stage.
            reference: features of B references, or of one for all images; anything for
                'segformer'.
            train: see `__call__`.
            distance_limits: see `__call__`.
        """
        if not self.head.sees_reference:
            return Outputs(self.decoder(image, None, train=train), None, ())
        differences = tuple(x - y for x, y in zip(image, reference, strict=True))
        distance = distance_map(differences)
        logits = self.decoder(
            differences, distance, train=train, distance_limits=distance_limits
        )
        return Outputs(logits, distance[..., 0], differences)


def encode_pair(
    encode: Callable[..., Features],
    image: jax.Array,
    reference: jax.Array,
    *,
    train: bool,
) -> tuple[Features, Features]:
    """Features of both images, `[B, H, W, 3]` each, by one call of the shared encoder.

    A BatchNorm in it takes its training statistics over both.
    """
    stacked = encode(jnp.concatenate([image, reference]), train=train)
    inspected, clean = zip(*(jnp.split(x, 2) for x in stacked), strict=True)
    return inspected, clean


def outside_encoder(params: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a parameter is in no encoder, in a tree like `params`.

    SegFormer's recipe trains these, which no pre-training provides, at a higher rate.
    """
    encoder = jax.tree_util.DictKey(ENCODER)
    outside: dict[str, Any] = jax.tree_util.tree_map_with_path(
        lambda path, _: encoder not in path, params
    )
    return outside


def build_model(
    config: ModelConfig, num_classes: int, *, axis_name: str | None = None
) -> CADNet:
    """The network of a configuration for `num_classes` classes, background included.

    Raises:
        ValueError: there is no class beside the background.
    """
    if num_classes < 2:
        raise ValueError(
            f'num_classes is {num_classes}; it must be at least 2: the background and '
            'one defect class.'
        )
    model: CADNet = HEADS[config.head].build(config, num_classes, axis_name)
    return model
