"""Processes that do not outlive whoever started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PARENT = """
import os, subprocess, sys, time
code = "import os, sys, time; from regimens.core.process import die_with; die_with(int(sys.argv[1]))"
code += "; print(os.getpid(), flush=True); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", code, str(os.getpid())])
time.sleep(60)
"""


def test_a_process_dies_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    end = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(process: int) -> bool:
    """Whether there is such a process, other than one that nobody has buried yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_process_whose_parent_is_already_another_one_ends_at_once() -> None:
    code = "from regimens.core.process import die_with; die_with(1); print('still here')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
