"""What the tests of handed files share: reading them, training on them, and how they are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from regimens.core.errors import DataError
from regimens.data import sources
from regimens.data.arrays import Arrays
from regimens.inference import predict

CASES = Path(__file__).parent / "cases"
Fit = Callable[..., predict.Model]


def read(name: str, target: str, **options: object) -> Arrays:
    return sources.csv(str(CASES / name), target, **options)  # type: ignore[arg-type]


def written(path: Path, text: str, **options: object) -> Arrays:
    path.write_text(text)
    return sources.csv(str(path), "y", **options)  # type: ignore[arg-type]


def refusal(name: str, target: str, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        read(name, target, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(CASES), "")


def rows(*lines: str, times: int = 10) -> str:
    """A table: the header, and below it the other lines again and again."""
    return "\n".join([lines[0], *(lines[1:] * times)]) + "\n"


def answers(model: predict.Model, path: Path) -> tuple[list[str], list[str]]:
    """The classes that a network gives the rows of a file, and the warnings."""
    x, warnings, _ = predict.read_inputs(path, model)
    found = model.probabilities(x)
    assert np.isfinite(found).all()
    return [model.classes[row] for row in found.argmax(1)], [*warnings, *model.warnings(x)]
