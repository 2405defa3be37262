"""`status` and `--forget`, on a study of four trials of the digits."""

import shutil
from pathlib import Path

import pytest

import regimens
from regimens import cli
from regimens.commands import studies
from regimens.study.queue.sessions import open_session


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("REGIMENS_ROOT", raising=False)
        regimens.run_study(
            compare={"optimizer": ["sgd", "adam"]}, study__seeds=2, epochs=1, data="digits", data__train_size=200,
            tracking="none",
        )  # fmt: skip
    return root


@pytest.fixture
def place(asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that study's room, to which one goes."""
    root = Path(shutil.copytree(asked, tmp_path / "copy"))
    monkeypatch.chdir(root)
    monkeypatch.delenv("REGIMENS_ROOT", raising=False)
    return root


def status(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert cli.main(["src/train.py", "status", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def study(place: Path) -> Path:
    (directory,) = (path for path in (place / "runs").iterdir() if path.is_dir())
    return directory


@pytest.mark.thorough
def test_a_finished_study_is_shown_with_its_answer(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    title, answer, command = status(capsys)
    assert title == f"finished  {study(place).name}  4/4 trials"
    assert answer.strip().startswith("Of 2 optimisers, ") and "adam" in answer
    assert command.strip().startswith("python src/train.py -m optimizer=sgd,adam ")
    assert cli.main(command.split()[1:]) == 0
    assert "4 trials, 4 done" in capsys.readouterr().out


def test_a_study_that_lacks_trials_is_stopped_or_running(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(study(place) / "optimizer=sgd" / "final-0")
    title, leader, _ = status(capsys)
    assert title == f"stopped   {study(place).name}  3/4 trials"
    assert leader.strip().startswith("optimizer=adam leads, val/accuracy ")
    with open_session(study(place)):
        assert status(capsys)[0] == f"running   {study(place).name}  3/4 trials"


def test_what_cannot_be_read_and_where_nothing_is(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study(place) / "study.json").write_text("{}")
    assert status(capsys) == [f"unknown   {study(place).name}: its study.json is of an earlier version, or damaged"]
    assert status(capsys, "paths.runs=nowhere") == [
        "nowhere: no studies yet; python src/train.py --info shows what can be asked"
    ]


def forget(*arguments: str) -> int:
    return cli.main(["src/train.py", *arguments])


def test_a_study_is_forgotten_with_its_tables(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "results" / "other.json").write_text('{"study": {"name": "other", "id": "12345678"}}')
    assert forget("--forget", "adhoc", "--yes") == 0
    assert capsys.readouterr().out.startswith("deleted runs/adhoc-")
    assert [path.name for path in (place / "results").iterdir()] == ["other.json"]
    assert not any(path.is_dir() for path in (place / "runs").iterdir())


def test_a_person_is_asked_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    said: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: said.append(question) or "")
    directory = study(place)
    assert studies.forget("adhoc", Path("runs"), Path("results"), sure=False) == "nothing was deleted"
    assert said == [f"delete runs/{directory.name} (4 trials) and results/{directory.name}.json? [y/N] "]
    assert directory.is_dir()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--forget",), "the name of a study has to follow"),
        (("--forget", "adhok", "--yes"), "did you mean adhoc?"),
        (("--forget=adhoc",), "add --yes to do so without being asked"),
    ],
)
def test_a_mistake_deletes_nothing(
    place: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert forget(*arguments) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
    with open_session(study(place)):
        assert forget("--forget", "adhoc", "--yes") == 2
    assert "a command still works on" in capsys.readouterr().err
    assert study(place).is_dir()
