"""Run the whole pipeline, as `dvc repro` would, but two stages at a time: what `make study` calls.

In place when the data set and the scale are those of params.yaml. Otherwise, so that no tracked file changes, in a copy
of the tree under build/, with its own params.yaml, DVC cache, runs and reports.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import yaml
from side_by_side import reproduce, run_all, shares, stale

from regimens.core.fork import SOCKET

ROOT = Path(__file__).resolve().parent.parent
SCALES = ("smoke", "desk", "full")
OFFLINE = "digits"  # part of scikit-learn: always available
UNAVAILABLE = 3  # prepare's exit status where the data set is not available
# Reports of other runs, which this report quotes. A copy is of another data set or scale, and so without them.
LONGER = ("full", "full-2", "more", "parity", "transfer-cnn", "transfer-full")
# What the fork server of the stages calls: imports of what a study takes, most of it late, torch's compiler, which some
# take, among it; and what every study would do for itself at its end.
IMPORTS = (
    *("numpy", "pandas", "scipy.stats", "hydra", "optuna", "torch", "pytorch_lightning", "torch._inductor.compile_fx"),
    *("torchmetrics", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "rich.progress", "regimens.trial.single"),
)
AHEAD = (
    ("regimens.core.imports:import_packages", *IMPORTS),
    ("regimens.inference.mlflow_model:look_up_packages",),
)
# At the root; left out of copies made without git's list of files.
OUTPUTS = {".venv", "build", "cache", "data", "mlruns", "models", "multirun", "outputs", "results", "runs"}


def main() -> int:
    """Return the exit status: 0, dvc's own, 2 for the user's mistakes, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="", help="data set (default: params.yaml's)")
    parser.add_argument("--scale", default="", help="smoke, desk or full (default: params.yaml's)")
    args = parser.parse_args()
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    data, scale = args.data or params["data"], args.scale or params["scale"]
    datasets = sorted(path.stem for path in (ROOT / "conf" / "data").glob("*.yaml"))
    for name, value, known in (("DATA", data, datasets), ("SCALE", scale, SCALES)):
        if value not in known:
            print(f"error: {name}={value} is not known; choose one of {', '.join(known)}", file=sys.stderr)
            return 2

    status = check(data)
    missing = status == UNAVAILABLE
    if missing and not args.data:
        print(f"\nRunning the same pipeline on {OFFLINE} instead, in build/.\n", file=sys.stderr)
        data = OFFLINE
    elif status:
        return 2 if missing else status

    here = ROOT
    if (data, scale) != (params["data"], params["scale"]):
        here = copy_tree(ROOT / "build" / f"study-{data}-{scale}", {"data": data, "scale": scale})
    started = time.monotonic()
    status = repro(here)
    minutes, seconds = divmod(round(time.monotonic() - started), 60)
    if status == 0:
        report = (here / "reports" / "report.html").relative_to(ROOT)
        swapped = f" ({params['data']} could not be had, see above)" if missing else ""
        print(f"{data} at {scale} scale{swapped}: {minutes} min {seconds} s; the report is {report}")
    return status


def check(data: str) -> int:
    """Return prepare's exit status for the data set, which prints its own errors; 0 where the data are prepared.

    Downloads stay in cache/ for the pipeline.
    """
    if data == OFFLINE or (ROOT / "data" / data).is_dir():
        return 0
    scratch = ROOT / "build" / "check"
    command = [sys.executable, "src/prepare.py", f"data={data}", f"paths.data={scratch}"]
    try:
        return subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL).returncode
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def repro(here: Path) -> int:
    """Run what `dvc repro` would run in `here`; return the exit status, or 130 after Ctrl-C."""
    local = here / ".dvc" / "config.local"
    if not (here / ".git").exists() and not local.exists():
        local.write_text("[core]\n    no_scm = true\n")  # DVC stops outside git otherwise
    env = environment()
    waits_for = longest_first(stale(here), yaml.safe_load((here / "params.yaml").read_text())["order"])
    with fork_server(here, waits_for, env) as served:
        status = run_all(waits_for, shares(), partial(reproduce, here, served))
    if status:
        return status
    process = subprocess.Popen([sys.executable, "-m", "dvc", "repro"], cwd=here, env=env)
    while True:
        try:
            status = process.wait()
        except KeyboardInterrupt:  # dvc got Ctrl-C from the terminal too: let the running stage close its files
            continue
        return 130 if status in (130, -2) else status


def longest_first(stages: dict[str, set[str]], order: list[str]) -> dict[str, set[str]]:
    """`stages` with those of `order` in that order, after all others."""
    place = {name: number for number, name in enumerate(order, 1)}
    return dict(sorted(stages.items(), key=lambda stage: place.get(stage[0].rpartition("@")[2], 0)))


@contextmanager
def fork_server(here: Path, stages: Iterable[str], env: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment in which the commands of `stages` are forks of one process: core/fork_server.py.

    `env` itself where it has too few to fork, or where a stage has several cores: its workers are then forks of a
    process of the study's own, which imports while it plans.
    """
    commands = [name for name in stages if name not in ("prepare", "report")]
    if len(commands) < 2 or any(len(cores) != 1 for cores in shares()):
        yield env
        return
    with tempfile.TemporaryDirectory() as home:
        place = str(Path(home) / "socket")
        command = [sys.executable, "-m", "regimens.core.fork_server", place]
        calls = "".join(json.dumps(call) + "\n" for call in AHEAD)
        # One thread, which a fork needs; its streams are replaced, and a log must not wait for a buffer to be full.
        settings = {"PYTHONPATH": str(here / "src"), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, env={**env, **settings}, stdin=subprocess.PIPE) as server:
            os.sched_setaffinity(server.pid, {max(os.sched_getaffinity(0))})  # libraries count cores as a stage would
            assert server.stdin is not None
            server.stdin.write(calls.encode())
            server.stdin.flush()
            while not Path(place).exists() and server.poll() is None:
                time.sleep(0.01)
            try:
                yield {**env, SOCKET: place}
            finally:
                server.kill()


def environment() -> dict[str, str]:
    """Return the stages' environment: this interpreter first, no telemetry, the working directory as root."""
    env = {key: value for key, value in os.environ.items() if key not in ("REGIMENS_ROOT", "PYTHONPATH")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"
    env["REGIMENS_CODE_ROOT"] = str(ROOT)  # the repository whose revision is recorded in a copy's results
    env |= {"DVC_NO_ANALYTICS": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    if env.get("FASHION_MNIST_DIR"):
        env["FASHION_MNIST_DIR"] = str(Path(env["FASHION_MNIST_DIR"]).resolve())
    return env


def copy_tree(target: Path, params: dict[str, str]) -> Path:
    """Bring `target` up to date with the tree and set `params` in its params.yaml; return `target`.

    At full scale the questions under `full` there join the others.
    What earlier runs left there (dvc.lock, outputs, reports) stays, so that a second run has nothing to do.
    """
    files = {path for path in tracked_files() if path.parts[0] != "reports" and path.name != "dvc.lock"}
    for path in files:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, target / path)
    for room in ("conf", "src"):
        for path in [path for path in (target / room).rglob("*") if path.is_file()]:
            if path.relative_to(target) not in files and "__pycache__" not in path.parts:
                path.unlink()
    text = (ROOT / "params.yaml").read_text()
    for key, value in params.items():
        text = re.sub(rf"^{key}:.*$", f"{key}: {value}", text, flags=re.MULTILINE)
    if params.get("scale") == "full":
        for group, names in yaml.safe_load(text)["full"].items():
            text = re.sub(rf"^(  {group}: \[.*)\]$", rf"\1, {', '.join(names)}]", text, count=1, flags=re.MULTILINE)
    (target / "params.yaml").write_text(text)
    for folder in LONGER:
        (target / "reports" / folder).mkdir(parents=True, exist_ok=True)
    cache = target / "cache"
    if not cache.is_symlink():
        (ROOT / "cache").mkdir(exist_ok=True)
        cache.symlink_to(ROOT / "cache")  # one download serves every copy
    return target


def tracked_files() -> set[Path]:
    """Return the project's own files, relative to the root: git's list, or without git all but the known outputs."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if listing.returncode == 0:
            return {Path(name) for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()}
    found = set()
    for folder, children, names in os.walk(ROOT):
        inside = Path(folder).relative_to(ROOT)
        leave = {".git", "__pycache__"} | (OUTPUTS if inside == Path() else set())
        leave |= {"cache", "tmp"} if inside == Path(".dvc") else set()
        children[:] = [name for name in children if name not in leave]
        found |= {inside / name for name in names if not name.startswith("mlflow.db")}
    return found - {Path(".dvc/config.local")}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
