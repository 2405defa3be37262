"""A contestant's side of the race: wait for a line, run one epoch, answer its seconds. Standard library and numpy."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HIDDEN, CLASSES, BATCH, RATE, L2, MAX_NORM = (300, 100), 10, 32, 0.2, 0.0001, 1.0
# Of the study: 8 optimisers x these learning rates, so many epochs each.
RATES, EPOCHS = [0.001, 0.003, 0.01], 2


def arrays(folder: str) -> tuple[Any, ...]:
    """The race's data: x_train (N, 784) float32, y_train (N,) int64, x_valid, y_valid."""
    return tuple(np.load(Path(folder) / f"{name}.npy") for name in ("x_train", "y_train", "x_valid", "y_valid"))


def serve(epoch: Callable[[], tuple[float, float] | None]) -> None:
    """Run `epoch` at each line of stdin and answer its seconds: the clock's, and the processor's (all threads).

    `epoch` returns the two itself, or None to have the whole call timed.
    """
    answers, sys.stdout = sys.stdout, sys.stderr
    for _ in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        own = epoch()
        seconds, used = own or (time.perf_counter() - start, time.process_time() - cpu)
        print(json.dumps({"seconds": seconds, "cpu": used}), file=answers, flush=True)
