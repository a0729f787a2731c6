"""The network's answer for each pixel of a batch, in the terms of an inspection."""

import functools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cadnet_jax.models.cadnet import Features
from cadnet_jax.models.mix_transformer import SMALLEST_SIDE
from cadnet_jax.models.operations import resize_bilinear
from cadnet_jax.transforms import normalize


class PixelMaps(NamedTuple):
    """What is predicted of each pixel of a batch.

    Attributes:
        mask: uint8 [B, H, W], classes.
        score: float32 [B, H, W]: 1 - P(background); for head 'ooc' the change score.
        distance: DistMap, float32 [B, H, W]; None for head 'segformer'.
        confidence: float32 [B, H, W]: probability of the predicted class; for head
            'ooc' the change score.
        probabilities: float32 [B, H, W, K]: probability of each class, the largest of
            which is the mask's; for head 'ooc' the change score, [B, H, W, 1]. None
            where they were not asked for.
    """

    mask: Any
    score: Any
    distance: Any | None
    confidence: Any
    probabilities: Any | None = None


def empty_maps(
    shape: tuple[int, int, int], *, with_distance: bool, num_probabilities: int
) -> PixelMaps:
    """Maps of `shape` = (B, H, W) that are still to be filled.

    `num_probabilities` is the last axis of the probabilities; 0: there are none.
    """
    return PixelMaps(
        mask=np.empty(shape, np.uint8),
        score=np.empty(shape, np.float32),
        distance=np.empty(shape, np.float32) if with_distance else None,
        confidence=np.empty(shape, np.float32),
        probabilities=(
            np.empty((*shape, num_probabilities), np.float32)
            if num_probabilities
            else None
        ),
    )


def predict_pixels(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: np.ndarray,
    references: np.ndarray | Features,
    *,
    limits: np.ndarray | None = None,
    threshold: float | None = None,
    defect_weight: float = 1.0,
    with_probabilities: bool = False,
) -> PixelMaps:
    """Runs the network on whole images.

    Args:
        model: compiled once for each shape of `images`.
        variables: its 'params' and 'batch_stats'.
        images: uint8 [B, H, W, 3].
        references: uint8 [B, H, W, 3]; or what `encode_reference` says of one, which
            all the images are then compared with.
        limits: [B, 2], smallest and largest DistMap of the images of which these are
            tiles (head 'ooc').
        threshold: change score above which a pixel is a defect (head 'ooc'); None: the
            network gives the logits of classes.
        defect_weight: what the odds of a defect are divided by. The cross entropy that
            counts a defect pixel so often makes them so many times too high.
        with_probabilities: return those of all classes, too.

    Returns:
        NumPy arrays, read only.
    """
    _, height, width, _ = images.shape
    if not isinstance(references, tuple):
        references = _enlarge(references)
    maps = _forward(
        model,
        variables,
        _enlarge(images),
        references,
        limits,
        threshold=threshold,
        defect_weight=defect_weight,
    )
    if not with_probabilities:
        maps = maps._replace(probabilities=None)
    return PixelMaps(
        *(None if x is None else np.asarray(x)[:, :height, :width] for x in maps)
    )


def predict_distance(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: np.ndarray,
    references: np.ndarray | Features,
) -> np.ndarray:
    """DistMap alone, float32 [B, H/4, W/4], not decoded; see `predict_pixels`."""
    _, height, width, _ = images.shape
    if not isinstance(references, tuple):
        references = _enlarge(references)
    distance = _distance(model, variables, _enlarge(images), references)
    return np.asarray(distance)[:, : -(-height // 4), : -(-width // 4)]


def encode_reference(
    model: nn.Module, variables: Mapping[str, Any], reference: np.ndarray
) -> Features:
    """What the network sees in one reference, uint8 [1, H, W, 3], on the device."""
    features: Features = _encode(model, variables, _enlarge(reference))
    return features


@functools.partial(jax.jit, static_argnames=('model', 'threshold', 'defect_weight'))
def _forward(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    references: jax.Array | Features,
    limits: jax.Array | None,
    *,
    threshold: float | None,
    defect_weight: float,
) -> PixelMaps:
    outputs = _compare(model, variables, images, references, limits)
    size = (images.shape[1], images.shape[2])
    logits = resize_bilinear(outputs.logits, size)
    distance = None
    if outputs.distance is not None:
        distance = resize_bilinear(outputs.distance[..., None], size)[..., 0]
    if threshold is not None:
        change = logits[..., 0]
        return PixelMaps(
            mask=(change > threshold).astype(jnp.uint8),
            score=change,
            distance=distance,
            confidence=change,
            probabilities=change[..., None],
        )
    logits = logits.at[..., 0].add(math.log(defect_weight))
    probabilities = nn.softmax(logits)
    return PixelMaps(
        mask=jnp.argmax(probabilities, axis=-1).astype(jnp.uint8),
        score=1 - probabilities[..., 0],
        distance=distance,
        confidence=jnp.max(probabilities, axis=-1),
        probabilities=probabilities,
    )


@functools.partial(jax.jit, static_argnames='model')
def _distance(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    references: jax.Array | Features,
) -> jax.Array:
    distance: jax.Array = _compare(model, variables, images, references, None).distance
    return distance


def _compare(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    references: jax.Array | Features,
    limits: jax.Array | None,
) -> Any:
    """The network's outputs; references that are encoded are not encoded again."""
    images = normalize(images)
    if not isinstance(references, tuple):
        return model.apply(
            variables, images, normalize(references), distance_limits=limits
        )
    features = model.apply(variables, images, method='encode')
    return model.apply(
        variables, features, references, distance_limits=limits, method='compare'
    )


@functools.partial(jax.jit, static_argnames='model')
def _encode(
    model: nn.Module, variables: Mapping[str, Any], images: jax.Array
) -> Features:
    return model.apply(variables, normalize(images), method='encode')  # type: ignore[return-value]


def _enlarge(images: np.ndarray) -> np.ndarray:
    """Repeats the last row and column up to the smallest side the network takes."""
    _, height, width, _ = images.shape
    missing = max(SMALLEST_SIDE - height, 0), max(SMALLEST_SIDE - width, 0)
    if not any(missing):
        return images
    return np.pad(
        images, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), mode='edge'
    )
