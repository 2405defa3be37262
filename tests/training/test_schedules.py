"""Every value of a 10-epoch run of every schedule against its formula (docs/reference/parity.md, section 6)."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from regimens.core.build import build
from regimens.core.errors import UserError
from regimens.training.optimizers import sgd
from regimens.training.schedules import Schedule

CONF = Path(__file__).parents[2] / "conf" / "scheduler"
EPOCHS, STEPS, LR = 10, 7, 0.02
TOTAL = EPOCHS * STEPS


def driver(option: str, warmup: int = 0, steps: int = STEPS, epochs: int = EPOCHS, **overrides: Any) -> Schedule:
    node = {**yaml.safe_load((CONF / f"{option}.yaml").read_text()), **overrides}
    optimizer = sgd([torch.ones(2, requires_grad=True)], lr=LR)
    interval = node["interval"]
    return Schedule(optimizer, build(node), interval=interval, warmup=warmup, steps_per_epoch=steps, epochs=epochs)


def rates(
    schedule: Schedule, losses: list[float] | None = None, steps: int = STEPS, epochs: int = EPOCHS
) -> np.ndarray:
    """Return the learning rate of every step of a run, (epochs * steps,)."""
    seen = []
    for epoch in range(epochs):
        for _ in range(steps):
            seen.append(schedule.lr)
            schedule.step()
        schedule.epoch_end(losses[epoch] if losses else 1.0)
    return np.array(seen)


def onecycle(i: int, total: int) -> float:
    """handson-ml2's OneCycleScheduler, as a factor of its peak."""
    last = total // 10 + 1
    half = (total - last) // 2
    if i < half:
        return 0.1 + 0.9 * i / half
    if i < 2 * half:
        return 1 - 0.9 * (i - half) / half
    return 0.1 + (0.0001 - 0.1) * (i - 2 * half) / (total - 2 * half)


# Factor of the optimiser's learning rate at step i in epoch e.
FORMULAS: dict[str, Callable[[int, int], float]] = {
    "constant": lambda i, e: 1.0,
    "power": lambda i, e: 1 / (1 + 1e-4 * i),
    "exp": lambda i, e: 0.1 ** (e / 20),
    "exp_step": lambda i, e: 0.1 ** (i / (20 * STEPS)),
    "piecewise": lambda i, e: 1.0 if e < 5 else 0.5 if e < 15 else 0.1,
    "onecycle": lambda i, e: onecycle(i, TOTAL),
    "cosine": lambda i, e: 0.5 * (1 + math.cos(math.pi * i / TOTAL)),
    "plateau": lambda i, e: 1.0 if e < 6 else 0.5,
}


def expected(option: str) -> np.ndarray:
    return LR * np.array([FORMULAS[option](i, i // STEPS) for i in range(TOTAL)])


def test_every_option_has_a_formula() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == set(FORMULAS)


@pytest.mark.parametrize("option", FORMULAS)
def test_every_step_of_ten_epochs(option: str) -> None:
    np.testing.assert_allclose(rates(driver(option)), expected(option), rtol=1e-12)


@pytest.mark.parametrize("option", FORMULAS)
@pytest.mark.parametrize("warmup", [1, 5, STEPS, 3 * STEPS + 2])
def test_warmup_multiplies_any_schedule(option: str, warmup: int) -> None:
    ramp = np.minimum(1, (np.arange(TOTAL) + 1) / warmup)
    np.testing.assert_allclose(rates(driver(option, warmup)), ramp * expected(option), rtol=1e-12)


@pytest.mark.parametrize("option", FORMULAS)
@pytest.mark.parametrize("warmup", [0, 1, STEPS + 2])
def test_steps_looked_at_ahead_are_those_taken_one_by_one(option: str, warmup: int) -> None:
    schedule, seen = driver(option, warmup), []
    for _ in range(EPOCHS):
        seen += [*schedule.ahead(1), *schedule.ahead(4), *schedule.ahead(STEPS - 5)]
        schedule.epoch_end(1.0)
    assert seen == rates(driver(option, warmup)).tolist()


def test_onecycle_of_the_notes() -> None:
    seen = rates(driver("onecycle", steps=430, epochs=25), steps=430, epochs=25) * 0.05 / LR
    assert len(seen) == 10750
    assert seen.argmax() == 4837
    assert seen[-1] == pytest.approx(9.64e-6, rel=1e-3)


@pytest.mark.parametrize("total", range(1, 12))
def test_onecycle_and_cosine_of_very_short_runs(total: int) -> None:
    for option in ("onecycle", "cosine"):
        seen = rates(driver(option, steps=total, epochs=1), steps=total, epochs=1)
        assert np.isfinite(seen).all()
        assert (seen > 0).all()


def test_piecewise_reaches_its_last_level() -> None:
    seen = rates(driver("piecewise", epochs=20), epochs=20)[::STEPS]
    np.testing.assert_allclose(seen, LR * np.array([1.0] * 5 + [0.5] * 10 + [0.1] * 5))


def keras_plateau(losses: list[float], patience: int, cooldown: int, min_delta: float = 1e-4) -> list[float]:
    """tf.keras 2's ReduceLROnPlateau: the factor in force after each epoch."""
    best, wait, left, factor, factors = math.inf, 0, 0, 1.0, []
    for loss in losses:
        if left > 0:
            left, wait = left - 1, 0
        if loss < best - min_delta:
            best, wait = loss, 0
        elif left == 0:
            wait += 1
            if wait >= patience:
                factor, left, wait = factor * 0.5, cooldown, 0
        factors.append(factor)
    return factors


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("cooldown", [0, 1, 2, 3])
def test_plateau_is_keras_on_random_traces(patience: int, cooldown: int) -> None:
    rng = np.random.default_rng(patience * 10 + cooldown)
    for _ in range(13):  # 156 traces in all
        losses = (1 + rng.normal(0, 0.02, 40).cumsum() + rng.normal(0, 0.0001, 40)).round(4).tolist()
        schedule = driver("plateau", patience=patience, cooldown=cooldown)
        seen = []
        for loss in losses:
            schedule.step()
            schedule.epoch_end(loss)
            seen.append(schedule.lr / LR)
        np.testing.assert_allclose(seen, keras_plateau(losses, patience, cooldown))


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("StepLR", {"step_size": 3}),
        ("ExponentialLR", {"gamma": 0.9}),
        ("CosineAnnealingLR", {"T_max": 10}),
        ("OneCycleLR", {"max_lr": 0.1, "cycle_momentum": False}),
    ],
)
@pytest.mark.parametrize("warmup", [0, 4])
def test_any_torch_schedule_is_one_file(target: str, arguments: dict[str, Any], warmup: int) -> None:
    interval = "step" if target == "OneCycleLR" else "epoch"
    node = {"_target_": f"torch.optim.lr_scheduler.{target}", "_partial_": True, "interval": interval, **arguments}

    def make(warmup: int) -> Schedule:
        optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=LR)
        return Schedule(optimizer, build(node), interval=interval, warmup=warmup, steps_per_epoch=7, epochs=10)

    ramp = np.minimum(1, (np.arange(TOTAL) + 1) / max(warmup, 1))
    np.testing.assert_allclose(rates(make(warmup)), ramp * rates(make(0)), rtol=1e-12)


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("power", {"s": 0}),
        ("exp", {"rate": 0.0}),
        ("piecewise", {"factors": [1.0, 0.5]}),
        ("piecewise", {"boundaries": [15, 5]}),
        ("plateau", {"factor": 1.0}),
        ("exp", {"interval": "batch"}),
        ("exp", {"warmup": -1}),
    ],
)
def test_wrong_arguments_are_the_users_mistake(option: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"scheduler.{next(iter(wrong))}="):
        driver(option, **wrong)


def test_plateau_without_a_validation_loss_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="validation"):
        driver("plateau").epoch_end()
