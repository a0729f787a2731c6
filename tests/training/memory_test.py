"""Memory that is freed is used again, without new pages of the kernel."""

import subprocess
import sys

import pytest

_PAGES = """
import resource, sys, threading

from cadnet_jax.training.memory import keep_freed_memory

if sys.argv[1] == 'kept':
    keep_freed_memory()

def touch():
    bytearray(b'x') * (64 * 2**20)

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=touch)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

pages()
print(pages())
"""


def new_pages(how: str) -> int:
    """Pages that a thread gets for 64 MiB, after another one has freed as much."""
    done = subprocess.run(
        [sys.executable, '-c', _PAGES, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='glibc alone')
def test_freed_memory_is_kept() -> None:
    assert new_pages('kept') < 0.05 * new_pages('given back')
