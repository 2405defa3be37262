"""Locks between processes: held while their owner lives, free the moment that it is dead."""

import subprocess
import sys
from pathlib import Path

from regimens.core.locks import Lock, held, is_held

OWNER = """
import sys, time
from pathlib import Path
from regimens.core.locks import Lock
assert Lock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def owner(path: Path) -> "subprocess.Popen[str]":
    """A process that holds the lock on `path`."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_free_as_soon_as_its_owner_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "yet.lock"
    assert not is_held(path)
    with owner(path) as process:
        assert is_held(path)
        assert not Lock(path).acquire(wait=False)
        process.kill()
    assert not is_held(path)
    assert Lock(path).acquire()


def test_a_lock_is_held_for_a_block_and_let_go_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held(path):
        assert is_held(path)
    assert not is_held(path)
    lock = Lock(path)
    lock.release()
    assert lock.acquire() and lock.descriptor is not None
    lock.release()
    assert lock.descriptor is None
    assert not is_held(path)


def test_a_process_that_inherits_the_descriptor_holds_the_lock_too(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    lock.acquire()
    assert lock.descriptor is not None
    with subprocess.Popen(["sleep", "60"], pass_fds=[lock.descriptor]) as process:
        lock.release()
        assert is_held(lock.path)
        process.kill()
    assert not is_held(lock.path)
