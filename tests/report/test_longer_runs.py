"""What longer runs left beside the report is shown in it."""

import json
from pathlib import Path

import pytest

from regimens.report.build import build_parity, build_report
from regimens.report.evidence import strength
from regimens.report.longer_runs import keep_tables, kept_studies
from regimens.report.tables import read_study


@pytest.mark.thorough
def test_kept_numbers_become_a_section(results: Path, tmp_path: Path) -> None:
    build_parity(results / "parity.json", tmp_path / "out" / "parity")
    kept = tmp_path / "out" / "parity" / "parity.json"
    assert kept.stat().st_size < (results / "parity.json").stat().st_size / 2
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "recipes.json").write_bytes((results / "recipes.json").read_bytes())
    build_report(tmp_path / "results", tmp_path / "out")
    text = (tmp_path / "out" / "report.md").read_text()
    alone = (tmp_path / "out" / "parity" / "parity.md").read_text()
    row = next(line for line in alone.splitlines() if line.startswith("| leaky_relu "))
    assert row in text
    assert (tmp_path / "out" / "figures" / "parity-figure.svg").is_file()


@pytest.mark.thorough
def test_tables_are_kept_from_one_sitting_to_the_next(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "full"
    for sitting in ("recipes", "optimizers"):
        (tmp_path / sitting).mkdir()
        (tmp_path / sitting / f"{sitting}.json").write_bytes((results / f"{sitting}.json").read_bytes())
    build_report(tmp_path / "recipes", out, keep=True)
    first = json.loads((out / "answers.json").read_text())["answers"]
    build_report(tmp_path / "optimizers", out, keep=True)
    both = json.loads((out / "answers.json").read_text())["answers"]
    assert len(first) == 1 and len(both) == 2 and first[0] in both
    assert sorted(path.name for path in (out / "tables").iterdir()) == ["optimizers.json.gz", "recipes.json.gz"]
    drawn = {path.name: path.read_bytes() for path in (out / "figures").glob("recipes-*")}
    build_report(tmp_path / "recipes", tmp_path / "alone")
    assert drawn == {path.name: path.read_bytes() for path in (tmp_path / "alone" / "figures").glob("recipes-*")}


def test_finals_that_diverge_are_evidence_too(results: Path, tmp_path: Path) -> None:
    """A question one of whose cells never trains is answered all the better, the more finals say so."""
    table = json.loads((results / "optimizers.json").read_text())
    cell = table["cells"][0]["cell"]
    before = strength(read_study(results / "optimizers.json"))
    for trial in table["trials"]:
        if trial["study"]["cell"] == cell and trial["study"]["phase"] == "final":
            trial.update(status="diverged", metrics={})
    (tmp_path / "optimizers.json").write_text(json.dumps(table))
    assert strength(read_study(tmp_path / "optimizers.json")) == before and before[1] > 0


def test_a_kept_table_that_is_torn_hides_no_other(results: Path, tmp_path: Path) -> None:
    keep_tables(results, tmp_path)
    torn = tmp_path / "tables" / "recipes.json.gz"
    torn.write_bytes(torn.read_bytes()[:200])
    found = {study.name: study for study in kept_studies(tmp_path)}
    assert "could not be read" in str(found["recipes"].problem)
    assert found["optimizers"].problem is None


@pytest.mark.thorough
def test_a_longer_runs_answers_are_quoted_and_linked(results: Path, params: Path, tmp_path: Path) -> None:
    build_report(results, tmp_path / "whole", params)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "recipes.json").write_bytes((results / "recipes.json").read_bytes())
    build_report(tmp_path / "one", tmp_path / "out")
    assert "From another run" not in (tmp_path / "out" / "report.html").read_text()
    (tmp_path / "whole").rename(tmp_path / "out" / "whole")
    told = json.loads((tmp_path / "out" / "whole" / "answers.json").read_text())["answers"]
    (tmp_path / "declared").mkdir()
    for name, question in (("elsewhere", told[-1]["question"]), ("nowhere", "Does anybody ask?")):
        (tmp_path / "declared" / f"{name}.yaml").write_text(json.dumps({"study": {"question": question}}))
    build_report(tmp_path / "one", tmp_path / "out", declared=tmp_path / "declared")
    text = (tmp_path / "out" / "report.md").read_text()
    assert "`nowhere`: Does anybody ask?" in text
    assert "`elsewhere`" not in text
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'href="whole/report.html"' in page
    assert "data=digits, scale=smoke, seed=42" in page
    assert "nadam" in page


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("examples", "tested", "quoted"), [(10**6, 1, True), (1, 10**9, False), (None, 10**9, True), (None, 0, False)]
)
def test_the_first_screen_quotes_the_better_evidence(
    results: Path, tmp_path: Path, examples: int | None, tested: int, quoted: bool
) -> None:
    """More training examples, then more that was tested; where one runs a question longer, both answers are told."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "recipes.json").write_bytes((results / "recipes.json").read_bytes())
    build_report(tmp_path / "one", tmp_path / "out")
    own = json.loads((tmp_path / "out" / "answers.json").read_text())["answers"][0]
    assert own["examples"] > 0 and own["tested"] > 1
    told = {**own, "answer": "What hours found.", "examples": examples or own["examples"], "tested": tested}
    told["network"] = "hidden layers of 300 and 100 units"
    longer = tmp_path / "out" / "full" / "answers.json"
    longer.parent.mkdir()
    longer.write_text(json.dumps({"settings": {"scale": "full"}, "answers": [told]}))
    build_report(tmp_path / "one", tmp_path / "out")
    for name, link in (("report.md", "(full/report.md)"), ("report.html", 'href="full/report.html"')):
        text = (tmp_path / "out" / name).read_text()
        assert ("What hours found." in text) == (link in text) == ("Here: " in text) == quoted
        assert ("examples, hidden layers of 300 and 100 units" in text) == quoted
        assert "From another run" not in text
    again = json.loads((tmp_path / "out" / "answers.json").read_text())["answers"][0]
    assert again == own  # what this run found is what it tells others


@pytest.mark.thorough
def test_a_network_that_gets_no_gradient_is_told_from_one_that_does(results: Path, tmp_path: Path) -> None:
    build_report(results, tmp_path)
    text = (tmp_path / "report.md").read_text()
    answer = text.split("\n## Why does a 20-layer net")[1].splitlines()[2]
    # 0.25 ** 18 and 0.97 ** 18: what the invented norms lose between the last hidden layer and the first
    assert "layer 1 of sigmoid gets 1 × 10⁻¹¹ of the gradient" in answer
    assert "that of selu 0.58" in answer
    assert "19 hidden layers" in answer


@pytest.mark.thorough
def test_many_cuts_of_the_data_are_one_line(results: Path, tmp_path: Path) -> None:
    raw = json.loads((results / "recipes.json").read_text())
    for number, trial in enumerate(raw["trials"]):
        cut = {"dataset": "fashion_mnist", "hash": f"{number:064x}", "task": {"kind": "b"}}
        trial["provenance"] = {**trial["provenance"], "data": cut}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "recipes.json").write_text(json.dumps(raw))
    build_report(tmp_path / "in", tmp_path / "out")
    lines = [x for x in (tmp_path / "out" / "report.md").read_text().splitlines() if x.startswith("- data:")]
    assert len(lines) == 2  # the cuts, and what the study's own provenance names
    assert f"{len(raw['trials'])} cuts for task b" in lines[1]
