"""The C++ compiler of the compiled engine, and when compiling repays itself.

Must not import torch: the parent process calls this while it plans a study.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

# What compiling takes of a core's time, in steps that compiled code shortens as much as one of 784-300-100-10 by SGD on
# 32 examples, 0.32 ms of 0.80: in each process to import torch's compiler and read what others have compiled (2.4 s); a
# network, forward and backward (3.8 s), and each of its dense layers (0.27 s); the updates of all optimisers (3.9 s).
# A network is compiled once for SGD, which has no state, and once for all others. All this where torch's headers are
# not prepared (`cpp.py`), or a trial's engine, and its last bits, would hang on that.
PROCESS, NETWORK, LAYER, UPDATES = 7_500, 12_000, 850, 12_000
# By how much more a step is shortened where the optimiser divides by a root or a peak: Nadam's saves 0.70 ms.
ADAPTIVE = 2
SIMPLE = ("sgd", "momentum", "nesterov")


@dataclass
class Work:
    """What a study's trials of one network take, and what their steps save, in the steps of PROCESS and the others."""

    layers: int
    saved: float = 0
    optimizers: frozenset[str] = frozenset()

    def add(self, steps: int, optimizer: str) -> None:
        """Add `steps` by the catalogue's `optimizer`."""
        # Calls are saved in each layer, and as many as in four beside them: 0.32 ms with three layers, 1.10 with 21.
        self.saved += steps * (self.layers + 4) / 7 * (1 if optimizer in SIMPLE else ADAPTIVE)
        self.optimizers |= {optimizer}

    @property
    def has_updates(self) -> bool:
        """Whether an optimiser has a state."""
        return self.optimizers != {"sgd"}

    @property
    def network(self) -> int:
        """What compiling this network once takes, in steps."""
        return NETWORK + LAYER * self.layers

    @property
    def gain(self) -> float:
        """What compiling this network saves, in steps."""
        return self.saved - self.network * (("sgd" in self.optimizers) + self.has_updates)


def find() -> str | None:
    """The path of the C++ compiler that torch would use, if there is one."""
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")


def repaid(works: Sequence[Work], processes: int) -> list[bool]:
    """Which networks repay their compilation with an empty cache: none, if not all together what they share."""
    worth = [work for work in works if work.gain > 0]
    shared = PROCESS * processes + UPDATES * any(work.has_updates for work in worth)
    # While one process compiles the first network, the others may need that very one, and wait.
    waiting = max((work.network for work in worth), default=0) * (processes - 1)
    repaid = sum(work.gain for work in worth) >= shared + waiting and find() is not None
    return [repaid and work.gain > 0 for work in works]
