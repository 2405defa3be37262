"""Rounds of finals: until no comparison is open, or the seeds are used up.

That all looks together err as rarely as they should is simulated in tests/stats/test_sequential.py.
"""

from typing import Any

import numpy as np
import pytest

from regimens.core.result import Result
from regimens.study.definition.study import Cell, Study
from regimens.study.queue import rounds
from regimens.study.queue.judging import looks_of
from regimens.study.queue.settling import open_cells
from tests.study.digits_study import study_of

CELLS = ("optimizer=sgd,adam,nadam,rmsprop",)


def play(study: Study, means: dict[str, float], deviation: float, seed: int = 1) -> dict[str, list[float]]:
    """Ask for rounds until no further one follows; each final's value drawn around its cell's mean."""
    streams = {cell.label: np.random.default_rng([seed, i]) for i, cell in enumerate(study.cells)}
    values: dict[str, list[float]] = {cell.label: [] for cell in study.cells}

    def read(cell: Cell, phase: str) -> list[Result | None]:
        found = values[cell.label]
        while len(found) < len(cell.finals):
            found.append(float(streams[cell.label].normal(means.get(cell.values["optimizer"], 0.8), deviation)))
        return [
            Result("completed", "x", seed, {}, "0", metrics={"test/accuracy": value})
            for seed, value in zip(cell.finals, found, strict=True)
        ]

    rounds.begin(study)
    while rounds.advance(study, read):
        pass
    return {label.partition("=")[2]: found for label, found in values.items()}


def ask(**settings: Any) -> Study:
    return study_of(*CELLS, **({"seeds": 4, "most_seeds": 16, "settle": 0.005} | settings))


@pytest.mark.thorough
def test_a_study_whose_cells_are_clearly_apart_asks_for_no_more() -> None:
    study = ask()
    apart = {"sgd": 0.5, "rmsprop": 0.6, "adam": 0.7, "nadam": 0.8}
    assert {len(found) for found in play(study, apart, 0.002).values()} == {4}
    assert study.complete and looks_of(study) == (1, 4)


@pytest.mark.thorough
def test_only_what_is_open_is_asked_again_with_the_same_seeds_in_every_cell() -> None:
    study = ask()
    values = play(study, {"sgd": 0.5, "rmsprop": 0.6}, 0.004)
    assert len(values["sgd"]) == len(values["rmsprop"]) == 4
    assert len(values["adam"]) == len(values["nadam"]) > 4
    seeds = {cell.values["optimizer"]: cell.finals for cell in study.cells}
    assert seeds["adam"] == seeds["nadam"]
    assert seeds["adam"][:4] == seeds["sgd"]
    assert len(set(seeds["adam"])) == len(seeds["adam"])


@pytest.mark.thorough
def test_equality_within_the_margin_ends_it_and_the_budget_ends_it_otherwise() -> None:
    assert max(map(len, play(ask(), {}, 0.0003).values())) == 4
    wide = play(ask(), {}, 0.05)
    assert max(map(len, wide.values())) == 16


@pytest.mark.parametrize("settings", [{"settle": None}, {"seeds": [1, 2, 3, 4], "most_seeds": None}])
def test_without_settle_or_with_seeds_that_are_named_there_is_one_round(settings: dict[str, Any]) -> None:
    study = ask(**settings)
    assert {len(found) for found in play(study, {}, 0.05).values()} == {4}
    assert looks_of(study) == (1, 1)


@pytest.mark.thorough
def test_the_last_look_asks_for_nothing_and_neither_does_a_study_that_only_measures() -> None:
    finals = {f"optimizer={name}": [] for name in ("sgd", "adam", "nadam", "rmsprop")}
    study = ask()
    for cell in study.cells:
        cell.finals = list(range(16))
    assert open_cells(study, finals) == []
    measured = ask(direction="none")
    assert open_cells(measured, finals) == []
