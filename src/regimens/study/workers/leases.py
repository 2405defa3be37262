"""What of this machine each worker may use: its share of the GPUs, or of the cores where there are none.

Nobody shares out a GPU's memory, so a GPU is leased: an operating-system lock, held by the command and by the worker
itself, keeps it from the workers of every other command of this user, and is free when both are dead. Cores need no
locks: the system shares them out, so that two commands at once take longer and nothing else about them changes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError
from regimens.core.locks import Lock

DRIVER = Path("/proc/driver/nvidia/gpus")  # one entry a GPU


@dataclass
class Lease:
    """One worker's share: `gpus` is its CUDA_VISIBLE_DEVICES, None where there is nothing to say."""

    gpus: str | None = None
    locks: list[Lock] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What the worker's environment says of it, before it imports torch."""
        return {} if self.gpus is None else {"CUDA_VISIBLE_DEVICES": self.gpus}

    @property
    def descriptors(self) -> list[int]:
        """The open files by which a process holds the lease; a child that inherits them holds it too."""
        return [lock.descriptor for lock in self.locks if lock.descriptor is not None]

    def release(self) -> None:
        """Let go of it; a worker that still lives keeps it."""
        for lock in self.locks:
            lock.release()


def take(wanted: Any, per_gpu: int = 1, each: int = 1, threads: int = 1) -> list[Lease]:
    """One lease for each worker: `auto` is `per_gpu` for each free GPU, or else one for each core.

    each: devices that a trial needs at once; on a processor, each of them runs `threads` threads.

    Raises:
        UserError: there is no room for that many, or other commands hold it.
    """
    if wanted != "auto" and (isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1):
        raise UserError(f"study.workers={wanted}: it is a whole number, at least 1, or auto")
    gpus, room = inventory(), room_for(per_gpu, each, threads)
    if not gpus:
        return [Lease() for _ in range(room if wanted == "auto" else wanted)]
    if room == 0 or (wanted != "auto" and wanted > room):
        raise UserError(
            f"study.workers={wanted}: {len(gpus)} GPUs, {each} for a trial, with {per_gpu} workers each, have room for "
            f"{room}; set study.per_gpu, or hide the GPUs (CUDA_VISIBLE_DEVICES=)"
        )
    leases = _free(gpus, per_gpu, each, room if wanted == "auto" else wanted)
    if not leases or (wanted != "auto" and len(leases) < wanted):
        for lease in leases:
            lease.release()
        raise UserError(
            f"study.workers={wanted}: other commands hold the GPUs, {len(leases)} of {room} shares are free; "
            "wait for them, ask for fewer workers, or set study.per_gpu"
        )
    return leases


def room_for(per_gpu: int = 1, each: int = 1, threads: int = 1) -> int:
    """How many workers this machine has room for, if nobody else is on it (see `take`)."""
    if gpus := inventory():
        return len(gpus) // each * per_gpu
    return max(1, len(os.sched_getaffinity(0)) // (each * threads))


def _free(gpus: Sequence[str], per_gpu: int, each: int, wanted: int) -> list[Lease]:
    """Up to `wanted` leases of `each` GPUs; every GPU is used once before any is used twice."""
    groups = [gpus[start : start + each] for start in range(0, len(gpus) - each + 1, each)]
    leases: list[Lease] = []
    for share, group in product(range(per_gpu), groups):
        if len(leases) == wanted:
            break
        lease = Lease(",".join(group), [Lock(folder() / f"gpu-{gpu}-{share}.lock") for gpu in group])
        if all(lock.acquire(wait=False) for lock in lease.locks):
            leases.append(lease)
        else:
            lease.release()
    return leases


def folder() -> Path:
    """Where this user's leases on this machine lie: nobody else can put anything there."""
    path = Path(tempfile.gettempdir()) / f"regimens-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.getuid():
        raise UserError(f"{path}: belongs to somebody else; point TMPDIR to a folder of your own")
    return path


def inventory() -> list[str]:
    """The GPUs that this process may use, found without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [one.strip() for one in visible.split(",") if one.strip() and one.strip() != "-1"]
    return [str(number) for number in range(len(list(DRIVER.iterdir())))] if DRIVER.is_dir() else []
