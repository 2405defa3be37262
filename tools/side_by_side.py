"""Stages of the pipeline that do not wait for each other, two at a time: DVC itself runs one after the other.

A study has minutes of work for every core, and seconds before and after in which one works: imports, plans, tables. So
two studies on half of the cores each take less time than one after the other on all.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from pathlib import Path

from regimens.study.workers.leases import inventory

LANES = 2
NAME = 15  # columns
Cores = frozenset[int]


def shares() -> list[Cores]:
    """The cores of each lane; one lane where there is one core, or GPUs, which a command leases for itself."""
    if not hasattr(os, "sched_getaffinity") or inventory():
        return [frozenset()]
    cores = sorted(os.sched_getaffinity(0))
    return [frozenset(part) for part in (cores[lane::LANES] for lane in range(LANES)) if part]


def stale(here: Path) -> dict[str, set[str]]:
    """The stages that DVC would run, in the order of dvc.yaml, each with those of them that it waits for.

    None where DVC cannot read the pipeline: `dvc repro`, which comes after, says why.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from networkx import descendants

    try:
        with Repo(str(here), _wait_for_lock=True) as repo:
            graph = repo.index.graph
            with repo.lock:
                changed = [stage for stage in graph if stage.status()]
    except DvcException:
        return {}
    return {one.name: {other.name for other in descendants(graph, one) if other in changed} for one in changed}


def run_all(waits_for: Mapping[str, set[str]], free: Sequence[Cores], run: Callable[[str, Cores], int]) -> int:
    """Run every stage once those are done that it waits for; the first exit status that is not 0, or 130 after Ctrl-C.

    A stage that is begun while no other runs or could has the cores of all lanes. After such a status nothing more is
    begun, and what runs is waited for.
    """
    sorter, order, free = TopologicalSorter(waits_for), list(waits_for), list(free)
    sorter.prepare()
    ready: list[str] = []
    running: dict[Future[int], tuple[str, list[Cores]]] = {}
    status = 0
    with ThreadPoolExecutor(len(free)) as pool:
        while running or (sorter.is_active() and not status):
            try:
                ready = sorted([*ready, *sorter.get_ready()], key=order.index)
                while ready and free and not status:
                    alone = len(ready) == 1 and not running
                    name, lanes = ready.pop(0), free if alone else free[:1]
                    free = free[len(lanes) :]
                    running[pool.submit(run, name, frozenset().union(*lanes))] = name, lanes
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    name, lanes = running.pop(ended)
                    status = status or ended.result()
                    free += lanes
                    sorter.done(name)
            except KeyboardInterrupt:  # the stages got Ctrl-C from the terminal too: let them close their files
                status = 130
    return status


def reproduce(here: Path, env: Mapping[str, str], name: str, cores: Cores) -> int:
    """Let DVC run one stage on these cores (none: on all); print its lines behind its name; its exit status."""
    if cores:
        os.sched_setaffinity(0, cores)  # of this thread; the process that it starts inherits them
    label = name.rpartition("@")[2]
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--quiet", "--single-item", name],
        cwd=here, env={**env, "PYTHONUNBUFFERED": "1"}, text=True, errors="replace", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout
        for line in process.stdout:
            if line.strip():
                print(f"{label:<{NAME}} {line}", end="", flush=True)
    if status := process.returncode:
        print(f"error: stage {name} ended with status {status}: see above; `dvc repro {name}` goes on", file=sys.stderr)
    return status
