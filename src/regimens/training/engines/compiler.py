"""The C++ compiler of the compiled engine, and when compiling repays itself.

Must not import torch: the parent process calls this while it plans a study.
"""

import os
import shutil

# Steps that repay the compilation of one dense layer, 2-4 s of one core for 0.2-1 ms saved a step, twice over: at half
# as many, studies of a small net took 8 % longer.
REPAID = 40_000


def find() -> str | None:
    """The path of the C++ compiler that torch would use, if there is one."""
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")


def repays(steps: int, layers: int) -> bool:
    """Whether `steps` steps in a process of a net of `layers` dense layers repay compilation with an empty cache."""
    return steps >= REPAID * layers and find() is not None
