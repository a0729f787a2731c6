"""The one place where the form of an operation is chosen by backend."""

import functools
from collections.abc import Callable
from typing import Any

import jax


def by_backend(*, cpu: Callable, default: Callable) -> Callable:
    """`cpu` on the CPU, `default` elsewhere; both give the same values."""

    @functools.wraps(default)
    def choose(*args: Any) -> Any:
        return (cpu if jax.default_backend() == 'cpu' else default)(*args)

    return choose
