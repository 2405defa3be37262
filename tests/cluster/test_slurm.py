"""Studies on a real SLURM of two nodes, on this machine."""

import signal
import subprocess

import pytest

from tests.cluster import postgres, slurm
from tests.cluster.conftest import SMALL, Room, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1800)]

STUDY = ("-m", "optimizer=adam,nadam", "optimizer.lr=tag(log,interval(0.0001,0.1))", "study.trials=4", "study.seeds=2",
         "study.extend=0", "study.refine=0")  # fmt: skip


@pytest.fixture(scope="module")
def cluster():
    with slurm.running() as environment:
        yield environment


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of the study, computed on one machine."""
    room = Room(tmp_path_factory.mktemp("local"))
    room.run(*STUDY, *SMALL)
    return room.cells


def test_a_study_on_two_nodes_survives_the_end_of_a_worker(room: Room, cluster: dict[str, str], local: str) -> None:
    room.environment = cluster
    process = room.start(*STUDY, *SMALL, "study.workers=2", "hydra/launcher=slurm")
    wait_for(lambda: len(room.finished) >= 4 or process.poll() is not None)
    jobs = slurm.jobs(cluster)
    assert sorted(jobs.values()) == ["one", "two"], process.communicate()[0]
    subprocess.run(["scancel", min(jobs)], env=cluster, check=True)
    at_the_end_of_the_worker = len(room.finished)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert at_the_end_of_the_worker < 12
    assert "12 trials: 12 completed" in output.splitlines()[-1]
    assert room.cells == local
    wait_for(lambda: not slurm.jobs(cluster))


def test_a_requeued_worker_comes_back_and_its_trial_is_not_blamed(fake: Room, cluster: dict[str, str]) -> None:
    fake.environment = cluster
    process = fake.start("-m", "optimizer=adam,sgd", "study.seeds=6", "study.workers=2", "study.retries=0",
                         "advice.pause=1", "hydra/launcher=submitit_slurm")  # fmt: skip
    wait_for(lambda: len(fake.trained) >= 2 or process.poll() is not None)
    subprocess.run(["scontrol", "requeue", min(slurm.jobs(cluster))], env=cluster, check=True)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "12 trials: 12 completed" in output.splitlines()[-1]
    assert len(set(fake.trained)) == len(fake.trained) == 12


def test_jobs_end_with_ctrl_c_but_outlive_a_killed_command(fake: Room, cluster: dict[str, str]) -> None:
    fake.environment = cluster
    study = ("-m", "optimizer=adam,sgd", "study.seeds=20", "study.workers=2", "advice.pause=0.5")
    process = fake.start(*study, "hydra/launcher=submitit_slurm")
    wait_for(lambda: len(fake.trained) >= 1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "resume with" in output
    wait_for(lambda: not slurm.jobs(cluster), 60)
    process = fake.start(*study, "hydra/launcher=submitit_slurm")
    stopped_at = len(fake.trained)
    wait_for(lambda: len(fake.trained) > stopped_at)
    process.kill()
    process.communicate()
    killed_at = len(fake.trained)
    wait_for(lambda: len(fake.trained) > killed_at + 4)
    output = fake.run(*study, "hydra/launcher=submitit_slurm")
    assert "40 trials: 40 completed" in output.splitlines()[-1]
    assert len(set(fake.trained)) == len(fake.trained) == 40


LONELY = ("-m", "optimizer=adam,sgd", "study.seeds=20", "study.workers=1", "advice.pause=1",
          "hydra/launcher=submitit_slurm")  # fmt: skip


def test_a_study_ends_when_no_worker_is_left(fake: Room, cluster: dict[str, str]) -> None:
    fake.environment = slurm.with_accounting(cluster, fake.path / "bin")
    process = fake.start(*LONELY)
    wait_for(lambda: len(fake.trained) >= 1)
    subprocess.run(["scancel", *slurm.jobs(cluster)], env=cluster, check=True)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 1
    assert "no worker is left" in output and "resume with" in output and "Traceback" not in output


def test_a_study_on_a_cluster_without_accounting_says_that_it_only_waits(fake: Room, cluster: dict[str, str]) -> None:
    fake.environment = cluster
    process = fake.start(*LONELY)
    wait_for(lambda: len(fake.trained) >= 1)
    subprocess.run(["scancel", *slurm.jobs(cluster)], env=cluster, check=True)
    assert process.stdout is not None
    assert any("no worker runs" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "resume with" in output and "submitit WARNING" not in output


def test_no_file_of_a_study_on_a_cluster_holds_the_database_s_password(fake: Room, cluster: dict[str, str]) -> None:
    fake.environment = cluster
    with postgres.postgres() as server:
        url = server.create("study")
        fake.run("-m", "optimizer=adam,sgd", "study.seeds=2", "study.workers=2", f"study.storage={url}",
                 "hydra/launcher=submitit_slurm")  # fmt: skip
    assert list(fake.path.rglob("*_submitted.pkl"))
    assert postgres.PASSWORD not in fake.everything_written()
