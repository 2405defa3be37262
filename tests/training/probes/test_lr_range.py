"""The learning-rate range test: its schedule, what it reads off a curve, and whether it finds a known limit."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from regimens.core.files import write_json
from regimens.report.lr_range import of_run, of_table
from regimens.training.optimizers import sgd
from regimens.training.probes.lr_range import HIGHEST, LOWEST, STEPS, WINDOW, Finished, RangeTest, growing, read, smooth
from regimens.training.schedules import Schedule
from tests.conftest import Train


def rates() -> list[float]:
    return [LOWEST * (HIGHEST / LOWEST) ** (i / (STEPS - 1)) for i in range(STEPS)]


@pytest.mark.parametrize("own", [0.001, 0.5])
def test_the_rate_grows_by_a_constant_factor_whatever_the_optimisers_own_is(own: float) -> None:
    schedule = Schedule(
        sgd([torch.zeros(1, requires_grad=True)], lr=own), growing, interval="step", steps_per_epoch=9, epochs=9
    )
    seen = []
    for _ in range(STEPS):
        seen.append(schedule.lr)
        schedule.step()
    assert seen[0] == pytest.approx(1e-6)
    assert seen[-1] == pytest.approx(10.0)
    assert np.ptp(np.diff(np.log(seen))) < 1e-12


def test_the_proposal_is_a_tenth_of_where_half_the_fall_is_climbed_back() -> None:
    lr = rates()
    # A valley in log10(lr): from 2 down to 1 at 0.01, and up again by one for each factor of ten.
    valley = [1 + min(1.0, abs(math.log10(rate / 0.01))) for rate in lr]
    found = read(lr, valley)
    assert found["turning"] == pytest.approx(0.01 * 10**0.5, rel=0.03)
    assert found["proposed"] == pytest.approx(0.001 * 10**0.5, rel=0.05)


def test_a_loss_that_never_falls_proposes_nothing_and_one_that_never_climbs_says_so() -> None:
    lr = rates()
    assert read(lr, [2.3] * STEPS) == {"turning": None, "proposed": None}
    assert read([], []) == {"turning": None, "proposed": None}
    falling = read(lr, [2 - i / STEPS for i in range(STEPS)])
    assert falling["turning"] is None
    assert falling["proposed"] == pytest.approx(HIGHEST / 10)
    assert read(lr[:300], [2 - i / 300 for i in range(300)], blown_up=True)["turning"] == lr[299]


def test_smoothing_is_the_mean_of_the_neighbours() -> None:
    loss = np.random.default_rng(0).normal(size=100)
    half = WINDOW // 2
    expected = [loss[max(0, i - half) : i + half + 1].mean() for i in range(100)]
    np.testing.assert_allclose(smooth(loss.tolist()), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("curvature", [0.5, 10.0, 200.0])
def test_it_finds_where_gradient_descent_on_a_parabola_becomes_unstable(curvature: float) -> None:
    """Steps on h w² / 2 diverge for rates above 2 / h: the one loss whose limit is known."""
    generator = torch.Generator().manual_seed(0)
    w = torch.full((30,), 5.0, requires_grad=True)
    optimizer, test = sgd([w]), RangeTest()
    schedule = Schedule(optimizer, growing, interval="step", steps_per_epoch=9, epochs=9)
    with pytest.raises(Finished):
        while True:
            loss = 0.5 * curvature * (w - torch.randn(30, generator=generator)).square().mean() * 30
            w.grad = None
            loss.backward()
            test.stepping(loss, schedule.lr)
            optimizer.step()
            schedule.step()
    report = test.report()
    assert 2 / curvature < report["blow_up"] < 2 * 2 / curvature
    assert 0.5 * 2 / curvature < report["turning"] < 2 * 2 / curvature


def test_a_loss_that_is_no_number_ends_the_test_and_leaves_no_mark() -> None:
    test = RangeTest()
    test.stepping(torch.tensor(1.0), 0.1)
    with pytest.raises(Finished):
        test.stepping(torch.tensor(math.nan), 0.2)
    assert test.report()["loss"] == [1.0]
    assert RangeTest().report()["proposed"] is None


@pytest.mark.thorough
def test_a_trial_is_tested_whatever_its_schedule_epochs_and_stopping(train: Train, tmp_path: Path) -> None:
    result = train("probe=lr_range", "scheduler=exp", "regularization=early_stopping", "optimizer=nadam", "epochs=1")
    assert result.status == "completed"
    assert result.acted == {}
    found = result.lr_range
    assert found is not None
    assert len(found["lr"]) == len(found["loss"]) == len(found["smoothed"]) > 300
    assert 1e-4 < found["proposed"] < 0.05
    assert result.metrics["lr/proposed"] == found["proposed"]
    assert "val/accuracy" not in result.metrics
    assert result.regimen_hash != train("scheduler=exp", into="plain").regimen_hash
    (sentence, drawn), picture = of_run(result, tmp_path)
    assert sentence.startswith("try optimizer.lr=0.0")
    assert picture is not None
    assert drawn == f"drawn in {picture}"
    assert "learning rate" in picture.read_text()


def test_a_studys_tests_are_drawn_beside_its_table(tmp_path: Path) -> None:
    def trial(optimizer: str, seed: int, turning: float) -> dict[str, object]:
        curve = [1 + min(1.0, abs(math.log10(10 * rate / turning))) for rate in rates()]
        found = {"lr": rates(), "loss": curve, "smoothed": curve, **read(rates(), curve), "blow_up": None}
        place = {"cell": {"optimizer": optimizer}, "phase": "final", "number": seed, "params": {}}
        return {"status": "completed", "seed": seed, "study": place, "metrics": {}, "lr_range": found}

    trials = [trial("sgd", seed, turning) for seed, turning in enumerate((0.1, 0.2, 0.4))]
    trials.append(trial("nadam", 0, 0.01))
    cells = [{"cell": {"optimizer": o}, "label": f"optimizer={o}", "n": 1, "mean": 0.1} for o in ("sgd", "nadam")]
    table = write_json({"study": {"name": "lr_range"}, "cells": cells, "trials": trials}, tmp_path / "lr_range.json")
    (first, second, _), picture = of_table(table)
    name, proposed = first.split(" (")[0].split("=")
    assert name == "sgd: try optimizer.lr"
    # The median seed's valley lies at 0.02, and half a factor of ten above it half the fall is climbed back.
    assert float(proposed) == pytest.approx(0.02 * 10**0.5 / 10, rel=0.04)
    assert "3 seeds: 0.0032 to 0.013" in first
    assert second.startswith("nadam: try optimizer.lr=0.00032")
    assert picture == tmp_path / "lr_range.svg"
