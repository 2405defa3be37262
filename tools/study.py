"""Run the whole pipeline with `dvc repro`: what `make study` calls.

In place when the data set and the scale are those of params.yaml. Otherwise, so that no tracked file changes, in a copy
of the tree under build/, with its own params.yaml, DVC cache, runs and reports.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SCALES = ("smoke", "desk", "full")
OFFLINE = "digits"  # inside scikit-learn: always to be had
UNTRACKED = {
    ".git",
    ".venv",
    "build",
    "runs",
    "results",
    "models",
    "data",
    "outputs",
    "multirun",
    "mlruns",
    "__pycache__",
}


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

    missing = why_missing(data)
    if missing and args.data:
        print(f"error: {missing}", file=sys.stderr)
        return 2
    if missing:
        print(f"{missing}\n\nRunning the same pipeline on {OFFLINE} instead, in build/.\n", file=sys.stderr)
        data = OFFLINE

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


def why_missing(data: str) -> str:
    """Return why the data set can be had nowhere, else an empty string; a download stays in cache/ for the pipeline.

    Only Fashion-MNIST comes from elsewhere. Raises DataError where the disk refuses the download.
    """
    if data != "fashion_mnist" or (ROOT / "data" / data).is_dir():
        return ""
    from regimens.data import fashion

    try:
        fashion.obtain(None, str(ROOT / "cache"))
    except fashion.Unavailable as error:
        return str(error)
    return ""


def repro(here: Path) -> int:
    """Run `dvc repro` in `here`; return its exit status, or 130 after Ctrl-C."""
    if not (ROOT / ".git").exists() or here != ROOT:
        (here / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")  # DVC stops outside git otherwise
    process = subprocess.Popen([sys.executable, "-m", "dvc", "repro"], cwd=here, env=environment())
    while True:
        try:
            status = process.wait()
        except KeyboardInterrupt:  # the terminal sent it to dvc as well: let the running stage close its files
            continue
        return 130 if status in (130, -2) else status


def environment() -> dict[str, str]:
    """Return the stages' environment: this interpreter first, no telemetry, the working directory as root."""
    env = {key: value for key, value in os.environ.items() if key not in ("REGIMENS_ROOT", "PYTHONPATH")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"
    env |= {"DVC_NO_ANALYTICS": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    if env.get("FASHION_MNIST_DIR"):
        env["FASHION_MNIST_DIR"] = str(Path(env["FASHION_MNIST_DIR"]).resolve())
    return env


def copy_tree(target: Path, params: dict[str, str]) -> Path:
    """Bring `target` up to date with the tree and set `params` in its params.yaml; return `target`.

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
    (target / "params.yaml").write_text(text)
    cache = target / "cache"
    if not cache.is_symlink():
        cache.symlink_to(ROOT / "cache")  # one download serves every copy
    return target


def tracked_files() -> Iterator[Path]:
    """Yield the project's own files, relative to the root: git's list, or without git all but the known outputs."""
    listing = (
        subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if (ROOT / ".git").exists() and shutil.which("git")
        else None
    )
    if listing is not None and listing.returncode == 0:
        names = (Path(name) for name in listing.stdout.split("\0") if name)
        yield from (path for path in names if (ROOT / path).is_file())
        return
    for folder, children, names_here in os.walk(ROOT):
        inside = Path(folder).relative_to(ROOT)
        children[:] = [name for name in children if name not in UNTRACKED and inside != Path(".dvc")]
        yield from (inside / name for name in names_here)


if __name__ == "__main__":
    from regimens.errors import UserError

    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
