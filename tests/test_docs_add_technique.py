"""docs/how-to/add-a-technique.md does what it says: its files are written as they stand, and its command trains."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from regimens.core.result import read
from tests.conftest import CONF

ROOT = CONF.parent
PAGE = (ROOT / "docs" / "how-to" / "add-a-technique.md").read_text()
FILES = re.findall(r"`conf/(\w+)/(\w+)\.yaml`[^`]*(?:`[^`\n]+`[^`]*)*\n```yaml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
SMALL = ["data=digits", "data.train_size=100", "epochs=1", "model.hidden=[8]"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a command needs, with the page's files written into its conf/."""
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for group, option, content in FILES:
        path = tmp_path / "conf" / group / f"{option}.yaml"
        assert not path.exists(), f"{path.name} is in the catalogue already"
        path.write_text(content)
    return tmp_path


def test_the_page_adds_one_of_each() -> None:
    assert [group for group, _, _ in FILES] == ["optimizer", "activation", "scheduler"]
    assert len(re.findall(r"^\d\. ", PAGE, re.MULTILINE)) == 5


@pytest.mark.thorough
def test_what_the_page_adds_trains_and_shows_in_the_help(project: Path) -> None:
    command = COMMANDS[0].split()
    assert command[0] == "python"
    answer = subprocess.run(
        [sys.executable, *command[1:], *SMALL, "tracking=none", "name=new"], cwd=project, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    result = read(project / "runs" / "new")
    assert result.status == "completed"
    for group, option, content in FILES:
        assert result.choices[group] == option
        target = re.search(r"^_target_: (.*)$", content, re.MULTILINE)
        assert target is not None
        assert result.regimen[group]["_target_"] == target[1]
    listed = subprocess.run([sys.executable, "src/train.py", "--help"], cwd=project, capture_output=True, text=True)
    for _, option, content in FILES:
        assert re.search(
            rf"^  {option} +{re.escape(content.splitlines()[0].lstrip('# '))}$", listed.stdout, re.MULTILINE
        )


@pytest.mark.thorough
def test_what_the_page_adds_can_be_studied(project: Path) -> None:
    command = COMMANDS[1].split()
    small = [part for part in command[1:] if not part.startswith(("study.trials=", "study.seeds="))]
    answer = subprocess.run(
        [sys.executable, *small, *SMALL, "tracking=none", "study.trials=2", "study.seeds=1"],
        cwd=project, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert list((project / "results").glob("*.json"))


@pytest.mark.thorough
def test_a_typo_is_an_error_that_names_the_keys(project: Path) -> None:
    path = project / "conf" / "optimizer" / "radam.yaml"
    path.write_text(path.read_text().replace("lr: 0.001", "learning_rate: 0.001"))
    command = [sys.executable, *COMMANDS[0].split()[1:], *SMALL, "tracking=none"]
    answer = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert answer.returncode == 2
    assert "learning_rate" in answer.stderr
    assert "lr" in answer.stderr.split("takes")[1]
