"""Which trials of a study are trained together, and by which engine."""

from typing import Any

import pytest

from regimens.study.definition.study import Study
from regimens.trial.engine_choice import Size
from tests.study.digits_study import DIGITS, study_of


def shapes(study: Study) -> list[tuple[str, int]]:
    return [(slots[0][1], len(slots)) for slots in study.fleets]


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)


@pytest.mark.usefixtures("one_core")
@pytest.mark.thorough
def test_every_trial_of_a_fleet_study_is_in_one_fleet_of_its_phase_and_optimiser() -> None:
    study = study_of("optimizer=sgd,adam", "engine=fleet", tuned=["optimizer.lr"], trials=20, seeds=3)
    assert shapes(study) == [("tuning", 10), ("tuning", 10)] * 2
    slots = [tuple(slot) for fleet in study.fleets for slot in fleet]
    assert len(set(slots)) == len(slots) == study.total


@pytest.mark.usefixtures("one_core")
@pytest.mark.thorough
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
