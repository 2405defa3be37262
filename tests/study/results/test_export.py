"""What a finished study's table says of its cells; the statistics themselves are in tests/stats."""

import json
from typing import Any

from regimens.core.result import Result
from regimens.study.results.export import tried, worst_tried
from tests.study.queue.test_rounds import study_of

FORGETFUL = """# @package _global_
defaults: [adhoc@study]
study:
  question: Whose finals come to what its tuning found?
  compared:
    which:
      sound: [optimizer=sgd]
      forgetful: [optimizer=adam, "advice.fault={kind:forget,phase:final,number:null}"]
  tuned: [optimizer.lr]
  trials: 4
  seeds: 4
"""


def test_a_cell_whose_finals_miss_what_its_tuning_found_is_under_tuned_and_not_worse(room):
    (room.path / "own" / "study").mkdir(parents=True)
    (room.path / "own" / "study" / "forgetful.yaml").write_text(FORGETFUL)
    output = room.run("study=forgetful", f"hydra.searchpath=[file://{room.path}/own]")
    told = {row["label"]: row for row in json.loads(room.cells("forgetful"))}
    sound, forgetful = told["which=sound"], told["which=forgetful"]
    assert sound["falls_short"] is None and sound["best"]
    assert forgetful["falls_short"]["finals"] < 0.2 < 0.5 < forgetful["falls_short"]["tuning"]
    assert forgetful["vs_best"]["verdict"] == "under-tuned"
    assert "under-tuned" in output


def test_a_tuning_trial_that_diverged_was_spent_and_is_worth_the_worst_of_the_study() -> None:
    """Left out, it would raise what a cell is expected to reach within so many trials."""
    study = study_of("optimizer=adam,sgd", tuned=["optimizer.lr"], trials=3)

    def result(status: str, **metrics: Any) -> Result:
        return Result(status, "x", 1, {}, "0", metrics={f"val/{key}": value for key, value in metrics.items()})

    everything = [
        result("completed", accuracy=0.8),
        result("completed", accuracy=0.3),
        result("diverged", accuracy=0.1),
    ]
    worst = worst_tried(study, everything)
    assert [tried(study, one, worst) for one in everything] == [0.8, 0.3, 0.3]
    assert tried(study, result("killed"), worst) is None
