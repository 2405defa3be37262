"""How many trials a study with a time of its own asks for; without training anything, but for the last test."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regimens.core.errors import UserError
from regimens.core.result import Result
from regimens.study.definition.command_line import read_command_line
from regimens.study.definition.composer import Composer, Source
from regimens.study.definition.define import define
from regimens.study.definition.settings import read_settings
from regimens.study.definition.study import Cell, Study
from regimens.study.queue import rounds
from regimens.study.queue.time_budget import BETWEEN, SEARCH, TUNING

TRAIN = Path(__file__).parents[3] / "src" / "train.py"
CONF = Path(__file__).parents[1] / "fake" / "conf"
LINE = ("optimizer=sgd,adam", "optimizer.lr=tag(log,interval(0.0001,0.1))")
Took = Callable[[Cell, str, int], float]


def study_of(*line: str, workers: int = 1, **settings: Any) -> Study:
    composer = Composer(Source("train", (f"file://{CONF}",)))
    return define(read_settings(settings), read_command_line(list(line)), composer, name="test", workers=workers)


def play(study: Study, took: Took = lambda cell, phase, number: 2.0 - BETWEEN) -> float:
    """Run a study to its end, with a parabola in place of training; the seconds that its trials took."""

    def read(cell: Cell, phase: str) -> list[Result | None]:
        values = cell.points if phase == "tuning" else [cell.best] * len(cell.finals)
        found: list[Result | None] = []
        for number, value in enumerate(values):
            value = value or {"optimizer.lr": 0.01}  # an adaptive sampler's own choice
            metrics = {"val/accuracy": 0.9 - 0.01 * float(np.log10(value.get("optimizer.lr", 0.01)) + 2.4) ** 2}
            durations = {"train": took(cell, phase, number)}
            found.append(
                Result("completed", "x", 1, {}, "0", study={"params": value}, metrics=metrics, durations=durations)
            )
        return found

    rounds.begin(study)
    while rounds.advance(study, read):
        assert study.round < 50
    results = [one for cell in study.cells for phase in study.phases(cell) for one in read(cell, phase) if one]
    return sum(one.durations["train"] + BETWEEN for one in results)


def tuning(study: Study) -> int:
    return sum(len(cell.points) for cell in study.cells)


@pytest.mark.parametrize(("minutes", "grid"), [(1, 5), (2, 9), (10, 9)])
def test_the_time_is_used_up_and_not_exceeded(minutes: float, grid: int) -> None:
    study = study_of(*LINE, minutes=minutes)
    seconds = play(study)
    assert 60 * minutes - 2 * 2 < seconds <= 60 * minutes  # another final in both cells would not fit
    assert len({len(cell.finals) for cell in study.cells}) == len({len(cell.points) for cell in study.cells}) == 1
    assert study.trials == grid and 2.0 * tuning(study) <= TUNING * 60 * minutes
    first, second = study.cells
    assert first.finals == second.finals
    assert study.plan.startswith(f"a trial takes 2 s: a grid of {grid} in each cell")


def test_of_a_time_that_ends_too_early_there_is_a_valid_table_still() -> None:
    study = study_of(*LINE, minutes=0.1)
    assert play(study) == pytest.approx(2 * (1 + 3) * 2.0)
    assert [(len(cell.points), len(cell.finals)) for cell in study.cells] == [(1, 3)] * 2
    assert all(cell.best == cell.default for cell in study.cells) and "too long for any tuning" in study.plan


def test_a_slow_cell_gets_as_many_trials_as_a_fast_one_and_counts_with_its_own_time() -> None:
    study = study_of(*LINE, hours=0.1)
    seconds = play(study, lambda cell, phase, number: 9.0 if "adam" in cell.label else 1.0)
    assert 360 - 10 - 2 * BETWEEN < seconds <= 360
    assert len({(len(cell.points), len(cell.finals)) for cell in study.cells}) == 1


def test_workers_multiply_the_time() -> None:
    alone, together = study_of(*LINE, minutes=1), study_of(*LINE, minutes=1, workers=4)
    assert 3.5 < play(together) / play(alone) <= 4.1 and alone.id != together.id
    assert together.asked[-1] == "study.workers=4"  # who asks for it again with others has another study


def test_the_same_results_ask_for_the_same_trials() -> None:
    def took(cell: Cell, phase: str, number: int) -> float:
        return 1.0 + (31 * number + len(phase)) % 7 / 5

    first, second = study_of(*LINE, minutes=3), study_of(*LINE, minutes=3)
    play(first, took)
    play(second, took)
    play(second, took)  # what the same command does with results that are there
    assert asdict(first) == asdict(second)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_search_takes_most_of_the_time(sampler: str) -> None:
    study = study_of(*LINE, minutes=4, mode="search", sampler=sampler)
    seconds = play(study)
    assert SEARCH * 240 - 2 < 2.0 * tuning(study) <= SEARCH * 240
    assert 240 - 4 < seconds <= 240


@pytest.mark.parametrize("sampler", ["qmc", "random"])
def test_more_draws_begin_with_the_fewer(sampler: str) -> None:
    study = study_of(*LINE, minutes=4, sampler=sampler)
    play(study)
    plain = study_of(*LINE, trials=study.trials, sampler=sampler)
    rounds.begin(plain)
    assert study.trials > 20 and [one.points for one in plain.cells] == [one.points for one in study.cells]


def test_nothing_tuned_is_all_finals_and_with_looks_these_end_at_the_last() -> None:
    study = study_of("optimizer=sgd,adam", minutes=2)
    assert play(study) == 120 and [len(cell.finals) for cell in study.cells] == [30, 30]
    most = study_of("optimizer=sgd,adam", minutes=2, most_seeds=10)
    assert play(most) == 2 * 10 * 2.0
    settled = study_of("optimizer=sgd,adam", minutes=2, settle=0.005)
    play(settled)
    assert [len(cell.finals) for cell in settled.cells] == [4 * 3, 4 * 3]


@pytest.mark.parametrize(
    ("line", "settings", "said"),
    [
        (LINE, {"minutes": 0}, "study.minutes=0: it is a time above 0"),
        (LINE, {"hours": "x"}, "study.hours=x: it is a time above 0"),
        (LINE, {"hours": 1, "minutes": 1}, "give one of them"),
        ((*LINE, "study.trials=3"), {"minutes": 1}, "study.trials=3 and study.minutes"),
        ((*LINE, "study.seeds=3"), {"hours": 1}, "study.seeds=3 and study.hours=1"),
        ((*LINE, "seed=1,2"), {"minutes": 1}, "cannot be named"),
        (LINE, {"minutes": 1, "seeds": [1, 2]}, "cannot be named"),
    ],
)
def test_what_contradicts_a_time_is_refused(line: tuple[str, ...], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said.replace("[", r"\[")):
        study_of(*line, **settings)


@pytest.mark.thorough
def test_a_command_with_a_time_says_what_it_does_and_asked_again_trains_nothing(tmp_path: Path) -> None:
    line = ("data=wine", "optimizer=sgd,adam", "tune=lr", "epochs=3", "tracking=none", "study.minutes=0.1")
    command = [sys.executable, str(TRAIN), "-m", *line, f"paths.root={tmp_path}"]
    done, again = (
        subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        for _ in range(2)
    )
    assert done.returncode == again.returncode == 0, done.stderr
    assert ", then what fits in 6 s" in done.stdout and "a trial takes " in done.stdout
    assert "finals until the time is used" in done.stdout and done.stdout.count(" final ") >= 6
    assert " final " not in again.stdout and " tuning " not in again.stdout.split("found:")[0]
    assert done.stdout.splitlines()[-1].partition("; see")[0] == again.stdout.splitlines()[-1].partition("; see")[0]
