"""Unchanged crops that look like defects to the network: the hardest are kept."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.data.transforms import normalize


def keep_hardest(
    batch: Mapping[str, Any],
    model: nn.Module,
    variables: Any,
    count: int,
    num_candidates: int,
    *,
    has_classes: bool,
) -> dict[str, jax.Array]:
    """`batch` with the `count` hardest of the last `num_candidates` crops."""
    candidates = {name: values[-num_candidates:] for name, values in batch.items()}
    outputs: Any = model.apply(
        variables,
        normalize(candidates['image']),
        normalize(candidates['reference']),
    )
    logits = outputs.logits
    defect = 1 - jax.nn.softmax(logits)[..., 0] if has_classes else logits[..., 0]
    hardest = lax.top_k(hardness(defect, candidates['mask']), count)[1]
    return {
        name: jnp.concatenate([values[:-num_candidates], candidates[name][hardest]])
        for name, values in batch.items()
    }


def hardness(defect: jax.Array | np.ndarray, mask: jax.Array | np.ndarray) -> jax.Array:
    """Mean over the highest 1 % of each crop's scores, [B].

    Args:
        defect: scores [B, h, w] of cells of pixels.
        mask: [B, H, W]; a cell whose central pixel is ignored has the lowest score.
    """
    rows, columns = (
        (np.arange(cells) * 2 + 1) * pixels // (2 * cells)
        for cells, pixels in zip(defect.shape[1:], mask.shape[1:], strict=True)
    )
    known = mask[:, rows][:, :, columns] != IGNORED
    scores = jnp.where(known, defect, jnp.min(defect)).reshape(len(defect), -1)
    return jnp.mean(lax.top_k(scores, max(1, scores.shape[1] // 100))[0], axis=1)
