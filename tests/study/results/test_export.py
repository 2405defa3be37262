"""What a finished study's table says of its cells; the statistics themselves are in tests/stats."""

import json

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
