"""Where a study's storage limits it: what handing out a trial costs, by the trials done and by the workers at work.

command: python benchmarks/storage.py [trials]     (default 10,000; about 15 minutes on two quiet cores)
Trials do nothing, so that all of the time is the queue's. Measured: one worker in a cell with up to 10,000 finished
trials; one worker beside up to 255 others that hold a trial each; up to 8 workers at once. Modelled from that, since
256 workers do not fit on two cores: a closed queue (exact mean-value analysis) of workers that train for a while and
then come to what only one of them can do at a time. Prints tables; writes results/storage.json and .svg beside this.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from shared import RESULTS, ROOT

sys.path.insert(0, str(ROOT))
DONE = (10, 100, 1000, 10_000)
PROCESSES = (1, 2, 4, 8)
WORKERS = (1, 4, 16, 64, 256)
LENGTHS = (1, 10, 60)  # seconds of one trial
CELLS = (1, 16)  # each cell hands out its trials one by one
TIMED = 20  # trials, beside those that others hold
SLOW = 0.02  # seconds that a busy or a network disk takes to write down a trial
BUSY = 0.8  # the knee: the most workers that train for this share of their time


def new_study(directory: Path, optimizers: list[str], trials: int) -> None:
    """Write the definition of a study of `trials` trials in each of its cells."""
    from regimens.study.definition.command_line import read_command_line
    from regimens.study.definition.composer import Composer, Source
    from regimens.study.definition.define import define
    from regimens.study.definition.settings import read_settings
    from regimens.study.queue import rounds
    from regimens.study.queue.open import settle_definition

    node = {"compared": {"optimizer": optimizers}, "tuned": ["optimizer.lr"], "trials": trials, "sampler": "random"}
    study = define(
        read_settings(node),
        read_command_line(["data=digits"]),
        Composer(Source("train", (f"file://{ROOT / 'conf'}",))),
        name=f"storage-{uuid.uuid4().hex[:8]}",
    )
    rounds.begin(study)
    settle_definition(study, directory)


class Stopwatch:
    """Seconds spent inside `with` blocks or between two calls."""

    def __init__(self) -> None:
        self.seconds, self._since = 0.0, 0.0

    def start(self) -> None:
        """Begin."""
        self._since = time.perf_counter()

    def stop(self) -> None:
        """End."""
        self.seconds += time.perf_counter() - self._since


def watched() -> tuple[Stopwatch, Stopwatch]:
    """How long this process holds the journal's lock, and the lock of a cell's list of trials."""
    from regimens.study.queue.phase import Phase
    from regimens.study.queue.storage import JournalLock

    journal, cell = Stopwatch(), Stopwatch()
    acquire, release, lock = JournalLock.acquire, JournalLock.release, Phase.lock

    def timed_acquire(one: JournalLock) -> bool:
        answer = acquire(one)
        journal.start()
        return answer

    def timed_release(one: JournalLock) -> None:
        journal.stop()
        release(one)

    @contextmanager
    def timed_lock(one: Phase) -> Iterator[None]:
        with lock(one):
            cell.start()
            yield
            cell.stop()

    JournalLock.acquire, JournalLock.release = timed_acquire, timed_release  # type: ignore[method-assign]
    Phase.lock = timed_lock  # type: ignore[method-assign]
    return journal, cell


def fill(directory: Path, done: int) -> None:
    """Enter the first `done` trials of the only cell as finished."""
    import optuna

    from regimens.study.queue.open import STORAGE_VARIABLE, open_queue

    url = os.environ.get(STORAGE_VARIABLE)
    if url:  # a filler need not wait for the disk
        os.environ[STORAGE_VARIABLE] = f"{url}?options=-csynchronous_commit%3Doff"
    queue = open_queue(directory)
    cell = queue.study.cells[0]
    handle = queue._phase(cell, "tuning").optuna
    for number in range(done):
        lr = 0.001 + number / 1e6
        attributes = {"slot": number, "values": {"optimizer.lr": lr}, "status": "completed"}
        space = {"optimizer.lr": optuna.distributions.FloatDistribution(0.0001, 0.1, log=True)}
        trial = optuna.trial.create_trial(
            value=0.5, params={"optimizer.lr": lr}, distributions=space, user_attrs=attributes
        )
        handle.add_trial(trial)
    if url:
        os.environ[STORAGE_VARIABLE] = url


def worker(directory: Path, most: int, others: int, done: int) -> None:
    """Take trials until `most` or none is left; print what each of them cost.

    `others` hold a trial each, and `done` are finished already.
    """
    from regimens.core.result import Result, write
    from regimens.study.queue.open import open_queue

    fill(directory, done)
    journal, cell = watched()
    began = time.perf_counter()
    queue = open_queue(directory)
    held = [queue.claim() for _ in range(others)]
    for one in queue.study.cells:
        queue._phase(one, "tuning").trials()
    opened = time.perf_counter() - began
    print("ready", flush=True)
    sys.stdin.readline()  # all go at once
    rows: list[dict[str, float]] = []
    while len(rows) < most:
        marks = (journal.seconds, cell.seconds)
        before, cpu = time.perf_counter(), time.process_time()
        claim = queue.claim()
        if claim is None:
            break
        wall, used = time.perf_counter() - before, time.process_time() - cpu
        result = Result(
            "completed", "none", claim.seed, {}, "0" * 64, {}, study=claim.about, trial=claim.identity.to_json()
        )
        result.metrics["val/accuracy"] = 0.5
        write(result, claim.directory)
        before, cpu = time.perf_counter(), time.process_time()
        queue.finish(claim, result)
        wall, used = wall + time.perf_counter() - before, used + time.process_time() - cpu
        locks = {"journal": journal.seconds - marks[0], "cell": cell.seconds - marks[1]}
        rows.append({"wall": wall, "cpu": used, **locks, "ended": time.time()})
    print(json.dumps({"opened": opened, "held": len(held), "rows": rows}))


def run(
    study: Path, environment: dict[str, str], count: int, options: tuple[int, int, int], server_cpu: Any = lambda: 0.0
) -> tuple[list[dict[str, Any]], float]:
    """What `count` worker processes report, and the processor time of the server meanwhile, in seconds."""
    command = [sys.executable, __file__, "--worker", str(study), *map(str, options)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env={**os.environ, **environment}, **pipes) for _ in range(count)]
    for process in processes:
        process.stdout.readline()  # each is ready
    before = server_cpu()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    reports = [json.loads(process.stdout.readline()) for process in processes]
    used = server_cpu() - before
    for process in processes:
        process.communicate()
    return reports, used


def measure(environment: dict[str, str], trials: int, server_cpu: Any) -> dict[str, Any]:
    """The numbers of one storage; `server_cpu()` is the processor time that a server has used so far, in seconds."""
    measured: dict[str, Any] = {"growth": {}, "crowd": {}, "processes": {}}
    for count in WORKERS:
        with tempfile.TemporaryDirectory() as folder:
            new_study(Path(folder), ["adam"], count + TIMED)
            ((report,), used) = run(Path(folder), environment, 1, (TIMED, count - 1, 0), server_cpu)
            measured["crowd"][count] = {**medians(report["rows"]), "server": used / len(report["rows"])}
    for count in PROCESSES:
        with tempfile.TemporaryDirectory() as folder:
            optimizers = ["sgd", "adam", "nadam", "adagrad", "rmsprop", "adamax", "momentum", "nesterov"]
            new_study(Path(folder), optimizers, TIMED)
            reports, _ = run(Path(folder), environment, count, (TIMED, 0, 0))
            ends = sorted(row["ended"] for report in reports for row in report["rows"])
            measured["processes"][count] = (len(ends) - 1) / (ends[-1] - ends[0])
    for done in (one for one in DONE if one <= trials):
        with tempfile.TemporaryDirectory() as folder:
            new_study(Path(folder), ["adam"], done + TIMED)
            ((report,), _) = run(Path(folder), environment, 1, (TIMED, 0, done))
            measured["growth"][done] = {**medians(report["rows"]), "open": report["opened"]}
    measured["open"] = report["opened"]
    return measured


def throughput(workers: int, think: float, serve: float) -> float:
    """Trials a second of `workers` that train `think` seconds each and share what needs `serve` seconds for each.

    Exact mean-value analysis of a closed queue: Reiser and Lavenberg, JACM 27 (1980).
    """
    queue = rate = 0.0
    for number in range(1, workers + 1):
        wait = serve * (1 + queue)
        rate = number / (think + wait)
        queue = rate * wait
    return rate


def rate(measured: dict[str, Any], trials: int, workers: int, cells: int, length: float) -> float:
    """Trials a second, with trials of `length` seconds in so many cells."""

    def at(key: str) -> float:
        crowd = measured["crowd"]
        points = sorted((int(count), row[key]) for count, row in crowd.items())
        return float(np.interp(max(1.0, workers / cells), *zip(*points, strict=True)))

    # Each worker reads what all others have written to the journal; it does so while it holds its cell's lock.
    news = workers * measured["open"] / trials if at("journal") else 0.0
    serve = max((at("cell") + news) / cells, at("journal"), at("server"))
    return throughput(workers, length + max(0.0, at("wall") + news - serve), serve)


def model(measured: dict[str, Any], trials: int) -> dict[str, Any]:
    """By cells and the length of a trial: the share of their time that workers train, and the knee."""
    table: dict[str, Any] = {}
    for cells in CELLS:
        for length in LENGTHS:

            def share(workers: int, cells: int = cells, length: int = length) -> float:
                return rate(measured, trials, workers, cells, length) * length / workers

            knee = max((n for n in range(1, WORKERS[-1] + 1) if share(n) >= BUSY), default=0)
            table[f"{cells} x {length}"] = {"shares": {n: share(n) for n in WORKERS}, "knee": knee}
    return table


def slower(journal: dict[str, Any]) -> dict[str, Any]:
    """A journal whose disk takes SLOW seconds for what a trial writes, all of it while others wait."""
    crowd = {
        count: {key: value + SLOW * (key in ("wall", "cell", "journal")) for key, value in row.items()}
        for count, row in journal["crowd"].items()
    }
    return {**journal, "crowd": crowd}


def medians(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of each column."""
    return {key: statistics.median([row[key] for row in rows]) for key in ("wall", "cpu", "journal", "cell")}


def show(results: dict[str, Any]) -> None:
    """Print the tables, as in docs/how-to/sizing.md."""

    def line(head: str, values: Iterable[Any], form: str) -> None:
        print(f"| {head} | " + " | ".join(format(value, form) for value in values) + " |")

    for storage, one in results["storages"].items():
        growth, crowd = one["growth"], one["crowd"]
        print(f"\n{storage}, measured")
        line("finished trials in the cell", map(int, growth), ",")
        line("claim and finish, ms", (1000 * row["wall"] for row in growth.values()), ".1f")
        line("a worker's start, reading them, s", (row["open"] for row in growth.values()), ".1f")
        line("workers, each with a trial of one cell", map(int, crowd), "")
        for head, key in (("claim and finish", "wall"), ("its cell's lock", "cell"), ("the journal's lock", "journal")):
            line(f"{head}, ms", (1000 * row[key] for row in crowd.values()), ".1f")
        line("the server's processor time, ms", (1000 * row["server"] for row in crowd.values()), ".1f")
        line("worker processes at once, 8 cells", map(int, one["processes"]), "")
        line("trials a second", one["processes"].values(), ".0f")
    for storage, table in results["model"].items():
        print(f"\n{storage}, modelled: the share of their time that workers train")
        line("cells x trial, s", WORKERS, "")
        for head, row in table.items():
            line(f"{head} (knee {row['knee']})", row["shares"].values(), ".0%")


def draw(results: dict[str, Any], path: Path) -> None:
    """Trials a second by workers, for a study of 16 cells with trials of one and ten seconds."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.hashsalt": "regimens", "svg.fonttype": "none"}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    workers = [2**power for power in range(9)]
    for colour, (storage, one) in zip(("#0072b2", "#d55e00"), results["storages"].items(), strict=False):
        for style, length in (("-", 1), ("--", 10)):
            rates = [rate(one, results["trials"], n, CELLS[-1], length) for n in workers]
            axes.plot(workers, rates, style, color=colour, label=f"{storage}, trials of {length} s")
    for length, label in ((1, "no storage at all"), (10, None)):
        axes.plot(workers, [n / length for n in workers], ":", color="grey", label=label)
    axes.set(xscale="log", yscale="log", xlabel="workers", ylabel="trials a second")
    axes.set_xticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure both storages, model the rest, write and print the results."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    import psutil
    from tests.cluster.postgres import postgres

    results: dict[str, Any] = {"trials": trials, "cores": psutil.cpu_count(), "load": os.getloadavg(), "storages": {}}
    with postgres() if list(Path("/usr/lib/postgresql").glob("*/bin/postgres")) else nullcontext() as server:
        storages: dict[str, tuple[dict[str, str], Any]] = {"journal": ({}, lambda: 0.0)}
        if server is None:
            print("no PostgreSQL here (apt-get install postgresql): the journal alone", file=sys.stderr)
        else:
            spent = CpuOf(server.process.pid)
            storages["PostgreSQL"] = ({"REGIMENS_STORAGE": server.create("storage")}, spent)
        for name, (environment, server_cpu) in storages.items():
            results["storages"][name] = json.loads(json.dumps(measure(environment, trials, server_cpu)))
            print(f"{name}: {json.dumps(results['storages'][name])}", file=sys.stderr)
    conclude(results)


def conclude(results: dict[str, Any]) -> None:
    """Model what was measured, write and print the results."""
    results["model"] = {}
    for name, one in results["storages"].items():
        results["model"][name] = model(one, results["trials"])
    slow = slower(results["storages"]["journal"])
    results["model"][f"journal, where a write takes {1000 * SLOW:.0f} ms"] = model(slow, results["trials"])
    results = json.loads(json.dumps(results))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "storage.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(results, RESULTS / "storage.svg")
    show(results)


class CpuOf:
    """The processor time, in seconds, that a server's living processes have used."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def __call__(self) -> float:
        """Until now."""
        import psutil

        server = psutil.Process(self.pid)
        ended = server.cpu_times()
        times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
        return sum(one.user + one.system for one in times) + ended.children_user + ended.children_system


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(Path(sys.argv[2]), *map(int, sys.argv[3:6]))
    elif sys.argv[1:2] == ["--model"]:  # anew, from what was measured before
        conclude(json.loads((RESULTS / "storage.json").read_text()))
    else:
        main()
