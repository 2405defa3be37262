"""Results in, the rows of a table out: units, images, groups, and what is said of the whole study."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t

from regimens.core.examples import pack
from regimens.core.result import Result
from regimens.stats.comparisons import Rule
from regimens.stats.finals import final_metric, sample_of, units_of
from regimens.stats.judging import judge
from regimens.stats.rows import (
    comparison_rows,
    falling_short,
    interaction_row,
    judgement_row,
    mean_row,
    winner_row,
)
from regimens.stats.sample import Sample

VALUES = [0.81, 0.83, 0.80, 0.86]


def final(value: float, seed: int = 1, right: Any = None, data: str = "a", **place: Any) -> Result:
    metrics: dict[str, float | None] = {"val/accuracy": value - 0.01, "test/accuracy": value}
    told = None if right is None else pack(np.array(right, dtype=bool))
    source = {"data": {"dataset": data}}
    return Result("completed", "", seed, {}, "", study=place, metrics=metrics, correct=told, provenance=source)


def finals(values: list[float], **more: Any) -> list[Result]:
    return [final(value, seed, **more) for seed, value in enumerate(values)]


def test_a_mean_has_students_interval_over_seeds() -> None:
    made = finals(VALUES)
    row = mean_row(sample_of(made, "test/accuracy"), made, "test/accuracy")
    half = t.ppf(0.975, 3) * np.std(VALUES, ddof=1) / 2
    assert (row["n"], row["over"], row["se_images"]) == (4, ["seed"], None)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.825 - half, 0.825 + half))
    assert mean_row(sample_of(finals([0.8]), "test/accuracy"), finals([0.8]), "test/accuracy")["ci_low"] is None
    assert mean_row(None, [], "test/accuracy")["n"] == 0


def test_no_interval_of_a_share_reaches_beyond_0_and_1() -> None:
    made = finals([0.95, 0.96, 0.97, 0.24])
    row = mean_row(sample_of(made, "test/accuracy"), made, "test/accuracy")
    half = t.ppf(0.975, 3) * np.std([0.95, 0.96, 0.97, 0.24], ddof=1) / 2
    assert row["mean"] + half > 1 and (row["ci_low"], row["ci_high"]) == (pytest.approx(0.78 - half), 1)
    assert mean_row(sample_of(made, "test/accuracy"), made, "test/loss")["ci_high"] == pytest.approx(0.78 + half)


def test_images_widen_the_interval_where_results_tell_them() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((4, 30)) < 0.8
    made = [final(float(row.mean()), seed, row) for seed, row in enumerate(right)]
    row = mean_row(sample_of(made, "test/accuracy"), made, "test/accuracy")
    assert row["over"] == ["seed", "image"] and row["se_images"] is not None
    sample = sample_of(made, "val/accuracy")
    assert sample is not None and sample.correct is None


def test_finals_of_one_repetition_are_one_unit() -> None:
    made = [final(0.8 + 0.1 * repeat + 0.01 * seed, seed, repeat=repeat) for repeat in (0, 1) for seed in (1, 2)]
    sample = sample_of(made, "test/accuracy")
    assert sample is not None
    assert sample.values == pytest.approx([0.815, 0.915])
    assert mean_row(sample, made, "test/accuracy")["over"] == ["repeat"]
    assert len(units_of(made, "test/accuracy")) == 4


def test_only_completed_finals_count_and_the_test_set_only_where_all_have_it() -> None:
    made = finals(VALUES)
    made[0].status = "diverged"
    sample = sample_of(made, "test/accuracy")
    assert sample is not None and sample.n == 3
    assert final_metric("val/accuracy", made) == "test/accuracy"
    del made[1].metrics["test/accuracy"]
    assert final_metric("val/accuracy", made) == "val/accuracy"


def test_cells_of_other_examples_are_not_compared() -> None:
    of = {"a": finals(VALUES), "b": finals([0.5, 0.51, 0.52, 0.53]), "c": finals([0.9, 0.91], data="other")}
    samples = {label: one for label, made in of.items() if (one := sample_of(made, "test/accuracy")) is not None}
    judged = judge(samples, Rule(margin=0.005), ["a"], {})
    assert sorted(judged.best) == ["a", "c"]
    rows = {label: comparison_rows(label, judged, samples) for label in samples}
    assert rows["b"]["vs_best"]["verdict"] == rows["b"]["vs_default"]["verdict"] == "worse"
    assert rows["c"] == {"best": True, **dict.fromkeys(("vs_best", "vs_default", "vs_contained", "falls_short"))}
    assert winner_row(judged, of, "val/accuracy", "test/accuracy") is None


def test_a_cell_below_what_it_contains_is_blamed_in_every_comparison() -> None:
    samples = {"none": Sample.of([0.90, 0.91, 0.92, 0.90]), "l2": Sample.of([0.80, 0.81, 0.80, 0.82])}
    judged = judge(samples, Rule(), ["none"], {"l2": "none"})
    row = comparison_rows("l2", judged, samples)
    assert {name: row[name]["verdict"] for name in ("vs_best", "vs_default", "vs_contained")} == {
        "vs_best": "under-tuned", "vs_default": "under-tuned", "vs_contained": "worse",
    }  # fmt: skip


def test_finals_that_diverged_fall_short_whatever_they_came_to() -> None:
    tuned, ended = finals([0.8, 0.81, 0.82, 0.8]), finals([0.81, 0.4, 0.4, 0.4])
    for one in ended[1:]:
        one.status = "diverged"
    told = falling_short({"a": tuned}, {"a": ended}, "test/accuracy", maximize=True, margin=0.005)
    assert told == {"a": {"tuning": pytest.approx(0.81), "finals": None}}
    ended[1].study = {"repeat": 0}
    assert falling_short({"a": tuned}, {"a": ended}, "test/accuracy", maximize=True, margin=0.005) == {}


def test_the_study_says_what_it_could_have_seen_and_what_its_winner_is_worth() -> None:
    of = {"a": finals(VALUES), "b": finals([value - 0.1 for value in VALUES])}
    samples = {label: one for label, made in of.items() if (one := sample_of(made, "test/accuracy")) is not None}
    judged = judge(samples, Rule(margin=0.005), [], {})
    told = judgement_row(judged, samples)
    assert told["pooled_sd"] == pytest.approx(np.std(VALUES, ddof=1))
    # two means of 4, 6 degrees of freedom: (t(0.975) + t(0.8)) · se, to within a tenth
    about = (t.ppf(0.975, 6) + t.ppf(0.8, 6)) * np.std(VALUES, ddof=1) / np.sqrt(2)
    assert told["detectable"] == pytest.approx(about, rel=0.1)
    winner = winner_row(judged, of, "val/accuracy", "test/accuracy")
    assert winner == {"label": "a", "mean": pytest.approx(np.mean(VALUES)), "n": 4}
    assert judgement_row(None, {})["detectable"] is None


def test_a_cell_that_scatters_widely_says_nothing_of_what_others_comparisons_detect() -> None:
    rng = np.random.default_rng(0)
    spread = enumerate((0.01, 0.01, 0.01, 0.1))
    samples = {"abcd"[k]: Sample.of(0.9 - 0.1 * k + sd * rng.standard_normal(12)) for k, sd in spread}
    told = judgement_row(judge(samples, Rule(), [], {}), samples)
    of_two_pooled_cells = (norm.ppf(0.975) + norm.ppf(0.8)) * told["pooled_sd"] * (2 / 12) ** 0.5
    assert told["detectable"] < of_two_pooled_cells / 2


def test_two_axes_that_span_a_grid_are_tested_for_interaction() -> None:
    rng = np.random.default_rng(0)
    cells = {f"{i}{j}": {"init": i, "activation": j, "model": "x"} for i in "ab" for j in "cd"}
    samples = {label: Sample.of((0.9 if label == "ac" else 0.8) + 0.001 * rng.standard_normal(5)) for label in cells}
    found = interaction_row(cells, samples)
    assert found is not None
    assert found["axes"] == ["init", "activation"] and found["p"] < 0.01
    assert interaction_row({k: v for k, v in cells.items() if k != "bd"}, samples) is None
    assert interaction_row({k: {"init": v["init"]} for k, v in cells.items()}, samples) is None
