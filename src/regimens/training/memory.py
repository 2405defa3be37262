"""Memory that steps take and free over and over: kept by the process, not given back to the system each time."""

import ctypes
import sys

# glibc's names for them, from malloc.h.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3


def keep() -> None:
    """Let glibc keep large blocks that are freed; faulting their pages in anew can take as long as the steps."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(MMAP_THRESHOLD, 32 << 20)
            libc.mallopt(TRIM_THRESHOLD, 1 << 30)
