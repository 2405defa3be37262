"""The C++ compiler of the compiled engine, and when compiling repays itself.

Must not import torch: the parent process calls this while it plans a study.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

# What compiling takes of a core's time, in steps that compiled code shortens as much as one of 784-300-100-10 by SGD on
# 32 examples: torch's C++ headers once, and for each process its compiler's import (3.5 s each, where such a step saves
# 0.9 ms); a dense layer, forward and backward (2.3 s); an optimiser's update (1.6 s).
HEADERS, PROCESS, LAYER, UPDATE = 8_000, 4_000, 2_500, 1_700
# By how much more a step is shortened where the optimiser divides by a root or a peak: Nadam's saves 2.1 ms.
ADAPTIVE = 2
SIMPLE = ("sgd", "momentum", "nesterov")


@dataclass
class Work:
    """What a study's trials of one network take, and what their steps save, in the steps of HEADERS and the others."""

    layers: int
    saved: float = 0
    optimizers: frozenset[str] = frozenset()

    def add(self, steps: int, optimizer: str) -> None:
        """Add `steps` by the catalogue's `optimizer`."""
        # Calls are saved in each layer and once for the loss: 0.9 ms with three layers, 4.8 ms with twenty-one.
        self.saved += steps * (self.layers + 1) / 4 * (1 if optimizer in SIMPLE else ADAPTIVE)
        self.optimizers |= {optimizer}

    @property
    def gain(self) -> float:
        """What compiling this network and its updates saves, in steps."""
        return self.saved - LAYER * self.layers - UPDATE * len(self.optimizers - {"sgd"})


def find() -> str | None:
    """The path of the C++ compiler that torch would use, if there is one."""
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")


def repaid(works: Sequence[Work], processes: int) -> list[bool]:
    """Which networks repay their compilation with an empty cache: none, if not all together what each process needs."""
    worth = [work.gain > 0 for work in works]
    total = sum(work.gain for work in works if work.gain > 0)
    return worth if total >= HEADERS + PROCESS * processes and find() is not None else [False] * len(works)
