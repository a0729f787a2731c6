"""What weights a run starts from: `--init_from`, and what started_from.json keeps."""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from cadnet_jax.config import Config
from cadnet_jax.models.cadnet import CADNet
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.runs.checkpoint import kept_steps
from cadnet_jax.runs.state import TrainState
from cadnet_jax.runs.workdir import (
    Step,
    checkpoint_at,
    config_file,
    read_config,
    read_dataset_info,
    read_origin,
)
from cadnet_jax.weights import released
from cadnet_jax.weights.loading import load_weights

_OF_RUN = ('dataset', 'label_fraction', 'head', 'seed', 'paint_defects')


class Started(NamedTuple):
    """A state that starts from given weights.

    Attributes:
        state: with the arrays that were taken; the others are fresh.
        left_out: arrays that were not taken, by name, and why.
        spread: arrays of which every class of defects took the one of the weights.
    """

    state: TrainState
    left_out: tuple[str, ...]
    spread: tuple[str, ...]


def init_from(state: TrainState, directory: str | pathlib.Path) -> Started:
    """Puts the weights in `directory` in place of those in a fresh `state`.

    Every array of equal name and shape is taken: weights for other classes or another
    head give all that the two networks share. Where the weights know one class of
    defects and the network several, each of these starts as that one: the background is
    as probable as it was, so the network begins with what the weights find.

    Args:
        state: of NumPy arrays.
        directory: a work directory (its best weights, or else its latest), one of its
            checkpoints (WORKDIR/checkpoints/latest/600), or what `save_variables`
            wrote; 'released': the weights that come with the package.

    Raises:
        FileNotFoundError: there are no checkpoints, or not that one.
        ValueError: the network shares no array with them, or one is not finite.
    """
    loaded = _load(directory)
    fresh = traverse_util.flatten_dict(
        {'params': state.params, 'batch_stats': state.batch_stats},
        sep='/',
        keep_empty_nodes=True,
    )
    taken: dict[str, np.ndarray] = {}
    left_out, spread = [], []
    for name, array in sorted(loaded.items()):
        if not np.isfinite(array).all():
            raise ValueError(
                f'--init_from={directory}: {name} is not finite. Name other weights.'
            )
        if name not in fresh:
            left_out.append(f'{name} (not in the network)')
        elif _can_spread(name, array.shape, fresh[name].shape):
            taken[name] = _spread(array, fresh[name].shape[-1])
            spread.append(name)
        elif fresh[name].shape != array.shape:
            shapes = f'{list(array.shape)}, not {list(fresh[name].shape)}'
            left_out.append(f'{name} ({shapes})')
        else:
            taken[name] = array
    if not taken:
        raise ValueError(
            f'--init_from={directory}: the network shares no array with these weights: '
            f'{", ".join(left_out)}. Name others, or start from random weights: '
            '--init_from='
        )
    state = state.replace(**traverse_util.unflatten_dict(fresh | taken, sep='/'))
    return Started(state, tuple(left_out), tuple(spread))


def encoder_faults(
    directory: str | pathlib.Path, models: Iterable[CADNet]
) -> dict[str, str]:
    """The networks whose encoder some weights do not have as a whole.

    `init_from` takes what fits: ResNet-18 would take most arrays of a ResNet-50.

    Args:
        directory: see `init_from`; it is read once.
        models: each of another head.

    Returns:
        Head -> how many arrays are missing or of other shapes, as '110 of 275'.

    Raises:
        FileNotFoundError: there are no checkpoints, or not that one.
        ValueError: the weights are damaged.
    """
    loaded, faults = _load(directory), {}
    for model in models:
        shapes = traverse_util.flatten_dict(parameter_shapes(model), sep='/')
        encoder = [name for name in shapes if name.split('/')[1] == 'encoder']
        there = sum(
            name in loaded and loaded[name].shape == shapes[name].shape
            for name in encoder
        )
        if there < len(encoder):
            faults[model.config.head] = f'{len(encoder) - there} of {len(encoder)}'
    return faults


def _load(directory: str | pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays that `init_from` reads, by name."""
    variables, _ = load_weights(*weights_at(directory))
    arrays: dict[str, np.ndarray] = traverse_util.flatten_dict(variables, sep='/')
    return arrays


def _can_spread(name: str, given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether an array makes the logits of the background and one class of defects,
    and the network's differs from it in the number of classes alone.
    """
    *_, layer, _ = name.split('/')
    one_class = layer.endswith('classifier') and given[-1] == 2
    return one_class and wanted[:-1] == given[:-1] and wanted[-1] > 2


def _spread(array: np.ndarray, num_classes: int) -> np.ndarray:
    """Gives each class of defects the kernel or bias of the one in `array` `[..., 2]`.

    The biases are lower by the log of their number, so that softmax gives all of them
    together what it gave the one.
    """
    background, defect = np.split(array, 2, axis=-1)
    defects = np.repeat(defect, num_classes - 1, axis=-1)
    if array.ndim == 1:
        defects = defects - np.log(num_classes - 1).astype(array.dtype)
    return np.concatenate([background, defects], axis=-1)


def describe(origin: Mapping[str, Any]) -> str:
    """What started_from.json says of the arrays, in one or two lines for a terminal."""
    left_out = ', '.join(origin['left_out']) or 'nothing'
    line = f'Started from the weights in {origin["init_from"]}; left out: {left_out}.'
    if any('classifier' in name and ', not [' in name for name in origin['left_out']):
        line += '\nThe classifier has another shape: it starts from random weights.'
    if origin.get('spread'):
        line += '\nEach class of defects starts as the one that these weights know.'
    return line


def describe_origin(directory: str | pathlib.Path) -> dict[str, Any]:
    """What started_from.json keeps of the weights that `init_from` reads.

    Args:
        directory: see `init_from`.

    Returns:
        `init_from`: the directory; `step`; and of the run that learned these weights
        `dataset`, `label_fraction`, `head`, `seed` and `paint_defects`, None where they
        are no run's. For the released weights, also `sha256`. `started_from`: the same
        for the weights that these started from, if there were any.

    Raises:
        FileNotFoundError: there are no checkpoints, or not that one.
        ValueError: a file of that run is damaged.
    """
    origin: dict[str, Any] = {'init_from': str(directory)}
    if released.is_released(directory):
        weights = released.read()
        run = _of_run(weights.dataset, weights.config)
        return origin | {'step': weights.step, 'sha256': released.SHA256} | run
    workdir, step = weights_at(directory)
    kept = kept_steps(pathlib.Path(workdir))
    origin['step'] = max(kept[step], default=None) if isinstance(step, str) else step
    if not any(kept.values()):
        raise FileNotFoundError(f'{directory}: no checkpoints to start from.')
    if earlier := read_origin(workdir):
        origin['started_from'] = earlier
    if not config_file(workdir).exists():
        return origin | dict.fromkeys(_OF_RUN)
    return origin | _of_run(read_dataset_info(workdir).name, read_config(workdir))


def _of_run(dataset: str, config: Config) -> dict[str, Any]:
    return {
        'dataset': dataset,
        'label_fraction': config.data.label_fraction,
        'head': config.model.head,
        'seed': config.train.seed,
        'paint_defects': config.data.paint_defects,
    }


def weights_at(directory: str | pathlib.Path) -> tuple[str | pathlib.Path, Step]:
    """Work directory and step that `init_from` takes `directory` for."""
    if released.is_released(directory):
        return directory, 'best'
    if checkpoint := checkpoint_at(directory):
        return checkpoint
    workdir = pathlib.Path(directory)
    return workdir, 'best' if kept_steps(workdir)['best'] else 'latest'
