"""Rounds of finals: until comparisons are settled, with few errors however often one looks."""

from typing import Any

import numpy as np
import pytest

from regimens.core.result import Result
from regimens.study.definition.study import Cell, Study
from regimens.study.queue import rounds
from regimens.study.queue.settling import is_open
from tests.study.digits_study import study_of

CELLS = ("optimizer=sgd,adam,nadam,rmsprop",)


def play(study: Study, means: dict[str, float], deviation: float, seed: int) -> dict[str, list[float]]:
    """Ask for rounds until no further one follows; each final's value drawn around its cell's mean."""
    streams = {cell.label: np.random.default_rng([seed, i]) for i, cell in enumerate(study.cells)}
    values: dict[str, list[float]] = {cell.label: [] for cell in study.cells}

    def read(cell: Cell, phase: str) -> list[Result | None]:
        found = values[cell.label]
        while len(found) < len(cell.finals):
            found.append(float(streams[cell.label].normal(means.get(cell.values["optimizer"], 0.8), deviation)))
        return [Result("completed", "x", 1, {}, "0", metrics={"test/accuracy": value}) for value in found]

    rounds.begin(study)
    while rounds.advance(study, read):
        pass
    return values


def ask(**settings: Any) -> Study:
    return study_of(*CELLS, seeds=4, most_seeds=16, settle=0.005, **settings)


def test_what_is_far_apart_is_settled_at_once_and_what_is_close_is_looked_at_again() -> None:
    values = play(ask(), {"sgd": 0.5, "rmsprop": 0.6}, 0.002, seed=1)
    assert all(len(values[f"optimizer={name}"]) > 4 for name in ("adam", "nadam"))
    assert len(values["optimizer=sgd"]) == len(values["optimizer=rmsprop"]) == 4


def test_equality_within_the_margin_ends_it_and_the_budget_ends_it_otherwise() -> None:
    assert max(map(len, play(ask(), {}, 0.0003, seed=1).values())) == 4
    assert {len(found) for found in play(ask(), {}, 0.05, seed=1).values()} >= {16}


def test_without_settle_there_is_one_round() -> None:
    study = study_of(*CELLS, seeds=4)
    assert {len(found) for found in play(study, {}, 0.05, seed=1).values()} == {4}


@pytest.mark.parametrize("deviations", [(0.01, 0.01, 0.01, 0.01), (0.001, 0.01, 0.01, 0.05)])
def test_equal_cells_are_told_apart_in_at_most_one_study_of_twenty(deviations: tuple[float, ...]) -> None:
    """Simulated: 4 cells, 4 looks of 4 more values, every pair at every look; binomial limit for 600 studies at 5 %."""
    from itertools import combinations

    from scipy.stats import binom

    level, wrong, studies = 1 - 0.05 / (4 * 6), 0, 600
    for seed in range(studies):
        stream = np.random.default_rng(seed)
        values = [stream.normal(0, deviation, 16) for deviation in deviations]
        wrong += any(
            not is_open(values[i][:n], values[j][:n], level, 1e-9)
            for n in (4, 8, 12, 16)
            for i, j in combinations(range(4), 2)
        )
    assert wrong <= binom.ppf(0.999, studies, 0.05)
