"""The operating system's side of a process: that it does not outlive its parent, and that it keeps freed memory."""

import ctypes
import os
import signal
import sys

# glibc's names for them, from malloc.h.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


def die_with(parent: int) -> None:
    """End this process the moment that its parent, process `parent`, is dead, however it died (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: works even while this process hangs
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
