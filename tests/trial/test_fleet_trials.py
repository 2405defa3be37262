"""Trials trained together: each leaves what it would have left on its own."""

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from regimens import trial
from regimens.core.errors import Pruned, UserError
from regimens.core.result import Result
from regimens.training.engines.fleet import Fleet
from regimens.training.engines.stacked import Stacked
from regimens.trial import api, fleet
from regimens.trial.task import Task
from tests.conftest import Compose

Pairs = list[tuple[Result, Result]]


def trained_both_ways(composed: Compose, root: Path, *variants: Sequence[str]) -> Pairs:
    """Each variant's trial, trained together with the others, and alone."""
    asked = [composed(*overrides) for overrides in variants]
    tasks = [Task(cfg, root / f"fleet{i}", choices) for i, (cfg, choices) in enumerate(asked)]
    together = trial.run_fleet(tasks)
    alone = [trial.run(cfg, root / f"alone{i}", choices=choices) for i, (cfg, choices) in enumerate(asked)]
    for one in together:
        if isinstance(one, Exception):
            raise one
    return list(zip(together, alone, strict=True))  # type: ignore[arg-type]


def assert_alike(ours: Result, theirs: Result) -> None:
    """The same record, numbers to single precision; times, and the engine that is said to have run, aside."""
    assert (ours.status, ours.seed, ours.regimen_hash) == (theirs.status, theirs.seed, theirs.regimen_hash)
    assert ours.to_json().keys() == theirs.to_json().keys()
    assert ours.metrics.keys() == theirs.metrics.keys()
    assert ours.history.keys() == theirs.history.keys()
    assert [(key, entry["acted"]) for key, entry in ours.acted.items()] == [
        (key, entry["acted"]) for key, entry in theirs.acted.items()
    ]
    assert {*ours.provenance} - {"fleet", "fleet_steps"} == {*theirs.provenance} - {"engine_note"}
    for name, values in theirs.history.items():
        if name != "time":
            assert ours.history[name] == pytest.approx(values, rel=1e-3, abs=2e-2 if "accuracy" in name else 1e-5), name


STOPPING = ["regularization=early_stopping", "regularization.patience=1", "optimizer.lr=0.5", "epochs=6"]
FLEETS = {
    "learning rates": [["optimizer.lr=0.01"], ["optimizer.lr=0.1"], ["optimizer.lr=0.03", "clip=none"]],
    "schedules": [["scheduler=constant"], ["scheduler=exp"], ["scheduler=cosine"], ["scheduler=plateau"]],
    "adam, batch norm": [["optimizer=adam", "norm=batch"], ["optimizer=adam", "norm=batch", "init=he_normal"]],
    "regularised": [
        ["regularization=dropout", "regularization.l2=0.001", "regularization.max_norm=1.0"],
        ["regularization=dropout", "regularization.l2=0.01", "regularization.max_norm=0.5"],
    ],
    "averages": [["average=epoch", "norm=batch"], ["average=epoch", "norm=batch", "optimizer.lr=0.03"]],
    "averages that go on": [["average=ema", *STOPPING], ["average=ema", *STOPPING], ["average=ema", *STOPPING]],
    "two classes": [["task=b", "clip=norm"], ["task=b", "clip=norm", "clip.bound=0.01"]],
}


@pytest.mark.parametrize("kind", FLEETS)
@pytest.mark.thorough
def test_a_trial_of_a_fleet_leaves_what_it_leaves_alone(kind: str, composed: Compose, tmp_path: Path) -> None:
    variants = [[*one, f"seed={i}"] for i, one in enumerate(FLEETS[kind])]
    for i, (ours, theirs) in enumerate(trained_both_ways(composed, tmp_path, *variants)):
        assert (ours.provenance["engine"], ours.provenance["fleet"]) == ("fleet", len(variants))
        assert_alike(ours, theirs)
        files = [sorted(path.name for path in (tmp_path / f"{name}{i}").iterdir()) for name in ("fleet", "alone")]
        assert files[0] == files[1]
        for name in ("best", "final"):
            mine, other = (load_file(tmp_path / f"{kind}{i}" / f"{name}.safetensors") for kind in ("fleet", "alone"))
            for key, value in other.items():
                torch.testing.assert_close(mine[key], value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("average", ["none", "epoch", "ema"])
@pytest.mark.thorough
def test_frozen_phases_of_a_transferred_net_are_trained_as_alone(
    average: str, composed: Compose, tmp_path: Path
) -> None:
    source, choices = composed("task=a", "norm=batch")
    trial.run(source, tmp_path / "a", choices=choices)
    transfer = ["task=b", "norm=batch", "transfer=from_a", f"transfer.checkpoint={tmp_path}/a", "epochs=4"]
    transfer += ["transfer.freeze_epochs=2", "transfer.reuse=1", "optimizer=adam", f"average={average}"]
    for ours, theirs in trained_both_ways(composed, tmp_path, [*transfer, "seed=1"], [*transfer, "seed=2"]):
        assert ours.provenance["engine"] == "fleet"
        assert_alike(ours, theirs)


@pytest.mark.thorough
def test_who_stops_or_diverges_leaves_the_fleet_and_the_others_go_on(composed: Compose, tmp_path: Path) -> None:
    base = ["activation=linear", "epochs=6", "regularization=early_stopping", "regularization.patience=1"]
    rates = (0.01, 1e12, 0.5, 0.02, 1e12, 1e12, 1e12)
    pairs = trained_both_ways(
        composed, tmp_path, *([*base, f"optimizer.lr={rate}", f"seed={i}"] for i, rate in enumerate(rates))
    )
    assert [ours.status for ours, _ in pairs] == ["diverged" if rate == 1e12 else "completed" for rate in rates]
    assert pairs[2][0].metrics["epochs"] < 6  # type: ignore[operator]
    for ours, theirs in pairs:
        assert_alike(ours, theirs)


@pytest.mark.thorough
def test_what_fits_no_fleet_is_trained_alone_and_says_why(composed: Compose, tmp_path: Path) -> None:
    odd = (["activation=rrelu"], ["probe=gradients"], ["+trainer.precision=32-true"])
    tasks = [Task(*given(composed(*one), tmp_path / str(i))) for i, one in enumerate([*odd, [], ["seed=2"]])]
    results = trial.run_fleet(tasks)
    notes = [one.provenance.get("engine_note", "") for one in results if isinstance(one, Result)]
    words = ("rrelu", "probe", "trainer.precision", "", "")
    assert len(notes) == len(words)
    assert all(word in note if word else not note for word, note in zip(words, notes, strict=True))


def test_trials_of_a_fleet_are_averaged_alike(composed: Compose, tmp_path: Path) -> None:
    averages = (["average=epoch"], ["average=ema"], ["average=epoch", "seed=2", "restore=best"])
    tasks = [Task(*given(composed(*one), tmp_path / str(i))) for i, one in enumerate(averages)]
    results = [one for one in trial.run_fleet(tasks) if isinstance(one, Result)]
    assert [one.provenance.get("fleet") for one in results] == [2, 1, 2]
    assert all(one.acted["average"]["acted"] for one in results)


def given(asked: tuple[Any, dict[str, str]], directory: Path) -> tuple[Any, Path, dict[str, str]]:
    return asked[0], directory, asked[1]


@pytest.mark.thorough
def test_one_trials_mistake_is_its_own(composed: Compose, tmp_path: Path) -> None:
    variants = (["optimizer.lr=-1"], ["seed=1"], ["seed=2"])
    tasks = [Task(*given(composed(*one), tmp_path / str(i))) for i, one in enumerate(variants)]
    wrong, *right = trial.run_fleet(tasks)
    assert "optimizer.lr" in str(wrong)
    assert [one.provenance["engine"] for one in right if isinstance(one, Result)] == ["fleet", "fleet"]


def test_a_fleet_that_fails_is_gone_before_its_trials_are_trained_as_fleets_of_one_and_alone(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[weakref.ref[Fleet]] = []
    alive: list[int] = []
    sizes: list[int] = []

    def fail(self: Fleet) -> None:
        sizes.append(len(self.members))
        alive.append(sum(one() is not None for one in held))
        held.append(weakref.ref(self))
        if sizes != [2, 1]:
            raise RuntimeError("not enough memory")
        train(self)

    train, alone = Fleet.train, api.alone

    def watched(task: Task, note: str) -> Result | Exception | None:
        alive.append(sum(one() is not None for one in held))
        return alone(task, note)

    monkeypatch.setattr(Fleet, "train", fail)
    monkeypatch.setattr(api, "alone", watched)
    tasks = [Task(*given(composed(f"seed={i}"), tmp_path / str(i))) for i in range(2)]
    results = [one for one in trial.run_fleet(tasks) if isinstance(one, Result)]
    assert [one.status for one in results] == ["completed"] * 2
    assert [one.provenance["engine"] for one in results] == ["fleet", "eager"]
    assert [one.provenance["engine_note"] for one in results] == ["failed as a fleet: not enough memory"] * 2
    assert sizes == [2, 1, 1]
    assert alive == [0] * 4


def test_a_trial_without_a_directory_writes_nothing_and_the_fleet_does_not_change_when_a_pruned_trial_leaves(
    composed: Compose, tmp_path: Path
) -> None:
    def stop(epoch: int, numbers: dict[str, float]) -> None:
        raise Pruned

    asked = [composed(f"seed={i}") for i in range(3)]
    tasks = [Task(cfg, tmp_path / str(i), choices) for i, (cfg, choices) in enumerate(asked)]
    tasks[1] = Task(asked[1][0], None, asked[1][1])
    tasks[2] = Task(asked[2][0], tmp_path / "2", asked[2][1], on_epoch=stop)
    results = trial.run_fleet(tasks)
    assert results[1] is None
    assert not (tmp_path / "1").exists()
    assert [one.status for one in results if isinstance(one, Result)] == ["completed", "pruned"]


@pytest.mark.parametrize("average", ["none", "epoch", "ema"])
@pytest.mark.thorough
def test_a_trial_asked_for_by_itself_is_a_fleet_of_one_and_leaves_the_same_bits(
    average: str, composed: Compose, tmp_path: Path
) -> None:
    overrides = ["regularization=dropout", "norm=batch", "optimizer=nadam", "batch_size=17", "engine=fleet"]
    overrides.append(f"average={average}")
    asked = [composed(f"seed={i}", *overrides) for i in range(3)]
    together = trial.run_fleet([Task(cfg, tmp_path / str(i), choices) for i, (cfg, choices) in enumerate(asked)])
    alone = trial.run(asked[1][0], tmp_path / "alone", choices=asked[1][1])
    ours = together[1]
    assert isinstance(ours, Result)
    assert (alone.provenance["engine"], alone.provenance["fleet"], ours.provenance["fleet"]) == ("fleet", 1, 3)
    assert timeless(ours) == timeless(alone)
    for name in ("best", "final"):
        files = [(tmp_path / place / f"{name}.safetensors").read_bytes() for place in ("1", "alone")]
        assert files[0] == files[1]


def timeless(result: Result) -> list[dict[str, Any]]:
    """A result's numbers, times aside."""
    numbers = (result.metrics, result.history, result.acted)
    return [{name: value for name, value in part.items() if not name.startswith("time")} for part in numbers]


def test_what_goes_wrong_with_a_fleet_of_one_is_raised(composed: Compose, tmp_path: Path) -> None:
    cfg, choices = composed("engine=fleet", "optimizer.lr=-1")
    with pytest.raises(UserError, match=r"optimizer\.lr"):
        trial.run(cfg, tmp_path, choices=choices)


# An exponential linear unit's gradient is laid out otherwise than tracing expects.
@pytest.mark.parametrize("recipe", ["default_dnn", pytest.param("self_normalizing", marks=pytest.mark.thorough)])
def test_a_recipe_is_stepped_as_one_batched_network_as_on_a_gpu(
    recipe: str, composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "stepping", lambda one: Stacked)
    pairs = trained_both_ways(
        composed, tmp_path, *([f"experiment={recipe}", "epochs=2", f"seed={i}"] for i in range(3))
    )
    for ours, theirs in pairs:
        assert ours.provenance["fleet"] == 3, ours.provenance
        assert ours.history["val/loss"] == pytest.approx(theirs.history["val/loss"], rel=1e-3)
