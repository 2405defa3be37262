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

from regimens.inference import predict

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model as Description
    from mlflow.models import ModelSignature

    from regimens.data.arrays import Array

FILES = ("config.yaml", "inputs.safetensors", "final.safetensors")
PACKAGES = ("hydra-core", "numpy", "omegaconf", "pandas", "safetensors", "torch")


class Served:
    """What answers requests: raw inputs in, a table of classes and probabilities out."""

    def __init__(self, model: predict.Model) -> None:
        self.model = model

    def predict(self, inputs: Any, params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """One row for each of `inputs`: (N, features) numbers, or a table with the columns of training.

        Columns are `class`, and a probability `p(name)` for each class. Raises UserError as `Model.probabilities`.
        """
        import numpy as np
        import pandas as pd

        names = list(self.model.features)
        rows = inputs[names] if isinstance(inputs, pd.DataFrame) and names else inputs
        return _answer(self.model.classes, self.model.probabilities(np.asarray(rows, dtype=np.float32)))


def _answer(classes: tuple[str, ...], probabilities: "Array") -> "pd.DataFrame":
    import pandas as pd

    answer = pd.DataFrame(probabilities.astype(float), columns=[f"p({name})" for name in classes])
    answer.insert(0, "class", [classes[row] for row in probabilities.argmax(1)])
    return answer


def _load_pyfunc(path: str) -> Served:
    """MLflow's door: the model whose files lie in `path`."""
    return Served(predict.load(Path(path)))


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
    example = _example(known)
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "run"
        files.mkdir()
        for name in FILES:
            shutil.copy2(predict.part(directory, name), files)
        save_model(
            target,
            loader_module=__name__,
            data_path=str(files),
            code_paths=[str(Path(__file__).parents[1])],
            mlflow_model=description,
            signature=_signature(known, example),
            input_example=example,
            pip_requirements=[f"{name}=={_version(name)}" for name in PACKAGES],
        )


def _example(known: predict.Interface) -> Any:
    """One row of the right shape: the training means where they are known, otherwise zeros; nobody's real data."""
    import numpy as np
    import pandas as pd

    row = np.zeros((1, known.n_inputs)) if known.scale.mean is None else known.scale.mean.reshape(1, -1)
    return pd.DataFrame(row, columns=list(known.features)) if known.features else row


def _signature(known: predict.Interface, example: Any) -> "ModelSignature":
    import numpy as np
    from mlflow.models import infer_signature

    return infer_signature(example, _answer(known.classes, np.ones((1, len(known.classes)))))


def _version(package: str) -> str:
    return importlib.metadata.version(package).partition("+")[0]
