"""Settings for a process: end it with its parent, reuse freed memory, look for no garbage."""

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's names for them, from malloc.h.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


def die_with(parent: int) -> None:
    """End this process when its parent, process `parent`, dies for whatever reason (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: also ends a process that hangs
    if os.getppid() != parent:
        os._exit(1)


def keep_freed_memory() -> None:
    """Raise glibc's mallopt thresholds so that freed blocks are reused instead of returned to the system.

    Faulting their pages in anew can take as long as the training steps that use them.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(MMAP_THRESHOLD, 32 << 20)
            libc.mallopt(TRIM_THRESHOLD, 1 << 30)


@contextmanager
def without_collector() -> Iterator[None]:
    """Pause the garbage collector inside, which pays where many objects are made that all stay."""
    looked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked:
            gc.enable()
