"""A pool of worker processes; what becomes of those that die is in test_recovery.py."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from regimens.study.workers import pool
from regimens.study.workers.leases import Lease

WORKER = 'import sys; sys.stdin.readline(); print(\'{"event": "ready"}\')'


def test_what_the_end_takes_is_made_ready_when_workers_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def spawn(*_: Any) -> subprocess.Popen[str]:
        seen.append("worker")
        command = [sys.executable, "-c", WORKER]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(pool, "spawn", spawn)
    job = {"session": "s", "run_trial": "nobody's"}
    two = pool.Pool(job, [Lease(), Lease()], tmp_path, lambda event: seen.append(event["event"]), lambda trial: True)
    two.run(meanwhile=lambda: seen.append("meanwhile"))
    assert seen == ["worker", "worker", "ready", "ready", "meanwhile"]
