"""The pipeline as DVC and make see it: the stages, what they depend on, and one whole run on digits."""

import json
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from regimens.core.provenance import NUMBERS
from tests.conftest import script

ROOT = Path(__file__).resolve().parent.parent
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
# What a trial imports besides: none of it decides over a number.
MOVE_NOTHING = {f"core/{name}" for name in ("errors", "files", "imports", "locks", "process", "provenance", "secrets")}
MOVE_NOTHING |= {"core/plugins"}  # the code of plugins is hashed for itself
MOVE_NOTHING |= {"catalogue", "cli"}  # Hydra loads our plugin, which says where conf/ is
# What is no question, and what has a command of its own.
LEFT_OUT = {"adhoc", "parity", "same", "task_a", "task_a_cnn", "task_a_pairs", "transfer_cnn"}
STUDIES = [name for names in PARAMS["studies"].values() for name in names]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/study.py, which is a script and not a package's module."""
    return script(ROOT / "tools" / "study.py")


def tracked_state() -> str:
    """What git has to say of the tree (nothing where there is no git)."""
    return subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout


def resolved(text: str, item: dict[str, object]) -> str:
    """`text` with DVC's `${...}` replaced from params.yaml and a matrix item."""

    def look_up(match: re.Match[str]) -> str:
        value: object = {**PARAMS, "item": item}
        for key in match[1].split("."):
            assert isinstance(value, dict)
            value = value[key]
        return str(value)

    return re.sub(r"\$\{([\w.]+)\}", look_up, text)


def stages() -> dict[str, tuple[str, list[str], list[str]]]:
    """name -> (command, dependencies, outputs), every matrix spelled out."""
    found = {}
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        items: list[dict[str, object]] = [{}]
        for key, values in stage.get("matrix", {}).items():
            chosen = values
            if isinstance(values, str):
                chosen = PARAMS
                for part in values.removeprefix("${").removesuffix("}").split("."):
                    chosen = chosen[part]
            items = [{**item, key: value} for item in items for value in chosen]
        for item in items:
            label = "-".join(str(value) for value in item.values())
            outs = [
                out if isinstance(out, str) else next(iter(out))
                for kind in ("outs", "metrics", "plots")
                for out in stage.get(kind, [])
            ]
            found[f"{name}@{label}" if label else name] = (
                resolved(stage["cmd"], item),
                [resolved(dep, item) for dep in stage.get("deps", [])],
                [resolved(out, item) for out in outs],
            )
    return found


@pytest.mark.parametrize("name", sorted(stages()))
def test_a_stage_depends_on_what_exists_or_another_stage_makes(name: str) -> None:
    made = {out for _, _, outs in stages().values() for out in outs}
    command, deps, _ = stages()[name]
    for dep in deps:
        inside = any(dep.startswith(f"{out}/") or out.startswith(f"{dep}/") for out in made)
        assert dep in made or inside or (ROOT / dep).exists(), f"{name} depends on {dep}, which nothing makes"
    script = command.split()[1]
    assert script in deps, f"{name} runs {script} and does not depend on it"


@pytest.mark.parametrize("name", sorted(stages()))
def test_a_stage_that_trains_depends_on_all_that_its_numbers_follow_from(name: str) -> None:
    command, deps, _ = stages()[name]
    if command.split()[1] in ("src/train.py", "src/pretrain.py"):
        assert {f"src/regimens/{part.partition('/')[0]}" for part in NUMBERS} <= set(deps)


@pytest.mark.thorough
def test_the_list_of_what_numbers_follow_from_is_what_training_imports() -> None:
    code = (
        "import sys, regimens.trial; from hydra import compose, initialize_config_dir\n"
        f"with initialize_config_dir({str(ROOT / 'conf')!r}, version_base='1.3'):\n"
        "    cfg = compose('train', ['data=digits', 'epochs=1', 'tracking=none', f'paths.root={sys.argv[1]}'])\n"
        "import pathlib; regimens.trial.run(cfg, pathlib.Path(sys.argv[1], 'trial'), choices={})\n"
        "print(*sorted(name for name in sys.modules if name.startswith('regimens.')))"
    )
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True).stdout
    modules = {name.removeprefix("regimens.").replace(".", "/") for name in told.split()}
    assert "training/module" in modules and "data/cut" in modules
    named = tuple(part.removesuffix(".py") for part in NUMBERS)
    left = {name for name in modules if not name.startswith(named)} - {"core"}
    assert left <= MOVE_NOTHING, f"not in provenance.NUMBERS: {sorted(left - MOVE_NOTHING)}"


@pytest.mark.parametrize("name", STUDIES)
def test_the_studies_of_params_are_declared(name: str) -> None:
    assert (ROOT / "conf" / "study" / f"{name}.yaml").is_file()


@pytest.mark.parametrize("scale", ["smoke", "desk", "full"])
def test_a_scale_exists_and_says_what_it_is_for(scale: str) -> None:
    text = (ROOT / "conf" / "scale" / f"{scale}.yaml").read_text()
    assert text.startswith("# @package _global_\n# ")


def test_dvc_reads_the_stages(study: ModuleType, tmp_path: Path) -> None:
    here = study.copy_tree(tmp_path / "tree", {"data": "digits", "scale": "smoke"})
    (here / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    answer = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"],
        cwd=here, env=study.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    listed = answer.stdout.split()
    assert listed[0] == "prepare" and listed[-1] == "report"
    assert {f"studies@{name}" for name in PARAMS["studies"]["scratch"]} <= set(listed)
    assert {f"transfers@{name}" for name in PARAMS["studies"]["transfer"]} <= set(listed)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_pipeline_runs_on_digits_and_then_has_nothing_to_do(
    study: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = tracked_state()
    here = study.copy_tree(tmp_path / "tree", {"data": "digits", "scale": "smoke"})
    status = study.repro(here)
    story = "".join(capfd.readouterr())
    assert status == 0, story[-4000:]
    assert (here / "reports" / "report.html").is_file() and (here / "reports" / "metrics.json").is_file()
    for name in STUDIES:
        assert (here / "results" / f"{name}.json").is_file()

    started = time.monotonic()
    assert study.repro(here) == 0
    assert "Data and pipelines are up to date" in "".join(capfd.readouterr())
    assert time.monotonic() - started < 15  # 5 s is the promise; the machine may be busy
    assert tracked_state() == before


def test_full_scale_asks_every_declared_question(study: ModuleType, tmp_path: Path) -> None:
    here = study.copy_tree(tmp_path / "tree", {"data": "fashion_mnist", "scale": "full"})
    asked = yaml.safe_load((here / "params.yaml").read_text())["studies"]
    names = [name for group in ("scratch", "transfer") for name in asked[group]]
    assert names[: len(PARAMS["studies"]["scratch"])] == PARAMS["studies"]["scratch"]
    declared = {path.stem for path in (ROOT / "conf" / "study").glob("*.yaml")}
    assert sorted(names) == sorted(declared - LEFT_OUT)


def test_a_copy_has_whatever_the_report_depends_on(study: ModuleType, tmp_path: Path) -> None:
    here = study.copy_tree(tmp_path / "tree", {"data": "digits", "scale": "smoke"})
    deps = yaml.safe_load((here / "dvc.yaml").read_text())["stages"]["report"]["deps"]
    assert [dep for dep in deps if dep != "results" and not (here / dep).exists()] == []


def test_a_copy_leaves_the_tree_alone_and_keeps_what_it_made(study: ModuleType, tmp_path: Path) -> None:
    before = tracked_state()
    here = study.copy_tree(tmp_path / "tree", {"data": "digits", "scale": "smoke"})
    assert yaml.safe_load((here / "params.yaml").read_text()) == {**PARAMS, "data": "digits", "scale": "smoke"}
    (here / "dvc.lock").write_text("made by an earlier run")
    (here / "src" / "removed_since.py").write_text("")
    study.copy_tree(here, {"data": "digits", "scale": "smoke"})
    assert (here / "dvc.lock").read_text() == "made by an earlier run"
    assert not (here / "src" / "removed_since.py").exists()
    assert not (here / ".venv").exists() and not (here / "build").exists()
    assert tracked_state() == before


@pytest.mark.parametrize(
    ("arguments", "prepared", "status", "copied"),
    [
        ([], 0, 0, None),
        ([], 3, 0, {"data": "digits", "scale": PARAMS["scale"]}),
        (["--data", "digits"], 0, 0, {"data": "digits", "scale": PARAMS["scale"]}),
        (["--data", "digits", "--scale", "smoke"], 0, 0, {"data": "digits", "scale": "smoke"}),
        (["--scale", PARAMS["scale"], "--data", ""], 0, 0, None),
        (["--data", "fashion_mnist"], 3, 2, None),
        ([], 2, 2, None),
        (["--data", "digit"], 0, 2, None),
        (["--scale", "huge"], 0, 2, None),
    ],
)
def test_which_data_and_which_tree(
    study: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    prepared: int,
    status: int,
    copied: dict[str, str] | None,
) -> None:
    copies: list[dict[str, str]] = []
    ran: list[Path] = []
    monkeypatch.setattr(study, "check", lambda data: prepared if data == "fashion_mnist" else 0)
    monkeypatch.setattr(study, "copy_tree", lambda target, params: (copies.append(params), target)[1])
    monkeypatch.setattr(study, "repro", lambda here: (ran.append(here), 0)[1])
    monkeypatch.setattr(sys, "argv", ["study.py", *arguments])
    assert study.main() == status
    assert copies == ([copied] if copied else [])
    assert len(ran) == (status == 0)
    if copied is None and ran:
        assert ran == [ROOT]
    out, err = capsys.readouterr()
    assert ("on digits instead" in err) == (prepared == 3 and status == 0)
    assert ("reports/report.html" in out) == (status == 0)


def test_without_git_the_same_files_are_found(study: ModuleType, tmp_path: Path) -> None:
    here = study.copy_tree(tmp_path / "tree", {})
    for made in ("data", "runs", "src/regimens/data/__pycache__", ".dvc/tmp"):
        (here / made).mkdir(exist_ok=True)
        (here / made / "file").write_text("")
    expected = {path for path in study.tracked_files() if path.parts[0] != "reports" and path.name != "dvc.lock"}
    study.ROOT = here
    assert study.tracked_files() == expected


def test_questions_are_asked_the_longest_first(study: ModuleType) -> None:
    stages: dict[str, set[str]] = {name: set() for name in ("a@one", "prepare", "b@two", "a@three")}
    assert list(study.longest_first(stages, ["three", "two", "one"])) == ["prepare", "a@three", "b@two", "a@one"]
    assert sorted(PARAMS["order"]) == sorted(STUDIES)


@pytest.mark.thorough
def test_the_commands_of_stages_of_one_core_are_forks_of_one_process(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"""
import os, sys
sys.path.insert(0, {str(ROOT / "src")!r})
from regimens.core.fork import run
if __name__ == "__main__": sys.exit(run(lambda argv: print(os.getppid(), "torch" in sys.modules) or 0, sys.argv))
"""
    (tmp_path / "script.py").write_text(code)
    stages, cores = ["prepare", "a", "b", "report"], [frozenset({0}), frozenset({1})]
    monkeypatch.setattr(study, "shares", lambda: cores)
    with study.fork_server(ROOT, stages, dict(os.environ)) as env:
        command = [sys.executable, "script.py"]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    parent, imported = done.stdout.split()
    assert (int(parent) != os.getpid(), imported) == (True, "True")
    for few, wide in (
        (stages[::3], cores),
        (stages[:2], cores),
        (stages, [frozenset({0, 1})]),
        (stages, [frozenset()]),
    ):
        monkeypatch.setattr(study, "shares", lambda wide=wide: wide)
        with study.fork_server(ROOT, few, {"A": "1"}) as env:
            assert env == {"A": "1"}


@pytest.mark.thorough
def test_what_is_imported_ahead_is_what_a_study_imports(study: ModuleType, tmp_path: Path) -> None:
    code = f"""
import atexit, json, sys
from pathlib import Path
atexit.register(lambda: Path("modules").write_text(json.dumps(sorted(sys.modules))))
sys.path.insert(0, {str(ROOT / "src")!r})
from regimens.cli import main
sys.exit(main(["train.py", "-m", "optimizer=sgd,adam", "data=digits", "epochs=2", "study.seeds=2", "study.trials=2"]))
"""
    env = {key: value for key, value in os.environ.items() if not key.startswith("REGIMENS")}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, env=env)
    imported = set(json.loads((tmp_path / "modules").read_text()))
    assert set(study.IMPORTS) - imported == {"torch._inductor.compile_fx"}  # where nothing repays compiling
    assert all(callable(pkgutil.resolve_name(name)) for name, *_ in study.AHEAD)


def locked(*names: str) -> dict[str, str]:
    """The pinned versions of these files, by package."""
    from packaging.utils import canonicalize_name

    lines = [line for name in names for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lines)
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def needed(*extras: str) -> set[str]:
    """The packages that the project takes with these extras, and all that those take, as they are installed here."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: set[tuple[str, frozenset[str]]] = set()
    left = [("regimens", frozenset(extras))]
    while left:
        name, asked = left.pop()
        if (name, asked) in found:
            continue
        found.add((name, asked))
        for one in map(Requirement, requires(name) or ()):
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in asked or {""}):
                left.append((canonicalize_name(one.name), frozenset(one.extras)))
    return {name for name, _ in found} - {"regimens"}


def test_the_locks_pin_every_version_and_name_no_place() -> None:
    run, test = locked("requirements.lock"), locked("requirements-dev.lock")
    assert run["torch"] == "2.13.0"
    assert not set(run) & set(test)


def test_packages_that_are_unpacked_side_by_side_share_no_file() -> None:
    """`make setup` has four pips at work, and mlflow's packages, which do share some, in one of them."""
    from importlib.metadata import files

    owners: dict[str, set[str]] = {}
    for package in locked("requirements.lock"):
        for path in files(package) or ():
            if "__pycache__" not in path.parts:
                owners.setdefault(str(path), set()).add("mlflow" if package.startswith("mlflow") else package)
    assert len(owners) > 10_000
    assert [path for path, packages in owners.items() if len(packages) > 1] == []


def test_what_only_tests_take_is_no_part_of_a_studys_set_up() -> None:
    """A study's set-up is what somebody waits for who asks a question."""
    used, tests = needed("cluster", "dashboard", "s3"), needed("dev", "docs")
    assert used <= set(locked("requirements.lock"))
    assert tests - used <= set(locked("requirements-dev.lock"))


def test_the_locks_satisfy_the_project() -> None:
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    versions = locked("requirements.lock", "requirements-dev.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), str(requirement)


def test_make_help_lists_the_targets() -> None:
    answer = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0
    for target in ("study", "test", "lint", "ui", "dashboard", "clean", "test-slow", "soak", "bench"):
        assert re.search(rf"^  make {target} ", answer.stdout, re.MULTILINE), target


def test_make_without_a_fitting_python_says_so(tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    answer = subprocess.run(
        ["make", "setup", f"VENV={tmp_path}/venv"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHON": "", "MAKEFLAGS": ""},
    )  # fmt: skip
    assert answer.returncode != 0
    assert "error: no Python 3.11, 3.12 or 3.13 found" in answer.stderr
    assert not (tmp_path / "venv").exists()
