"""What is asked is checked before anything is trained: the kinds of mistakes that people report of such tools.

The command runs in this process, with the real conf/, and stops where the training would begin.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from regimens.study.definition.composer import Composer
from regimens.study.definition.points import draw
from tests.conftest import CONF, Asked

Ask = Callable[..., Asked]


def labels(asked: Asked) -> list[str]:
    assert asked.study is not None, asked
    return [cell.label for cell in asked.study.cells]


def values(asked: Asked, path: str) -> list[object]:
    """What each cell has at a path."""
    found = []
    for cell in asked.study.cells:
        node = Composer(asked.study.source).compose(cell.overrides).cfg
        for part in path.split("."):
            node = node[part]
        found.append(node)
    return found


# The metric exists, and its direction follows from what it is.


def test_a_metric_that_does_not_exist_is_refused_with_the_one_that_was_meant(ask: Ask) -> None:
    asked = ask("-m", "optimizer.lr=tag(log,interval(0.001,1))", "study.metric=val/acc", "study.trials=3")
    assert "study.metric=val/acc: no such metric; did you mean val/accuracy?" in asked.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tune=lr", "study.metric=test/accuracy"], "tuning does not read the test set; select by val/accuracy"),
        (["norm=none,batch", "study.metric=time/predict"], "no such metric in norm=none"),
        (["optimizer=sgd,adam", "study.metrics=[val/accuracy,time/trian]"], "did you mean time/train?"),
        (["optimizer=sgd,adam", "probe=lr_range"], "no such metric; choose from"),
        (["tune=lr", "study.metric=val/loss", "study.direction=down"], "study.direction=down: it is one of"),
        (["optimizer=sgd,adam", "study.metric=val/loss", "study.metrics=[val/loss,parameters]"], "say one of the two"),
    ],
)
@pytest.mark.thorough
def test_a_metric_that_cannot_select_is_refused(ask: Ask, arguments: list[str], words: str) -> None:
    assert words in ask("-m", *arguments).error


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("val/accuracy", "maximize"), ("val/loss", "minimize"), ("time/train", "minimize"), ("parameters", "minimize")],
)
@pytest.mark.thorough
def test_what_a_metric_is_says_its_direction(ask: Ask, metric: str, direction: str) -> None:
    assert ask("-m", "optimizer=sgd,adam", f"study.metric={metric}").study.objectives == ((metric, direction),)


@pytest.mark.thorough
def test_a_direction_against_what_the_metric_is_is_taken_and_said(ask: Ask) -> None:
    asked = ask("-m", "optimizer=sgd,adam", "study.metric=val/loss", "study.direction=maximize")
    assert asked.study.objectives == (("val/loss", "maximize"),)
    assert "a lower val/loss is better: as you say" in asked.notes


# Ranges of one's own.


@pytest.mark.parametrize(
    ("path", "written", "choices"),
    [
        ("optimizer.lr", {"low": 0.001, "high": 1.0, "log": True}, None),
        ("data.train_size", {"choices": [None, 64]}, (None, 64)),
        ("model.hidden", {"choices": [[50], [100, 50]]}, ([50], [100, 50])),
    ],
)
def test_a_study_file_brings_its_own_ranges(
    ask: Ask, tmp_path_factory: pytest.TempPathFactory, path: str, written: dict[str, object], choices: object
) -> None:
    folder = tmp_path_factory.mktemp("conf")
    (folder / "study").mkdir()
    declared = {"question": "Which?", "tuned": {path: written}, "trials": 3}
    text = yaml.safe_dump({"defaults": ["adhoc@study"], "study": declared})
    (folder / "study" / "own.yaml").write_text(f"# @package _global_\n{text}")
    (cell,) = ask("-m", "study=own", f"hydra.searchpath=[file://{folder}]").study.cells
    assert cell.ranges[path].choices == choices
    points = draw(cell.ranges, cell.default, "qmc", 4, seed=1)
    assert json.loads(json.dumps(points)) == points


@pytest.mark.parametrize(
    "written",
    [
        "study.tuned={optimizer.lr:{low:0.001,high:1.0,log:true}}",
        "study.tuned={data.train_size:{choices:[null,64]}}",
        "model.hidden=tag(tune,choice([50],[100,50]))",
    ],
)
@pytest.mark.thorough
def test_the_command_line_brings_its_own_ranges(ask: Ask, written: str) -> None:
    (cell,) = ask("-m", written, "study.trials=3").study.cells
    assert len(cell.ranges) == 1


@pytest.mark.thorough
def test_a_range_replaces_what_a_study_declares(ask: Ask) -> None:
    asked = ask("-m", "study=optimizers", "study.tuned={optimizer.lr:{low:0.01,high:0.1,log:true}}")
    assert {(cell.ranges["optimizer.lr"].low, cell.ranges["optimizer.lr"].high) for cell in asked.study.cells} == {
        (0.01, 0.1)
    }
    assert not any(cell.ranges for cell in ask("-m", "study=optimizers", "study.tuned=[]").study.cells)


# A value that only the swept options have.


@pytest.mark.parametrize(
    ("options", "value", "number"),
    [
        ("optimizer=momentum,nesterov", "optimizer.momentum", 0.8),
        ("clip=norm,global_norm", "clip.bound", 2.0),
        ("scheduler=exp,power", "scheduler.s", 7),
    ],
)
@pytest.mark.thorough
def test_a_value_that_all_swept_options_have_reaches_each_cell(
    ask: Ask, options: str, value: str, number: float
) -> None:
    asked = ask("-m", options, f"{value}={number}")
    assert len(labels(asked)) == 2 and values(asked, value) == [number, number]


@pytest.mark.parametrize(
    ("arguments", "works"),
    [
        (
            ["-m", "optimizer=adam,sgd", "optimizer.momentum=0.8"],
            "optimizer=momentum,muon,nesterov optimizer.momentum=0.8",
        ),
        (["-m", "optimizer=adam", "study.tuned=[optimizer.momentum]"], "optimizer=momentum,nesterov"),
        (["-m", "optimizer=adam", "optimizer.momentum=interval(0.5,0.9)"], "optimizer=momentum,muon,nesterov"),
        (["optimizer=adam", "optimizer.momentum=0.8"], "optimizer=momentum optimizer.momentum=0.8"),
        (["clip.bound=2.0"], "clip=global_norm clip.bound=2.0"),
        (["-m", "optimizer=adam,nadam", "optimizer.beta1=0.8"], "did you mean optimizer.beta_1?"),
    ],
)
@pytest.mark.thorough
def test_a_value_that_no_cell_has_is_explained_with_what_works(ask: Ask, arguments: list[str], works: str) -> None:
    assert works in ask(*arguments).error


@pytest.mark.thorough
def test_a_value_that_some_cells_have_is_explained_with_a_command_that_works(ask: Ask) -> None:
    error = ask("-m", "optimizer=sgd,momentum", "optimizer.momentum=0.8").error
    command = error.partition("'")[2].removesuffix("'")
    assert labels(ask("-m", command)) == ["optimizer=sgd", "optimizer=momentum"]


def test_what_only_some_cells_have_is_tuned_there(ask: Ask) -> None:
    asked = ask("-m", "optimizer=sgd,momentum", "optimizer.momentum=interval(0.5,0.9)")
    assert [list(cell.ranges) for cell in asked.study.cells] == [[], ["optimizer.momentum"]]
    assert "not in optimizer=sgd" in asked.notes


# Globs.


@pytest.mark.thorough
def test_a_glob_is_every_option_that_it_matches(ask: Ask) -> None:
    assert labels(ask("-m", "norm=glob(*)")) == ["norm=batch", "norm=layer", "norm=none"]
    asked = ask("-m", "optimizer=glob(*,exclude=[ada*,n*])")
    left = ("momentum", "muon", "rmsprop", "schedule_free", "sgd")
    assert labels(asked) == [f"optimizer={name}" for name in left]
    assert labels(ask("-m", "optimizer=glob([adam,nad*])")) == ["optimizer=adam", "optimizer=nadam"]
    assert "nothing of this name" in ask("-m", "optimizer=glob(zz*)").error
    assert "nothing of this name" in ask("-m", "epochs=glob(*)").error


# Whole numbers.


@pytest.mark.parametrize("key", ["batch_size", "epochs", "regularization.patience"])
@pytest.mark.thorough
def test_whole_numbers_are_drawn_where_the_configuration_has_one(ask: Ask, key: str) -> None:
    (cell,) = ask("-m", f"{key}=interval(16,128)", "study.trials=4").study.cells
    points = draw(cell.ranges, cell.default, "qmc", 8, seed=3)
    assert all(isinstance(point[key], int) for point in points) and len(points) == 8


def test_fractions_are_drawn_where_the_configuration_has_one(ask: Ask) -> None:
    (cell,) = ask("-m", "study.tuned={clip.bound:{low:1,high:9}}", "clip=norm").study.cells
    assert not cell.ranges["clip.bound"].whole


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["seed=interval(0,100)"], "a seed is not tuned; for replications write study.seeds=5"),
        (["seed=tag(tune,choice(1,2))"], "a seed is not tuned"),
        (["study.tuned={seed:{low:1,high:9}}"], "seed: not a value to be tuned"),
        (["batch_size=interval(1.5,3.5)"], "write int(interval(16,128))"),
        (["optimizer=tag(tune,choice(adam,sgd))"], "a group, whose options are compared"),
        (["optimizer.lr=interval(1,0.1)"], "low must be below high"),
        (["optimizer.lr=tag(log,interval(0,1))"], "above 0 where log is true"),
        (["optimizer.lr=tag(lgo,interval(0.1,1))"], "no such tag: lgo; did you mean log?"),
        (["optimizer.lr=tag(log,choice(0.1,1))"], "log is for an interval"),
        (["optimizer.lr=fast,slow"], "must be a number"),
        (["optimizer=adam,sgd", "+optimizer.rate=1"], "unknown key 'rate'"),
        (["epochs=0,1"], "epochs=0: must be 1 or more"),
    ],
)
@pytest.mark.thorough
def test_what_would_fail_in_every_trial_is_refused_before_the_first(ask: Ask, arguments: list[str], words: str) -> None:
    assert words in ask("-m", *arguments).error


def test_a_word_is_a_list_of_one_where_data_are_read(ask: Ask, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n" + "".join(f"{i},{i * i % 7},{'xy'[i % 2]}\n" for i in range(200)))
    line = ("optimizer=adam,sgd", "data=csv", f"data.path={table}", "data.target=y")
    assert len(ask("-m", *line, "data.drop=b").study.cells) == 2
    assert "data.drop=5: must be a list" in ask("-m", *line, "data.drop=5").error


# As many tuning trials as there is to try.


def test_a_range_of_two_points_is_not_tried_six_times(ask: Ask) -> None:
    asked = ask("-m", "batch_size=tag(tune,choice(32,64))", "study.trials=6", "study.seeds=2")
    assert "batch_size has 2 points" in asked.notes
    (cell,) = asked.study.cells
    for sampler in ("qmc", "random", "grid"):
        assert [point["batch_size"] for point in draw(cell.ranges, cell.default, sampler, 6, seed=1)] == [32, 64]


def test_whole_numbers_are_points_too(ask: Ask) -> None:
    asked = ask("-m", "regularization.patience=interval(1,3)", "study.trials=9")
    assert "regularization.patience has 3 points" in asked.notes
    (cell,) = asked.study.cells
    found = [point["regularization.patience"] for point in draw(cell.ranges, cell.default, "random", 9, seed=1)]
    assert sorted(found) == [0, 1, 2, 3]  # the default lies outside


# The same key twice, and what contradicts itself or has no effect.


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (["optimizer=nadam", "optimizer=adam,sgd"], ["optimizer=adam", "optimizer=sgd"]),
        (["optimizer=adam,sgd", "optimizer=nadam"], ["default"]),
        (["optimizer=adam,sgd", "optimizer=nadam,sgd"], ["optimizer=nadam", "optimizer=sgd"]),
        (["epochs=3", "epochs=1,2"], ["epochs=1", "epochs=2"]),
        (["optimizer=adam,adam,sgd"], ["optimizer=adam", "optimizer=sgd"]),
        (["++epochs=1", "epochs=2,3"], ["epochs=2", "epochs=3"]),
        (["epochs=2", "++epochs=3,4"], ["epochs=3", "epochs=4"]),
        (["study=optimizers", "optimizer=adam,sgd"], ["optimizer=adam", "optimizer=sgd"]),
    ],
)
@pytest.mark.thorough
def test_of_a_key_given_twice_the_later_counts(ask: Ask, arguments: list[str], cells: list[str]) -> None:
    assert labels(ask("-m", *arguments)) == cells


@pytest.mark.thorough
def test_the_later_of_two_plain_values_counts_also_where_the_first_adds(ask: Ask) -> None:
    assert values(ask("-m", "optimizer=sgd,adam", "epochs=2", "epochs=3"), "epochs") == [3, 3]
    assert values(ask("-m", "optimizer=sgd,adam", "+paths.more=1", "paths.more=2"), "paths.more") == [2, 2]
    assert ask("-m", "optimizer=sgd,adam", "seed=1,2", "seed=7").study.base_seed == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["optimizer=adam,sgd", "name=mine"], "a study is named by study.name=mine"),
        (["optimizer=adam,sgd", "seed=1,2", "study.seeds=3"], "seed=1,2 and study.seeds=3"),
        (["optimizer=adam,sgd", "study.seeds=[1,1]"], "a seed is given twice"),
        (["optimizer=adam,sgd", "seed=1,1"], "a seed is given twice"),
        (["optimizer=adam,sgd", "seed=a,b"], "a seed is a whole number"),
        (["optimizer=adam,sgd", "seed=[1,2]"], "seed=[1, 2]"),
        (["optimizer=adam,sgd", "study.seeds=2.5"], "study.seeds=2.5"),
        (["optimizer=adam,sgd", "study.reference=nadam"], "0 cells match"),
        (["optimizer=adam,sgd", "study.compard={}"], "did you mean study.compared?"),
        (["optimizer.lr=0.1,0.2", "tune=lr", "study.tuned=[optimizer.lr]"], "compared and tuned at once"),
        (["test=true,false"], "the test set is read by a study's finals"),
        (["advice=warn,off"], "changes nothing that is trained"),
        (["tracking=none,mlflow"], "one for all its cells"),
        (["~optimizer=adam,sgd"], "what is deleted cannot be swept"),
        (["study.trials=1,2"], "a setting of the study cannot be swept"),
        (["study.compared={recipe:{a:['epochs=10'],b:['epochs=10']}}"], "changes nothing of what is trained"),
        (["tune=lr", "study.direction=none"], "study.direction=none"),
    ],
)
@pytest.mark.thorough
def test_what_contradicts_itself_is_refused(ask: Ask, arguments: list[str], words: str) -> None:
    assert words in ask("-m", *arguments).error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["optimizer=adam,sgd", "study.trials=5"], "study.trials=5 has no effect, since nothing is tuned"),
        (["optimizer=adam,sgd", "study.sampler=tpe"], "study.sampler=tpe has no effect"),
        (["optimizer=adam,sgd", "test=true"], "test=true has no effect in a study"),
        (["study=optimizers", "optimizer.lr=0.1"], "so that optimizer.lr=0.1 is at most where that starts"),
    ],
)
@pytest.mark.thorough
def test_what_has_no_effect_is_said(ask: Ask, arguments: list[str], words: str) -> None:
    asked = ask("-m", *arguments)
    assert asked.study is not None and words in asked.notes


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("optimizer='adam, sgd'", "to compare several, write -m optimizer=adam,sgd"),
        ('optimizer="adam,sgd"', "to compare several, write -m optimizer=adam,sgd"),
        ("=3", "=3: no key before the ="),
        ("+=3", "no key before the ="),
        ("epochs", "missing EQUAL"),
        ("epochs=", "must be a whole number"),
    ],
)
def test_quotes_and_signs_in_the_wrong_place_are_named(ask: Ask, argument: str, words: str) -> None:
    assert words in ask(argument).error
    assert words in ask("-m", argument).error


@pytest.mark.parametrize("argument", ["study=optimizers", "study.trials=3", "tune=lr", "+study.name=x"])
def test_a_study_s_settings_without_m_are_refused(ask: Ask, argument: str) -> None:
    assert "a study is asked for with -m" in ask(argument).error


@pytest.mark.thorough
def test_flags_may_stand_among_the_overrides(ask: Ask) -> None:
    assert labels(ask("optimizer=adam,sgd", "-m", "epochs=1")) == ["optimizer=adam", "optimizer=sgd"]
    assert "--epochs" in ask("--epochs", "3").error
    assert "expected one argument" in ask("--config-dir").error


@pytest.mark.slow
def test_every_declared_study_passes(ask: Ask) -> None:
    for path in sorted((CONF / "study").glob("*.yaml")):
        starts = any(word in path.read_text() for word in ("checkpoint", "b_on_a"))  # from weights that are not here
        if path.stem != "full" and not starts:  # of minutes
            asked = ask("-m", f"study={path.stem}", small=("data=digits", "tracking=none"))
            assert asked.study is not None and not asked.notes, (path.stem, asked)
