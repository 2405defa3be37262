"""The first screen's picture and sentences."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from regimens.report.canvas import SECTION
from regimens.report.headlines import headline, shortened
from regimens.report.overview import MOST, SIZE, Group, Row, figure_of, groups, halves, overview, within
from regimens.report.tables import Study, read_studies
from regimens.report.verdicts import against


@pytest.fixture(scope="module")
def studies(results: Path) -> list[Study]:
    return read_studies(results)


def test_every_technique_is_a_row_with_its_table_s_difference_interval_and_verdict(studies: list[Study]) -> None:
    found = {group.anchor: group for group in groups(studies)}
    study = next(s for s in studies if s.name == "regularizers")
    rows = {row.label: row for row in found["regularizers"].rows}
    assert rows.keys() == {cell.label for cell in study.cells} - {found["regularizers"].default}
    for cell in study.cells:
        one = against(cell, "vs_default")
        if one is not None and one.low is not None:
            row = rows[cell.label]
            assert (row.diff, row.low) == (pytest.approx(100 * one.diff), pytest.approx(100 * one.low))
            assert (row.verdict, row.n) == (one.verdict, 5)


def test_of_many_techniques_the_best_and_the_worst_are_drawn_and_the_rest_counted(studies: list[Study]) -> None:
    group = next(g for g in groups(studies) if g.anchor == "initializers")
    assert (len(group.rows), group.left_out) == (MOST, 6)
    values = [row.diff for row in group.rows]
    assert values == sorted(values, reverse=True)
    assert group.rows[-1].verdict == "worse"


def test_transfer_is_one_row_and_published_numbers_are_none(studies: list[Study]) -> None:
    found = {group.anchor: group for group in groups(studies)}
    assert [row.label for row in found["transfer_ab"].rows] == ["transferred"]
    assert [row.label for row in found["transfer_pairs"].rows] == ["over all pairs"]
    assert "parity" not in found


@pytest.mark.thorough
def test_both_parts_together_show_what_the_whole_does_on_one_scale(studies: list[Study]) -> None:
    whole, parts = overview(studies), halves(studies)
    assert whole is not None
    assert len(parts) == 2
    assert (*parts[0].rows, *parts[1].rows) == whole.rows
    ticks = [re.findall(r">([+\u2212]\d+|0)</", part.svg) for part in parts]
    assert ticks[0] == ticks[1]


@pytest.mark.parametrize("low", [-115.0, -80.0, -30.0, -11.0, -4.0])
@pytest.mark.parametrize("high", [3.0, 9.0, 20.0, 96.0, 115.0])
def test_the_scale_s_numbers_have_room(low: float, high: float) -> None:
    group = Group("a", "A", "default", (Row("one", 1.0, 0.5, 1.5, "better", 3),))
    drawn = figure_of([group], "a", (low, high)).svg
    ticks = [(float(x), text) for x, text in re.findall(r'<text[^>]* x="([\d.]+)"[^>]*>([+\u2212]\d+|0)</', drawn)]
    assert len(ticks) >= 4
    for (x, text), (next_x, following) in pairwise(ticks):
        assert next_x - x > 0.6 * SIZE * (len(text) + len(following)) / 2 + 4  # points; a character has 0.6 of its size


def test_every_row_leads_to_its_section(reported: Path) -> None:
    page = (reported / "report.html").read_text()
    first = page[page.index('<div class="overview">') : page.index('<ol class="answers">')]
    linked = re.findall(r'<a href="#([a-z_]+)"', first)
    assert SECTION not in page
    assert {"optimizers", "transfer_ab", "depth"} <= set(linked)
    assert all(f'<section id="{name}">' in page for name in set(linked))
    assert linked.count("optimizers") > MOST * 3  # name, line, mark and number of each row, and the heading


def test_nothing_to_compare_is_no_picture() -> None:
    assert overview([]) is None
    assert halves([]) == []


def test_a_special_answer_is_cut_after_its_first_clause() -> None:
    text = "Transfer helps: 98.0% from scratch, +0.77 points [+0.2, +1.2], n=5; error ratio 1.6. Better in 12."
    assert shortened(text) == "Transfer helps: 98.0% from scratch, +0.77 points [+0.2, +1.2], n=5."
    assert shortened("18 of 20 lie inside. To lie inside is weak.") == "18 of 20 lie inside."
    assert shortened("No answer: no trial of this study completed.") == "No answer: no trial of this study completed."


def test_a_headline_is_short_and_names_no_crowd(studies: list[Study]) -> None:
    for study in studies:
        assert len(headline(study)) < 220, study.name
    told = headline(next(s for s in studies if s.name == "initializers"))
    assert re.search(r"worse: \d+ others\.", told)


def test_long_tables_fold_after_eight_rows_in_both_versions(reported: Path) -> None:
    page, text = ((reported / f"report.{kind}").read_text() for kind in ("html", "md"))
    assert re.search(r'class="unfold"> all 90 rows', page)
    assert "nth-child(n + 9)" in page
    assert "<details><summary>82 more rows</summary>" in text
    opened, closed = text.count("<details>"), text.count("</details>")
    assert opened == closed > 2


def test_names_that_are_cut_still_differ_where_only_their_ends_do() -> None:
    cut = [within(f"selu+lecun · layers={n}", 19) for n in (2, 20)]
    assert all(len(one) <= 19 for one in cut) and cut[0].endswith("layers=2") and cut[1].endswith("layers=20")
    assert within("nadam", 19) == "nadam"
