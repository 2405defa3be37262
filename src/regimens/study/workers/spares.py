"""Worker processes that a command starts before it has planned its study: they import meanwhile, and wait for a job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Self

Worker = subprocess.Popen[str]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def spawn(
    run_trial: str, errors: IO[str] | int, environment: dict[str, str], descriptors: Sequence[int] = ()
) -> Worker:
    """A worker process for trials of `run_trial`, which waits for its job (see worker.py); `errors` is its log."""
    return subprocess.Popen(
        [sys.executable, "-m", "regimens.study.workers.worker", run_trial],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        env={**os.environ, **ONE_THREAD, **environment},
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C is for the parent alone
    )


class Spares:
    """`count` workers that have no job yet; those that nobody took are ended with the block."""

    def __init__(self, run_trial: str, count: int = 0) -> None:
        self._waiting = [spawn(run_trial, subprocess.DEVNULL, {}) for _ in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.dismiss()

    def take(self) -> Worker | None:
        """One of them, if there is one left."""
        return self._waiting.pop() if self._waiting else None

    def dismiss(self) -> None:
        """End those that are left: they hold nothing."""
        for one in self._waiting:
            one.kill()
        for one in self._waiting:
            with one:  # closes its pipes, and waits for its end
                pass
        self._waiting.clear()
