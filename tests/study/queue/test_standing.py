"""Who leads before a study is done, against scipy's own interval."""

from types import SimpleNamespace
from typing import Any

import pytest
from scipy import stats

from regimens.study.queue.standing import Standing, Standings


def standings(maximize: bool = True, judged: bool = True) -> Standings:
    study: Any = SimpleNamespace(metric="val/accuracy", maximize=maximize, judged=judged, cells=[])
    return Standings(study)


def finish(found: Standings, cell: str, phase: str, *values: float | None, status: str = "completed") -> None:
    for value in values:
        found.note(cell, phase, status, {"val/accuracy": value})


def test_the_interval_is_student_s() -> None:
    values = [0.91, 0.94, 0.92, 0.97]
    found = Standing.of("adam", values)
    low, high = stats.t.interval(0.95, 3, loc=found.mean, scale=stats.sem(values))
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))  # type: ignore[operator]
    assert (Standing.of("adam", [0.9]).half, Standing.of("adam", [0.9]).numbers) == (None, "0.9000 (n=1)")


def test_before_the_finals_the_best_tuning_trial_is_named() -> None:
    found = standings()
    assert found.sentence == ""
    finish(found, "sgd", "tuning", 0.6, 0.8)
    finish(found, "adam", "tuning", 0.9, 0.5)
    assert found.sentence == "adam has the best tuning trial, val/accuracy 0.9000"
    assert found.of_cell("sgd") == "0.8000 (tuning)"
    assert found.of_cell("nadam") == ""


@pytest.mark.parametrize("maximize", [True, False])
def test_the_leader_and_whose_interval_overlaps_its_own(maximize: bool) -> None:
    found, sign = standings(maximize), 1 if maximize else -1
    finish(found, "adam", "final", sign * 0.90, sign * 0.92)
    finish(found, "nadam", "final", sign * 0.89, sign * 0.92)
    finish(found, "sgd", "final", sign * 0.5001, sign * 0.5)
    assert found.sentence.startswith("adam leads, val/accuracy ")
    assert found.sentence.endswith("(n=2); intervals overlap with nadam")


def test_what_did_not_complete_and_what_is_only_measured_leads_nothing() -> None:
    found = standings()
    finish(found, "adam", "final", 0.99, status="diverged")
    finish(found, "adam", "final", None)
    assert found.sentence == ""
    measured = standings(judged=False)
    finish(measured, "adam", "final", 0.9)
    assert measured.sentence == ""
