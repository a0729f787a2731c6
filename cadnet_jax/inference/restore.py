"""A work directory, or the released weights -> a predictor."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from flax import traverse_util

from cadnet_jax.config import Config
from cadnet_jax.inference.predictor import Predictor, make_predictor
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.runs.workdir import Step, read_config, read_dataset_info
from cadnet_jax.weights import released
from cadnet_jax.weights.loading import load_weights


def load_predictor(
    workdir: str | os.PathLike[str] = released.NAME,
    step: Step | str = 'best',
    *,
    tile_size: int | None = None,
    threshold: float | None = None,
    min_area: int = 1,
    orientations: int = 1,
) -> Predictor:
    """Restores the network of a training run, or the one that was released.

    Args:
        workdir: work directory of the run; 'released': the weights that come with the
            package.
        step: 'best', 'latest', or the number of a checkpoint that was kept.
        tile_size: images with a longer side, in pixels, are predicted in overlapping
            tiles, of which 8 pixels along the borders are not used, an eighth of those
            below 192. Default: the size of the training crops, 768 at most; for the
            released weights 192.
        threshold: score of any defect above which a pixel is one. Default: a pixel has
            its most probable class; for head 'ooc' the middle of tau_ok and tau_ng.
        min_area: pixels of the smallest defect; smaller ones are left out.
        orientations: 1, 2, 4 or 8 orientations of the pair, over which the scores are
            averaged: as it is; turned by 180 degrees; all quarter turns; their mirror
            images. Takes as many times as long.

    Raises:
        FileNotFoundError: it is no work directory, or has no such checkpoint; or no
            weights come with this package.
        ValueError: the checkpoint does not fit the configuration or the classes, the
            released weights are damaged, the tiles are too small, or `threshold`,
            `min_area` or `orientations` is out of its range.
    """
    config, class_names = _read_settings(workdir)
    if isinstance(step, str) and step.isdigit():
        step = int(step)
    variables, number = load_weights(workdir, step)  # type: ignore[arg-type]
    # Released weights fit by their digest, and the check takes most of a second.
    if not released.is_released(workdir):
        _check_variables(config, len(class_names), variables, workdir)
    return make_predictor(
        config,
        class_names,
        variables,
        workdir=workdir,
        step=number,
        tile_size=tile_size,
        threshold=threshold,
        min_area=min_area,
        orientations=orientations,
    )


def _read_settings(
    workdir: str | os.PathLike[str],
) -> tuple[Config, tuple[str, ...]]:
    """The configuration, and the class names of the data."""
    if released.is_released(workdir):
        weights = released.read()
        return weights.config, weights.class_names
    workdir = pathlib.Path(workdir)
    return read_config(workdir), read_dataset_info(workdir).class_names


def _check_variables(
    config: Config,
    num_classes: int,
    variables: Mapping[str, Any],
    workdir: str | os.PathLike[str],
) -> None:
    model = build_model(config.model, num_classes)
    expected = traverse_util.flatten_dict(parameter_shapes(model), sep='/')
    found = traverse_util.flatten_dict(dict(variables), sep='/')
    wrong = [
        f'{name} is {_shape(found.get(name))}, not {_shape(expected.get(name))}'
        for name in sorted(expected.keys() | found.keys())
        if _shape(found.get(name)) != _shape(expected.get(name))
    ]
    if wrong:
        raise ValueError(
            f'{workdir}: the checkpoint does not fit config.json and the {num_classes} '
            f'classes of dataset.json: {"; ".join(wrong[:3])}'
            f'{f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""}. Restore the '
            'two files that were written with this checkpoint.'
        )


def _shape(leaf: Any) -> str:
    return 'missing' if leaf is None else str(list(leaf.shape))
