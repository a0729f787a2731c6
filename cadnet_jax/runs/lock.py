"""One writer for a work directory.

The lock is the operating system's and ends with its process, so that a killed run
leaves none. The file tells a second writer who holds it.
"""

import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import socket
from collections.abc import Iterator
from typing import TextIO

from cadnet_jax.runs.workdir import lock_file


@contextlib.contextmanager
def locked(workdir: str | pathlib.Path) -> Iterator[None]:
    """Keeps other writers out of a work directory, which is made if it is missing.

    On a file system without locks it keeps none out.

    Args:
        workdir: of a run.

    Raises:
        ValueError: another process writes there; names it.
    """
    path = lock_file(workdir)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _open_locked(path)
    try:
        holder = {
            'pid': os.getpid(),
            'host': socket.gethostname(),
            'time': datetime.datetime.now().astimezone().isoformat(' ', 'seconds'),
        }
        file.truncate(0)
        file.write(json.dumps(holder) + '\n')
        file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _open_locked(path: pathlib.Path) -> TextIO:
    while True:
        file = path.open('a+')
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                raise ValueError(_describe_holder(path.parent, file)) from None
        except OSError:  # a file system without locks
            return file
        # Its holder may have removed it between the opening and the lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _describe_holder(workdir: pathlib.Path, file: TextIO) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        who = f'process {holder["pid"]} on {holder["host"]}, since {holder["time"]}'
    except (ValueError, KeyError, TypeError):  # it is just being written
        who = 'another process'
    return (
        f'{workdir}: {who}, is writing there. Wait for its end or stop it (SIGTERM '
        'saves the run), or name another --workdir.'
    )
