"""Composing many cells: as Hydra composes each of them, and with its files read once for every choice of options."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_repository import ConfigRepository
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
        assert found == {k: v for k, v in plain(composed.with_values(values).cfg).items() if k != "study"}
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


def test_a_file_is_read_once_and_no_composition_changes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / "part").mkdir(exist_ok=True)
        (tmp_path / "part" / f"{name}.yaml").write_text(f"name: {name}\nsizes: {{one: 1}}\n")
    (tmp_path / "train.yaml").write_text("defaults: [part: a, other@also: null, _self_]\nseed: 0\n")
    composer = Composer(Source("train", (f"file://{tmp_path}",)))
    read, load = [], ConfigRepository.load_config

    def reading(self: ConfigRepository, config_path: str) -> Any:
        read.append(config_path)
        return load(self, config_path)

    monkeypatch.setattr(ConfigRepository, "load_config", reading)
    for overrides in (["part=a"], ["part=b"], ["part=a", "++part.sizes.one=2"], ["part=a", "+hydra.job.note=1"]):
        composed = composer.compose(overrides)
        composed.cfg.part.sizes.one = 9
    assert composed.cfg.part.name == "a"
    assert Composer(composer.source).compose(["part=a"]).cfg.part.sizes.one == 1
    assert composer.compose(["part=a", "+hydra.job.note=2"]).cfg.part.sizes.one == 1
    assert read.count("part/b") == 1
    assert read.count("part/a") == 2  # once for each composer


def test_files_of_other_places_are_other_files(tmp_path: Path) -> None:
    for place, size in (("here", 1), ("there", 2)):
        (tmp_path / place / "part").mkdir(parents=True)
        (tmp_path / place / "part" / "a.yaml").write_text(f"size: {size}\n")
    (tmp_path / "there" / "part" / "b.yaml").write_text("size: 3\n")
    (tmp_path / "here" / "train.yaml").write_text("defaults: [part: a, _self_]\n")
    composer = Composer(Source("train", (f"file://{tmp_path / 'here'}",)))
    with pytest.raises(UserError, match="part/b"):
        composer.compose(["part=b"])
    more = f"hydra.searchpath=[file://{tmp_path / 'there'}]"
    assert composer.compose(["part=b", more]).cfg.part.size == 3
    assert composer.compose(["part=a", more]).cfg.part.size == 1


def test_trials_get_no_study(composer: Composer) -> None:
    composed = composer.compose(("study=transfer_pairs",))
    assert "study" not in json.loads(composed.to_text()) | composed.plain | composed.resolved_with({"seed": 3})
    assert "study" not in composed.resolved_with({"batch_size": "${epochs}"})


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
