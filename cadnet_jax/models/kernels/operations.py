"""Pure operations of the network, with gradients of their own.

Notation: B batch, H and W height and width, C channels; arrays are `[B, H, W, C]`.
Automatic gradients would be right as well. These take less time and memory, on the CPU
above all; docs/performance.md has the figures.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax

from cadnet_jax.models.kernels.backend import by_backend


def rematerialize_from(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """`x`, to compute from it again in a backward pass what the forward pass computed.

    From `x` itself XLA would not: it keeps the forward pass' result, or computes it
    early. So 0 times a value of `gradient`, which comes late, is added.
    """
    return x + 0 * gradient[(0,) * gradient.ndim].astype(x.dtype)


def resize_bilinear(x: jax.Array, size: tuple[int, ...]) -> jax.Array:
    """Resizes `[B, H, W, C]` to a `size` of (height, width), with half-pixel centers.

    Bilinear, the same as PyTorch's `interpolate(mode='bilinear', align_corners=False)`.
    """
    height, width = x.shape[1:3]
    if (height, width) == tuple(size):
        return x
    if size[0] % height or size[1] % width:
        shape = (x.shape[0], *size, x.shape[3])
        resized: jax.Array = jax.image.resize(x, shape, 'bilinear', antialias=False)
    else:
        resized = enlarge(x, 2, size[1] // width)
        resized = enlarge(resized, 1, size[0] // height)
    return resized


def plain_enlarge(x: jax.Array, axis: int, factor: int) -> jax.Array:
    """Linear interpolation to an integer multiple of one axis' length.

    Every position in a cell has the same two weights in all cells: a few shifted
    multiply-adds, where `jax.image.resize` multiplies with a dense matrix.
    """
    if factor == 1:
        return x
    length = x.shape[axis]
    # Positions outside take the value at the edge.
    cut = functools.partial(lax.slice_in_dim, x, axis=axis)
    before = jnp.concatenate([cut(0, 1), cut(0, length - 1)], axis=axis)
    after = jnp.concatenate([cut(1, length), cut(length - 1, length)], axis=axis)
    phases = []
    for phase in range(factor):
        offset = (phase + 0.5) / factor - 0.5
        other = before if offset < 0 else after
        phases.append((1 - abs(offset)) * x + abs(offset) * other)
    shape = (*x.shape[:axis], length * factor, *x.shape[axis + 1 :])
    return jnp.stack(phases, axis=axis + 1).reshape(shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def enlarge_on_cpu(x: jax.Array, axis: int, factor: int) -> jax.Array:
    """`plain_enlarge`; its gradient is a matrix product instead of a dozen paddings."""
    return plain_enlarge(x, axis, factor)


def _enlarge_forward(x: jax.Array, axis: int, factor: int) -> tuple[jax.Array, None]:
    return plain_enlarge(x, axis, factor), None


def _enlarge_backward(
    axis: int, factor: int, residuals: None, gradient: jax.Array
) -> tuple[jax.Array]:
    del residuals
    batch, height, width, channels = gradient.shape
    length = gradient.shape[axis] // factor
    weights = plain_enlarge(jnp.eye(length, dtype=gradient.dtype)[None], 2, factor)[0]
    if axis == 1:
        flat = gradient.reshape(batch, height, width * channels)
        shape = batch, length, width, channels
    elif channels < length:  # smaller than a copy of the weights for each row
        return (jnp.einsum('nw,bhwc->bhnc', weights, gradient),)
    else:
        flat = gradient.reshape(batch * height, width, channels)
        shape = batch, height, length, channels
    weights = jnp.broadcast_to(weights, (len(flat), *weights.shape))
    return (jnp.matmul(weights, flat).reshape(shape),)


enlarge_on_cpu.defvjp(_enlarge_forward, _enlarge_backward)


enlarge = by_backend(cpu=enlarge_on_cpu, default=plain_enlarge)


@jax.custom_vjp
def maximum(x: jax.Array) -> jax.Array:
    """Maximum over the map, `[B, H, W, C]` -> `[B, C]`.

    Its gradient goes to one position, the first of the largest as in PyTorch's pooling.
    All that is kept for it is where that is; XLA would keep `x`.
    """
    return _maximum_forward(x)[0]


def _maximum_forward(x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    by_row = jnp.max(x, axis=2)  # [B, H, C]
    row = jnp.argmax(by_row, axis=1)[:, None, None]  # [B, 1, 1, C]
    column = jnp.argmax(jnp.take_along_axis(x, row, axis=1), axis=2, keepdims=True)
    shape = jnp.zeros((0, *x.shape[1:3], 0), x.dtype)
    return jnp.max(by_row, axis=1), (row, column, shape)


def _maximum_backward(
    residuals: tuple[jax.Array, ...], gradient: jax.Array
) -> tuple[jax.Array]:
    row, column, shape = residuals
    rows = jnp.arange(shape.shape[1]).reshape(1, -1, 1, 1)
    columns = jnp.arange(shape.shape[2]).reshape(1, 1, -1, 1)
    here = (rows == row) & (columns == column)
    return (jnp.where(here, gradient[:, None, None], 0).astype(shape.dtype),)


maximum.defvjp(_maximum_forward, _maximum_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def resized_square(x: jax.Array, size: tuple[int, ...], offset: float) -> jax.Array:
    """sum over C of (x resized + offset)^2: `[B, H, W, C]` -> `[B, *size, 1]`.

    For the gradient `x` is kept, and not the larger map.
    """
    square = jnp.square(resize_bilinear(x, size) + offset)
    return jnp.sum(square, axis=-1, keepdims=True)


def _resized_square_forward(
    x: jax.Array, size: tuple[int, ...], offset: float
) -> tuple[jax.Array, jax.Array]:
    return resized_square(x, size, offset), x


def _resized_square_backward(
    size: tuple[int, ...], offset: float, x: jax.Array, gradient: jax.Array
) -> tuple[jax.Array]:
    x = rematerialize_from(x, gradient)
    larger, transpose = jax.vjp(lambda x: resize_bilinear(x, size), x)
    (result,) = transpose(2 * gradient * (larger + offset))
    return (result,)


resized_square.defvjp(_resized_square_forward, _resized_square_backward)


@jax.custom_vjp
def multiply(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`[B, H, W, C]` times `[B, C, D]`, or `[1, C, D]` for all: `[B, H, W, D]`.

    In the gradient for the kernel it is always `x` that is transposed. XLA would do it
    with the other gradient, and compute that anew in the order of the columns.
    """
    flat, kernel = _flat(x, kernel), kernel.astype(x.dtype)
    return jnp.matmul(flat, kernel).reshape(*x.shape[:-1], kernel.shape[-1])


def _flat(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`[B, H, W, C]` -> `[B, N, C]`, B of `kernel`."""
    return x.reshape(kernel.shape[0], -1, x.shape[-1])


def _multiply_forward(
    x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return multiply(x, kernel), (x, kernel)


def _multiply_backward(
    residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    transposed = (((1,), (1,)), ((0,), (0,)))
    kernel_gradient = lax.dot_general(
        _flat(x, kernel), _flat(gradient, kernel), transposed
    )
    return (
        multiply(gradient, kernel.swapaxes(1, 2)),
        kernel_gradient.astype(kernel.dtype),
    )


multiply.defvjp(_multiply_forward, _multiply_backward)


@jax.custom_vjp
def attention(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """softmax(Q K^T / sqrt(d)) V for each head.

    The weights are never normalized, the result is; and in the gradient the largest
    arrays, of N x M, always stand where a matrix product reads them row by row.

    Args:
        query: `[B, N, h, d]`.
        key: `[B, M, h, d]`.
        value: `[B, M, h, e]`.

    Returns:
        `[B, N, h, e]`, in the format of `value`.
    """
    return _attention_forward(query, key, value)[0]


def _attention_forward(
    query: jax.Array, key: jax.Array, value: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    scaled = query * (1 / math.sqrt(query.shape[-1]))
    logits = jnp.einsum('bqhd,bkhd->bhqk', scaled, key).astype(jnp.float32)
    exponentials = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
    norm = 1 / jnp.sum(exponentials, axis=-1)
    norm = norm.swapaxes(1, 2)[..., None].astype(value.dtype)  # [B, N, h, 1]
    exponentials = exponentials.astype(value.dtype)
    mixed = jnp.einsum('bhqk,bkhd->bqhd', exponentials, value) * norm
    return mixed, (scaled, key, value, exponentials, norm, mixed)


def _attention_backward(
    residuals: tuple[jax.Array, ...], gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    scaled, key, value, exponentials, norm, mixed = residuals
    # With weights W = norm * exponentials: W * (dW - sum_k W dW) is the gradient of the
    # logits, dW = gradient V^T, and the sum over the keys is gradient * mixed over d.
    gradient = gradient * norm
    inner = jnp.sum((gradient * mixed).astype(jnp.float32), axis=-1)
    weights = jnp.einsum('bqhd,bkhd->bhqk', gradient, value)
    logits = exponentials * (
        weights - inner.swapaxes(1, 2)[..., None].astype(weights.dtype)
    )
    query = jnp.einsum('bhqk,bkhd->bqhd', logits, key)
    return (
        query * (1 / math.sqrt(query.shape[-1])),
        _sum_over_queries(scaled, logits),
        _sum_over_queries(gradient, exponentials),
    )


def _sum_over_queries(x: jax.Array, weights: jax.Array) -> jax.Array:
    """`[B, N, h, d]`, `[B, h, N, M]` -> `[B, M, h, d]`."""
    # In this order it is the small array that is transposed.
    product = lax.dot_general(x, weights, (((1,), (2,)), ((0, 2), (0, 1))))
    return product.transpose(0, 3, 1, 2)


attention.defvjp(_attention_forward, _attention_backward)


def plain_mean(x: jax.Array, axis: int) -> jax.Array:
    """Mean over the rows (1) or the columns (2) of `[B, H, W, C]`."""
    return jnp.mean(x, axis=axis)


def mean_by_product(x: jax.Array, axis: int) -> jax.Array:
    return (_sum(x, axis) / x.shape[axis]).astype(x.dtype)


mean = by_backend(cpu=mean_by_product, default=plain_mean)


def _sum(x: jax.Array, axis: int) -> jax.Array:
    """Sum over the rows (1) or the columns (2), float32 `[B, W or H, C]`.

    As a product with ones: XLA's own sum takes many times as long on the CPU.
    """
    batch, height, width, channels = x.shape
    if axis == 1:
        flat = x.reshape(batch, height, width * channels)
    else:
        flat = x.reshape(batch * height, width, channels)
    ones = jnp.ones((flat.shape[0], 1, flat.shape[1]), x.dtype)
    sums = jnp.matmul(ones, flat, preferred_element_type=jnp.float32)
    return sums.reshape(batch, width if axis == 1 else height, channels)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def layer_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float
) -> jax.Array:
    """Each position of `[B, H, W, C]` to mean 0 and variance 1, then scale and bias.

    `scale` and `bias` are `[1, 1, 1, C]`; `epsilon` is added to the variance.
    """
    return _layer_norm_forward(x, scale, bias, epsilon)[0]


def _layer_norm_forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    values = x.astype(jnp.float32)
    average = jnp.mean(values, axis=-1, keepdims=True)
    square = jnp.mean(jnp.square(values), axis=-1, keepdims=True)
    factor = lax.rsqrt(jnp.maximum(square - jnp.square(average), 0) + epsilon)
    normal = (values - average) * factor
    return (normal * scale + bias).astype(x.dtype), (x, scale, average, factor)


def _layer_norm_backward(
    epsilon: float, residuals: tuple[jax.Array, ...], gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    del epsilon
    x, scale, average, factor = residuals
    gradient = gradient.astype(jnp.float32)
    x, factor = rematerialize_from(x, gradient), rematerialize_from(factor, gradient)
    normal = (x.astype(jnp.float32) - average) * factor
    scaled = gradient * scale
    change = (
        scaled
        - jnp.mean(scaled, axis=-1, keepdims=True)
        - normal * jnp.mean(scaled * normal, axis=-1, keepdims=True)
    )
    axes = tuple(range(x.ndim - 1))
    return (
        (change * factor).astype(x.dtype),
        jnp.sum(gradient * normal, axes, keepdims=True),
        jnp.sum(gradient, axes, keepdims=True),
    )


layer_norm.defvjp(_layer_norm_forward, _layer_norm_backward)


@jax.custom_vjp
def gate(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """`[B, H, W, C]` times `[B, H, C]` and times `[B, W, C]`."""
    return x * rows[:, :, None] * columns[:, None]


def _gate_forward(
    x: jax.Array, rows: jax.Array, columns: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    return gate(x, rows, columns), (x, rows, columns)


def _gate_backward(
    residuals: tuple[jax.Array, ...], gradient: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, rows, columns = residuals
    product = gradient * x
    return (
        gate(gradient, rows, columns),
        _sum(product * columns[:, None], 2).astype(rows.dtype),
        _sum(product * rows[:, :, None], 1).astype(columns.dtype),
    )


gate.defvjp(_gate_forward, _gate_backward)


@jax.custom_vjp
def gelu(x: jax.Array) -> jax.Array:
    """The exact GELU, x times the normal distribution up to x, in any shape.

    Linen's is written with erfc, which is slower than erf, and keeps more for the
    gradient than `x`.
    """
    return x * _normal_distribution(x)


def _normal_distribution(x: jax.Array) -> jax.Array:
    share = 0.5 * (1 + lax.erf(x * math.sqrt(0.5)))
    # It is 0 there anyway. Without the choice the CPU's compiler joins this with the
    # product that follows, and then writes out the constants as whole arrays.
    return jnp.where(x < -6, 0, share)


def _gelu_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return gelu(x), x


def _gelu_backward(x: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    x = rematerialize_from(x, gradient)
    density = jnp.exp(-0.5 * jnp.square(x)) * (1 / math.sqrt(2 * math.pi))
    return (gradient * (_normal_distribution(x) + x * density),)


gelu.defvjp(_gelu_forward, _gelu_backward)
