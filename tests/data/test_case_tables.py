"""Whole tables: files that people reported elsewhere, of columns, splits and predictions (see test_cases.py)."""

import gzip
import subprocess
from pathlib import Path

import numpy as np
import pytest

from regimens.core.errors import DataError, UserError
from regimens.data import sources
from regimens.inference import predict
from tests.data.handed import CASES, Fit, answers, read, refusal, rows, written

# 05: classes too rare to split (pycaret/pycaret#311, ludwig-ai/ludwig#2831)


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_every_class_stays_in_training(fit: Fit, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    from regimens.data import carve

    whole = read("05-rare-class/flows.csv", "label")
    parts = carve.carve(whole, 0.2, 0.2, seed, stratify=True)
    assert np.bincount(parts.y_train).tolist() == [29, 30, 1]
    assert parts.notes == (
        "class infiltration has 1 example, none for validation or test: add some, merge it or leave it out",
    )
    five = carve.carve(read("05-rare-class/flows5.csv", "label"), 0.2, 0.2, seed, stratify=True)
    assert [np.bincount(part[1], minlength=3)[2] for part in five.parts().values()] == [3, 1, 1]


def test_a_split_that_loses_a_class_names_it_and_a_way_out() -> None:
    from regimens.data import carve

    whole = read("05-rare-class/flows.csv", "label")
    with pytest.raises(
        DataError, match=r"no training example is left of class infiltration \(1 example\): shuffle with"
    ):
        carve.carve(whole, 0.2, 0.2, None, stratify=True)
    with pytest.raises(DataError, match=r"infiltration \(1 example\): keep .* with \+\+data\.stratify=true"):
        carve.carve(whole, 0.2, 0.2, 2)


# 08: a name twice in the header (openml/OpenML#474, ahlashkari/CICFlowMeter#42)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    assert "its header has a name more than once: 'default' (columns 2, 4)" in refusal(
        "08-label-twice/loans.csv", "default"
    )
    with pytest.raises(DataError, match=r"'a' \(columns 1, 3\); 'b' \(columns 2, 5\)"):
        written(tmp_path / "my.csv", "a,b,a ,y, b\n1,2,3,0,1\n")


# 12: names that neither Hydra nor a shell can read unquoted ('Air temperature [K]', 'Unnamed: 32')


@pytest.mark.parametrize(("name", "target"), [("machine", "Machine failure"), ("odd", "y"), ("tumour", "diagnosis")])
def test_advice_works_when_it_is_typed(name: str, target: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    path = f"12-names-to-drop/{name}.csv"
    try:
        found = read(path, target)
    except DataError as error:
        _, hint, value = str(error).partition("data.drop=")
        done = subprocess.run(["bash", "-c", f"printf %s {hint}{value}"], capture_output=True, text=True, check=True)
        for typed in (done.stdout, hint + value):  # in a shell, and as a script passes it on
            drop = OverridesParser.create().parse_override(typed).value()
            assert read(path, target, drop=drop).feature_names == ("Air temp [K]", "Torque [Nm]")
        return
    assert name != "machine"
    columns = {"odd": ("group (a, b)", "x", "z"), "tumour": ("case no", "radius (mean) [mm]", "texture")}
    assert found.feature_names == columns[name]


def test_a_comma_too_many_in_the_header_makes_no_column(tmp_path: Path) -> None:
    found = read("12-names-to-drop/tumour.csv", "diagnosis")
    assert "tumour.csv: column 5 has no name and no cell, and is left out" in found.notes
    assert written(tmp_path / "my.csv", rows("a,y,", "1,0", "2,1")).feature_names == ("a",)
    named = written(tmp_path / "my.csv", rows(",a,y", "5,1,0", "9,2,1", "7,3,0"))
    assert named.feature_names == ("Unnamed: 0", "a")


# 13: kinds of files (OpenADMET/openadmet-models#451, microsoft/vscode-data-wrangler#362)


@pytest.mark.thorough
def test_whatever_file_trains_also_predicts(fit: Fit, tmp_path: Path) -> None:
    import pandas as pd

    folder = CASES / "13-file-kinds"
    expected, _ = answers(fit(folder / "plain.csv", "y"), folder / "plain.csv")
    content = (folder / "plain.csv").read_bytes()
    (tmp_path / "my.csv.gz").write_bytes(gzip.compress(content))
    pd.read_csv(folder / "plain.csv").to_parquet(tmp_path / "my.parquet")
    (tmp_path / "MY.TSV").write_bytes(content.replace(b",", b"\t"))
    (tmp_path / "none").write_bytes(content)
    (tmp_path / "latin.csv").write_bytes(content.replace(b"a,b", "ä,b".encode("latin-1")))
    subprocess.run(["zip", "-q", "my.zip", "none"], cwd=tmp_path, check=False)
    files = [*folder.iterdir(), *(tmp_path / name for name in ("my.csv.gz", "my.parquet", "MY.TSV", "none"))]
    for path in files:
        model = fit(path, "y")
        assert answers(model, path)[0] == expected, path.name
        assert answers(model, folder / "utf16.csv")[0] == expected
    assert sources.csv(str(tmp_path / "latin.csv"), "y").feature_names == ("ä", "b")


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n\x00\x00", b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"\x1f\x8b\x08", b"PAR1nothing",
     b"\xff\xfea", b"\x80\x04\x95", b"BZhno", b"\xfd7zXZ\x00"],
)  # fmt: skip
def test_what_is_no_table_is_told_in_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "my.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        sources.csv(str(path), "y")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# 21: columns that cannot be used, in one answer (Kaggle's Titanic)


def test_one_answer_names_all_columns_that_cannot_be_used(fit: Fit) -> None:
    message = refusal("21-passengers/passengers.csv", "Survived")
    for told in (
        "'Name' holds 60 different words",
        "'Cabin' holds 15 different words in 15 cells",
        "'Id' only numbers",
    ):
        assert told in message
    assert message.endswith("data.drop='[Name, Cabin, Id]'")
    path = CASES / "21-passengers/passengers.csv"
    model = fit(path, "Survived", "data.drop='[Name, Cabin, Id]'", "epochs=1")
    assert model.inputs.encoder.width == 2 + 2 + 3  # Age and where it is empty, Sex, Port
    assert answers(model, path)[1] == []
    found = read("21-passengers/passengers.csv", "Survived", drop=["Name", "Id"], types={"Cabin": "word"})
    assert found.feature_names == ("Sex", "Age", "Cabin", "Port")


# leaks: columns that say the answer, or only which row it is


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (range(40), "only numbers the rows, and would teach their order"),
        ([*range(20), *range(20)], "only numbers the rows"),  # two tables, one below the other
        (np.random.default_rng(0).permutation(40) + 7, "numbers the rows in another order"),
        (np.arange(40) ** 2, "grows or falls from row to row"),
        ([f"{n}.0" for n in range(40, 0, -1)], "numbers the rows in another order"),
        ([("good", "bad")[n % 2] for n in range(40)], "says the label in other words"),
        ([n % 2 * 7 + 1 for n in range(40)], "says the label in other words"),
        (
            [("x", "y", "z", "y")[n % 4] for n in range(40)],
            "decides the label: each of its 3 values goes with one class",
        ),
    ],
)
def test_leaks_are_warned_of_by_name(tmp_path: Path, values: object, told: str) -> None:
    draw = np.random.default_rng(1).normal(size=40)
    cells = zip(list(values), draw, strict=True)  # type: ignore[call-overload]
    lines = [f"{value},{x:.3f},{n % 2}" for n, (value, x) in enumerate(cells)]
    found = written(tmp_path / "my.csv", "\n".join(["leak,x,y", *lines]) + "\n")
    assert found.notes[0].startswith(f"my.csv: column 'leak' {told}")
    assert found.notes[1:] == ("leave such columns out with data.drop='[leak]'",)


def test_what_is_no_leak_is_not_warned_of(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    sizes, colors = draw.integers(0, 1000, 200), draw.choice(["red", "green", "blue"], 200)
    lines = [f"{size},{color},{n % 2}" for n, (size, color) in enumerate(zip(sizes, colors, strict=True))]
    assert written(tmp_path / "my.csv", "\n".join(["size,color,y", *lines]) + "\n").notes == ()


# at prediction: what training would have refused


def test_a_missing_cell_is_refused_as_training_knew_it(fit: Fit, tmp_path: Path) -> None:
    model = fit(CASES / "03-served-missing/clinic.csv", "state")
    with pytest.raises(UserError, match=r"column 'bmi' is empty in row 1: give what the network was trained on$"):
        predict.read_inputs(CASES / "03-served-missing/missing.csv", model)
    new = tmp_path / "new.csv"
    for cell, told in (("NaN", "is empty in row 2"), ("inf", "holds inf in row 2"), ("1e39", "holds 1e39 in row 2"),
                       ("fat", "holds 'fat' in row 2"), ("2.5,5", "holds '2.5,5' in row 2")):  # fmt: skip
        new.write_text(f"bmi;age\n21;50\n{cell};50\n")
        with pytest.raises(UserError, match=f"column 'bmi' {told}"):
            predict.read_inputs(new, model)
    new.write_text("age,weight\n50,80\n")
    with pytest.raises(UserError, match="has no column 'bmi': its columns are age, weight"):
        predict.read_inputs(new, model)
    new.write_text("bmi,age\n21,50\n\n22,51\n")
    with pytest.raises(UserError, match="row 2 is a blank line"):
        predict.read_inputs(new, model)


def test_another_unit_is_warned_of(fit: Fit, tmp_path: Path) -> None:
    model = fit(CASES / "03-served-missing/clinic.csv", "state")
    new = tmp_path / "new.csv"
    new.write_text("bmi,age\n21,50\n2100,50\n")
    told = answers(model, new)[1]
    assert len(told) == 1
    assert told[0].startswith("column 'bmi' holds 2100 in row 2, where training had ")
    new.write_text("bmi,age\n" + "0.1,0.2\n" * 12)
    assert len(answers(model, new)[1]) == 2
    assert answers(model, CASES / "03-served-missing/clinic.csv")[1] == []


def test_a_word_that_training_never_saw_is_warned_of(fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text(rows("color,x,y", "red,1,p", "blue,2,q", ",3,p", "red,2,q", "blue,1,p"))
    model = fit(path, "y")
    new = tmp_path / "new.csv"
    new.write_text("x,color\n1,green\n2,\n1,red\n")
    assert answers(model, new)[1] == [
        f"{new}: column 'color' holds 'green' in row 1, which training never saw: it counts as no word at all"
    ]
