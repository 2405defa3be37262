"""A trained run as an MLflow model that `mlflow models predict` and `serve` understand.

The model is the run's own files (configuration, weights, scaling: no pickle) beside a copy of this package's code;
MLflow loads it through `_load_pyfunc`. Answers are those of `src/predict.py`.
"""

import importlib.metadata
import logging
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regimens.core.errors import UserError
from regimens.core.plugins import root
from regimens.data.columns import example
from regimens.inference import predict

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model as Description
    from mlflow.models import ModelSignature

    from regimens.data.arrays import Array

FILES = ("config.yaml", "inputs.safetensors", "final.safetensors")
PACKAGES = ("hydra-core", "numpy", "omegaconf", "pandas", "safetensors", "scikit-learn", "torch")

log = logging.getLogger(__name__)


class Served:
    """The served model: raw inputs in, a table of classes and probabilities, or of quantities, out."""

    def __init__(self, model: predict.Model) -> None:
        self.model = model

    def predict(self, inputs: Any, params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """One row for each of `inputs`: a table with the columns of training, or (N, ...) numbers.

        Columns are `class`, and a probability `p(name)` for each class, or the predicted quantities. Raises
        MlflowException, which a server answers with status 400, for whatever `Model.codes` and `Model.answers` refuse.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

        try:
            x, warnings = self._raw(inputs)
            answer = self.model.answers(x)
        except UserError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error
        for sentence in (*warnings, *self.model.warnings(x)):
            log.warning("%s", sentence)
        return answer

    def _raw(self, inputs: Any) -> "tuple[Array, list[str]]":
        """Inputs as MLflow hands them on: a frame, records, columns by name, or arrays and nested lists."""
        import numpy as np
        import pandas as pd

        where = "the request"
        try:
            if isinstance(inputs, dict):
                inputs = pd.DataFrame({name: np.atleast_1d(values).tolist() for name, values in inputs.items()})
            elif isinstance(inputs, list) and inputs and all(isinstance(row, dict) for row in inputs):
                inputs = pd.DataFrame(inputs)
            x = None if isinstance(inputs, pd.DataFrame) else np.asarray(inputs)
        except ValueError as error:
            raise UserError(f"{where} has rows or columns of different lengths") from error
        names = self.model.inputs.names
        if x is not None and names:
            if x.ndim != 2 or x.shape[1] != len(names):
                raise UserError(f"{where} has inputs of shape {x.shape}: give the columns {', '.join(names)}")
            inputs = pd.DataFrame(x, columns=names)
        if names:
            return self.model.codes(inputs.reset_index(drop=True), where)
        x = inputs.to_numpy() if x is None else x
        return (x.astype(np.float64) if x.dtype == object and _are_numbers(x) else x), []


def _are_numbers(x: "Array") -> bool:
    """Whether an array of objects holds nothing but numbers, as JSON does where integers and floats are mixed."""
    return all(isinstance(value, int | float) or value is None for value in x.ravel().tolist())


def _load_pyfunc(path: str) -> Served:
    """MLflow's entry point: the model whose files are in `path`; the code of its plugins came with it, as this did."""
    return Served(predict.load(Path(path), plugins=predict.plugins_of(Path(path))))


def look_up_packages() -> None:
    """Have MLflow look up which module is of which installed package: most of a second, before a process's first model.

    It remembers that for the process, and for forks of it.
    """
    from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

    warn_dependency_requirement_mismatches(["mlflow"])


def package(directory: Path, target: Path, description: "Description") -> None:
    """Write the run of `directory` as an MLflow model into the new folder `target`; without torch, so it is quick.

    Raises UserError where the run is not finished, or a file of it damaged.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", ".*Any type hint is inferred as AnyType", UserWarning
        )  # of MLflow's own hints
        from mlflow.pyfunc import save_model
    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)  # it says what it is about to do
    known = predict.interface(directory)
    predict.check_weights(directory)
    sources = [place for name in predict.plugins_of(directory) for place in root(name)]
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "run"
        files.mkdir()
        for name in FILES:
            shutil.copy2(predict.part(directory, name), files)
        save_model(
            target,
            loader_module=__name__,
            data_path=str(files),
            code_paths=[str(Path(__file__).parents[1]), *map(str, sources)],
            mlflow_model=description,
            signature=_signature(known),
            input_example=_example(known),
            metadata={
                "columns": [{"name": column.name, "kind": column.kind} for column in known.inputs.columns],
                "shape": list(known.inputs.shape),
            },
            pip_requirements=[f"{name}=={_version(name)}" for name in PACKAGES],
        )


def _example(known: predict.Interface) -> Any:
    """One row of the right shape, made of what is in the middle of training's ranges; nobody's real data."""
    import numpy as np
    import pandas as pd

    middle = (known.inputs.ranges.low + known.inputs.ranges.high) / 2
    if not known.inputs.columns:
        return np.full((1, *known.inputs.shape), middle.mean().round())
    columns = zip(known.inputs.columns, middle, strict=True)
    return pd.DataFrame({column.name: [example(column, value)] for column, value in columns})


def _signature(known: predict.Interface) -> "ModelSignature":
    """What is answered. Inputs have no schema, since MLflow's acts before we see them: it refuses whole numbers where
    training had fractions (pandas calls them int64), and cuts fractions where training had whole numbers.
    """
    import numpy as np
    from mlflow.models import ModelSignature, infer_signature

    width = len(known.targets.names if known.targets else known.classes)
    outputs = infer_signature(None, predict.answers(known, np.ones((1, width)))).outputs
    return ModelSignature(outputs=outputs)


def _version(package: str) -> str:
    return importlib.metadata.version(package).partition("+")[0]
