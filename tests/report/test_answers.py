"""No sentence claims more than the statistics do."""

import json
from pathlib import Path
from typing import Any

import pytest

from regimens.report.answers import answer, flags
from regimens.report.numbers import difference, interval, listing, p_value, seconds, value
from regimens.report.page import Report
from regimens.report.palette import Palette
from regimens.report.provenance import facts
from regimens.report.sections import section
from regimens.report.stars import ratings
from regimens.report.tables import Study, label_of, read_studies, read_study


def study(tmp_path: Path, *cells: dict[str, Any], **about: Any) -> Study:
    rows = [{"cell": {"optimizer": f"o{i}"}, "n": 5, "ci_low": c["mean"] - 0.01, "ci_high": c["mean"] + 0.01, **c}
            for i, c in enumerate(cells)]  # fmt: skip
    told = {"study": {"metric": "val/accuracy", "final_metric": "test/accuracy", **about}, "cells": rows, "trials": []}
    path = tmp_path / "one.json"
    path.write_text(json.dumps(told))
    return read_study(path)


def against(p: float | None, diff: float = -0.02) -> dict[str, Any]:
    return {"vs_best": {"diff": diff, "p_holm": p}}


def test_a_lead_is_claimed_only_when_it_is_detected(tmp_path: Path) -> None:
    told = answer(study(tmp_path, {"mean": 0.9}, {"mean": 0.88, **against(0.01)}))
    assert "o0 leads: 90.0% [89.0, 91.0], n=5" in told
    assert "2.00 pts behind" in told


def test_a_tie_is_called_no_detectable_difference(tmp_path: Path) -> None:
    told = answer(study(tmp_path, {"mean": 0.9}, {"mean": 0.899, **against(0.5)}))
    assert "no detectable difference" in told
    assert "leads" not in told


def test_those_that_tie_with_the_best_are_named(tmp_path: Path) -> None:
    cells = {"mean": 0.9}, {"mean": 0.899, **against(0.5)}, {"mean": 0.8, **against(0.001)}
    assert "o1 is not detectably different from it" in answer(study(tmp_path, *cells))


def test_without_a_test_nothing_is_claimed(tmp_path: Path) -> None:
    told = answer(study(tmp_path, {"mean": 0.9, "n": 1}, {"mean": 0.8, "n": 1, **against(None)}))
    assert "too few finals to test" in told
    assert "[" not in told


def test_smaller_is_better_where_the_study_says_so(tmp_path: Path) -> None:
    about = {"metric": "val/loss", "final_metric": "test/loss", "direction": "minimize"}
    told = answer(study(tmp_path, {"mean": 0.5, **against(0.01, 0.2)}, {"mean": 0.3}, **about))
    assert "o1 leads: 0.3 [" in told
    assert "next is o0, 0.2 behind" in told


def test_what_qualifies_an_answer_is_in_it(tmp_path: Path) -> None:
    cells = {"mean": 0.9, "never_acted": ["clip=value"]}, {"mean": 0.8, "n_diverged": 2, **against(0.01)}
    told = study(tmp_path, *cells)
    assert "in o0 a technique never acted; 2 trials diverged" in answer(told)
    assert ("never acted", "clip=value") in flags(told.cells[0])


def test_a_tuned_value_at_the_edge_is_flagged(tmp_path: Path) -> None:
    told = study(tmp_path, {"mean": 0.9, "edge_flags": {"optimizer.lr": "high"}})
    assert flags(told.cells[0]) == [("edge", "best value at the edge of its range: optimizer.lr (high)")]


def test_a_failed_study_still_has_a_section(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    trial = {"status": "failed", "seed": 1, "study": {"cell": {"norm": "batch"}}, "error": {"message": "it broke"}}
    path.write_text(json.dumps({"study": {}, "cells": [], "trials": [trial]}))
    one = section(read_study(path), Palette([]), {})
    assert one.flags[0][1:] == ("failed", "it broke")
    assert "no trial of this study completed" in one.answer


@pytest.mark.parametrize("text", ["", "[]", "null", "3", '{"study": [], "cells": [1]}', '{"cells": {"a": 1}}'])
def test_a_strange_file_is_a_problem_not_a_crash(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    assert section(read_study(tmp_path / "odd.json"), Palette([]), {}).answer.startswith("No answer")


def test_the_quoted_metric_is_found_where_the_table_does_not_name_it(results: Path) -> None:
    raw = json.loads((results / "optimizers.json").read_text())
    del raw["study"]["final_metric"]
    path = results.parent / "unnamed.json"
    path.write_text(json.dumps(raw))
    assert read_study(path).metric == "test/accuracy"


def test_stars_follow_their_definition(results: Path) -> None:
    told = next(s for s in read_studies(results) if s.name == "optimizers")
    found = ratings(told)
    assert found is not None
    rows = {r.label: r for r in found[1]}
    assert (rows["nadam"].quality, rows["nadam"].speed) == ("★★★", "★★★")
    assert rows["sgd"].quality == "★"


def test_labels_name_what_a_value_alone_does_not() -> None:
    assert label_of({"optimizer": "adam"}) == "adam"
    assert label_of({"norm": "none", "model.depth": 20}) == "no norm · depth=20"


def test_numbers_are_written_in_their_units() -> None:
    assert value(0.8926, "test/accuracy") == "89.3%"
    assert value(None, "test/accuracy") == "–"
    assert value(0.31234, "test/loss") == "0.3123"
    assert interval((0.891, 0.895), "test/accuracy") == "[89.1, 89.5]"
    assert difference(-0.005, "test/accuracy") == "−0.50 pts"
    assert [p_value(p) for p in (0.0, 0.0123, None)] == ["< 0.001", "0.012", "–"]
    assert [seconds(s) for s in (4.2, 75.0, 7500.0)] == ["4.2 s", "1 min 15 s", "2 h 5 min"]
    assert [listing(list("abcdef")), listing(["a", "b"]), listing([])] == ["a, b, c and 3 others", "a and b", ""]


def test_few_seeds_are_said_to_detect_little(tmp_path: Path) -> None:
    told = answer(study(tmp_path, {"mean": 0.9, "n": 3}, {"mean": 0.6, "n": 3, **against(0.06)}))
    assert "So few seeds detect only large" in told


def test_a_search_tells_what_it_found(tmp_path: Path) -> None:
    assert "found reaches 90.0% [89.0, 91.0], n=5" in answer(study(tmp_path, {"mean": 0.9}, mode="search"))


def test_a_study_from_the_command_line_is_repeated_from_there(tmp_path: Path) -> None:
    asked = ["optimizer=o0,o1", "optimizer.lr=interval(0.1,1)", "scale=smoke"]
    told = study(tmp_path, {"mean": 0.9}, {"mean": 0.8}, name="adhoc", id="abc", asked=asked)
    command = "python src/train.py -m optimizer=o0,o1 'optimizer.lr=interval(0.1,1)' scale=smoke"
    assert section(told, Palette([told]), {"scale": "desk"}).command == command


def test_the_report_says_where_each_study_was_really_run(tmp_path: Path) -> None:
    settings = {"data": "fashion_mnist", "scale": "desk"}
    ran = {"data": "digits", "scale": "smoke", "seed": "7"}
    told = study(tmp_path, {"mean": 0.9}, {"mean": 0.8}, setting=ran)
    assert Report("", [told], [], settings).setting.startswith("digits at smoke scale")
    assert ("settings", "data=digits, scale=smoke, seed=7") in facts([told], {}, settings)
    old = study(tmp_path, {"mean": 0.9}, {"mean": 0.8})
    assert Report("", [old], [], settings).setting.startswith("fashion_mnist at desk scale")
