"""The network's scores of each pixel of a batch; `decision` makes classes of them."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cadnet_jax.data.transforms import normalize
from cadnet_jax.inference.decision import PixelScores
from cadnet_jax.models.cadnet import Features
from cadnet_jax.models.kernels.operations import resize_bilinear


def empty_scores(
    shape: tuple[int, int, int],
    *,
    has_classes: bool,
    with_distance: bool,
    num_probabilities: int,
) -> PixelScores:
    """Scores of `shape` = (B, H, W) that are still to be filled.

    `num_probabilities` is the last axis of the probabilities; 0: there are none.
    """
    return PixelScores(
        score=np.empty(shape, np.float32),
        defect_class=np.empty(shape, np.uint8),
        class_score=np.empty(shape, np.float32),
        likeliest=np.empty(shape, np.uint8) if has_classes else None,
        distance=np.empty(shape, np.float32) if with_distance else None,
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
    has_classes: bool = True,
    defect_weight: float = 1.0,
    with_probabilities: bool = False,
) -> PixelScores:
    """Runs the network on whole images.

    Args:
        model: compiled once for each shape of `images`, see `pad_to_smallest_side`.
        variables: its 'params' and 'batch_stats'.
        images: uint8 [B, H, W, 3].
        references: uint8 [B, H, W, 3]; or what `encode_reference` says of as many, or
            of one, which all the images are then compared with.
        limits: [B, 2], smallest and largest DistMap of the images of which these are
            tiles (head 'ooc').
        has_classes: the network gives the logits of classes, not a change score.
        defect_weight: what the odds of a defect are divided by. The cross entropy that
            counts a defect pixel so often makes them so many times too high.
        with_probabilities: return those of all classes, too.

    Returns:
        Arrays on the device, of the padded size: the images' own pixels come first. The
        device may still be at work on them.
    """
    scores: PixelScores = score_pixels(
        model,
        variables,
        pad_to_smallest_side(images, model.smallest_side),
        references
        if isinstance(references, tuple)
        else pad_to_smallest_side(references, model.smallest_side),
        limits,
        np.float32(math.log(defect_weight)),
        has_classes=has_classes,
    )
    return scores if with_probabilities else scores._replace(probabilities=None)


def predict_distance(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: np.ndarray,
    references: np.ndarray | Features,
) -> jax.Array:
    """DistMap alone, float32 [B, H/4, W/4], not decoded; see `predict_pixels`."""
    if not isinstance(references, tuple):
        references = pad_to_smallest_side(references, model.smallest_side)
    distance: jax.Array = _distance(
        model, variables, pad_to_smallest_side(images, model.smallest_side), references
    )
    return distance


def encode_reference(
    model: nn.Module, variables: Mapping[str, Any], reference: np.ndarray
) -> Features:
    """What the network sees in references, uint8 [B, H, W, 3], on the device."""
    features: Features = _encode(
        model, variables, pad_to_smallest_side(reference, model.smallest_side)
    )
    return features


@functools.partial(jax.jit, static_argnames=('model', 'has_classes'))
def score_pixels(
    model: nn.Module,
    variables: Mapping[str, Any],
    images: jax.Array,
    references: jax.Array | Features,
    limits: jax.Array | None,
    log_defect_weight: jax.Array,
    *,
    has_classes: bool,
) -> PixelScores:
    """Scores of pairs that need no padding: the program that is compiled.

    Args:
        model: the network.
        variables: its weights and statistics.
        images: uint8 [B, H, W, 3].
        references: uint8 [B, H, W, 3], or what `encode_reference` made of one.
        limits: see `predict_pixels`.
        log_defect_weight: is added to the logit of the background.
        has_classes: whether the network tells classes of defects apart.

    Returns:
        Arrays on the device.
    """
    outputs = _compare(model, variables, images, references, limits)
    size = (images.shape[1], images.shape[2])
    logits = resize_bilinear(outputs.logits, size)
    distance = None
    if outputs.distance is not None:
        distance = resize_bilinear(outputs.distance[..., None], size)[..., 0]
    if not has_classes:
        return change_scores(logits[..., :1], distance)
    return class_scores(nn.softmax(logits.at[..., 0].add(log_defect_weight)), distance)


def change_scores(change: Any, distance: Any | None, xp: Any = jnp) -> PixelScores:
    """What follows from change scores, float32 [B, H, W, 1].

    `distance` is DistMap, float32 [B, H, W], or None.
    `xp` is the module of the arrays: `jax.numpy` or `numpy`.
    """
    return PixelScores(
        score=change[..., 0],
        defect_class=xp.ones_like(change[..., 0], xp.uint8),
        class_score=change[..., 0],
        likeliest=None,
        distance=distance,
        probabilities=change,
    )


def class_scores(
    probabilities: Any, distance: Any | None, xp: Any = jnp
) -> PixelScores:
    """What follows from the probabilities of classes, float32 [B, H, W, K].

    `distance` is DistMap, float32 [B, H, W], or None.
    `xp` is the module of the arrays: `jax.numpy` or `numpy`.
    """
    background, of_defects = probabilities[..., 0], probabilities[..., 1:]
    defect_class = (1 + xp.argmax(of_defects, axis=-1)).astype(xp.uint8)
    class_score = xp.max(of_defects, axis=-1)
    return PixelScores(
        score=1 - background,
        defect_class=defect_class,
        class_score=class_score,
        likeliest=xp.where(
            class_score > background, defect_class, xp.zeros_like(defect_class)
        ),
        distance=distance,
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


def pad_to_smallest_side(images: np.ndarray, smallest_side: int) -> np.ndarray:
    """Repeats the last row and column up to the smallest side that the network takes.

    Larger images stay as they are: attention sees what is added, and scores change.

    Args:
        images: uint8 [B, H, W, 3].
        smallest_side: pixels.
    """
    _, height, width, _ = images.shape
    missing = max(smallest_side - height, 0), max(smallest_side - width, 0)
    if not any(missing):
        return images
    return np.pad(
        images, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), mode='edge'
    )
