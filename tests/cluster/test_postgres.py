"""Eight workers on a real PostgreSQL, shown in a real MLflow server; both are killed on the way."""

import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.cluster import postgres
from tests.cluster.conftest import ROOT, Room, wait_for

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(1800)]

LR = "optimizer.lr=tag(log,interval(0.0001,0.1))"
FIXED = ("study.extend=0", "study.refine=0")  # as many trials as the grid has points
HUNDRED = ("-m", "optimizer=adam,sgd", LR, "study.trials=20", "study.seeds=30", "advice.pause=0.2", *FIXED)


@pytest.fixture(scope="module")
def server():
    with postgres.postgres() as running:
        yield running


def tracked(uri: str) -> str:
    return (
        f"+tracking={{_target_:regimens.tracking.mlflow.Mlflow,uri:'{uri}',experiment:regimens,artifacts:mlartifacts}}"
    )


def children(uri: str) -> list:
    client = MlflowClient(uri)
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(experiments, max_results=1000)
    (parent,) = (run for run in runs if "regimens.study" in run.data.tags)
    assert parent.info.status == "FINISHED"
    return [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


def test_a_hundred_trials_survive_the_death_of_both_servers(
    fake: Room, server: postgres.Postgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    peace = Room(tmp_path_factory.mktemp("peace"), script=fake.script)
    peace.run(*HUNDRED, "advice.pause=0", "study.workers=2")
    database = server.create("mlflow")
    with postgres.mlflow_server(database, fake.path / "artifacts") as (mlflow, uri):
        postgres.wait_for_mlflow(uri)
        process = fake.start(*HUNDRED, "study.workers=8", f"study.storage={server.create('study')}", tracked(uri))
        wait_for(lambda: len(fake.trained) >= 20)
        mlflow.kill()
        wait_for(lambda: len(fake.trained) >= 40)
        server.kill()
        time.sleep(3)
        server.start()
        server.wait()
        mlflow.start()
        output, _ = process.communicate(timeout=900)
        assert process.returncode == 0, output
        assert "100 trials: 100 completed" in output
        assert "study.storage does not answer; waiting" in output
        assert "Traceback" not in output and "lock" not in output
        assert postgres.PASSWORD not in output + fake.everything_written()
        assert len(set(fake.trained)) == len(fake.trained) == 100
        assert fake.cells == peace.cells
        postgres.wait_for_mlflow(uri)
        fake.run("sync", f"tracking.uri={uri}", "paths.root=.", script=ROOT / "src" / "train.py")
        runs = children(uri)
        assert len(runs) == len({run.data.tags["regimens.trial"] for run in runs}) == 100
        assert {run.info.status for run in runs} == {"FINISHED"}


def test_results_wait_on_disk_for_a_server_that_is_away_and_sync_delivers_each_once(
    fake: Room, server: postgres.Postgres
) -> None:
    with postgres.mlflow_server(server.create("late"), fake.path / "artifacts") as (mlflow, uri):
        mlflow.kill()
        study = ("-m", "optimizer=adam,sgd", "study.seeds=4", tracked(uri))
        began = time.monotonic()
        output = fake.run(*study)
        assert "8 results are on disk only" in output and "sync" in output
        assert output.count("warning: ") <= 5
        spent = time.monotonic() - began
        mlflow.start()
        postgres.wait_for_mlflow(uri)
        sync = ("sync", f"tracking.uri={uri}", "paths.root=.")
        assert "8 results delivered" in fake.run(*sync, script=ROOT / "src" / "train.py")
        assert "0 results delivered" in fake.run(*sync, script=ROOT / "src" / "train.py")
        assert len(children(uri)) == 8
        print(f"with the server away: {spent:.1f} s")


def test_the_next_run_delivers_what_an_earlier_one_had_to_leave(fake: Room, server: postgres.Postgres) -> None:
    with postgres.mlflow_server(server.create("next"), fake.path / "artifacts") as (mlflow, uri):
        mlflow.kill()
        fake.run("-m", "optimizer=adam", "study.seeds=3", tracked(uri))
        mlflow.start()
        postgres.wait_for_mlflow(uri)
        output = fake.run("-m", "optimizer=sgd", "study.seeds=2", tracked(uri))
        assert "3 results of earlier runs delivered" in output
        assert not (fake.path / "runs" / ".undelivered").exists()


def test_a_database_that_stays_away_costs_one_line_and_the_command_resumes(
    fake: Room, server: postgres.Postgres
) -> None:
    study = ("-m", "optimizer=adam,sgd", "study.seeds=10", "advice.pause=0.3", "study.workers=3",
             f"study.storage={server.create('away')}", "study.storage_wait=2")  # fmt: skip
    process = fake.start(*study)
    wait_for(lambda: len(fake.trained) >= 3)
    server.kill()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "has not answered for 2 s" in line and "resume with" in line and postgres.PASSWORD not in line
    assert "Traceback" not in output
    output = fake.run(*study, status=2)
    assert output.startswith("error: study.storage=postgresql://") and postgres.PASSWORD not in output
    server.start()
    server.wait()
    assert "20 completed" in fake.run(*study)
    assert len(set(fake.trained)) == len(fake.trained) == 20


def test_logging_a_trial_to_a_server_takes_a_tenth_of_a_second(tmp_path: Path, server: postgres.Postgres) -> None:
    from regimens.core.result import Result, write
    from regimens.tracking.mlflow import Mlflow

    with postgres.mlflow_server(server.create("speed"), tmp_path / "artifacts") as (_, uri):
        postgres.wait_for_mlflow(uri)
        room = Mlflow(uri, "regimens", "mlartifacts")
        parent = room.open({"id": "abc", "name": "speed", "question": None})
        seconds = []
        for number in range(30):
            study = {"id": "abc", "name": "speed", "cell": {}, "phase": "final", "number": number}
            result = Result(
                status="completed", name="fast", seed=number, regimen={"epochs": 10}, regimen_hash="0" * 64, choices={},
                study=study, metrics={"val/accuracy": 0.9}, provenance={"started": "2026-01-01T00:00:00+00:00"},
                history={"epoch": [*range(1, 11)], "time": [0.1] * 10, "val/loss": [0.5] * 10},
            )  # fmt: skip
            write(result, tmp_path / str(number))
            began = time.perf_counter()
            assert room.log(result, tmp_path / str(number), parent)
            seconds.append(time.perf_counter() - began)
        print(f"a trial: {sorted(seconds)[15]:.3f} s", file=sys.stderr)
