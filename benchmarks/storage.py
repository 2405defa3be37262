"""Where a study's storage limits it: the cost of a claim by the number of trials, and the throughput by workers.

command: python benchmarks/storage.py [trials]     (default 10,000; about 15 minutes on two quiet cores)
Trials do nothing, so that all of the time is the ledger's. Measured: one worker through a cell of 10,000 trials; up to
8 workers at once; the part of a trial's bookkeeping that all workers share. Modelled from that, since 256 workers do
not fit on two cores: a closed queue (exact mean-value analysis) of workers that train for a while and then come to a
storage that serves one at a time. Writes results/storage.json and .svg beside this file, and prints the tables.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
sys.path.insert(0, str(ROOT))
WINDOWS = (10, 100, 1000, 10_000)
PROCESSES = (1, 2, 4, 8)
WORKERS = (1, 4, 16, 64, 256)
LENGTHS = (1, 10, 60)  # seconds of one trial


def new_study(directory: Path, optimizers: list[str], trials: int) -> None:
    """Write the definition of a study of `trials` trials in each of its cells."""
    from regimens.study.axes import read_command_line
    from regimens.study.compose import Composer, Source
    from regimens.study.define import define
    from regimens.study.settings import read_settings

    source = Source(
        "train", (("hydra", "pkg://hydra.conf"), ("main", f"file://{ROOT / 'conf'}"), ("schema", "structured://"))
    )
    node = {"compared": {"optimizer": optimizers}, "tuned": ["optimizer.lr"], "trials": trials, "sampler": "random"}
    study = define(read_settings(node), read_command_line(["data=digits"]), Composer(source), name="storage")
    study.save(directory)


def worker(directory: Path, most: int) -> None:
    """Take trials until `most` or none is left; print what each cost, and for how long it kept others waiting."""
    from regimens.result import Result, write
    from regimens.study.opening import make_ledger
    from regimens.study.storage import JournalLock

    held = [0.0, 0.0]  # seconds in all; since when
    acquire, release = JournalLock.acquire, JournalLock.release

    def timed_acquire(lock: JournalLock) -> bool:
        answer = acquire(lock)
        held[1] = time.perf_counter()
        return answer

    def timed_release(lock: JournalLock) -> None:
        held[0] += time.perf_counter() - held[1]
        release(lock)

    JournalLock.acquire, JournalLock.release = timed_acquire, timed_release  # type: ignore[method-assign]
    began = time.perf_counter()
    ledger = make_ledger(directory)
    if most == 0:
        ledger.claim()  # finds that all is done
    opened = time.perf_counter() - began
    print("ready", flush=True)
    sys.stdin.readline()  # all go at once
    rows = []
    while len(rows) < most:
        before, cpu, lock = time.perf_counter(), time.process_time(), held[0]
        claim = ledger.claim()
        if claim is None:
            break
        seconds, used = time.perf_counter() - before, time.process_time() - cpu
        result = Result("completed", "none", claim.seed, {}, "0" * 64, {}, study=ledger.about(claim))
        result.metrics["val/accuracy"] = 0.5
        write(result, claim.directory)
        before, cpu = time.perf_counter(), time.process_time()
        ledger.finish(claim, result)
        seconds, used = seconds + time.perf_counter() - before, used + time.process_time() - cpu
        rows.append((seconds, used, held[0] - lock, time.time()))
    print(json.dumps({"opened": opened, "rows": rows}))


def run(directory: Path, count: int, most: int, environment: dict[str, str]) -> list[dict[str, Any]]:
    """What `count` worker processes report."""
    command = [sys.executable, __file__, "--worker", str(directory), str(most)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env={**os.environ, **environment}, **pipes) for _ in range(count)]
    for process in processes:
        process.stdout.readline()  # each is ready
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [json.loads(process.communicate()[0]) for process in processes]


def measure(environment: dict[str, str], trials: int, server_cpu: Any) -> dict[str, Any]:
    """The numbers of one storage; `server_cpu()` is the processor time that a server has used so far, in seconds."""
    measured: dict[str, Any] = {"growth": {}, "processes": {}}
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        new_study(directory, ["adam"], trials)
        before = server_cpu()
        (report,) = run(directory, 1, trials, environment)
        rows = report["rows"]
        measured["server"] = (server_cpu() - before) / len(rows)
        for window in (one for one in WINDOWS if one <= trials):
            part = rows[max(0, window - 1 - window // 5) : window + window // 5 + 5]
            wall, cpu, _, _ = (median([row[column] for row in part]) for column in range(4))
            measured["growth"][window] = {"seconds": wall, "cpu": cpu, "trials": len(part)}
        measured["cpu"] = median([row[1] for row in rows])
        measured["lock"] = median([row[2] for row in rows])
        (report,) = run(directory, 1, 0, environment)
        measured["open"] = report["opened"]
    for count in PROCESSES:
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            new_study(directory, ["sgd", "adam", "nadam", "adagrad", "rmsprop", "adamax", "momentum", "nesterov"], 60)
            rows = [row for report in run(directory, count, 60, environment) for row in report["rows"]]
            ends = sorted(row[3] for row in rows)
            measured["processes"][count] = (len(ends) - 1) / (ends[-1] - ends[0])
    return measured


def throughput(workers: int, think: float, serve: float) -> float:
    """Trials a second of `workers` that train `think` seconds each and share a storage that needs `serve` seconds.

    Exact mean-value analysis of a closed queue: Reiser and Lavenberg, JACM 27 (1980).
    """
    queue = rate = 0.0
    for number in range(1, workers + 1):
        wait = serve * (1 + queue)
        rate = number / (think + wait)
        queue = rate * wait
    return rate


def model(measured: dict[str, Any], trials: int) -> dict[str, Any]:
    """By the length of a trial: the share of their time that workers train, and the knee."""
    serve = max(measured["lock"], measured["server"])
    reading = measured["open"] / trials if measured["lock"] else 0.0  # every worker reads what all others have written
    table: dict[str, Any] = {"serve": serve, "read": reading, "lengths": {}}
    for length in LENGTHS:
        shares = {n: throughput(n, length + measured["cpu"] + n * reading, serve) * length / n for n in WORKERS}
        table["lengths"][length] = {"shares": shares, "knee": (length + measured["cpu"] + serve) / serve}
    return table


def median(values: list[float]) -> float:
    """The middle value."""
    return sorted(values)[len(values) // 2]


def show(results: dict[str, Any]) -> None:
    """Print the tables, as in docs/how-to/sizing.md."""
    for storage, one in results["storages"].items():
        growth = {int(window): row["seconds"] for window, row in one["growth"].items()}
        print(f"\n{storage}, measured: opened with all its trials in {one['open']:.1f} s")
        print("| trial of its cell | " + " | ".join(f"{window:,}" for window in growth) + " |")
        print("| --- |" + " ---: |" * len(growth))
        print("| claim and finish, ms | " + " | ".join(f"{1000 * value:.1f}" for value in growth.values()) + " |")
        print("| workers at once | " + " | ".join(one["processes"]) + " |")
        print("| trials a second | " + " | ".join(f"{value:.0f}" for value in one["processes"].values()) + " |")
        print(f"\n{storage}, modelled: a trial holds the storage for {1000 * one['model']['serve']:.1f} ms")
        print("| trial | " + " | ".join(f"{n} workers" for n in WORKERS) + " | knee |")
        for length, row in one["model"]["lengths"].items():
            shares = " | ".join(f"{100 * share:.0f}%" for share in row["shares"].values())
            print(f"| {length} s | {shares} | {row['knee']:,.0f} workers |")


def draw(results: dict[str, Any], path: Path) -> None:
    """Trials a second by workers, for trials of one and ten seconds."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.hashsalt": "regimens", "svg.fonttype": "none"}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    workers = [2**power for power in range(11)]
    for colour, (storage, one) in zip(("#0072b2", "#d55e00"), results["storages"].items(), strict=False):
        for style, length in (("-", 1), ("--", 10)):
            read, serve = one["model"]["read"], one["model"]["serve"]
            rates = [throughput(n, length + one["cpu"] + n * read, serve) for n in workers]
            axes.plot(workers, rates, style, color=colour, label=f"{storage}, trials of {length} s")
    for length, label in ((1, "no storage at all"), (10, None)):
        axes.plot(workers, [n / length for n in workers], ":", color="grey", label=label)
    axes.set(xscale="log", yscale="log", xlabel="workers", ylabel="trials a second", ylim=(0.05, 2000))
    axes.set_xticks([1, 4, 16, 64, 256, 1024], ["1", "4", "16", "64", "256", "1024"])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main(trials: int) -> None:
    """Measure both storages, model the rest, write and print the results."""
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
            one = json.loads(json.dumps(measure(environment, trials, server_cpu)))
            results["storages"][name] = {**one, "model": model(one, trials)}
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
        worker(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
