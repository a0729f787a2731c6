"""Weights by the name of where they are: a work directory, or 'released'."""

import os
import pathlib
from typing import Any

from cadnet_jax.runs.workdir import Step
from cadnet_jax.weights import released


def load_weights(
    source: str | os.PathLike[str], step: Step = 'best'
) -> tuple[dict[str, Any], int]:
    """Reads weights for inference, or to start from, on any number of devices.

    Args:
        source: work directory of a run, or what `save_variables` wrote; 'released':
            the weights that come with the package.
        step: 'best', 'latest', or the number of a step that was kept.

    Returns:
        {'params': ..., 'batch_stats': ...} of NumPy arrays, and the step.

    Raises:
        FileNotFoundError: there are no checkpoints, or none of that step.
        ValueError: the weights are damaged, or not all of them are finite.
    """
    if not released.is_released(source):
        from cadnet_jax.runs.checkpoint import load_variables  # slow to import

        return load_variables(pathlib.Path(source), step)
    weights = released.read()
    if step not in ('best', 'latest', weights.step):
        raise FileNotFoundError(
            f'{released.NAME}: no checkpoint {step!r}. There is: {weights.step}.'
        )
    return weights.variables, weights.step
