"""The folders of `src/regimens` are its rooms: each imports only rooms below it, lazy imports counted, in no circle."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import CONF

SRC = CONF.parent / "src"
TESTS = CONF.parent / "tests"
PACKAGE = SRC / "regimens"
# The rooms in the order of the arrows: a room imports itself and, of the rooms before it, only those that it names.
ARROWS = {
    "core": (),
    "data": ("core",),
    "nets": ("core",),
    "stats": ("core",),
    "report": ("core", "stats"),
    "training": ("core", "nets"),
    "inference": ("core", "data", "nets"),
    "tracking": ("core", "inference"),
    "trial": ("core", "data", "nets", "training"),
    "study": ("core", "stats", "tracking", "trial"),
    "commands": ("core", "inference", "report", "study", "tracking", "trial"),
    # api.py, cli.py, catalogue.py, the scripts of src/ and Hydra's plugin
    "entry points": ("core", "commands", "data", "inference", "report", "study", "tracking", "trial"),
}
# The floors of study/, likewise; run_study.py is the door, and imports all of them.
FLOORS = {
    "definition": (),
    "queue": ("definition",),
    "results": ("definition", "queue"),
    "workers": ("definition", "queue"),
}
# Libraries that only these rooms know.
ONLY = {
    "hydra": {"study", "commands", "entry points"},
    "jinja2": {"report"},
    "matplotlib": {"report"},
    "mlflow": {"tracking", "inference"},
    "omegaconf": {"inference", "trial", "study", "commands", "entry points"},
    "optuna": {"study", "tracking"},  # the latter for its dashboard alone
    "pytorch_lightning": {"training", "trial"},
}
LOOSE = {"__init__.py", "__main__.py", "api.py", "catalogue.py", "cli.py"}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in sorted(SRC.rglob("*.py"))}


def room_of(module: str) -> str:
    """The room of a dotted name."""
    first, _, rest = module.partition(".")
    folder = rest.partition(".")[0]
    return folder if first == "regimens" and (PACKAGE / folder).is_dir() and folder else "entry points"


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports; `from regimens.core import x` is `regimens.core.x` where that is a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}: a relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


def test_every_folder_is_a_room_and_says_what_it_is() -> None:
    folders = {
        path.name
        for path in PACKAGE.iterdir()
        if path.is_dir() and not path.is_symlink() and path.name != "__pycache__"
    }
    assert folders == ARROWS.keys() - {"entry points"}
    assert {path.name for path in PACKAGE.glob("*.py")} <= LOOSE
    assert {path.name for path in (PACKAGE / "study").iterdir() if path.is_dir()} - {"__pycache__"} == FLOORS.keys()
    for path in PACKAGE.rglob("__init__.py"):
        told = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert path.parent == PACKAGE or "tart with" in told or "is the door" in told, path


@pytest.mark.parametrize("name", ARROWS)
def test_arrows_point_one_way(name: str) -> None:
    order = list(ARROWS)
    assert all(order.index(other) < order.index(name) for other in ARROWS[name])
    for module, path in MODULES.items():
        if room_of(module) == name:
            for target in imports(path):
                where = f"{path.relative_to(SRC)} imports {target}"
                if target.startswith("regimens."):
                    assert room_of(target) in {name, *ARROWS[name]}, where
                assert name in ONLY.get(target.partition(".")[0], {name}), where


def test_the_map_draws_these_arrows() -> None:
    text = (CONF.parent / "docs" / "architecture.md").read_text()
    drawn = {
        ("entry points" if one == "entry" else one, other)
        for line in re.findall(r"^    (\w+(?: & \w+)* --> .*)$", text, re.MULTILINE)
        for one in line.split(" --> ")[0].split(" & ")
        for other in line.split(" --> ")[1].split(" & ")
    }
    wanted = {(name, other) for name, others in ARROWS.items() for other in others if other != "core"}
    assert {(one, other) for one, other in drawn if other != "core"} == wanted


@pytest.mark.parametrize("name", FLOORS)
def test_the_floors_of_a_study_are_climbed_one_way(name: str) -> None:
    for module, path in MODULES.items():
        if module.startswith(f"regimens.study.{name}"):
            for target in imports(path):
                if target.startswith("regimens.study."):
                    assert target.split(".")[2] in {name, *FLOORS[name]}, f"{module} imports {target}"


def test_there_is_no_circle() -> None:
    graph = {
        module: {target for target in imports(path) if target in MODULES and target != module}
        for module, path in MODULES.items()
    }
    # A package's own __init__ hands on names of its modules, which do not import it back.
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def private(path: Path) -> Iterator[str]:
    """Names with a leading underscore, of something other than `self` or its class, that a file uses or imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for name in (f"{node.module}.{alias.name}" for alias in node.names):
                before, dot, hidden = name.partition("._")
                if dot:
                    yield f"{before}._{hidden.partition('.')[0]}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            yield from re.findall("^_(?!exit)[a-z][a-z_]*[a-z]$", node.attr)


def test_private_names_of_other_libraries_are_listed_with_their_reasons() -> None:
    text = (CONF.parent / "docs" / "decisions" / "0010-rooms.md").read_text()
    listed = set(re.findall(r"^\| (\S+\.py) \| (\S+) \| \S", text, re.MULTILINE))
    used = {(path.relative_to(PACKAGE).as_posix(), name) for path in PACKAGE.rglob("*.py") for name in private(path)}
    assert used == listed


# A test file mirrors a module: tests/trial/test_ranks.py is of src/regimens/trial/ranks.py. What follows are the
# exceptions. First, modules without a test file of their own, by the file that tests them.
TESTED_IN = {
    "core/test_build.py": ("core/errors",),
    "data/test_prepare.py": ("prepare", "data/prepared"),
    "data/test_sources.py": ("data/arrays", "data/carve", "data/table"),
    "data/test_cases.py": (
        *("data/cells", "data/columns", "data/dates", "data/encoding", "data/labels", "data/leaks", "data/numerals"),
        *("data/ranges", "data/text"),
    ),
    "data/test_case_arrays.py": ("data/npz", "data/inputs"),
    "data/test_folder.py": ("data/pictures",),
    "data/test_store.py": ("data/cut", "data/split"),
    "inference/test_predict.py": ("predict",),
    "report/test_answers.py": (
        *("report/cells", "report/evidence", "report/numbers", "report/page", "report/palette", "report/provenance"),
        *(
            "report/sections",
            "report/stars",
            "report/tables",
            "report/samples",
            "report/differences",
            "report/verdicts",
        ),
    ),
    "report/test_overview.py": ("report/headlines",),
    "study/results/test_ablation.py": ("study/results/importance", "report/ablation"),
    "study/test_over.py": ("report/ranks",),
    "report/test_build.py": ("report", "commands/write_report", "report/curves", "report/parity", "report/study_end"),
    "report/test_figures.py": (
        *("report/canvas", "report/dots", "report/heatmap", "report/techniques", "report/transfer"),
    ),
    "stats/test_rows.py": ("stats/judging",),
    # What a study's command does is seen from outside: commands, kills and tables, around a trial of microseconds.
    "study/test_asked.py": ("study/definition/checks", "study/definition/sweeps", "study/definition/technique_values"),
    "study/test_recovery.py": ("study/queue/open", "study/queue/sessions", "study/queue/storage"),
    "study/test_reliability.py": (
        *("study/workers/events", "study/workers/pool", "study/workers/start", "study/workers/worker"),
        *("study/queue/claim", "study/queue/finished", "study/queue/optuna_slots"),
        "study/queue/trial_files",
    ),
    "commands/test_new_project.py": ("__main__", "hydra_plugins/regimens_sweeper/search_path"),
    "study/test_run_study.py": (
        *("hydra_plugins/regimens_sweeper/sweeper", "study/definition/define", "study/definition/joint_search"),
        *("study/definition/pruners", "study/definition/samplers", "study/definition/settings"),
        *("study/definition/study", "study/results/summary", "study/workers/progress"),
        "study/workers/trial_runner",
    ),
    "cluster/test_slurm.py": ("study/workers/cluster",),
    "commands/test_again.py": ("commands/again_fleet", "commands/bits"),
    "commands/test_one_run.py": ("core/streams", "trial/run_directory"),
    "test_api.py": ("commands/outcome",),
    "test_cli.py": (
        "train",
        "catalogue",
        "core/invocation",
    ),
    "study/queue/test_settling.py": ("study/queue/judging",),
    "study/definition/test_composer.py": ("study/definition/read_once",),
    "study/definition/test_search_space.py": (
        "study/definition/identity",
        "study/definition/cell_ranges",
        "study/definition/points",
    ),
    "test_pages.py": ("tracking/runs_view",),
    "tracking/test_delivery.py": ("tracking/interface", "tracking/endings", "tracking/marks"),
    "tracking/test_mlflow.py": (
        *("tracking/connection", "tracking/mlflow_runs", "tracking/mlflow_studies", "tracking/shared_views"),
    ),
    "training/engines/test_compiled.py": (
        *("training/engine", "training/engines/inductor", "training/engines/pieces", "training/engines/trace_cache"),
        "training/functional",
    ),
    "trial/test_engine_choice.py": ("training/engines/compiler",),
    "training/engines/test_stacked.py": ("training/engines/stacked_average",),
    "training/probes/test_lr_range.py": ("report/lr_range",),
    "training/test_ddp.py": ("training/group",),
    "training/test_metrics.py": ("core/metrics",),
    "training/test_optimizers.py": ("training/checks", "training/updates"),
    "training/test_penalties.py": ("training/regularization",),
    "training/test_transfer.py": ("training/phases",),
    "trial/test_api.py": (
        *("trial/composition", "trial/evaluation", "trial/fitting", "trial/record", "trial/regimen", "trial/settings"),
        *("trial/single", "trial/task"),
    ),
}
# Second, test files of something other than one module, by what they test.
TESTS_OF = {
    "cluster/test_postgres.py": "studies shared through a database",
    "report/test_browser.py": "the page in a browser",
    "report/test_figures.py": "the figures, which share their data",
    "study/test_fleet_studies.py": "whole studies of fleets",
    "study/test_real_command.py": "src/train.py -m with real trials",
    "study/test_recovery.py": "what the same command mends",
    "study/test_over.py": "several data sets as one question",
    "study/test_repeated.py": "whole studies repeated",
    "study/test_reliability.py": "what a study survives",
    "study/test_disturbances.py": "what a study survives of what people do meanwhile",
    "study/test_asked.py": "what is asked, checked before anything is trained",
    "test_benchmarks.py": "benchmarks/",
    "test_command_lines.py": "any command line at all",
    "test_conf.py": "conf/",
    "test_docs.py": "README.md and docs/",
    "test_docs_add_technique.py": "docs/how-to/add-a-technique.md",
    "test_docs_own_network.py": "docs/how-to/own-network.md",
    "test_experiments.py": "conf/experiment/",
    "test_layout.py": "the folders of src/ and of tests/",
    "test_pages.py": "tools/pages.py",
    "test_pipeline.py": "dvc.yaml, the Makefile and tools/study.py",
    "test_side_by_side.py": "tools/side_by_side.py",
    "data/test_cases.py": "tables that people bring, a case for each kind of mistake",
    "data/test_case_tables.py": "the same, of whole tables",
    "data/test_case_arrays.py": "the same of arrays in files",
    "data/test_fuzz.py": "any file at all, for every reader",
    "test_served_inputs.py": "what the served model takes, in every type",
    "tracking/test_trackers.py": "several trackers, one after the other",
    "tracking/test_unusable.py": "trackers that cannot be opened",
    "stats/test_calibration.py": "error rates and coverage of all statistics together",
    "test_same.py": "tools/same.py",
    "test_regression.py": "task=regression, from data to served answers",
    "test_repetition.py": "tools/repetition.py",
    "test_shared_names.py": "tools/shared_names.py",
    "test_share.py": "DVC remotes and queues",
    "test_shared_machine.py": "passwords, file modes and pickles, in every command",
    "cluster/test_slurm.py": "studies on SLURM",
    "data/test_prepare.py": "src/prepare.py",
    "training/test_convolutions.py": "every technique on convolutional networks",
    "trial/test_gpu.py": "trials on a GPU",
}


def mirrored(module: str) -> list[str]:
    """The test files of a module (`trial/ranks`): its namesake, or several that begin with its name."""
    folder, _, name = module.rpartition("/")
    found = {*(TESTS / folder).glob(f"test_{name}.py"), *(TESTS / folder).glob(f"test_{name}_*.py")}
    return [path.relative_to(TESTS).as_posix() for path in sorted(found)]


def test_tests_mirror_the_source() -> None:
    modules = {
        path.relative_to(SRC).with_suffix("").as_posix().removeprefix("regimens/")
        for path in MODULES.values()
        if path.name != "__init__.py"
    }
    elsewhere = {module for names in TESTED_IN.values() for module in names}
    assert elsewhere <= modules, "modules that are gone"
    assert {module for module in modules if not mirrored(module)} == elsewhere
    files = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    assert TESTED_IN.keys() | TESTS_OF.keys() <= files, "test files that are gone"
    assert files - TESTS_OF.keys() == {name for module in modules for name in mirrored(module)}
