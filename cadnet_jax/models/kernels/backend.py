"""The one place where the form of an operation is chosen by backend."""

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import jax

_Function = TypeVar('_Function', bound=Callable[..., Any])
_plain = contextvars.ContextVar('plain', default=False)


def by_backend(*, cpu: _Function, default: _Function) -> _Function:
    """`cpu` on the CPU, `default` elsewhere; both give the same values."""

    @functools.wraps(default)
    def choose(*args: Any) -> Any:
        on_cpu = jax.default_backend() == 'cpu' and not _plain.get()
        return (cpu if on_cpu else default)(*args)

    return cast(_Function, choose)


@contextlib.contextmanager
def plain_forms() -> Iterator[None]:
    """What is traced inside has the forms of `default`, on every backend.

    A program is then the same everywhere: what it multiplies can be counted.
    """
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)
