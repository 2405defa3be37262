"""Transfer's numbers, colours, and what figures show."""

import json
import re
from pathlib import Path

import pytest

from regimens.report.canvas import drawing, standalone, svg
from regimens.report.dots import number_line
from regimens.report.gradients import gradient_flow
from regimens.report.heatmap import pair_answer, pair_map
from regimens.report.palette import CATALOGUE, COLOURS, Palette
from regimens.report.parity import prediction, published
from regimens.report.tables import Study, read_studies, read_study
from regimens.report.techniques import lr_curves, overfitting
from regimens.report.transfer import Pair, effect, pairs, transfer_answer
from tests.report.synthetic_results import grid


@pytest.fixture(scope="module")
def studies(results: Path) -> dict[str, Study]:
    return {s.name: s for s in read_studies(results)}


def make(*values: tuple[float, float]) -> list[Pair]:
    return [Pair("", i, "a", one, other) for i, (one, other) in enumerate(values)]


def test_the_error_ratio_is_of_mean_errors() -> None:
    found = effect(make((0.98, 0.99), (0.97, 0.985), (0.974, 0.988), (0.976, 0.987)))
    assert found.ratio == pytest.approx(0.1 / 0.05)
    assert found.gain == pytest.approx(0.05 / 4)
    assert (found.better, found.worse) == (4, 0)
    assert found.ratio_interval is not None
    assert found.ratio_interval[0] <= found.ratio <= found.ratio_interval[1]


def test_without_errors_there_is_no_ratio() -> None:
    assert effect(make((0.98, 1.0), (0.96, 1.0), (0.97, 1.0))).ratio is None


def test_one_seed_has_no_interval() -> None:
    found = effect(make((0.98, 0.99)))
    assert found.gain_interval is None
    assert found.ratio_interval is None


def test_equal_seeds_are_paired_with_every_model_of_task_a(studies: dict[str, Study]) -> None:
    found = pairs(studies["transfer_ab"])
    assert len(found) == 60
    assert effect(found).seeds == 20
    answer = transfer_answer(studies["transfer_ab"])
    assert answer is not None
    assert "n=20 seeds × 3 task-A models" in answer


def test_all_pairs_of_classes_are_on_the_map(studies: dict[str, Study]) -> None:
    figure = pair_map(studies["transfer_pairs"])
    assert figure is not None
    assert len(figure.rows) == 45
    assert "45 pairs of classes" in (pair_answer(studies["transfer_pairs"]) or "")


@pytest.mark.thorough
def test_special_figures_appear_where_their_data_are(studies: dict[str, Study]) -> None:
    palette = Palette(studies.values())
    for make_one, where in ((gradient_flow, "depth"), (lr_curves, "schedules"), (overfitting, "regularizers")):
        assert [name for name, s in studies.items() if make_one(s, palette)] == [where]


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("page", ["#ffffff", "#14181c"])
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_is_readable_on_both_pages(colour: str, page: str) -> None:
    low, high = sorted((_luminance(colour), _luminance(page)))
    assert (high + 0.05) / (low + 0.05) >= 3  # WCAG 2.1, criterion 1.4.11


def test_a_technique_looks_the_same_whatever_else_was_run(studies: dict[str, Study]) -> None:
    alone, among = Palette([studies["optimizers"]]), Palette(studies.values())
    styles = [alone.technique("optimizer", o) for o in CATALOGUE["optimizer"].split()]
    assert styles == [among.technique("optimizer", o) for o in CATALOGUE["optimizer"].split()]
    assert len(set(styles)) == len(styles)


def test_drawings_follow_the_theme() -> None:
    with drawing(2) as (figure, axes):
        axes.plot([1, 2], [3, 4])
        axes.set_title("a title")
        text = svg(figure, "one")
    assert "currentColor" in text
    assert "var(--grid)" in text
    assert "#000000" not in re.sub(r"<style.*?</style>", "", text)
    assert "a title" in text
    assert all(i.startswith("one-") for i in re.findall(r'\bid="([^"]+)"', text))
    assert "prefers-color-scheme:dark" in standalone(text)


def test_a_prediction_interval_is_wider_than_the_range_of_three() -> None:
    found = prediction((0.88, 0.89, 0.90))
    assert found is not None
    # 0.89 -+ 4.303 * 0.01 * sqrt(4 / 3)
    assert found == pytest.approx((0.89 - 0.04968, 0.89 + 0.04968), abs=1e-4)
    assert prediction((0.88, 0.89)) is None


def test_every_published_number_has_its_source() -> None:
    assert len(published()) == 20
    assert all(row["source"] and float(row["val_acc"]) > 0 for row in published())


def test_a_numeric_axis_is_drawn_as_numbers(results: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(3)
    rates = {(("optimizer.lr", str(lr)),): 0.8 for lr in (0.001, 0.01, 0.1)}
    path = results.parent / "lr_range.json"
    path.write_text(json.dumps(grid(rng, "lr_range", "Which rates learn?", rates, tuning=0)))
    figure = number_line(read_study(path))
    assert figure is not None
    assert sorted({row[0] for row in figure.rows}) == [0.001, 0.01, 0.1]
