"""A study whose trials are trained together: which ones, and that nobody can tell from the table how they were run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from regimens.core.result import Result, read, write, write_together
from regimens.study.definition.command_line import read_command_line
from regimens.study.definition.composer import Composer, Source
from regimens.study.definition.define import define
from regimens.study.definition.engine_plan import plan_fleets
from regimens.study.definition.settings import read_settings
from regimens.study.definition.study import Study
from regimens.study.queue import rounds
from regimens.study.queue.claim import Claim
from regimens.study.queue.trial_files import TrialFiles
from regimens.study.queue.trial_queue import TrialQueue
from regimens.trial.engine_choice import Size

ROOT = Path(__file__).parents[2]
DIGITS = Size(1000, 64, 10)


def study_of(*arguments: str, size: Size = DIGITS, **settings: Any) -> Study:
    source = Source("train", (f"file://{ROOT}/conf",))
    line = read_command_line(["tracking=none", "data=digits", *arguments])
    study = define(read_settings(settings), line, Composer(source), name="test", size_of=lambda cfg: size)
    rounds.begin(study)
    plan_fleets(study, TrialFiles(study, Path()).plain)
    return study


def shapes(study: Study) -> list[tuple[str, int]]:
    return [(slots[0][1], len(slots)) for slots in study.fleets]


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)


@pytest.mark.usefixtures("one_core")
def test_every_trial_of_a_fleet_study_is_in_one_fleet_of_its_phase_and_optimiser() -> None:
    study = study_of("optimizer=sgd,adam", "engine=fleet", tuned=["optimizer.lr"], trials=20, seeds=3)
    assert shapes(study) == [("tuning", 10), ("tuning", 10)] * 2
    slots = [tuple(slot) for fleet in study.fleets for slot in fleet]
    assert len(set(slots)) == len(slots) == study.total


@pytest.mark.usefixtures("one_core")
def test_cells_of_one_shape_share_a_fleet_and_others_do_not() -> None:
    assert shapes(study_of("scheduler=constant,exp,cosine", "engine=fleet", seeds=4)) == [("final", 12)]
    assert shapes(study_of("activation=relu,tanh", "engine=fleet", seeds=4)) == [("final", 4)] * 2
    assert shapes(study_of("batch_size=16,32", "engine=fleet", seeds=4)) == [("final", 4)] * 2
    assert shapes(study_of("regularization=none,l2", "engine=fleet", seeds=4)) == [("final", 4)] * 2


@pytest.mark.parametrize(("cores", "sizes"), [(1, [12, 12]), (2, [12, 12]), (3, [8] * 3), (4, [6] * 4), (64, [4] * 6)])
def test_every_core_has_a_fleet_unless_they_were_too_small(
    cores: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert [size for _, size in shapes(study_of("optimizer=sgd", "engine=fleet", seeds=24))] == sizes


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"pruner": "median"}, "study.pruner"), ({"timeout": 60}, "study.timeout"), ({"sampler": "tpe"}, "study.sampler")],
)
def test_what_needs_trials_one_by_one_gets_them_so_and_says_why(settings: dict[str, Any], why: str) -> None:
    study = study_of("optimizer=sgd", "engine=fleet", tuned=["optimizer.lr"], trials=8, **settings)
    assert study.fleets == []
    assert why in study.alone


@pytest.mark.parametrize(
    ("arguments", "size", "engine"),
    [
        (["epochs=600"], DIGITS, "fleet"),
        (["epochs=2"], DIGITS, "eager"),
        (["epochs=1"], Size(55000, 784, 10), "eager"),
        (["epochs=600", "activation=rrelu"], DIGITS, "eager"),
        (["epochs=2", "trainer=gpu"], Size(55000, 784, 10), "fleet"),
        (["epochs=1", "engine=compiled"], DIGITS, "compiled"),
    ],
)
def test_auto_takes_what_the_definition_and_the_hardware_call_for(
    arguments: list[str], size: Size, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    study = study_of("model.hidden=[300,100]", "engine=auto", *arguments, size=size, seeds=8)
    assert [cell.engine for cell in study.cells] == [engine]


def test_another_engine_is_another_study() -> None:
    asked = [study_of("optimizer=sgd", f"engine={engine}", seeds=8) for engine in ("eager", "compiled", "fleet")]
    assert len({study.id for study in asked}) == 3


ASKED = ("data=digits", "model.hidden=[24,12]", "epochs=2", "tracking=none", "engine=fleet", "optimizer=sgd,nadam")
TUNED = ("optimizer.lr=tag(log,interval(0.001,0.1))", "study.trials=5", "study.seeds=3")


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "REGIMENS_ROOT": str(root), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(ROOT / "src" / "train.py"), "-m", *ASKED, *TUNED, *arguments]
    return subprocess.Popen(
        command, env=environment, cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    return output


def timeless(root: Path) -> list[Any]:
    """Every trial's record, times and places aside."""
    trials = []
    for path in sorted((root / "runs").glob("*/*/*/result.json")):
        one = json.loads(path.read_text())
        history = {name: values for name, values in one["history"].items() if name != "time"}
        metrics = {name: value for name, value in one["metrics"].items() if not name.startswith("time")}
        trials.append([one["study"], one["seed"], one["status"], metrics, history, one["acted"]])
        assert one["provenance"]["engine"] == "fleet"
    return trials


def queue_of(directory: Path, study: Study) -> TrialQueue:
    study.save(directory)
    return TrialQueue(TrialFiles(study, directory), optuna.storages.InMemoryStorage(), "here there")


def result_of(study: Study, claim: Claim) -> Result:
    name = claim.identity.to_json()
    return Result("completed", "fleet", claim.seed, {}, "0" * 64, {}, name, claim.about, {"val/accuracy": 0.5})


def test_a_worker_takes_a_whole_fleet_and_nobody_else_a_part_of_it(tmp_path: Path) -> None:
    study = study_of("optimizer=sgd", "engine=fleet", seeds=4)
    queue = queue_of(tmp_path, study)
    batch = queue.claim_batch()
    assert batch is not None and [claim.number for claim in batch.claims] == [0, 1, 2, 3]
    assert queue.claim_batch() is None
    assert not queue.finished
    for claim in batch.claims:
        write(result_of(study, claim), claim.directory)
        queue.finish(claim, result_of(study, claim))
    batch.release()
    assert queue.claim_batch() is None
    assert queue.finished


def test_what_is_left_of_a_fleet_is_claimed_in_the_company_of_all_of_it(tmp_path: Path) -> None:
    study = study_of("optimizer=sgd", "engine=fleet", seeds=4)
    queue = queue_of(tmp_path, study)
    for number in (0, 2):
        claim = queue._phase(study.cells[0], "final").claim_of(number, {})
        write(result_of(study, claim), claim.directory)
    batch = queue.claim_batch()
    assert batch is not None
    assert [claim.number for claim in batch.claims] == [1, 3]
    assert [member.number for member in batch.members] == [0, 1, 2, 3]


def test_a_fleet_whose_worker_died_while_it_wrote_the_results_is_not_trained_again(tmp_path: Path) -> None:
    study = study_of("optimizer=sgd", "engine=fleet", seeds=4)
    queue = queue_of(tmp_path, study)
    batch = queue.claim_batch()
    assert batch is not None and batch.journal is not None
    places = {claim.directory: result_of(study, claim) for claim in batch.claims}

    def dies(journal: Path) -> None:
        write(places[batch.claims[0].directory], batch.claims[0].directory)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("regimens.core.result.finish_together", dies)
        write_together(places, batch.journal)
    batch.release()
    assert len(list(tmp_path.rglob("result.json"))) == 1
    assert queue.claim_batch() is None
    assert queue.finished
    assert [read(place) for place in places] == list(places.values())
    assert not batch.journal.exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_workers_and_kills_do_not_change_a_bit_of_a_fleets_table(tmp_path: Path) -> None:
    roots = [tmp_path / name for name in ("peace", "two", "killed")]
    for root in roots:
        root.mkdir()
    finish(start(roots[0]))
    finish(start(roots[1], "study.workers=2"))
    strike(roots[2])
    assert "16 trials" in finish(start(roots[2]))
    peace, two, killed = (timeless(root) for root in roots)
    assert len(peace) == 2 * (5 + 3)
    assert peace == two
    assert peace == killed


def strike(root: Path) -> None:
    """kill -9 each time that another few results of the study have just been written, within a fleet or between two."""
    for wanted in (1, 6, 12):
        process = start(root)
        end = time.monotonic() + 200
        while len(list((root / "runs").glob("*/*/*/result.json"))) < wanted and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
