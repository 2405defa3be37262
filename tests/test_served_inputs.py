"""What the served model takes: the frame that it was trained on, as pandas reads it; and what it refuses, with a 4xx.

Cases 03 and 04 (gopaljilab/Clinical-Insight-Engine#1975, mlflow/mlflow#1897, #9680, #12516).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regimens.inference import mlflow_model, predict

from .conftest import Train

CASES = Path(__file__).parent / "data" / "cases"
Served = Any
Serve = Callable[..., Served]


@pytest.fixture
def serve(train: Train, tmp_path: Path) -> Serve:
    """`serve(path, target)`: a network trained on a table for a moment, as MLflow loads it."""
    import mlflow
    from mlflow.models import Model

    def make(*overrides: str, into: str = "trial") -> Served:
        train(f"paths.data={tmp_path}/data", "epochs=1", *overrides, into=into)
        mlflow_model.package(tmp_path / into, tmp_path / f"{into}-model", Model())
        return mlflow.pyfunc.load_model(str(tmp_path / f"{into}-model"))

    return make


def table(path: Path, target: str) -> tuple[str, ...]:
    return ("data=csv", "data.train_size=null", f"data.path='{path}'", f"data.target={target}", "batch_size=8")


def post(model: Served, body: str, kind: str = "application/json") -> tuple[int, str]:
    """The status and the text with which MLflow's own server answers a request."""
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc.scoring_server import invocations

    try:
        answer = invocations(body, kind, model, model.metadata.get_input_schema())
    except MlflowException as error:  # which the server turns into an answer
        return error.get_http_status_code(), error.serialize_as_json()
    return answer.status, answer.response


def same(answer: pd.DataFrame, expected: np.ndarray) -> bool:
    return bool(np.allclose(answer.filter(like="p(").to_numpy(), expected, atol=1e-6))


def test_the_frame_of_training_is_answered_as_pandas_reads_it(serve: Serve, tmp_path: Path) -> None:
    path = CASES / "04-pyfunc-own-frame" / "counts.csv"
    served, model = serve(*table(path, "state")), predict.load(tmp_path / "trial")
    frame = pd.read_csv(path)
    expected = model.probabilities(predict.read_inputs(path, model)[0])
    assert frame["beats"].dtype == np.int64
    assert same(served.predict(frame), expected)
    shuffled = frame[["visits", "state", "beats"]].sample(frac=1, random_state=0)
    assert same(served.predict(shuffled), expected[shuffled.index])
    columns = ["beats", "visits"]
    for other in ("int32", "float32", "float64", "uint16", "Int64", "object", "str"):
        assert same(served.predict(frame[columns].astype(other)), expected), other
    assert same(served.predict(frame[columns].to_numpy()), expected)
    requests: list[dict[str, Any]] = [
        {"dataframe_split": json.loads(frame.to_json(orient="split", index=False))},
        {"dataframe_records": frame.to_dict("records")},
        {"inputs": frame[columns].to_dict("list")},
        {"instances": frame[columns].to_dict("records")},
        {"inputs": frame[columns].to_numpy().tolist()},
    ]
    answers = [post(served, json.dumps(request)) for request in requests]
    answers += [post(served, frame.to_csv(index=False), "text/csv"), post(served, path.read_text(), "text/csv")]
    for status, text in answers:
        assert status == 200, text
        assert same(pd.DataFrame(json.loads(text)["predictions"]), expected)


MIXED = (
    "code,sex,seen,smokes,stage,dose,y",
    "01,m,2024-03-05,True,None,1,ill",
    "2,f,2024-04-01,False,low,,well",
    "10,,2023-12-31,True,high,3.5,ill",
    "01,f,2024-03-09,False,low,2,well",
    "2,m,2024-05-05,,None,1,ill",
)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.csv"
    path.write_text("\n".join([MIXED[0], *(MIXED[1:] * 8)]) + "\n")
    return path


def test_a_mixed_table_is_answered_alike_from_a_file_a_frame_and_a_request(
    serve: Serve, mixed: Path, tmp_path: Path
) -> None:
    served, model = serve(*table(mixed, "y")), predict.load(tmp_path / "trial")
    assert [column.kind for column in model.inputs.columns] == ["word", "word", "date", "boolean", "word", "number"]
    expected = model.probabilities(predict.read_inputs(mixed, model)[0])
    frame = pd.read_csv(mixed)  # codes are numbers now, None is NaN, truth values with a gap are objects
    assert frame["code"].dtype == np.int64
    assert frame["stage"].isna().any()
    assert same(served.predict(frame), expected)
    assert same(served.predict(pd.read_csv(mixed, parse_dates=["seen"])), expected)
    assert same(served.predict(pd.read_csv(mixed, dtype=str, keep_default_na=False)), expected)
    for body, kind in (
        (mixed.read_text(), "text/csv"),
        (f'{{"dataframe_split": {frame.to_json(orient="split")}}}', None),
    ):
        status, text = post(served, body, kind or "application/json")
        assert status == 200, text
        assert same(pd.DataFrame(json.loads(text)["predictions"]), expected)
    example = served.input_example
    assert list(example.columns) == list(model.inputs.names)
    assert len(served.predict(example)) == 1


def test_a_padded_table_and_one_with_decimal_commas_are_answered_as_pandas_reads_them(
    serve: Serve, tmp_path: Path
) -> None:
    for name, target, cut in (
        ("11-padded-cells/padded_nan.csv", "befund", ","),
        ("11-padded-cells/padded.csv", "befund", ","),
        ("10-decimal-comma/messung.csv", "defekt", ";"),
    ):
        into = name.partition("/")[2]
        served, model = serve(*table(CASES / name, target), into=into), predict.load(tmp_path / into)
        expected = model.probabilities(predict.read_inputs(CASES / name, model).x)
        assert same(served.predict(pd.read_csv(CASES / name, sep=cut)), expected), name
    twice = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["druck", "temperatur", "druck"])
    with pytest.raises(Exception, match="has column 'druck' more than once"):
        served.predict(twice)


GOOD = {"age": 61.0, "bmi": 20.0}


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ('{"age": 61.0, "bmi": null}', "column 'bmi' is empty in row 2"),
        ('{"age": 61.0}', "column 'bmi' is empty in row 2"),
        ('{"age": 61.0, "bmi": NaN}', "column 'bmi' is empty in row 2"),
        ('{"age": 61.0, "bmi": Infinity}', "column 'bmi' holds inf in row 2"),
        ('{"age": -1e39, "bmi": 20}', "column 'age' holds -1e+39 in row 2"),
        ('{"age": "old", "bmi": 20}', "column 'age' holds 'old' in row 2"),
        ('{"age": [61], "bmi": 20}', "column 'age' holds a list in row 2"),
        ('{"age": null, "bmi": null}', "column 'age' is empty in row 2; column 'bmi' is empty in row 2"),
    ],
)  # fmt: skip
def test_what_training_would_refuse_is_refused_with_column_and_row(
    serve: Serve, record: str, told: str, clinic: list[Served]
) -> None:
    if not clinic:
        clinic.append(serve(*table(CASES / "03-served-missing" / "clinic.csv", "state")))
    status, text = post(clinic[0], f'{{"dataframe_records": [{json.dumps(GOOD)}, {record}]}}')
    assert (status, told in text) == (400, True), text
    assert post(clinic[0], json.dumps({"dataframe_records": [GOOD]}))[0] == 200


@pytest.fixture(scope="module")
def clinic() -> list[Served]:
    """The network of the clinic's table, once a test has trained it."""
    return []


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        ("age,bmi\n61,20\n61,\n", "text/csv", "column 'bmi' is empty in row 2"),
        ("age,bmi\n61,20\n61,inf\n", "text/csv", "column 'bmi' holds inf in row 2"),
        ("age,weight\n61,20\n", "text/csv", "has no column 'bmi'"),
        ('{"inputs": [[61, 20, 3]]}', "application/json", "give the columns age, bmi"),
        ('{"inputs": {"age": [61, 62], "bmi": [20]}}', "application/json", "of different lengths"),
        ('{"dataframe_split": {"columns": ["age", "bmi"], "data": []}}', "application/json", "no rows"),
    ],
)
def test_other_requests_that_cannot_be_answered(
    serve: Serve, body: str, kind: str, told: str, clinic: list[Served]
) -> None:
    if not clinic:
        clinic.append(serve(*table(CASES / "03-served-missing" / "clinic.csv", "state")))
    status, text = post(clinic[0], body, kind)
    assert (status, told in text) == (400, True), text


def test_images_of_any_sane_layout_are_answered(serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from sklearn.datasets import load_digits

    served, model = serve("data.scale=standardize"), predict.load(tmp_path / "trial")
    images = load_digits().images[:12]
    expected = model.probabilities(images.astype(np.uint8))
    for other in (np.uint8, np.int64, np.int32, np.float32, np.float64, object):
        for shape in ((12, 8, 8), (12, 64), (12, 8, 8, 1), (12, 1, 8, 8)):
            assert same(served.predict(images.astype(other).reshape(shape)), expected), (other, shape)
    assert same(served.predict(pd.DataFrame(images.reshape(12, 64))), expected)
    status, text = post(served, json.dumps({"inputs": images.tolist()}))
    assert status == 200
    assert same(pd.DataFrame(json.loads(text)["predictions"]), expected)
    for wrong, told in (
        (images / 16, "hold fractions; the network was trained on levels 0 to 16"),
        (images * 15.9375 // 1, "the inputs hold 255; the network"),
        (images[0], "which is one example"),
        (images[:, :7], "56 features each"),
        (np.where(images == 0, np.nan, images), "row 1"),
    ):
        status, text = post(served, json.dumps({"inputs": wrong.tolist()}))
        assert (status, told in text) == (400, True), text
    caplog.clear()
    served.predict((images > 8).astype(int))
    assert "is it of another scale?" in caplog.text
