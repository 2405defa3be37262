"""A real SLURM on this machine: a controller and two nodes, which is all that the cluster tests need of one."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

NODES = ("one", "two")

CONF = """\
ClusterName=regimens
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=10
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1
PartitionName=main Nodes=one,two Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count: int) -> list[int]:
    """TCP ports on which nothing listens."""
    with ExitStack() as stack:
        taken = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in taken]


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """The environment in which `sbatch` and the like talk to the cluster; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="regimens-slurm-"))
    folder.chmod(0o755)
    (folder / "slurm.conf").write_text(CONF.format(host=socket.gethostname(), folder=folder, ports=free_ports(3)))
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    munge = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket"]
    munge += [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "seed", "log")]
    daemons = [munge, ["slurmctld", "-D", "-c"], *(["slurmd", "-D", "-N", node] for node in NODES)]
    processes = []
    try:
        for daemon in daemons:
            with (folder / f"{daemon[0]}-{len(processes)}.out").open("w") as out:
                processes.append(subprocess.Popen(daemon, env=environment, stdout=out, stderr=subprocess.STDOUT))
            if daemon is munge:
                wait_for(lambda: (folder / "munge.socket").exists(), "munged", folder)
        wait_for(lambda: idle(environment) == set(NODES), "two idle nodes", folder)
        yield environment
        subprocess.run(["scancel", "--user=root", "--signal=KILL"], env=environment, check=False)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in reversed(processes):
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()  # slurmd may wait for a controller that is gone
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def idle(environment: dict[str, str]) -> set[str]:
    """The nodes that wait for work."""
    command = ["sinfo", "--noheader", "--Node", "--states=idle", "--format=%N"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return set(answer.stdout.split())


def jobs(environment: dict[str, str]) -> dict[str, str]:
    """Running array tasks: job id -> node."""
    command = ["squeue", "--noheader", "--states=running", "--format=%i %N"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return {line.split()[0]: line.split()[1] for line in answer.stdout.splitlines() if line.strip()}


SACCT = """\
#!/bin/sh
# Accounting needs a database beside the cluster; the controller knows for some minutes, too, how its jobs ended.
echo "JobID|State|NodeList"
squeue --noheader --states=all --format='%i|%T|%N'
"""


def with_accounting(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """The environment of a cluster that can be asked how a job ended."""
    folder.mkdir()
    (folder / "sacct").write_text(SACCT)
    (folder / "sacct").chmod(0o755)
    return {**environment, "PATH": f"{folder}:{environment['PATH']}"}


def wait_for(condition, what: str, folder: Path, seconds: float = 60.0) -> None:
    """Wait until a condition holds; fail with the logs of the cluster."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            logs = "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in folder.glob("*.[ol][uo][tg]"))
            raise AssertionError(f"no {what} after {seconds:g} s:\n{logs}")
        time.sleep(0.2)
