"""A trial on several devices as a process of its own, and the ranks that Lightning starts from it.

Lightning starts a rank by repeating its own command line. `src/train.py -m ...` repeated would be another study; so the
command, or a study's worker, starts `python -m regimens.trial.ranks DIRECTORY`, which finds its trial in DIRECTORY.
Rank 0 writes events to standard output, one line of JSON each, and reads from standard input whether to go on.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from regimens.core.errors import Pruned, UserError
from regimens.core.files import write_text
from regimens.core.process import die_with
from regimens.core.result import Result, read
from regimens.core.secrets import keep, restore
from regimens.trial.identity import Identity
from regimens.trial.task import Task

if TYPE_CHECKING:
    from regimens.trial.task import OnEpoch

JOB = "ranks.json"
PARENT = "REGIMENS_PARENT"
# Variables that another launcher may have set, and that Lightning would use.
FOREIGN = ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def run(config: Mapping[str, Any], task: Task) -> Result:
    """Train a task, of which `config` is the resolved configuration, in processes of their own.

    `regimens.trial.run` says what is raised. Whatever ends this call, an exception or this process's death, ends every
    rank.
    """
    keep(config)
    assert task.directory is not None
    directory, identity = task.directory, task.identity
    job = {"config": config, "choices": dict(task.choices), "study": task.study}
    job["identity"] = identity.to_json() if identity else None
    write_text(json.dumps(job), directory / JOB)
    environment = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    environment |= {PARENT: str(os.getpid()), "OMP_NUM_THREADS": str(config["threads"])}
    first = subprocess.Popen(
        [sys.executable, "-m", "regimens.trial.ranks", str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # Ctrl-C must reach the command only
    )
    try:
        if _listen(first, task.on_epoch):
            return read(directory)
        raise RuntimeError(f"a process of the trial died (rank 0 ended with status {first.wait()})")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        for stream in (first.stdin, first.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        (directory / JOB).unlink(missing_ok=True)


def _listen(first: "subprocess.Popen[str]", on_epoch: "OnEpoch") -> bool:
    """Handle rank 0's events until its output ends; whether it finished."""
    assert first.stdout is not None and first.stdin is not None
    done = False
    for line in first.stdout:
        event = json.loads(line)
        if event["event"] == "error":
            _raise(event)
        if event["event"] == "done":
            done = True
            continue
        answer = "go"
        try:
            on_epoch(event["epoch"], event["numbers"])
        except Pruned:
            answer = "prune"
        with contextlib.suppress(BrokenPipeError):
            first.stdin.write(answer + "\n")
            first.stdin.flush()
    return done


def _raise(event: Mapping[str, Any]) -> None:
    """Raise here what was raised in rank 0, as an exception of the type that callers distinguish."""
    message = event["message"]
    if event["type"] == "UserError":
        raise UserError(message)
    error: Exception = RuntimeError(f"{event['type']}: {message}")
    if event["type"] in ("MemoryError", "OutOfMemoryError"):
        error = MemoryError(message)
    elif event["errno"] is not None:
        error = OSError(event["errno"], message)
    error.add_note(event["traceback"])
    raise error


def main(directory: Path) -> int:
    """One rank: its exit status is 0 unless something went wrong."""
    die_with(int(os.environ[PARENT]))
    os.environ[PARENT] = str(os.getpid())  # for the ranks that Lightning starts from this one
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    from regimens.trial.single import train
    from regimens.trial.task import begin

    job = restore(json.loads((directory / JOB).read_text()))
    try:
        told = partial(_tell, events)
        identity = Identity(**job["identity"]) if job["identity"] else None
        train(begin(Task(job["config"], directory, job["choices"], job["study"], told, identity)))
    except Exception as error:
        if os.environ["LOCAL_RANK"] != "0":
            raise
        kind = "UserError" if isinstance(error, UserError) else type(error).__name__
        story = {"type": kind, "message": str(error), "errno": getattr(error, "errno", None)}
        events.write(json.dumps({"event": "error", **story, "traceback": traceback.format_exc()}) + "\n")
        return 1
    events.write(json.dumps({"event": "done"}) + "\n")
    return 0


def _tell(events: IO[str], epoch: int, numbers: Mapping[str, float]) -> None:
    events.write(json.dumps({"event": "epoch", "epoch": epoch, "numbers": dict(numbers)}) + "\n")
    if sys.stdin.readline().strip() == "prune":
        raise Pruned(f"pruned after epoch {epoch}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
