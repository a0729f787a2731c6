"""The one place where the form of an operation is chosen by backend."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax

_Function = TypeVar('_Function', bound=Callable[..., Any])


def by_backend(*, cpu: _Function, default: _Function) -> _Function:
    """`cpu` on the CPU, `default` elsewhere; both give the same values."""

    @functools.wraps(default)
    def choose(*args: Any) -> Any:
        return (cpu if jax.default_backend() == 'cpu' else default)(*args)

    return cast(_Function, choose)
