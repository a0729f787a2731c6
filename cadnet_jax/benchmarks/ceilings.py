"""What a device can do at most: a large matrix product, and a large copy."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from cadnet_jax.benchmarks.subject import PRECISIONS, Subject, draw_values, value_dtype
from cadnet_jax.benchmarks.timing import Case, Program, Row, measure_cases, program_of


def ceilings(subject: Subject) -> Iterator[Row]:
    """A product of two square matrices in each precision, and a copy.

    Yields:
        Rows of `measure_cases` with `operation`: 'product', with its `precision`, or
        'copy', with `gb_per_s`, bytes that are read and written.
    """
    sizes = subject.sizes
    cases = [
        Case(
            {'operation': 'product', 'precision': precision, 'side': sizes.matrix},
            functools.partial(_product, sizes.matrix, precision),
            flops=2.0 * sizes.matrix**3,
        )
        for precision in PRECISIONS
    ]
    copy = Case(
        {'operation': 'copy', 'gb': sizes.copied / 1e9},
        functools.partial(_copy, sizes.copied),
    )
    for row in measure_cases([*cases, copy], sizes.seconds, sizes.compiling):
        if 'gb' in row and 'ms' in row:
            row['gb_per_s'] = 2e3 * row['gb'] / row['ms']
        yield row


def _product(side: int, precision: str) -> Program:
    x = draw_values((side, side), value_dtype(precision))
    with jax.default_matmul_precision(PRECISIONS[precision].products):
        return program_of(jnp.matmul, x, x)


def _copy(size: int) -> Program:
    # The sum with one is a copy that the compiler cannot leave out.
    x = draw_values((size // 4,), jnp.float32)
    return program_of(lambda x: x + 1, x)
