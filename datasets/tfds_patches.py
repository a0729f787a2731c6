"""What is changed in TFDS while it prepares data; written for TFDS 4.9.10.

Records are shuffled in little memory and without TensorFlow, and written as the same
bytes in each process.
"""

import contextlib
import os
import types
from collections.abc import Iterator
from typing import IO, Any

from tensorflow_datasets.core import shuffle
from tensorflow_datasets.core.example_serializer import ExampleSerializer

IN_MEMORY = 128 << 20  # bytes of a split; when there are more, all go through files


@contextlib.contextmanager
def shuffling_on_disk() -> Iterator[None]:
    """Lets TFDS prepare splits of any size while it is entered.

    TFDS sorts a split's records by the hash of their ids. It holds up to 1,000 MiB of
    them in memory, then goes over to 1,000 files, each of which it sorts by itself.
    These files are all that it takes of TensorFlow there (`tf.io.gfile`); builtin ones
    stand in for them.
    """
    files = types.SimpleNamespace(
        GFile=_open_bucket, exists=os.path.exists, remove=os.remove
    )
    stand_in = types.SimpleNamespace(
        io=types.SimpleNamespace(gfile=files),
        # Raised by TensorFlow alone.
        errors=types.SimpleNamespace(ResourceExhaustedError=()),
    )
    before = shuffle.tf, shuffle.MAX_MEM_BUFFER_SIZE
    shuffle.tf, shuffle.MAX_MEM_BUFFER_SIZE = stand_in, IN_MEMORY
    try:
        yield
    finally:
        shuffle.tf, shuffle.MAX_MEM_BUFFER_SIZE = before


@contextlib.contextmanager
def same_bytes_in_each_process() -> Iterator[None]:
    """Lets TFDS write the features of a record in one order.

    Of itself it leaves that to Protocol Buffers, where each process has its own.
    """

    def serialize_example(self: ExampleSerializer, example: Any) -> bytes:
        record = self.get_tf_example(example)
        return bytes(record.SerializeToString(deterministic=True))

    before = ExampleSerializer.serialize_example
    ExampleSerializer.serialize_example = serialize_example
    try:
        yield
    finally:
        ExampleSerializer.serialize_example = before


def _open_bucket(path: os.PathLike[str], mode: str) -> 'Bucket | IO[bytes]':
    return Bucket(path) if mode == 'wb' else open(path, 'rb')


class Bucket:
    """A file that is open only while it is written to.

    TFDS writes to 1,000 of them in turn; a process may often open no more than 1,024.
    """

    def __init__(self, path: os.PathLike[str]) -> None:
        self._path = path

    def write(self, data: bytes) -> None:
        with open(self._path, 'ab') as file:
            file.write(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""
