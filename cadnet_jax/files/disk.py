"""A full disk, whoever notices it: one error with the place and the remedy."""

import contextlib
import errno
import os
import pathlib
from collections.abc import Iterator

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_full(error: BaseException) -> bool:
    """Whether `error` says that no more can be written; libraries in C++ say it so."""
    return getattr(error, 'errno', None) in _NUMBERS or any(
        os.strerror(number) in str(error) for number in _NUMBERS
    )


@contextlib.contextmanager
def full_disk_explained(path: pathlib.Path, *, remedy: str) -> Iterator[None]:
    """Turns what a full disk raises in its block into one OSError.

    Args:
        path: where the block writes.
        remedy: what the message ends with.

    Raises:
        OSError: there is no space left.
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if not is_full(error):
            raise
        text = f'no space left on the disk; {remedy}'
        raise OSError(errno.ENOSPC, text, str(path)) from error
