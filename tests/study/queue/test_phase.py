"""Handing out a trial costs the same whether it is a cell's tenth or its ten-thousandth."""

import cProfile
import pstats
from pathlib import Path

import optuna
import pytest

from regimens.core.result import Result, write
from regimens.study.definition.command_line import read_command_line
from regimens.study.definition.composer import Composer, Source
from regimens.study.definition.define import define
from regimens.study.definition.settings import read_settings
from regimens.study.queue import rounds
from regimens.study.queue.trial_files import TrialFiles
from regimens.study.queue.trial_queue import TrialQueue

CONF = Path(__file__).parents[1] / "fake" / "conf"


def queue_of(directory: Path, trials: int) -> TrialQueue:
    composer = Composer(Source("train", (f"file://{CONF}",)))
    settings = read_settings({"tuned": ["optimizer.lr"], "trials": trials, "sampler": "random"})
    study = define(settings, read_command_line(["optimizer=adam"]), composer, name="flat")
    rounds.begin(study)
    study.save(directory)
    return TrialQueue(TrialFiles(study, directory), optuna.storages.InMemoryStorage(), "here there")


def take(queue: TrialQueue) -> int:
    claim = queue.claim()
    assert claim is not None
    result = Result("completed", "flat", claim.seed, {}, "0" * 64, {}, claim.identity.to_json(), claim.about)
    result.metrics["val/accuracy"] = 0.5
    write(result, claim.directory)
    queue.finish(claim, result)
    return claim.number


def calls_for_the_next(directory: Path, done: int) -> int:
    """Function calls to hand out and take back one trial where `done` are done: a count, so no clock disturbs it."""
    queue = queue_of(directory, done + 2)
    (cell,) = queue.study.cells
    phase = queue._phase(cell, "tuning")
    for number in range(done):
        attributes = {"slot": number, "values": cell.points[number], "status": "completed"}
        phase.optuna.add_trial(optuna.trial.create_trial(value=0.5, user_attrs=attributes))
    assert take(queue) == done
    profile = cProfile.Profile()
    assert profile.runcall(take, queue) == done + 1
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.thorough
def test_a_claim_costs_the_same_after_ten_thousand_trials(tmp_path: Path) -> None:
    early, late = calls_for_the_next(tmp_path / "early", 10), calls_for_the_next(tmp_path / "late", 10_000)
    assert late <= 1.5 * early


def test_slots_are_begun_when_their_turn_comes(tmp_path: Path) -> None:
    queue = queue_of(tmp_path, 100)
    assert [take(queue) for _ in range(3)] == [0, 1, 2]
    (cell,) = queue.study.cells
    assert len(queue._phase(cell, "tuning").optuna.trials) == 3


@pytest.mark.parametrize("lost", ["before", "after"])
def test_telling_an_end_may_be_repeated(tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = queue_of(tmp_path, 2)
    claim = queue.claim()
    assert claim is not None
    result = Result("completed", "flat", claim.seed, {}, "0" * 64, {}, claim.identity.to_json(), claim.about)
    result.metrics["val/accuracy"] = 0.5
    tell = optuna.Study.tell

    def cut_off(*arguments: object, **keywords: object) -> None:
        if lost == "after":
            tell(*arguments, **keywords)  # type: ignore[arg-type]
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(optuna.Study, "tell", cut_off)
        with pytest.raises(ConnectionError):
            queue.finish(claim, result)
    queue.finish(claim, result)
    (trial,) = queue._phase(claim.cell, "tuning").optuna.trials
    assert trial.value == 0.5
