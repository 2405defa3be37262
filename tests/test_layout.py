"""The rooms of `src/` and the arrows between them, read off every import statement, lazy ones included.

Entry points -> study -> trial -> training, nets, data; a report reads results, and knows nothing else of ours.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import CONF

SRC = CONF.parent / "src"
# Each room's modules and packages, in the order of the arrows: a room imports itself and rooms above it, and of these
# only the ones that it names.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "base": ({"delivery", "errors", "heavy", "lifeline", "provenance", "result", "secrets", "tracker"}, set()),
    "build": ({"build"}, {"base"}),
    "data": ({"data"}, {"base"}),
    "nets": ({"nets"}, {"base"}),
    "training": ({"training"}, {"base", "nets"}),
    "terminal": ({"terminal"}, {"base"}),
    "report": ({"report"}, {"base"}),
    "trial": (
        {
            "advice",
            "artifacts",
            "composition",
            "engines",
            "evaluation",
            "fitting",
            "fleet",
            "ranks",
            "settings",
            "trial",
        },
        {"base", "build", "data", "nets", "training"},
    ),
    "tracking": ({"predict", "serving", "shown", "tracking", "tracking_file"}, {"base", "build", "data", "nets"}),
    "study": ({"study"}, {"base", "build", "terminal", "trial"}),
    "entry points": (
        {"catalogue", "cli", "hydra_plugins", "src"},
        {"base", "build", "data", "report", "study", "terminal", "tracking", "trial"},
    ),
}
# Libraries that only these rooms know.
ONLY = {
    "hydra": {"build", "study", "entry points"},
    "jinja2": {"report"},
    "matplotlib": {"report"},
    "mlflow": {"tracking"},
    "omegaconf": {"trial", "tracking", "study", "entry points"},
    "optuna": {"study"},
    "pytorch_lightning": {"training", "trial"},
}


def room_of(module: str) -> str:
    """The room of a top-level module or package of regimens (`src`: the scripts)."""
    return next(name for name, (modules, _) in ROOMS.items() if module in modules)


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a file imports; `from regimens import x` is `regimens.x`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources() -> list[tuple[Path, str]]:
    """Every file of `src/`, with the name under which ROOMS knows it."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        first, *rest = path.relative_to(SRC).parts
        if first == "regimens" and rest != ["__init__.py"]:
            found.append((path, rest[0].removesuffix(".py")))
        elif first != "regimens":
            found.append((path, first if rest else "src"))
    return found


@pytest.mark.parametrize("name", ROOMS)
def test_arrows_point_one_way(name: str) -> None:
    order, allowed = list(ROOMS), ROOMS[name][1]
    assert all(order.index(other) < order.index(name) for other in allowed)
    for path, module in sources():
        if room_of(module) != name:
            continue
        for target in imports(path):
            first, _, rest = target.partition(".")
            where = f"{path.relative_to(SRC)} imports {target}"
            if first == "regimens":
                assert room_of(rest.partition(".")[0]) in {name, *allowed}, where
            assert name in ONLY.get(first, {name}), where
