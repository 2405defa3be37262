"""The small tables that come with scikit-learn: what they are, and that a network learns them in seconds."""

from pathlib import Path

import pytest

from regimens.data import bundled
from regimens.inference import predict
from tests.conftest import Train


@pytest.mark.parametrize(
    ("name", "shape", "counts"), [("wine", (178, 13), [59, 71, 48]), ("breast_cancer", (569, 30), [212, 357])]
)
def test_they_are_what_they_say(name: str, shape: tuple[int, int], counts: list[int]) -> None:
    found = getattr(bundled, name)()
    assert found.x_train.shape == shape
    assert [int((found.y_train == number).sum()) for number in range(found.n_classes)] == counts
    assert len(found.feature_names) == shape[1]


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_a_network_learns_them(name: str, train: Train, tmp_path: Path) -> None:
    own = (f"data={name}", "data.train_size=null", f"paths.data={tmp_path}/data", "batch_size=8", "epochs=10")
    result = train(*own, "optimizer=adam", "optimizer.lr=0.01")
    assert result.metrics["val/accuracy"] > 0.9
    counts = result.provenance["data"]["class_counts"]
    shares = {part: [n / sum(found.values()) for n in found.values()] for part, found in counts.items()}
    assert shares["valid"] == pytest.approx(shares["train"], abs=0.03)
    assert predict.load(tmp_path / "trial").inputs.names[0] in ("alcohol", "mean radius")
