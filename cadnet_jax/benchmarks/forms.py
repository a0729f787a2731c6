"""Forms of one operation against each other, at the shapes that the network has.

`models.kernels.backend` chooses between such forms. The figures say what to choose.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import linen as nn

from cadnet_jax.benchmarks.subject import PRECISIONS, Subject, draw_values, value_dtype
from cadnet_jax.benchmarks.timing import Case, Program, Row, measure_cases, program_of
from cadnet_jax.models.decoder import CHANNELS
from cadnet_jax.models.kernels import convolutions, operations
from cadnet_jax.models.mix_transformer import (
    ATTENTION_HEADS,
    MLP_RATIO,
    PATCHES,
    REDUCTIONS,
    STRIDES,
    VARIANTS,
)

Form = Callable[..., jax.Array]

_ATTENTION: Mapping[str, Form] = {
    'own': operations.attention,
    'jax': jax.nn.dot_product_attention,
    'cudnn': functools.partial(jax.nn.dot_product_attention, implementation='cudnn'),
}


class Operation(NamedTuple):
    """One operation of the network, in several forms of the same values.

    Attributes:
        name: of the operation, with its place in the network.
        shapes: of its arguments; the first one is the feature map.
        forms: by name; 'linen' or 'jax' is the library's own.
        flops: floating-point operations forward; 0: not counted.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    forms: Mapping[str, Form]
    flops: float = 0.0


def compare_convolutions(subject: Subject, *, precision: str) -> Iterator[Row]:
    """Every convolution of the encoder as `nn.Conv` and in the forms of our own.

    Yields:
        Rows of `measure_cases` with `operation`, `form`, `direction` ('forward', or
        'gradient', which is forward and backward), `precision` and `shape`.
    """
    yield from _compare(subject, precision, convolution_operations)


def compare_operations(subject: Subject, *, precision: str) -> Iterator[Row]:
    """The other operations that have several forms; see `compare_convolutions`."""
    yield from _compare(subject, precision, other_operations)


def convolution_operations(variant: str, images: int, side: int) -> list[Operation]:
    """The convolutions of an encoder for `images` images of `side` pixels."""
    operations, channels = [], 3
    for stage, features in enumerate(VARIANTS[variant].channels):
        taps, stride, reduction = PATCHES[stage], STRIDES[stage], REDUCTIONS[stage]
        place = f'stage {stage + 1}'
        operations.append(
            _convolution(
                f'{place} patches',
                (images, side, side, channels),
                (taps, taps, channels, features),
                stride,
                taps // 2,
            )
        )
        side, channels = math.ceil(side / stride), features
        if 1 < reduction <= side:
            operations.append(
                _convolution(
                    f'{place} reduction',
                    (images, side, side, channels),
                    (reduction, reduction, channels, channels),
                    reduction,
                    0,
                )
            )
        operations.append(
            _depthwise(f'{place} depthwise', (images, side, side, MLP_RATIO * channels))
        )
    return operations


def other_operations(variant: str, images: int, side: int) -> list[Operation]:
    """Attention of each stage; the resize, means and norms at stride 4."""
    found, size, fine = [], side, math.ceil(side / STRIDES[0])
    for stage, features in enumerate(VARIANTS[variant].channels):
        size = math.ceil(size / STRIDES[stage])
        heads, reduced = ATTENTION_HEADS[stage], size // REDUCTIONS[stage]
        query = images, size * size, heads, features // heads
        keys = images, max(reduced, 1) ** 2, heads, features // heads
        found.append(
            Operation(
                f'stage {stage + 1} attention',
                (query, keys, keys),
                _ATTENTION,
                flops=4.0 * math.prod(query) * keys[1],
            )
        )
    feature_map = images, fine, fine, CHANNELS
    found += [
        Operation(
            'resize x2',
            ((images, math.ceil(fine / 2), math.ceil(fine / 2), CHANNELS),),
            {
                'shifts': functools.partial(_resize_by, operations.plain_enlarge),
                'shifts, product': functools.partial(
                    _resize_by, operations.enlarge_on_cpu
                ),
                'jax': _resize_by_jax,
            },
        ),
        Operation(
            'means of rows and columns',
            (feature_map,),
            {
                'jax': functools.partial(_means_by, operations.plain_mean),
                'product': functools.partial(_means_by, operations.mean_by_product),
            },
        ),
        Operation(
            'gelu',
            ((images, fine, fine, MLP_RATIO * VARIANTS[variant].channels[0]),),
            {
                'own': operations.gelu,
                'linen': functools.partial(nn.gelu, approximate=False),
            },
        ),
        Operation(
            'layer norm',
            (
                (images, fine, fine, VARIANTS[variant].channels[0]),
                (1, 1, 1, VARIANTS[variant].channels[0]),
            ),
            {'own': _own_layer_norm, 'linen': _linen_layer_norm},
        ),
    ]
    return found


def _compare(
    subject: Subject,
    precision: str,
    operations_of: Callable[[str, int, int], list[Operation]],
) -> Iterator[Row]:
    sizes = subject.sizes
    for images, side in sizes.forms:
        cases = [
            _case(operation, form, direction, precision)
            for operation in operations_of(subject.config.model.variant, images, side)
            for form in operation.forms
            if form != 'cudnn' or _has_cudnn(precision)
            for direction in ('forward', 'gradient')
        ]
        yield from measure_cases(
            cases, sizes.seconds / 5, sizes.compiling / len(sizes.forms)
        )


def _has_cudnn(precision: str) -> bool:
    """Whether there is cuDNN's attention, which knows no float32."""
    return jax.default_backend() == 'gpu' and precision == 'bfloat16'


def _case(operation: Operation, form: str, direction: str, precision: str) -> Case:
    function = operation.forms[form]
    if direction == 'gradient':
        function = functools.partial(_value_and_gradients, function)
    return Case(
        {
            'operation': operation.name,
            'shape': list(operation.shapes[0]),
            'form': form,
            'direction': direction,
            'precision': precision,
        },
        functools.partial(_prepare, function, operation.shapes, precision),
        flops=operation.flops * (1 if direction == 'forward' else 3),
    )


def _prepare(
    function: Callable[..., Any], shapes: tuple[tuple[int, ...], ...], precision: str
) -> Program:
    args = [draw_values(shape, value_dtype(precision)) for shape in shapes]
    with jax.default_matmul_precision(PRECISIONS[precision].products):
        return program_of(function, *args)


def _value_and_gradients(form: Form, *args: jax.Array) -> Any:
    """The values, and the gradients of all arguments for a gradient of ones."""
    values, transpose = jax.vjp(form, *args)
    # The gradient depends on the values, so that none of the two is left out.
    return values, transpose(jnp.ones_like(values) + 0 * values)


def _convolution(
    name: str,
    shape: tuple[int, int, int, int],
    kernel: tuple[int, int, int, int],
    stride: int,
    pad: int,
) -> Operation:
    images, side = shape[0], (shape[1] + 2 * pad - kernel[0]) // stride + 1

    def linen(x: jax.Array, weights: jax.Array) -> jax.Array:
        layer = nn.Conv(
            kernel[3], kernel[:2], stride, pad, use_bias=False, dtype=x.dtype
        )
        return cast(jax.Array, layer.apply({'params': {'kernel': weights}}, x))

    def patches(x: jax.Array, weights: jax.Array) -> jax.Array:
        return convolutions.convolution_by_patches(x, weights, stride, pad)

    return Operation(
        name,
        (shape, kernel),
        {'linen': linen, 'patches': patches},
        flops=2.0 * images * side**2 * math.prod(kernel),
    )


def _depthwise(name: str, shape: tuple[int, int, int, int]) -> Operation:
    channels = shape[3]

    def linen(x: jax.Array, weights: jax.Array) -> jax.Array:
        layer = nn.Conv(
            channels,
            (3, 3),
            feature_group_count=channels,
            use_bias=False,
            dtype=x.dtype,
        )
        return cast(jax.Array, layer.apply({'params': {'kernel': weights}}, x))

    return Operation(
        name,
        (shape, (3, 3, 1, channels)),
        {
            'linen': linen,
            'shifts': convolutions.depthwise_convolution_by_shifts,
            'shifts, automatic gradient': convolutions.weighted_shifts,
        },
        flops=18.0 * math.prod(shape),
    )


def _resize_by(
    enlarge: Callable[[jax.Array, int, int], jax.Array], x: jax.Array
) -> jax.Array:
    return enlarge(enlarge(x, 2, 2), 1, 2)


def _resize_by_jax(x: jax.Array) -> jax.Array:
    batch, height, width, channels = x.shape
    shape = batch, 2 * height, 2 * width, channels
    resized: jax.Array = jax.image.resize(x, shape, 'bilinear', antialias=False)
    return resized


def _means_by(mean: Callable[[jax.Array, int], jax.Array], x: jax.Array) -> jax.Array:
    return jnp.concatenate([mean(x, 2), mean(x, 1)], axis=1)


def _own_layer_norm(x: jax.Array, scale: jax.Array) -> jax.Array:
    return operations.layer_norm(x, scale, jnp.zeros_like(scale), 1e-6)


def _linen_layer_norm(x: jax.Array, scale: jax.Array) -> jax.Array:
    layer = nn.LayerNorm(epsilon=1e-6, use_bias=False, dtype=x.dtype)
    return cast(jax.Array, layer.apply({'params': {'scale': scale.reshape(-1)}}, x))
