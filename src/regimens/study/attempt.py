"""One attempt at claimed trials, alone or as a fleet: whatever becomes of each is recorded as its result."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from regimens.errors import Pruned
from regimens.result import Result
from regimens.secrets import brief
from regimens.trial import Task

if TYPE_CHECKING:
    from regimens.study.claim import Batch, Claim
    from regimens.study.ledger import Ledger

Emit = Callable[[dict[str, Any]], None]
RunTrial = Callable[..., Result]
Answer = TypeVar("Answer")


def attempt(ledger: Ledger, batch: Batch, run_trial: RunTrial, emit: Emit) -> list[Result]:
    """Run a batch's trials; the claimed ones' results, in order. Raises what says that the disk is full."""
    if len(batch.members) == 1:
        return [attempt_single(ledger, batch.claims[0], run_trial, emit)]
    claimed = {id(claim) for claim in batch.claims}
    tasks = [task_of(ledger, member, emit, claimed=id(member) in claimed) for member in batch.members]
    # The room that trains a single trial also trains many.
    outcomes = sys.modules[run_trial.__module__].run_fleet(tasks, batch.journal)
    results = []
    for member, outcome in zip(batch.members, outcomes, strict=True):
        if id(member) in claimed:
            results.append(record(ledger, member, outcome) if isinstance(outcome, Exception) else outcome)
    return results


def attempt_single(ledger: Ledger, claim: Claim, run_trial: RunTrial, emit: Emit) -> Result:
    """Run one trial on its own."""
    try:
        task = task_of(ledger, claim, emit, claimed=True)
        note = {"note": ledger.study.alone} if claim.cell.engine == "fleet" else {}
        return run_trial(
            task.cfg, claim.directory, study=task.study, on_epoch=task.on_epoch, choices=task.choices, **note
        )
    except Exception as error:
        return record(ledger, claim, error)


def task_of(ledger: Ledger, claim: Claim, emit: Emit, *, claimed: bool) -> Task:
    """What is to be trained; one that is not claimed is others' company, leaves nothing and tells nobody."""
    composed = ledger.compose(claim)
    if not claimed:
        return Task(composed.cfg, None, composed.choices)
    claim.directory.mkdir(parents=True, exist_ok=True)
    metric = ledger.study.metric
    pruning = ledger.study.pruner != "none" and claim.phase == "tuning"

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        emit({"event": "epoch", **describe(claim), "epoch": epoch, "value": metrics.get(metric)})
        if pruning and metrics.get(metric) is not None:
            patient(ledger, emit, partial(claim.trial.report, metrics[metric], epoch))
            if patient(ledger, emit, claim.trial.should_prune):
                raise Pruned(f"pruned after epoch {epoch}")

    return Task(composed.cfg, claim.directory, composed.choices, ledger.about(claim), on_epoch)


def record(ledger: Ledger, claim: Claim, error: Exception) -> Result:
    """The result of a trial that raised; raises the error itself where the disk is full or the storage is away."""
    from regimens.study.disk import is_disk_full
    from regimens.study.storage import StorageAway

    if isinstance(error, Pruned):
        return ledger.write_end(claim, "pruned", None)
    if is_disk_full(error) or isinstance(error, StorageAway):
        raise error
    status = "oom" if is_out_of_memory(error) else "failed"
    told = "".join(traceback.format_exception(error))
    return ledger.write_end(claim, status, {"type": type(error).__name__, "message": brief(error), "traceback": told})


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python, a GPU (torch.OutOfMemoryError) or torch's allocator on the processor found no memory."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or "DefaultCPUAllocator: can't allocate memory" in str(error)


def patient(ledger: Ledger, emit: Emit, action: Callable[[], Answer]) -> Answer:
    """What `action` gets from the storage, waited for where it is away."""
    from regimens.study.storage import patiently

    return patiently(action, ledger.storage_wait, lambda line: emit({"event": "waiting", "message": line}))


def describe(claim: Claim) -> dict[str, Any]:
    """What an event says about its trial."""
    return {"cell": claim.cell.label, "phase": claim.phase, "number": claim.number, "seed": claim.seed}
