"""The folders of `src/regimens` are its rooms: each imports only rooms below it, lazy imports counted, in no circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from .conftest import CONF

SRC = CONF.parent / "src"
PACKAGE = SRC / "regimens"
# The rooms in the order of the arrows: a room imports itself and, of the rooms before it, only those that it names.
ARROWS = {
    "core": (),
    "data": ("core",),
    "nets": ("core",),
    "report": ("core",),
    "training": ("core", "nets"),
    "inference": ("core", "data", "nets"),
    "tracking": ("core", "inference"),
    "trial": ("core", "data", "nets", "training"),
    "study": ("core", "tracking", "trial"),
    "commands": ("core", "report", "study", "tracking", "trial"),
    # cli.py, catalogue.py, the scripts of src/ and Hydra's plugin
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
    "optuna": {"study"},
    "pytorch_lightning": {"training", "trial"},
}
LOOSE = {"__init__.py", "again.py", "again_fleet.py", "bits.py", "catalogue.py", "cli.py", "one_run.py"}


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
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
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
