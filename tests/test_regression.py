"""Regression from the data to the report and a served answer: everywhere in the unit of what is predicted."""

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file
from sklearn.datasets import load_diabetes
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from regimens import trial
from regimens.core.errors import UserError
from regimens.core.result import Result
from regimens.inference import predict
from tests.conftest import Asked, Compose, Train

DIABETES = ("data=diabetes", "batch_size=16", "optimizer=adam")
FRAME: pd.DataFrame = load_diabetes(scaled=False, as_frame=True).frame


@pytest.fixture
def train(composed: Compose, tmp_path: Path) -> Train:
    """`train("data=diabetes", into="a")`: one trial, small, in a folder of its own."""

    def make(*overrides: str, into: str = "trial", **keywords: object) -> Result:
        small = ("epochs=2", "model.hidden=[16,8]", "tracking=none", "name=test", "advice=off")
        cfg, choices = composed(*overrides, small=small)
        return trial.run(cfg, tmp_path / into, choices=choices, **keywords)  # type: ignore[arg-type]

    return make


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The diabetes as somebody's own file, with a second quantity in a unit of its own."""
    path = tmp_path / "patients.csv"
    FRAME.assign(grams=FRAME["bmi"] * 1000 + FRAME["s5"]).to_csv(path, index=False)
    return path


def test_metrics_are_of_predictions_in_their_unit(train: Train, tmp_path: Path) -> None:
    result = train(*DIABETES, "test=true", "epochs=8")
    assert result.choices["task"] == "regression" and result.choices["loss"] == "mse"
    about = result.provenance["data"]["targets"]
    assert about["names"] == ["progression"] and about["mean"][0] == pytest.approx(152, abs=8)
    model = predict.load(tmp_path / "trial")
    order = np.random.RandomState(0).permutation(len(FRAME))
    rows = FRAME.iloc[order[-88:]]
    told, truth = model.predict(rows), rows["target"]
    assert result.metrics["test/rmse"] == pytest.approx(root_mean_squared_error(truth, told), rel=1e-4)
    assert result.metrics["test/mae"] == pytest.approx(mean_absolute_error(truth, told), rel=1e-4)
    assert result.metrics["test/r2"] == pytest.approx(r2_score(truth, told), rel=1e-4)
    assert result.metrics["val/rmse"] == pytest.approx(result.history["val/rmse"][-1], rel=1e-5)
    assert 40 < (result.metrics["test/rmse"] or 0) < 65 and "test/accuracy" not in result.metrics
    with pytest.raises(UserError, match="predicts progression and no classes"):
        model.probabilities(rows.drop(columns="target").to_numpy())


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_engines_agree(loss: str, train: Train, tmp_path: Path) -> None:
    for engine in ("eager", "compiled", "fleet"):
        result = train(*DIABETES, f"loss={loss}", f"engine={engine}", into=engine)
        assert result.provenance["engine"] == engine
    weights = [load_file(tmp_path / engine / "final.safetensors") for engine in ("eager", "compiled", "fleet")]
    for name, value in weights[0].items():
        for other in weights[1:]:
            assert other[name].numpy() == pytest.approx(value.numpy(), rel=1e-3, abs=1e-5), name


def test_a_loss_of_torchs_own_trains(train: Train) -> None:
    function = train(*DIABETES, "loss._target_=torch.nn.functional.smooth_l1_loss", "+loss.beta=0.5")
    object_ = train(*DIABETES, "loss._target_=torch.nn.SmoothL1Loss", "+loss.beta=0.5", into="object")
    assert function.metrics["val/rmse"] == object_.metrics["val/rmse"]
    assert function.metrics["val/loss"] != train(*DIABETES, into="mse").metrics["val/loss"]


def test_what_no_fleet_steps_says_why(train: Train) -> None:
    result = train("data=digits", "loss=weighted", "engine=fleet")
    assert (result.provenance["engine"], result.provenance["engine_note"]) == (
        "eager", "loss: Weighted steps eagerly alone",
    )  # fmt: skip
    result = train("data=digits", "metrics=[auroc]", "engine=fleet", into="metrics")
    assert "auroc" in result.provenance["engine_note"]


def test_several_quantities_in_units_of_their_own(table: Path, train: Train, tmp_path: Path) -> None:
    own = (f"data.path={table}", "data.target=[target,grams]", "task=regression")
    result = train("data=csv", *own, "optimizer=adam", "batch_size=8")
    assert (result.metrics["val/rmse/grams"] or 0) > 100 > (result.metrics["val/rmse/target"] or 0)
    answers = predict.load(tmp_path / "trial").answers(FRAME.drop(columns="target").to_numpy())
    assert list(answers) == ["target", "grams"]
    assert answers["grams"].mean() == pytest.approx(26_000, rel=0.1)
    assert answers["target"].mean() == pytest.approx(150, rel=0.2)


def test_predictions_are_a_table_of_quantities(table: Path, train: Train, tmp_path: Path) -> None:
    own = (f"data.path={table}", "data.target=target", "task=regression")
    train("data=csv", *own)
    model = predict.load(tmp_path / "trial")
    raw = predict.read_inputs(table, model)
    predict.write(model.answers(raw.x), tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert list(rows[0]) == ["row", "target"] and len(rows) == 442
    assert np.mean([float(row["target"]) for row in rows]) == pytest.approx(150, rel=0.2)


def test_a_served_model_answers_in_the_unit(train: Train, tmp_path: Path) -> None:
    from mlflow.models import Model

    from regimens.inference.mlflow_model import package

    train("data=diabetes")
    package(tmp_path / "trial", tmp_path / "model", Model())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of MLflow's own type hints
        from mlflow.pyfunc import load_model
    served = load_model(str(tmp_path / "model"))
    answer = served.predict(FRAME.drop(columns="target").head(20))
    assert list(answer) == ["progression"]
    assert answer["progression"].to_numpy() == pytest.approx(predict.load(tmp_path / "trial").predict(FRAME.head(20)))
    assert [column.name for column in served.metadata.signature.outputs] == ["progression"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("data=digits", "task=regression"), "the data has classes and no quantities"),
        (("data=diabetes", "task=all", "loss=cross_entropy"), "predict them with task=regression"),
        (("data=diabetes", "loss=weighted"), "loss: Weighted is for classes"),
        (("data=digits", "loss=huber"), "loss: Huber is for quantities"),
        (("data=digits", "metrics=[f1]"), "there is no f1 of classes"),
        (("data=diabetes", "metrics=[auroc]"), "there is no auroc of quantities"),
        (("data=digits", "metrics=auroc"), "a list of names, such as [balanced_accuracy, f1_macro]"),
        (("-m", "data=digits", "optimizer=adam,sgd", "study.metric=val/f1_makro"), "did you mean val/f1_macro?"),
        (("-m", "data=diabetes", "optimizer=adam,sgd", "study.metric=val/rmsee"), "did you mean val/rmse?"),
        (("-m", "data=diabetes", "optimizer=adam,sgd", "study.metric=val/accuracy"), "no such metric"),
        (("-m", "data=diabetes", "optimizer=adam,sgd", "metrics=[r2]"), "measure what study.metric"),
    ],
)
@pytest.mark.thorough
def test_what_makes_no_sense_is_refused_in_a_line(arguments: tuple[str, ...], said: str, ask: Any) -> None:
    found: Asked = ask(*arguments, small=("tracking=none",))
    assert said in found.error


@pytest.mark.parametrize(
    ("arguments", "objective", "margin", "measured"),
    [
        ((), ("val/rmse", "minimize"), 0.77, []),
        (("study.metric=val/r2",), ("val/r2", "maximize"), 0.005, ["r2"]),
        (("study.metric=val/mae", "study.margin=2"), ("val/mae", "minimize"), 2, ["mae"]),
        (("data=digits", "study.metric=val/auroc"), ("val/auroc", "maximize"), 0.005, ["auroc"]),
        (("data=digits", "study.metric=val/log_loss"), ("val/log_loss", "minimize"), 0.005, ["log_loss"]),
        (("data=digits",), ("val/accuracy", "maximize"), 0.005, []),
    ],
)
@pytest.mark.thorough
def test_a_study_knows_what_is_better(
    arguments: tuple[str, ...], objective: tuple[str, str], margin: float, measured: list[str], ask: Any
) -> None:
    found: Asked = ask("-m", *arguments, "optimizer=adam,sgd", small=("data=diabetes", "tracking=none"))
    assert found.study.objectives == (objective,)
    assert found.study.margin == margin
    for cell in found.study.cells:
        assert json.loads(cell.config)["metrics"] == measured


def test_the_error_without_weights_near_zero_is_told_in_the_unit(train: Train) -> None:
    result = train(*DIABETES, "regularization=l1", "probe=zeros")
    assert result.metrics["val/pruned_rmse"] == pytest.approx(result.metrics["val/rmse"], rel=0.05)
