"""A process that must not outlive the one that started it."""

import ctypes
import os
import signal
import sys


def tie_to(parent: int) -> None:
    """End this process the moment that its parent, process `parent`, is dead, however it died (on Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: works even while this process hangs
    if os.getppid() != parent:
        os._exit(1)
