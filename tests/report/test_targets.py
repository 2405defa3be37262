"""When finals reach the value that a study names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from regimens.report.stars import ratings
from regimens.report.tables import Study, Trial, read_study
from regimens.report.targets import mean, reach, reached, target_table, texts
from tests.report.synthetic_results import grid


def trial(curve: list[float | None], **raw: Any) -> Trial:
    clock = [2.0 * (e + 1) for e in range(len(curve))]
    return Trial(1, "completed", "final", {}, {"history": {"val/accuracy": curve, "time": clock}, **raw})


def test_between_two_epochs_the_metric_rises_evenly() -> None:
    told = {"regimen": {"batch_size": 32}, "provenance": {"data": {"sizes": {"train": 1000}}}}
    found = reach(trial([0.5, 0.8, 0.9], **told), "val/accuracy", 0.85)
    assert found is not None
    assert (found.epochs, found.steps, found.seconds) == (pytest.approx(2.5), pytest.approx(2.5 * 32), pytest.approx(5))


def test_the_first_epoch_counts_as_a_whole_and_what_is_never_reached_is_none() -> None:
    found = reach(trial([0.9]), "val/accuracy", 0.85)
    assert found is not None
    assert (found.epochs, found.steps, found.seconds) == (1.0, None, 2.0)
    assert reach(trial([0.5, None, 0.6]), "val/accuracy", 0.85) is None
    falling = reach(trial([0.9, 0.5]), "val/accuracy", 0.7, maximize=False)
    assert falling is not None and falling.epochs == pytest.approx(1.5)


def test_means_have_students_interval_and_none_where_a_final_never_gets_there() -> None:
    found = [reach(trial([0.0, x]), "val/accuracy", 0.5) for x in (1.0, 0.8, 0.5)]
    epochs = [1.5, 1.625, 2.0]
    told = mean(found, "epochs")
    assert told is not None and told.low is not None
    assert told.low == pytest.approx(np.mean(epochs) - t.ppf(0.975, 2) * np.std(epochs, ddof=1) / 3**0.5)
    assert texts([*found, None])[:2] == ("3 of 4", "–")


def study(tmp_path: Path, **about: Any) -> Study:
    levels = {(("optimizer", "sgd"),): 0.80, (("optimizer", "adam"),): 0.90}
    path = tmp_path / "optimizers.json"
    path.write_text(json.dumps(grid(np.random.default_rng(1), "optimizers", "?", levels, tuning=0, **about)))
    return read_study(path)


def test_the_table_and_the_stars_take_the_study_s_own_target(tmp_path: Path) -> None:
    told = study(tmp_path, target=0.85)
    table = target_table(told)
    assert table is not None
    rows = {row[0]: row for row in table.rows}
    assert (rows["adam"][1], rows["sgd"][1:3]) == ("5 of 5", ("0 of 5", "–"))
    assert "reach 85.0% of val accuracy" in table.caption
    found = ratings(told)
    assert found is not None
    assert "first reaches 85.0%; ★★★" in found[0]
    assert {r.label: r.speed for r in found[1]} == {"adam": "★★★", "sgd": "★"}


def test_without_a_target_only_the_chapter_s_stars_have_one_of_their_own(tmp_path: Path) -> None:
    told = study(tmp_path)
    assert target_table(told) is None
    found = ratings(told)
    assert found is not None and "98% of the best" in found[0]
    assert all(one is not None for one in reached(told.ranked[0], "val/accuracy", 0.7))
