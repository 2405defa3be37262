"""One report of the synthetic results for all tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from regimens.report.build import build_report
from tests.report.synthetic_results import write_all

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results directory with every kind of study, a broken file and an empty study."""
    return write_all(tmp_path_factory.mktemp("report") / "results")


@pytest.fixture(scope="session")
def params(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A params.yaml that names one study without results."""
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text("data: digits\nscale: smoke\nseed: 42\nstudies:\n  scratch: [optimizers, clipping]\n")
    return path


@pytest.fixture(scope="session")
def reported(results: Path, params: Path) -> Path:
    """The directory with the report."""
    out = results.parent / "reports"
    build_report(results, out, params)
    return out
