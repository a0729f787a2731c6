"""Files that are written whole or not at all.

Bytes go to a temporary name, which is renamed once all of them are there.
"""

import json
import os
import pathlib
from typing import Any


def write_bytes(path: pathlib.Path, data: bytes) -> None:
    """Writes a file, atomically; folders are made for it where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno and error.filename is None:  # of a write: a full disk
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], values: Any) -> None:
    """Writes `values` as indented JSON, atomically.

    Raises:
        ValueError: a number is infinite or not a number: JSON has none of these.
    """
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + '\n')


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes `text` in UTF-8, atomically."""
    write_bytes(pathlib.Path(path), text.encode())
