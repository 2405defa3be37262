"""Composing many cells: as Hydra composes each of them, and with its files read once for every choice of options."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from regimens.core.errors import UserError
from regimens.study.definition.composer import Composer, Source
from regimens.trial.regimen import plain

CONF = Path(__file__).parents[3] / "conf"

CELLS = [
    (),
    ("optimizer=nadam",),
    ("optimizer.lr=0.5", "epochs=3"),
    ("scheduler=exp", "optimizer=adam", "optimizer.lr=0.5", "scheduler.s=9"),
    ("study=transfer_pairs", "task.b_classes=[0,1]", "data=digits"),
    ("study=transfer_pairs", "task.b_classes=[8,9]", "data=digits", "transfer=from_a",
     r"transfer.checkpoint=models/a-\${task.b_classes.0}"),
    ("model.hidden=[10]", "+paths.more=here", "++epochs=2", "~regularization"),
    ("hydra.job.name=else", "seed=3"),
    ("data={name:mine}",),
]  # fmt: skip


@pytest.fixture(scope="module")  # what has been read before leaves no trace
def composer() -> Composer:
    return Composer(Source("train", (f"file://{CONF}",)))


@pytest.mark.parametrize("overrides", CELLS, ids=" ".join)
@pytest.mark.thorough
def test_a_cell_is_composed_as_hydra_composes_it(composer: Composer, overrides: tuple[str, ...]) -> None:
    overrides = ("name=mine", *overrides)  # in place of the time of day
    with composer._hydra():
        ours, theirs = composer.compose(overrides), composer._read(overrides)
    assert OmegaConf.to_yaml(ours.cfg) == OmegaConf.to_yaml(theirs.cfg)
    assert OmegaConf.to_yaml(ours.cfg, resolve=True) == OmegaConf.to_yaml(theirs.cfg, resolve=True)
    assert ours.choices == theirs.choices


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"optimizer.lr": 0.3, "engine": "eager", "seed": 5, "test": True},
        {"model.hidden": [3, 4], "batch_size": 64},
        {"task.b_classes": [1, 2]},  # what the checkpoint refers to
        {"paths.root": "/elsewhere"},
        {"optimizer.lr": "${batch_size}"},
        {"optimizer.more.rate": 1},
    ],
    ids=str,
)
def test_resolving_once_is_resolving_each(composer: Composer, values: dict[str, Any]) -> None:
    cell = ("name=mine", "task=b", "data=digits", "transfer=from_a", r"transfer.checkpoint=a-\${task.b_classes.0}")
    composed = composer.compose(cell)
    for _ in range(2):  # what was given away may be changed
        found = composed.resolved_with(values)
        assert found == plain(composed.with_values(values).cfg)
        found["optimizer"].clear()


def test_cells_that_differ_in_values_cost_one_reading_of_the_files(
    composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    composer = Composer(composer.source)
    readings: list[tuple[str, ...]] = []
    read = Composer._read
    monkeypatch.setattr(Composer, "_read", lambda self, texts: (readings.append(texts), read(self, texts))[1])
    rates = {composer.compose(("optimizer=adam", f"optimizer.lr={lr}")).cfg.optimizer.lr for lr in (0.1, 0.2, 0.3)}
    assert rates == {0.1, 0.2, 0.3}
    assert readings == [("optimizer=adam",)]


@pytest.mark.parametrize("typo", ["optimzer=adam", "optimizer.rate=1", "optimizer@x=adam", "optimizer=addam"])
def test_a_mistake_is_named(composer: Composer, typo: str) -> None:
    with pytest.raises(UserError, match=typo.partition("=")[0].rpartition(".")[2].split("@")[0]):
        composer.compose((typo, "epochs=2"))


def test_what_workers_get_needs_no_hydra_to_be_resolved(composer: Composer) -> None:
    text = composer.compose(("data=digits",)).to_text()
    program = (
        "import sys; from regimens.study.definition.composer import Composed\n"
        "from regimens.trial.regimen import plain\n"
        "print(plain(Composed.from_text(sys.stdin.read(), {}).cfg)['epochs']); assert 'hydra' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "10\n"), done.stderr
