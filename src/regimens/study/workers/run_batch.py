"""Run claimed trials, one by one or as a fleet; whatever becomes of each is recorded as its result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from regimens.core.errors import MisnamedError, Pruned
from regimens.core.result import Result
from regimens.study.queue.takeover import of_a_twin
from regimens.study.workers.trial_runner import TrialRunner
from regimens.trial.record import described
from regimens.trial.task import Task

if TYPE_CHECKING:
    from regimens.study.queue.claim import Batch, Claim
    from regimens.study.queue.trial_queue import TrialQueue

Emit = Callable[[dict[str, Any]], None]
Answer = TypeVar("Answer")


def run_batch(queue: TrialQueue, batch: Batch, runner: TrialRunner, emit: Emit) -> list[Result]:
    """Run a batch's trials; the claimed ones' results, in order. Raises what says that the disk is full."""
    if len(batch.members) == 1:
        return [run_single(queue, batch.claims[0], runner, emit)]
    claimed = {id(claim) for claim in batch.claims}
    tasks = [task_of(queue, member, emit, claimed=id(member) in claimed) for member in batch.members]
    outcomes = runner.run_fleet(tasks, batch.journal)
    results = []
    for member, outcome in zip(batch.members, outcomes, strict=True):
        if id(member) in claimed and outcome is not None:
            results.append(record(queue, member, outcome) if isinstance(outcome, Exception) else outcome)
    return results


def run_single(queue: TrialQueue, claim: Claim, runner: TrialRunner, emit: Emit) -> Result:
    """Run one trial on its own, or take it over where another cell has come to the same one."""
    try:
        slot = claim.cell, claim.phase, claim.number, claim.values
        if (found := of_a_twin(queue.files, slot)) is not None:
            return found
        task = task_of(queue, claim, emit, claimed=True)
        note = queue.study.alone if claim.cell.engine == "fleet" else ""
        return runner.run(
            task.config,
            claim.directory,
            choices=task.choices,
            study=task.study,
            on_epoch=task.on_epoch,
            note=note,
            identity=task.identity,
        )
    except Exception as error:
        return record(queue, claim, error)


def task_of(queue: TrialQueue, claim: Claim, emit: Emit, *, claimed: bool) -> Task:
    """What is to be trained.

    A fleet member that already has a result is retrained, on a GPU, only to keep the batch the same (floating-point
    results depend on batch composition there); it writes no files and reports no events.
    """
    if not claimed:
        return Task(claim.config, None, claim.choices)
    claim.directory.mkdir(parents=True, exist_ok=True)
    metric = queue.study.metric
    pruning = queue.study.pruner != "none" and claim.phase == "tuning"

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        emit({"event": "epoch", **describe(claim), "epoch": epoch, "value": metrics.get(metric)})
        if pruning and metrics.get(metric) is not None:
            patient(queue, emit, partial(claim.trial.report, metrics[metric], epoch))
            if patient(queue, emit, claim.trial.should_prune):
                raise Pruned(f"pruned after epoch {epoch}")

    return Task(claim.config, claim.directory, claim.choices, claim.about, on_epoch, claim.identity)


def record(queue: TrialQueue, claim: Claim, error: Exception) -> Result:
    """The result of a trial that raised; the error itself is raised where no other trial can do better."""
    from regimens.core.files import is_disk_full
    from regimens.study.queue.storage import StorageAway

    if isinstance(error, Pruned):
        return claim.write_unfinished("pruned")
    if is_disk_full(error) or isinstance(error, StorageAway | MisnamedError):
        raise error
    status = "oom" if is_out_of_memory(error) else "failed"
    return claim.write_unfinished(status, described(error))


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python, a GPU (torch.OutOfMemoryError) or torch's allocator on the processor found no memory."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or "DefaultCPUAllocator: can't allocate memory" in str(error)


def patient(queue: TrialQueue, emit: Emit, action: Callable[[], Answer]) -> Answer:
    """What `action` gets from the storage, waited for where it is away."""
    from regimens.study.queue.storage import patiently

    return patiently(action, queue.storage_wait, lambda line: emit({"event": "waiting", "message": line}))


def describe(claim: Claim) -> dict[str, Any]:
    """What an event says about its trial."""
    return {"cell": claim.cell.label, "phase": claim.phase, "number": claim.number, "seed": claim.seed}
