"""How the process keeps its memory between training steps on a CPU.

XLA frees the arrays of a step at its end. glibc's allocator gives large ones back to
the kernel, which hands out zeroed pages again in the next step: a third of its time.
"""

import ctypes

# The first arguments of mallopt, from glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_PAD = 64 * 2**20  # bytes that the heap grows by, at least


def keep_freed_memory() -> None:
    """From now on the process keeps what it frees, for its own later use.

    Threads that allocate for the first time after this call share the one heap that can
    keep arrays of any size, so call it before JAX starts. Without glibc nothing
    changes.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return
    for parameter, value in (
        (_ARENA_MAX, 1),
        (_MMAP_MAX, 0),
        (_TRIM_THRESHOLD, -1),  # never
        (_TOP_PAD, _PAD),
    ):
        mallopt(parameter, value)
