"""Where a number comes from: code revision, package versions, hardware; read once per process."""

import functools
import hashlib
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "pytorch-lightning", "hydra-core", "optuna", "mlflow", "dvc", "numpy", "scikit-learn")


@functools.cache
def provenance() -> dict[str, Any]:
    """`code` (revision, dirty; None where there is no git repository), `versions` and `hardware`."""
    return {"code": code(code_root()), "versions": versions(), "hardware": hardware()}


def code_root() -> Path:
    """The root of the repository that this code belongs to.

    `make study` runs other data sets in a copy of the tree, without git history; REGIMENS_CODE_ROOT names the original.
    """
    return Path(os.environ.get("REGIMENS_CODE_ROOT", Path(__file__).resolve().parents[3]))


# The code that a trial's numbers depend on, below src/regimens. dvc.yaml names the same folders (core as a whole).
NUMBERS = (
    *("data", "nets", "training", "trial"),
    *("core/build.py", "core/examples.py", "core/hashing.py", "core/metrics.py", "core/result.py"),
)


@functools.cache
def training_code() -> str:
    """SHA-256 of the code that a trial's numbers depend on, and of torch's version; cached before training starts."""
    digest = hashlib.sha256(metadata.version("torch").encode())
    for name, content in training_sources().items():
        digest.update(f"{name}\0{content}\0".encode())
    return digest.hexdigest()


def training_sources() -> dict[str, str]:
    """Path below src/regimens -> SHA-256, for every file that a trial's numbers depend on."""
    package = Path(__file__).parents[1]
    files = [
        path for name in NUMBERS for path in (package.glob(name) if "." in name else (package / name).rglob("*.py"))
    ]
    return {
        path.relative_to(package).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)
    }


def code(root: Path) -> dict[str, Any]:
    """The revision of the repository at `root`, and whether tracked files outside `reports/` differ from it."""
    # A checkout inside some other repository is not that repository's code.
    if not (root / ".git").exists():
        return {"revision": None, "dirty": None}
    try:
        revision = _git(root, "rev-parse", "HEAD")
        # reports/ and dvc.lock are rewritten by the pipeline while it runs.
        dirty = _git(root, "status", "--porcelain", "-uno", "--", ".", ":!reports", ":!dvc.lock")
    except (OSError, subprocess.SubprocessError):
        return {"revision": None, "dirty": None}
    return {"revision": revision, "dirty": bool(dirty)}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()


def versions() -> dict[str, str]:
    """Python's version and those of the installed PACKAGES."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # not installed
            continue
    return found


def hardware() -> dict[str, Any]:
    """Processor, cores, memory in GiB, and GPUs by name."""
    import psutil
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "processor": processor(),
        "cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "gpus": gpus,
    }


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's model name, or its architecture where the system does not report one."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
