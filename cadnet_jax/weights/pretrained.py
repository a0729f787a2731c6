"""Weights from elsewhere: reads their files and makes them variables of `CADNet`.

Whose weights they are is seen from the names; `foreign_names` has the tables.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy
from flax import traverse_util

from cadnet_jax.models.cadnet import CADNet, build_model
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.runs.checkpoint import save_variables
from cadnet_jax.runs.workdir import (
    read_learned_images,
    write_learned_images,
    write_origin,
)
from cadnet_jax.weights.foreign_names import LAYOUTS, Layout, Rows, origin
from cadnet_jax.weights.initial import describe_origin
from cadnet_jax.weights.loading import load_weights
from cadnet_jax.weights.rival_names import plain_stem

_HEAD_PREFIXES = (
    'decode_head.',
    'auxiliary_head.',
    'head.',
    'classifier.',
    'fc.',  # of ResNets
    'incre_modules.',  # of HRNets, as the next two
    'downsamp_modules.',
    'final_layer.',
)
_RESNETS = 'ResNet-50 needs --head=fcn, deeplabv3plus or danet, ResNet-18 --head=pspnet'
_MOST_NAMES = 12  # that an error lists; of more, it gives the first ones
_FIRST_NAMES = 3

Path = tuple[str, ...]
Shape = tuple[int, ...]
Weights = Mapping[str, np.ndarray]


class Imported(NamedTuple):
    """What `convert` made of a file.

    Attributes:
        variables: {'params', 'batch_stats'} of float32 arrays; where only the encoder
            was read, both hold `encoder` alone, and `batch_stats` nothing if it has no
            BatchNorm.
        layout: whose names they were.
        skipped: names in the file that were left out on purpose.
        learned: digests of the images that a run learned them from.
        origin: of that run, see `weights.initial.describe_origin`.
    """

    variables: dict[str, Any]
    layout: str
    skipped: tuple[str, ...]
    learned: frozenset[str] = frozenset()
    origin: Mapping[str, Any] = {}


def encoder_of_run(workdir: str | pathlib.Path) -> Imported:
    """The encoder of a training run (its best weights), for data of other classes.

    Args:
        workdir: of the run; 'released': the weights that come with the package.

    Raises:
        FileNotFoundError: there are no checkpoints.
        ValueError: the weights, or what they learned from, are damaged.
    """
    variables, step = load_weights(workdir)
    return Imported(
        {
            name: {part: x for part, x in arrays.items() if part == 'encoder'}
            for name, arrays in variables.items()
        },
        layout=f'step {step} of a run',
        skipped=tuple(part for part in variables['params'] if part != 'encoder'),
        learned=read_learned_images(workdir),
        origin=describe_origin(workdir),
    )


def save_imported(
    imported: Imported, output_dir: str | pathlib.Path, *, source: str
) -> None:
    """Writes weights that `train.py --init_from` reads, and what they learned from.

    Args:
        imported: what is written.
        output_dir: must not hold checkpoints yet.
        source: where the weights come from.

    Raises:
        FileExistsError: there are checkpoints.
        ValueError: a weight is not finite.
    """
    parts = tuple(imported.variables['params'])
    about = {'weights': source, 'names': imported.layout, 'parts': parts}
    save_variables(output_dir, imported.variables, about)
    if imported.origin:
        write_origin(output_dir, imported.origin)
    if imported.learned:  # Or a run that starts from them would not know of it.
        write_learned_images(output_dir, imported.learned)


def convert(
    weights: Weights, model: CADNet, *, source: str, encoder_only: bool = False
) -> Imported:
    """Gives foreign weights our names and axes.

    Decoders are read in the published CADNet's names, which for the head 'plain' or
    'segformer' are those of mmsegmentation's SegFormer, and those of the rivals in
    mmsegmentation's; other heads are skipped.

    Args:
        weights: arrays by their foreign names, as `read_weights` returns them.
        model: what the weights are for.
        source: names their origin in errors.
        encoder_only: skip the decoder, where there is one.

    Raises:
        ValueError: whose names these are is not known; or names are unknown or missing,
            or shapes are not the model's: the first are named, and all are counted.
    """
    if stem := plain_stem(weights):
        raise ValueError(
            f'{source}: {stem} is a stem of one 7 x 7 convolution, as in '
            "torchvision's ResNets. Those here are of variant V1c, whose stem has "
            "three convolutions: use mmsegmentation's resnet50_v1c or resnet18_v1c "
            f'instead. {_RESNETS}.'
        )
    shapes = _shapes(model)
    encoder = _of_encoder(shapes)
    layout = _recognize(weights, encoder, source, model.config.head)
    whole = (
        not encoder_only
        and layout.has_decoder
        and any(name.startswith('decode_head.') for name in weights)
    )
    wanted = shapes if whole else encoder
    skipped = _skipped(weights, whole=whole)
    if faults := _faults(weights, _expected(wanted, layout), skipped):
        raise ValueError(
            f'{source}: read with the names of {layout.title}, it is not what '
            f'--head={model.config.head} needs. {faults}. '
            f'{_remedy(weights, model)}'
        )
    arrays = {
        path: _our_axes(
            np.concatenate([_take(weights, rows) for rows in origin(path, layout)])
        )
        for path in wanted
    }
    variables = {'batch_stats': {}, **traverse_util.unflatten_dict(arrays)}
    return Imported(variables, layout.title, skipped)


def _shapes(model: CADNet) -> dict[Path, Shape]:
    """The shapes of the model's arrays."""
    flat = traverse_util.flatten_dict(parameter_shapes(model))
    return {path: leaf.shape for path, leaf in flat.items()}


def _of_encoder(shapes: Mapping[Path, Shape]) -> dict[Path, Shape]:
    return {path: shape for path, shape in shapes.items() if path[1] == 'encoder'}


def _expected(shapes: Mapping[Path, Shape], layout: Layout) -> dict[str, Shape]:
    """The arrays that a file in a layout must have, by their names there."""
    return {
        rows.name: _foreign_shape(shape, rows, len(parts))
        for path, shape in shapes.items()
        for parts in (origin(path, layout),)
        for rows in parts
    }


def _skipped(weights: Weights, *, whole: bool) -> tuple[str, ...]:
    """Names in a file that are no weights, or of a head that is not read."""
    return tuple(
        name
        for name in weights
        if name.endswith('.num_batches_tracked')
        or (name.startswith(_HEAD_PREFIXES) and not whole)
    )


def _remedy(weights: Weights, model: CADNet) -> str:
    """What else the file may be of: the heads whose encoder it has, or a guess.

    Finding the shapes of all heads takes seconds.
    """

    def has_encoder(head: str) -> bool:
        config = dataclasses.replace(model.config, head=head)
        encoder = _of_encoder(_shapes(build_model(config, num_classes=2)))
        skipped = _skipped(weights, whole=False)
        return any(
            not _faults(weights, _expected(encoder, layout), skipped)
            for layout in LAYOUTS
        )

    if not has_encoder(model.config.head):
        fitting = [head for head in HEADS if has_encoder(head)]
        if fitting:
            return f'Its encoder fits --head={", ".join(fitting)}.'
    return 'Is it of another variant, head or number of classes?'


def _recognize(
    weights: Weights, encoder: Collection[Path], source: str, head: str
) -> Layout:
    """The layout that has the most names in common with the file."""

    def names_in_common(layout: Layout) -> int:
        parts = [rows for path in encoder for rows in origin(path, layout)]
        return sum(rows.name in weights for rows in parts)

    layout = max(LAYOUTS, key=names_in_common)
    if not names_in_common(layout):
        known = dict.fromkeys(layout.title for layout in LAYOUTS)
        raise ValueError(
            f'{source}: it has no name that the encoder of --head={head} has; '
            f'{_RESNETS}, HRNet-W18 --head=ocrnet. Known are the names of '
            f'{", ".join(known)}; these begin with: '
            f'{", ".join(list(weights)[:_FIRST_NAMES]) or "none at all"}.'
        )
    return layout


def _foreign_shape(shape: Shape, rows: Rows, parts: int) -> Shape:
    """PyTorch's shape `[O, I, H, W]` of an array that gives one of `parts` of ours."""
    outputs = shape[-1] // parts * 3 // (rows.stop - rows.start)
    return (outputs, *shape[-2:-1], *shape[:-2])


def _squeezed(shape: Shape) -> Shape:
    """The shape of a 1x1 convolution's kernel as a matrix, of a number as a vector."""
    return shape[:2] if shape[2:] == (1, 1) else shape or (1,)


def _faults(
    weights: Weights, expected: Mapping[str, Shape], skipped: Collection[str]
) -> str:
    """What keeps the weights from being used; empty where nothing does."""
    faults = {
        'unknown': [n for n in weights if n not in expected and n not in skipped],
        'missing': [n for n in expected if n not in weights],
        'misshapen': [
            f'{name} {weights[name].shape}, not {shape}'
            for name, shape in expected.items()
            if name in weights and _squeezed(weights[name].shape) != shape
        ],
    }
    return '; '.join(
        f'{len(found)} {kind}: {_first(found)}'
        for kind, found in faults.items()
        if found
    )


def _first(names: Sequence[str]) -> str:
    """The names; if there are many, only the first ones."""
    if len(names) <= _MOST_NAMES:
        return ', '.join(names)
    first = ', '.join(names[:_FIRST_NAMES])
    return f'{first} and {len(names) - _FIRST_NAMES} more'


def _take(weights: Weights, rows: Rows) -> np.ndarray:
    array = np.atleast_1d(weights[rows.name])
    third = len(array) / 3
    return array[round(rows.start * third) : round(rows.stop * third)]


def _our_axes(array: np.ndarray) -> np.ndarray:
    """`[O, I, H, W]` -> float32 `[H, W, I, O]`; `[O, I]` -> `[I, O]`."""
    array = array.reshape(_squeezed(array.shape))
    if array.ndim > 1:
        array = array.transpose(*range(2, array.ndim), 1, 0)
    return np.ascontiguousarray(array, np.float32)


def read_weights(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Reads arrays by name from a `.npz`, `.safetensors`, `.pth` or `.bin` file.

    The last two are PyTorch's; wrappers 'state_dict' and 'model' are taken off.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is of another kind, or cut short; or PyTorch is missing.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file.')
    readers: dict[str, Callable[[pathlib.Path], dict[str, np.ndarray]]] = {
        '.npz': _read_npz,
        '.safetensors': safetensors.numpy.load_file,
        '.pth': _read_torch,
        '.bin': _read_torch,
    }
    if path.suffix not in readers:
        raise ValueError(f'{path}: the known kinds of files are {", ".join(readers)}.')
    try:
        return readers[path.suffix](path)
    except ModuleNotFoundError:
        raise ValueError(
            f'{path}: this needs PyTorch: pip install -c constraints.txt -e '
            "'.[torch]'; or save the weights as .safetensors or .npz."
        ) from None
    except Exception as error:  # Each reader has its own kinds.
        reason = str(error).partition('\n')[0]
        raise ValueError(
            f'{path}: not readable as {path.suffix}, or cut short ({reason}).'
        ) from error


def _read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    with path.open('rb') as stream, np.load(stream) as file:
        return dict(file)


def _read_torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    import torch

    values = torch.load(path, map_location='cpu', weights_only=True)
    for wrapper in ('state_dict', 'model'):
        values = values.get(wrapper, values)
    return {
        name: (value.float() if value.is_floating_point() else value).numpy()
        for name, value in values.items()
    }
