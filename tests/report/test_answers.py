"""No sentence claims more than the statistics do."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regimens.report.answers import answer, flags
from regimens.report.evidence import evidence
from regimens.report.headlines import headline
from regimens.report.numbers import difference, interval, listing, p_value, seconds, value
from regimens.report.page import Report
from regimens.report.palette import Palette
from regimens.report.provenance import facts
from regimens.report.sections import section
from regimens.report.stars import ratings
from regimens.report.tables import Cell, Study, Trial, label_of, read_studies, read_study
from regimens.stats.rows import SCHEMA


def study(tmp_path: Path, *cells: dict[str, Any], **about: Any) -> Study:
    """A study whose rows say what is given; `reference` is its first cell, of which the others are told apart."""
    rows = [{"cell": {"optimizer": f"o{i}"}, "n": 5, "ci_low": c["mean"] - 0.01, "ci_high": c["mean"] + 0.01, **c}
            for i, c in enumerate(cells)]  # fmt: skip
    said = {"metric": "val/accuracy", "final_metric": "test/accuracy", "statistics": SCHEMA, "margin": 0.005, **about}
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"study": said, "cells": rows, "trials": []}))
    return read_study(path)


def against(verdict: str, diff: float = -0.02, half: float = 0.003, name: str = "vs_best") -> dict[str, Any]:
    return {name: {"against": "o0", "diff": diff, "ci_low": diff - half, "ci_high": diff + half, "verdict": verdict}}


def test_a_lead_is_claimed_only_over_what_is_worse(tmp_path: Path) -> None:
    told = study(tmp_path, {"mean": 0.9}, {"mean": 0.88, **against("worse")})
    assert "o0 leads: 90.0% [89.0, 91.0], n=5" in answer(told)
    assert "next is o1 2.00 ± 0.30 pts behind" in answer(told)
    assert headline(told) == "o0 leads: 90.0% [89.0, 91.0], n=5; next is o1, 2.00 ± 0.30 pts behind."


def test_equal_and_undecided_are_two_things(tmp_path: Path) -> None:
    cells = (
        {"mean": 0.9},
        {"mean": 0.899, **against("equal", -0.001)},
        {"mean": 0.89, **against("undecided", -0.01, 0.02)},
    )
    told = study(tmp_path, *cells)
    assert "o1 equal to it within 0.5 pts; undecided: o2 1.00 ± 2.00 pts behind" in answer(told)
    assert "leads" not in answer(told) + headline(told)
    assert "o0 has the best mean: 90.0% [89.0, 91.0], n=5; equal within 0.5 pts: o1; undecided: o2 (± 2.00 pts)." in (
        headline(told)
    )


def test_of_equal_means_the_one_is_the_best_that_the_others_were_held_against(tmp_path: Path) -> None:
    """A regulariser that is tuned to nothing trains what none trains, and is not the best one for its name."""
    told = study(tmp_path, {"mean": 0.9, **against("equal", 0.0)}, {"mean": 0.9, "best": True})
    assert "o1 has the best mean" in answer(told) and "o0 equal to it" in answer(told)


def test_a_cell_below_what_it_contains_is_under_tuned_and_not_worse(tmp_path: Path) -> None:
    blamed = {"mean": 0.8, **against("under-tuned", -0.1), **against("worse", -0.1, name="vs_contained")}
    told = study(tmp_path, {"mean": 0.9}, blamed)
    assert "o1 under-tuned (below what it contains)" in answer(told)
    assert "better than" not in answer(told) + headline(told)
    assert "under-tuned: o1" in headline(told)
    assert flags(told.cells[1]) == [("under-tuned", "ends below o0, which it contains as a limit")]


def test_a_cell_whose_finals_miss_what_tuning_found_is_under_tuned_and_not_worse(tmp_path: Path) -> None:
    short = {"mean": 0.1, **against("under-tuned", -0.8), "falls_short": {"tuning": 0.8, "finals": 0.1}}
    told = study(tmp_path, {"mean": 0.9}, short)
    assert "o1 under-tuned (finals fall short of what tuning found)" in answer(told)
    assert "under-tuned: o1" in headline(told)
    words = "a quarter of its tuning reached 0.8, three of four finals came to 0.1 at best"
    assert flags(told.cells[1]) == [("falls short", words)]
    below = {"mean": 0.2, **against("under-tuned", -0.7), **against("worse", -0.7, name="vs_contained")}
    told = study(tmp_path, {"mean": 0.9}, {**short, "falls_short": {"tuning": 0.8, "finals": None}}, below, below)
    assert "o2 and o3 under-tuned (below what they contain); o1 under-tuned (finals fall short" in answer(told)
    words = "a quarter of its tuning reached 0.8, three of four finals diverged"
    assert flags(told.cells[1]) == [("falls short", words)]


@pytest.mark.parametrize(("statuses", "said"), [(("diverged", "diverged"), True), (("diverged", "failed"), False)])
def test_a_cell_that_diverges_with_every_seed_is_named(tmp_path: Path, statuses: tuple[str, ...], said: bool) -> None:
    told = study(tmp_path, {"mean": 0.9}, {"mean": 0.8, **against("worse", -0.1)})
    trials = tuple(Trial(seed, status, "final", {}, {}) for seed, status in enumerate(statuses))
    told = replace(told, cells=(*told.cells, Cell("no clip", {"optimizer": "o2"}, {}, trials)))
    for one in (told, replace(told, cells=(told.cells[0], told.cells[2]))):  # one that is compared, or none
        assert ("Note: every final of no clip diverged" in answer(one)) is said
        assert headline(one).endswith("; diverged: no clip.") is said


@pytest.mark.parametrize(("values", "said"), [((0.61, 0.1), True), ((0.61, 0.55), False)])
def test_a_cell_is_named_whose_finals_do_not_do_the_same(tmp_path: Path, values: tuple[float, ...], said: bool) -> None:
    told = study(tmp_path, {"mean": 0.9}, {"mean": 0.8, **against("undecided", -0.1, 0.5)})
    trials = tuple(
        Trial(seed, "completed", "final", {}, {"metrics": {"test/accuracy": x}}) for seed, x in enumerate(values)
    )
    told = replace(told, cells=(told.cells[0], replace(told.cells[1], trials=trials)))
    assert ("Note: finals of o1 lie up to 51 pts apart" in answer(told)) is said
    undecided = "undecided, with finals far apart: o1." if said else "undecided: o1 (± 50.00 pts)."
    assert headline(told).endswith(undecided)


def test_without_a_test_nothing_is_claimed(tmp_path: Path) -> None:
    untested = {"vs_best": {"diff": -0.1, "verdict": "untested"}}
    told = study(tmp_path, {"mean": 0.9, "n": 1}, {"mean": 0.8, "n": 1, **untested})
    assert "too few finals to test" in answer(told)
    assert "[" not in answer(told) + headline(told)
    assert "untested" in headline(told)


def test_smaller_is_better_where_the_study_says_so(tmp_path: Path) -> None:
    about = {"metric": "val/loss", "final_metric": "test/loss", "direction": "minimize"}
    told = answer(study(tmp_path, {"mean": 0.5, **against("worse", 0.2)}, {"mean": 0.3}, **about))
    assert "o1 leads: 0.3 [" in told
    assert "next is o0 0.2 ± 0.003 behind" in told


def test_the_winner_is_quoted_without_its_luck_and_interactions_are_said(tmp_path: Path) -> None:
    cells = {"mean": 0.9, "best": True}, {"mean": 0.88, **against("worse")}
    met = {"axes": ["init", "activation"], "p": 0.0004, "size": 0.012, "df": 9}
    told = answer(study(tmp_path, *cells, winner={"label": "o0", "mean": 0.894, "n": 5}, interaction=met))
    assert "89.4% on what did not pick it" in told
    assert "What init does depends on activation (interaction p < 0.001, 1.20 pts rms)" in told


def test_what_qualifies_an_answer_is_in_it(tmp_path: Path) -> None:
    cells = {"mean": 0.9, "never_acted": ["clip=value"]}, {"mean": 0.8, "n_diverged": 2, **against("worse")}
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
    del raw["study"]["final_metric"], raw["study"]["statistics"]
    path = results.parent / "unnamed.json"
    path.write_text(json.dumps(raw))
    assert read_study(path).metric == "test/accuracy"


def test_stars_follow_their_definition(results: Path) -> None:
    told = next(s for s in read_studies(results) if s.name == "optimizers")
    found = ratings(told)
    assert found is not None
    rows = {r.label: r for r in found[1]}
    assert (rows["nadam"].quality, rows["nadam"].speed) == ("★★★", "★★★")
    assert rows["sgd"].quality == "★ to ★★"  # its interval reaches from 1.9 to 2.6 points below the best


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


def test_what_could_have_been_seen_is_said_under_the_answer(tmp_path: Path) -> None:
    told = evidence(study(tmp_path, {"mean": 0.9}, {"mean": 0.6, **against("worse")}, detectable=0.021, pooled_sd=0.01))
    assert "a difference from the best of 2.10 pts would be found in four of five such studies" in told
    assert "inside ± 0.5 pts" in told


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        ([[300, 100]] * 2, "hidden layers of 300 and 100 units"),
        ([[64]] * 2, "a hidden layer of 64 units"),
        ([[300, *[100] * 19]] * 2, "20 hidden layers of 100 to 300 units"),
        ([[300, 100], [100, 50]], None),
        ([[], []], None),
    ],
)
def test_the_network_that_all_finals_have_is_named(tmp_path: Path, networks: list[list[int]], told: str | None) -> None:
    def final(number: int, model: dict[str, Any]) -> dict[str, Any]:
        return {
            "status": "completed", "seed": number, "regimen": {"model": model}, "metrics": {"test/accuracy": 0.9},
            "study": {"cell": {"optimizer": "o0"}, "phase": "final", "number": number},
        }  # fmt: skip

    def found(target: str) -> str:
        path = tmp_path / "one.json"
        rows = [{"cell": {"optimizer": "o0"}, "label": "optimizer=o0", "mean": 0.9, "n": 2}]
        models = [{"_target_": target, "hidden": widths} for widths in networks]
        trials = [final(number, model) for number, model in enumerate(models)]
        path.write_text(json.dumps({"study": {"statistics": SCHEMA}, "cells": rows, "trials": trials}))
        return evidence(read_study(path))

    assert told in found("regimens.nets.mlp.MLP") if told else "hidden" not in found("regimens.nets.mlp.MLP")
    assert "hidden" not in found("regimens.nets.cnn.CNN")


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
