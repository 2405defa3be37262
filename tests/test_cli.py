"""The command line as a person meets it: real processes, real exit statuses."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regimens import catalogue
from tests.conftest import CONF, SMALL

TRAIN = CONF.parent / "src" / "train.py"


def call(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "REGIMENS_ROOT": str(tmp_path)}
    command = [sys.executable, str(TRAIN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)


@pytest.mark.thorough
def test_a_trial_from_the_command_line_says_where_everything_lies(tmp_path: Path) -> None:
    done = call(tmp_path, *SMALL, "tracking=mlflow", "clip=value", "clip.bound=1000000")
    assert done.returncode == 0, done.stderr
    assert "runs/test" in done.stdout
    assert "MLflow: http://127.0.0.1:5000/#/runs/" in done.stdout
    assert "never acted" in done.stdout
    assert "epoch 2/2" in done.stderr
    assert (tmp_path / "runs" / "test" / "result.json").exists()
    assert (tmp_path / "mlflow.db").exists()
    for noise in ("litlogger", "GPU available", "Warning"):
        assert noise not in done.stdout + done.stderr


def test_help_waits_for_no_heavy_library() -> None:
    for question in ("--help", "--list"):
        line = [sys.executable, "-X", "importtime", str(TRAIN), question]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
        loaded = {row.rpartition("|")[2].strip() for row in done.stderr.splitlines() if row.startswith("import time:")}
        assert "regimens.cli" in loaded
        assert not loaded & {"torch", "pytorch_lightning", "mlflow", "optuna", "matplotlib", "scipy", "hydra"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optimizer=adm"], "did you mean adam?"),
        (["optimzer=adam"], "optimzer=adam: no such key; did you mean optimizer?"),
        (["optimizer.lrr=1"], "lrr"),
        (["no_such_key=1"], "no_such_key"),
        (["epochs=0"], "epochs=0: must be 1 or more"),
        (["optimizer.lr=fast"], "lr"),
        (["data=arrays", "data.path=nowhere.npz"], "nowhere.npz"),
    ],
)
@pytest.mark.thorough
def test_a_mistake_is_one_line_and_status_two(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = call(tmp_path, *SMALL, *arguments)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("advice:")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert message in lines[0]


@pytest.mark.parametrize("name", ["my data (1).csv", "a=b, c.csv", "it's [x].csv"])
@pytest.mark.thorough
def test_a_path_that_hydra_cannot_read_is_quoted_in_advice_that_works(tmp_path: Path, name: str) -> None:
    """hydra-ecosystem/hydra#1577: what is printed is typed into a shell as it stands."""
    cases = CONF.parent / "tests" / "data" / "cases"
    (tmp_path / name).write_bytes((cases / "13-file-kinds" / "plain.csv").read_bytes())
    own = [*(word for word in SMALL if not word.startswith("data")), "data=csv", "data.target=y"]
    done = call(tmp_path, *own, f"data.path={name}")
    assert done.returncode == 2, done.stderr
    told, _, advice = done.stderr.strip().rpartition(": ")
    assert told == f"error: data.path={name} cannot be read: quote the value for Hydra and for the shell"
    words = [shlex.quote(word) for word in (sys.executable, str(TRAIN), *own)]
    environment = {**os.environ, "REGIMENS_ROOT": str(tmp_path)}
    line = " ".join([*words, advice])
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    found = "60 rows; 'y' has 2 classes: no, yes"
    assert f"{name}: {found}" in done.stderr


@pytest.mark.slow
def test_what_is_said_of_data_is_said_each_time_and_once_in_a_study(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("id,x,y\n" + "".join(f"{n},{n * 7 % 11},{n % 2}\n" for n in range(60)))
    own = [*(word for word in SMALL if not word.startswith(("data", "name="))), "data=csv", "data.target=y"]
    leak = "warning: my.csv: column 'id' only numbers the rows, and would teach their order in the file"
    for more in ([], [], ["-m", "norm=none,batch", "study.seeds=1", "study.workers=2"]):
        done = call(tmp_path, *more, *own, "data.path=my.csv")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(leak) == 1, done.stderr
        assert done.stderr.count("leave such columns out with data.drop='[id]'") == 1


@pytest.mark.thorough
def test_an_empty_argument_asks_for_nothing(tmp_path: Path) -> None:
    """A shell variable that is not set, in quotes."""
    assert call(tmp_path, *SMALL, "").returncode == 0


@pytest.mark.thorough
def test_ctrl_c_ends_with_130_a_killed_run_and_no_result(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    environment = {**os.environ, "REGIMENS_ROOT": str(tmp_path)}
    command = [sys.executable, str(TRAIN), *SMALL, "tracking=mlflow", "epochs=1000"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored where tests run behind
    )  # fmt: skip
    assert process.stderr is not None
    while not process.stderr.readline().startswith("epoch"):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "interrupted" in output
    assert "Traceback" not in output
    assert not (tmp_path / "runs" / "test" / "result.json").exists()
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("regimens").experiment_id])
    assert [run.info.status for run in runs] == ["KILLED"]


def test_help_names_every_option_of_every_group_with_its_description() -> None:
    text = catalogue.help_text(CONF)
    for group in catalogue.groups(CONF):
        for option, description in catalogue.options(CONF, group).items():
            assert description, f"{group}/{option}.yaml opens with no description"
            assert option in text
            assert description in text


def test_listing_shows_what_each_study_asks() -> None:
    text = catalogue.questions(CONF)
    assert all(path.stem in text for path in (CONF / "study").glob("*.yaml"))


@pytest.mark.parametrize("flag", ["--list", "--info"])
def test_discovery_has_two_names(tmp_path: Path, flag: str) -> None:
    assert "python src/train.py -m study=optimizers" in call(tmp_path, flag).stdout


@pytest.mark.thorough
def test_bash_completes_options_keys_and_studies(tmp_path: Path) -> None:
    asked = {
        "optimizer=nad": "optimizer=nadam",
        "optimizer=nadam optimizer.ep": "optimizer.epsilon=",
        "-m study=opt": "study=optimizers",
    }
    script = ['eval "$(python src/train.py -sc install=bash)"']
    for words in asked:
        line = f"python src/train.py {words}"
        script += [f"COMP_LINE='{line}' COMP_POINT={len(line)} COMP_CWORD={len(line.split()) - 1}"]
        script += ["COMPREPLY=(); hydra_bash_completion; echo ${COMPREPLY[*]}"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "REGIMENS_ROOT": str(tmp_path)}
    command = ["bash", "-c", "\n".join(script)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CONF.parent, env=environment, timeout=120)
    assert done.stdout.splitlines() == list(asked.values()), done.stderr
