"""The compiled engine: a mini-batch's step as a few functions, traced to torch's operations and compiled to C++.

Compiled code is stored on disk (`cache`) and shared by runs and workers. What cannot be compiled runs eagerly, and
`note` says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from regimens.core.process import keep_freed_memory
from regimens.core.secrets import brief
from regimens.training.engine import Engine, Job, not_functional
from regimens.training.engines import compiler
from regimens.training.engines.all_updates import padded
from regimens.training.engines.coefficients import advance
from regimens.training.engines.inductor import Inductor
from regimens.training.engines.pieces import Lowers, Pieces
from regimens.training.optimizers import RuleOptimizer


@dataclass
class Compiled(Engine):
    """Steps all mini-batches of one size; the plain loop the rest, an epoch's last one.

    lowers: what turns the pieces of a step into code; by default torch's compiler.
    `name` turns to "eager", and `note` says why, where something in the regimen or the machine cannot be compiled.
    """

    name: str = "compiled"
    cache: Path | None = None
    lowers: Lowers | None = None
    _job: Job | None = field(default=None, init=False, repr=False)
    _step: Pieces | None = field(default=None, init=False, repr=False)
    _size: int = field(default=0, init=False, repr=False)

    def begin(self, job: Job) -> None:
        """Check whether the phase can be compiled; the first block then compiles it."""
        self.end()
        self._job = job
        obstacle = self.note or not_compiled(job)
        if obstacle:
            self._give_up(obstacle)
        keep_freed_memory()

    def _give_up(self, why: str) -> None:
        self.name, self.note, self._job = "eager", why, None

    def end(self) -> None:
        """Let go of the job and its data; its network has memory of its own again."""
        if self._step is not None:
            self._step.release()
        self._job, self._step, self._size = None, None, 0

    def take(self, block: Sequence[Tensor]) -> tuple[Sequence[Tensor], Tensor | None]:
        """Take the mini-batches at the block's beginning that are of the first one's size."""
        job = self._job
        size = len(block[0])
        full = len(block) - (len(block[-1]) != size)
        if job is None or not full or size != (self._size or size):
            return block, None
        if self._step is None:
            try:
                self._step, self._size = Pieces(job, size, self.lowers or self._compilers()), size
            except Exception as err:
                self._give_up(f"cannot be compiled: {brief(err)}")
                return block, None
        labels = job.y.index_select(0, torch.cat(list(block[:full]))).split(size)
        x = job.x.new_empty(size, *job.x.shape[1:])
        tallies, bounds = [], []
        with torch.no_grad():
            for indices, y, coefficients in zip(block[:full], labels, self._coefficients(job, full), strict=True):
                tally, outside = self._step(torch.index_select(job.x, 0, indices, out=x), y, coefficients)
                tallies.append(tally)
                bounds.append(outside)
                job.averaged.stepped(job.net, 1)
            loss, penalty, correct, clipped = torch.stack(tallies).double().sum(0).unbind()
            job.actions.constrained(torch.cat(bounds).double().sum())
        job.actions.clipped(clipped)
        return block[full:], torch.stack([loss * size, correct, penalty * size])

    def _coefficients(self, job: Job, steps: int) -> Sequence[Tensor]:
        """The next steps' coefficients, `padded`, each; advances optimiser and schedule as the plain loop does."""
        assert isinstance(job.optimizer, RuleOptimizer)
        return padded(advance([job], [job.optimizer], [True], steps)[:, 0].to(job.x.dtype)).unbind()

    def _compilers(self) -> Lowers:
        return Lowers(Inductor(self.cache), Inductor(self.cache, any_size=True))


def not_compiled(job: Job) -> str:
    """Why this phase cannot be compiled, in a few words; empty where it can."""
    if compiler.find() is None:
        return "no C++ compiler on this machine"
    if job.x.device.type != "cpu":
        return "compiled blocks are for processors"
    return not_functional(job)
