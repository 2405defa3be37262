"""Which GPUs a worker gets, on machines that have them on paper."""

import itertools
import re
import subprocess
import sys

import pytest

from regimens.core.errors import UserError
from regimens.study.workers import leases
from regimens.study.workers.leases import Lease, inventory, take


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A machine of one's own: nobody else's leases."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def gpus(monkeypatch):
    return lambda visible: monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)


def seen(wanted, **options):
    """The GPUs of each worker; the leases are let go again."""
    held = take(wanted, **options)
    for lease in held:
        lease.release()
    return [lease.gpus for lease in held]


def test_auto_is_a_worker_for_each_gpu_or_some(gpus):
    gpus("0,1")
    assert seen("auto") == ["0", "1"]
    assert seen("auto", per_gpu=2) == ["0", "1", "0", "1"]
    assert seen(1) == ["0"]


def test_gpus_go_by_the_name_that_the_user_gave(gpus):
    gpus("3,GPU-5af2")
    assert [lease.environment["CUDA_VISIBLE_DEVICES"] for lease in take("auto")] == ["3", "GPU-5af2"]


def test_a_trial_on_several_devices_leases_as_many(gpus):
    gpus("0,1,2,3,4")
    assert seen("auto", each=2) == ["0,1", "2,3"]
    with pytest.raises(UserError, match="have room for 0"):
        take("auto", each=6)


def test_more_workers_than_shares_are_refused(gpus):
    gpus("0,1")
    with pytest.raises(UserError, match=r"have room for 2; set study.per_gpu"):
        take(3)
    assert len(seen(3, per_gpu=2)) == 3


def test_without_gpus_auto_is_one_worker_a_core(gpus, monkeypatch):
    gpus("")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)))
    assert seen("auto") == [None] * 6
    assert len(seen("auto", each=2)) == 3
    assert len(seen("auto", threads=4)) == 1
    assert len(seen("auto", threads=8)) == 1
    assert len(seen(9)) == 9
    assert Lease().environment == {}


@pytest.mark.parametrize("wanted", [0, -1, 1.5, True, "many"])
def test_a_number_of_workers_is_a_whole_number(gpus, wanted):
    gpus("")
    with pytest.raises(UserError, match=f"^study.workers={wanted}: it is a whole number"):
        take(wanted)


def test_the_driver_says_how_many_gpus_there_are(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(leases, "DRIVER", tmp_path / "gpus")
    assert inventory() == []
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / bus).mkdir(parents=True)
    assert inventory() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert inventory() == []


def test_a_gpu_that_another_command_holds_is_not_leased_again(gpus):
    gpus("0,1")
    (first,) = take(1)
    assert seen("auto") == ["1"]
    with pytest.raises(UserError, match="1 of 2 shares are free"):
        take(2)
    second = take("auto")
    with pytest.raises(UserError, match="0 of 2 shares are free"):
        take("auto")
    for lease in (first, *second):
        lease.release()
    assert seen("auto") == ["0", "1"]


def test_a_worker_holds_its_lease_after_its_command_let_go(gpus):
    gpus("0")
    (lease,) = take(1)
    worker = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=lease.descriptors, text=True
    )
    lease.release()
    with pytest.raises(UserError, match="0 of 1 shares are free"):
        take(1)
    worker.kill()
    worker.communicate()
    assert seen(1) == ["0"]


def test_somebody_elses_folder_is_not_used(gpus, tmp_path):
    gpus("0")
    place = leases.folder()
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="point TMPDIR"):
        take(1)


@pytest.mark.thorough
def test_two_commands_at_once_never_share_a_gpu(room, tmp_path_factory):
    """Each of two studies of the same machine's three GPUs, a worker of one of them killed on the way."""
    other = type(room)(tmp_path_factory.mktemp("other"))
    machine = {"CUDA_VISIBLE_DEVICES": "0,1,2", "TMPDIR": str(room.path)}
    fault = f"advice.fault={{kind: kill once, phase: tuning, number: 1, mark: {room.path}/mark}}"
    first = room.start("study=optimizers", "study.workers=2", "advice.pause=0.05", fault, **machine)
    second = other.start("study=optimizers", "study.workers=1", "advice.pause=0.05", **machine)
    for command in (first, second):
        output, _ = command.communicate(timeout=60)
        assert command.returncode == 0, output
    shares = [*room.shares, *other.shares]
    assert {gpus for gpus, *_ in shares} == {"0", "1", "2"}
    assert (room.path / "mark").exists()  # a worker was killed, and replaced
    for (gpus, pid, a, b), (others, other_pid, c, d) in itertools.combinations(shares, 2):
        assert gpus != others or pid == other_pid or b <= c or d <= a


@pytest.mark.thorough
def test_a_study_without_a_free_gpu_says_so(room):
    machine = {"CUDA_VISIBLE_DEVICES": "0", "TMPDIR": str(room.path)}
    first = room.start("study=optimizers", "study.trials=8", "advice.pause=0.3", **machine)
    while not (room.path / f"regimens-{leases.os.getuid()}" / "gpu-0-0.lock").exists():
        assert first.poll() is None
    second = room.start("study=optimizers", "study.workers=auto", **machine)
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 2
    assert re.search(r"error: study.workers=auto: other commands hold the GPUs, 0 of 1 shares are free; .*\n", output)
    first.terminate()
    first.communicate()
