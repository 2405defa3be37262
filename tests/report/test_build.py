"""The files that the report consists of."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from regimens.core.errors import UserError
from regimens.report.build import EACH, build_parity, build_report
from regimens.report.parity import all_comparisons, every_number_table
from regimens.report.tables import Cell, Study, Trial
from tests.report.conftest import ROOT
from tests.report.synthetic_results import write_all


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.thorough
def test_same_results_give_the_same_bytes_on_one_core_and_on_several(
    results: Path, params: Path, reported: Path, tmp_path: Path
) -> None:
    core = {min(os.sched_getaffinity(0))}
    assert len(list(results.glob("*.json"))) >= 2 * EACH  # drawn by several processes where there are cores
    command = [sys.executable, "-W", "error", "src/report.py", "--results", str(results), "--out", str(tmp_path / "b")]
    done = subprocess.run(
        [*command, "--params", str(params), "--declared", "nowhere"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONHASHSEED": "1"}, timeout=120, preexec_fn=lambda: os.sched_setaffinity(0, core),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert _files(tmp_path / "b") == _files(reported)


def test_one_file_needs_no_other(reported: Path) -> None:
    page = (reported / "report.html").read_text()
    assert len(page) < 5_000_000
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert not re.search(r"@import|url\((?!#)", page)


def test_no_id_is_given_twice(reported: Path) -> None:
    ids = re.findall(r'\sid="([^"]+)"', (reported / "report.html").read_text())
    assert len(ids) == len(set(ids))


def test_every_figure_says_how_to_read_it_and_how_to_make_it(reported: Path) -> None:
    page = (reported / "report.html").read_text()
    figures = re.findall(r"<figure.*?</figure>", page[page.index('<ol class="answers">') :], re.DOTALL)
    assert len(figures) > 15
    for figure in figures:
        caption = figure[figure.index("<figcaption>") :]
        assert "python src/train.py -m study=" in caption
        assert "data:text/csv;base64," in caption
        assert re.search(r"(n=\d|pairs?|trial)", caption)


def test_the_text_version_links_files_that_exist(reported: Path) -> None:
    text = (reported / "report.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 30
    assert [link for link in links if link[0] != "#" and not (reported / link).is_file()] == []
    titles = [re.sub(r"[^a-z0-9_ -]", "", line.lower()) for line in re.findall(r"^## (.*)$", text, re.MULTILINE)]
    anchors = [link[1:] for link in links if link[0] == "#"]
    assert len(anchors) > 5
    assert set(anchors) <= {title.replace(" ", "-") for title in titles}


def test_what_did_not_run_or_cannot_be_read_is_said(reported: Path) -> None:
    text = (reported / "report.md").read_text()
    assert "`clipping`" in text
    assert "broken.json could not be read" in text
    assert "no trial of this study completed" in text


def test_metrics_are_a_few_numbers_a_study(reported: Path) -> None:
    metrics = json.loads((reported / "metrics.json").read_text())
    told = json.loads((reported.parent / "results" / "optimizers.json").read_text())
    assert metrics["optimizers"]["best"] == pytest.approx(max(cell["mean"] for cell in told["cells"]), abs=1e-6)
    assert set(metrics["transfer_ab"]) == {"gain"}
    assert all(len(row) <= 2 for row in metrics.values())
    assert (reported / "plots" / "curves.csv").read_text().startswith("study,cell,line,epoch,mean,lowest,highest\n")


@pytest.mark.thorough
def test_a_figure_of_a_study_that_is_gone_goes_too(tmp_path: Path) -> None:
    write_all(tmp_path / "results")
    for path in (tmp_path / "results").glob("*.json"):
        if path.stem != "recipes":
            path.unlink()
    (tmp_path / "out" / "figures").mkdir(parents=True)
    (tmp_path / "out" / "figures" / "old.svg").write_text("")
    build_report(tmp_path / "results", tmp_path / "out")
    assert not (tmp_path / "out" / "figures" / "old.svg").exists()


def test_an_empty_results_directory_gives_an_empty_report(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    build_report(tmp_path / "results", tmp_path / "out")
    assert "No study has results yet" in (tmp_path / "out" / "report.html").read_text()


def test_no_results_directory_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run a study first"):
        build_report(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(UserError, match="study=parity"):
        build_parity(tmp_path / "parity.json", tmp_path / "out")


def test_parity_tells_inside_from_outside(results: Path, tmp_path: Path) -> None:
    build_parity(results / "parity.json", tmp_path)
    lines = (tmp_path / "parity.md").read_text().splitlines()
    row = {name: next(x for x in lines if x.startswith(f"| {name} ")) for name in ("leaky_relu", "prelu", "dropout")}
    assert "| inside |" in row["leaky_relu"]
    assert "| outside (ours higher) |" in row["prelu"]
    assert "| not run |" in row["dropout"]


def test_parity_compares_every_published_number_and_says_where_an_interval_says_nothing() -> None:
    def cell(name: str, accuracies: tuple[float, ...]) -> Cell:
        told = [{"val/accuracy": a, "val/loss": 0.48, "train/accuracy": 0.834, "train/loss": a} for a in accuracies]
        trials = tuple(Trial(i, "completed", "final", {}, {"metrics": m}) for i, m in enumerate(told))
        return Cell(f"experiment={name}", {"experiment": name}, {}, trials)

    study = Study("parity", cells=(cell("leaky_relu", (0.83, 0.84, 0.845)), cell("prelu", (0.5, 0.7, 0.84))))
    found = {(c.id, c.metric): c for c in all_comparisons(study) if c.ours}
    assert len(found) == 2 * 4
    # t(0.975, 2) = 4.3027, sd = 0.00764, √(4/3): ± 0.0379 around 0.83833
    low, high = found["leaky_relu", "val/accuracy"].interval or (0, 0)
    assert (low, high) == pytest.approx((0.80038, 0.87629), abs=1e-4)
    assert found["leaky_relu", "val/accuracy"].verdict == "inside"
    assert found["prelu", "val/accuracy"].verdict == "inside, but too wide to tell"
    assert found["leaky_relu", "train/loss"].verdict == "outside (ours higher)"
    table = every_number_table(study)
    assert len(table.rows) == len(table.keys) == 8
    # The same loss in every run holds no other number; leaky_relu's training accuracy is the published one.
    assert table.caption.startswith("train: 2 of 4 inside; val: 2 of 4 inside; test: 0 of 0 inside")
