"""What README.md and docs/ tell people to type works, and what they point at is there.

Every line of a ```bash block counts. Those that call `python src/` run, page by page, in a copy of the project with a
my.npz and a my.csv, made small: SMALL is appended, DIGITS where the line does not choose its own data, SMALL_STUDY to a
study. YAML blocks that name their file are written first. Of `make` lines, the target has to exist.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import CONF

ROOT = CONF.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NO_TRAINING = {"--help", "--info", "--cfg", "--again", "sync", "status", "--forget"}
SMALL = ("epochs=1", "model.hidden=[8]", "tracking=none")
DIGITS = ("data=digits", "data.train_size=200")
SMALL_STUDY = ("study.trials=2", "study.seeds=1", "study.workers=1")
SHORT_STUDY = ("study.minutes=0.05", "study.workers=1")  # of one that is given a time
# What needs a service that not every machine has; tests/cluster/ runs studies with each.
SERVICES = ("study.storage=postgresql:", "hydra/launcher=", "hydra.launcher.", "tracking.uri=http:")
# Of README.md, own-data.md and regression.md, these run by default; `make test-slow` runs every command of every page.
QUICK = (
    "name=mine",
    "name=wine",
    "name=table",
    "name=pictures",
    "name=flats",
    "src/predict.py",
    "--help",
    "--info",
    "--cfg",
    "status",
)


def commands(page: Path) -> list[str]:
    """The command lines of a page, without their comments."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in in_block(block)]


def in_block(block: str) -> list[str]:
    """The command lines of one block."""
    lines = [re.sub(r"\s+#.*", "", line).strip() for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def small(words: list[str]) -> list[str]:
    """A command of `python src/train.py`, shrunk, without services."""
    words = [word for word in words if not word.startswith(SERVICES)]
    if words[1] != "src/train.py" or NO_TRAINING & set(words):
        return words
    own = any(word.startswith("data=") for word in words)
    timed = any(word.startswith(("study.minutes=", "study.hours=")) for word in words)
    study = () if "-m" not in words else SHORT_STUDY if timed else SMALL_STUDY
    sizes = ("epochs=", "study.trials=", "study.seeds=", "study.workers=", "study.minutes=", "study.hours=")
    kept = [word for word in words if not word.startswith(sizes)]
    deep = any(word.startswith(("experiment=", "scale=")) for word in words)
    return [*kept, *(() if own else DIGITS), *(SMALL[:1] + SMALL[2:] if deep else SMALL), *study]


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what commands need, with somebody's own data beside it."""
    from sklearn.datasets import load_wine

    folder = tmp_path_factory.mktemp("project")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "params.yaml", folder)
    x, y = load_wine(return_X_y=True)
    np.savez(folder / "my.npz", X_train=x, y_train=y, X=x[:5])
    header = ",".join([*(f"f{number}" for number in range(x.shape[1])), "label"])
    np.savetxt(folder / "my.csv", np.column_stack([x, y]), delimiter=",", header=header, comments="", fmt="%g")
    return folder


def call(words: list[str], folder: Path) -> str:
    """What went wrong with a command of Python's, in its own words; nothing if it ended well."""
    environment = {key: value for key, value in os.environ.items() if key != "REGIMENS_ROOT"}
    environment |= {"CI": "1", "PYTHONPATH": str(folder / "src")}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    return f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}" if done.returncode else ""


def play(page: Path, folder: Path, *, quick: bool = False) -> str:
    """Do what a page says, from its top: write its files, run its Python and its lines; what went wrong first.

    If `quick`, only the lines of QUICK, and no Python that trains.
    """
    for path, content in re.findall(r"`(conf/\w+/\w+\.yaml)`:\n\n```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        (folder / path).write_text(content)
    for kind, block in re.findall(r"^```(bash|python)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        lines = [line for line in in_block(block) if line.startswith("python src/") and (is_quick(line) or not quick)]
        if kind == "python" and quick and "import regimens" in block:
            continue
        for words in [["-c", block]] if kind == "python" else [small(shlex.split(line))[1:] for line in lines]:
            if wrong := call(words, folder):
                return wrong
    return ""


def python_lines(page: Path) -> list[str]:
    return [line for line in commands(page) if line.startswith("python src/")]


def is_quick(line: str) -> bool:
    return any(part in line for part in QUICK)


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *(ROOT / "docs" / "how-to" / f"{name}.md" for name in ("own-data", "regression"))],
    ids=lambda p: p.stem,
)
@pytest.mark.thorough
def test_people_can_train_and_predict(page: Path, copied: Path) -> None:
    lines = [line for line in python_lines(page) if is_quick(line)]
    assert len(lines) >= 2
    assert play(page, copied, quick=True) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if python_lines(page) or "```python" in page.read_text()], ids=lambda p: p.stem
)
def test_every_command_of_a_page_runs(page: Path, copied: Path) -> None:
    assert play(page, copied) == ""


@pytest.mark.slow
def test_the_pages_make_a_site_without_a_warning(tmp_path: Path) -> None:
    """No dead link, nothing that Sphinx cannot read, no page that no table of contents has."""
    tool = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(tmp_path)]
    done = subprocess.run(tool, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "regimens.api.run_study" in (tmp_path / "reference" / "python.html").read_text()
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:  # nothing is fetched where there is no network
        found = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(https?:[^\"]*)", page.read_text())
        assert not found, f"{page}: {found}"


@pytest.mark.slow
def test_the_chapter_s_notebook_runs(tmp_path: Path) -> None:
    """Small, on the digits; each of its studies ends with a table, a picture, and a network that predicts."""
    cells = (ROOT / "docs" / "chapter.py").read_text()
    asked = re.findall(r"^(\w+) = regimens.run_study", cells, re.MULTILINE)
    assert len(asked) >= 9
    checks = "".join(f"assert len({name}.table) and {name}.pictures and {name}._repr_html_()\n" for name in asked)
    environment = {**os.environ, "CHAPTER_SCALE": "smoke", "PYTHONPATH": str(ROOT / "src"), "CI": "1"}
    environment.pop("REGIMENS_ROOT", None)
    line = [sys.executable, "-c", f"{cells}\n{checks}"]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_command_is_one_that_a_test_knows() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for line in commands(page):
            words = shlex.split(line)
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), f"{page.name}: {line}"
            else:
                assert words[0] == "python", f"{page.name}: {line}"
                assert (ROOT / words[1]).is_file(), f"{page.name}: {line}"


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            if path.startswith(("http:", "https:")) or path.removeprefix("../").startswith("reports/"):
                continue  # reports/ is what `make study` writes
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), f"{page.name}: {target}"
            titles = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE) if anchor else []
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert not anchor or anchor in slugs, f"{page.name}: {target}"


def sources() -> list[Path]:
    """The project's own texts: code, tests, configuration and documentation."""
    folders = [ROOT / name for name in ("src", "tests", "conf", "tools", "benchmarks", "docs")]
    found = [
        path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".yaml", ".md", ".json")
    ]
    tops = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "dvc.yaml", "pyproject.toml")]
    return [path for path in [*found, *tops] if ROOT / "benchmarks" / "results" not in path.parents]


def test_documents_and_modules_that_are_named_exist() -> None:
    """A document wherever it is cited, a module where documentation names it (by the end of its path)."""
    texts = {path: path.read_text() for path in sources()}
    known = {path.relative_to(ROOT).as_posix() for path in [*texts, *ROOT.glob("*.md")]}
    for path, text in texts.items():
        documents = re.findall(r"(?<![\w/*{}.-])((?:[\w-]+/)*[\w-]+\.md)\b", text)
        modules = re.findall(r"`(?:python )?((?:[\w-]+/)*[\w-]+\.py)\b", text) if path.suffix == ".md" else []
        for name in [*documents, *modules]:
            there = any(one == name or one.endswith(f"/{name}") for one in known)
            # `make study` writes the report, and a person the modules of her own package.
            assert there or name.endswith("report.md") or name.startswith("mylab/"), (
                f"{path.relative_to(ROOT)}: there is no {name}"
            )


# Pages tell people to write these; Python writes the last.
OWN_FILES = re.compile(r"conf/\w+/(first|mine|gentle|widths|radam|celu|step)\.yaml$|.*__pycache__$")


def test_paths_that_are_named_exist() -> None:
    """A path from the root, wherever it is named: in documentation, in docstrings and comments, in the Makefile."""
    for page in sources():
        for name in re.findall(r"(?<![\w/.}-])((?:src|conf|tests|tools|docs|benchmarks)/[\w./-]+)", page.read_text()):
            path = ROOT / name.rstrip(".")
            there = path.exists() or list(path.parent.glob(f"{path.name}*"))  # of a pattern, what precedes it
            assert there or OWN_FILES.match(name), f"{page.relative_to(ROOT)}: there is no {name}"


def test_dotted_names_that_are_quoted_exist() -> None:
    """A name of the package in backticks, or as a `_target_`: its module, and what of it is meant."""
    quoted = re.compile(r"(?:(?<!tags\.)`|_target_: )(regimens(?:\.\w+)+)")  # MLflow's tags begin so too
    for page in (path for path in sources() if ROOT / "tests" not in path.parents):
        for name in quoted.findall(page.read_text()):
            module, rest = ROOT / "src" / "regimens", name.split(".")[1:]
            while rest and (module / rest[0]).is_dir():
                module /= rest.pop(0)
            file = module / f"{rest[0]}.py" if rest and (module / f"{rest[0]}.py").exists() else module / "__init__.py"
            rest = rest[file.name != "__init__.py" :]
            known = not rest or re.search(rf"\b{rest[0]}\b", file.read_text())
            assert known, f"{page.relative_to(ROOT)}: there is no {name}"


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"({page.name})" in index, f"add {page.name} to docs/decisions/README.md"


def test_the_reference_is_what_conf_holds() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "reference.py")]
    printed = subprocess.run(tool, capture_output=True, text=True, check=True).stdout
    again = "python tools/reference.py > docs/reference/configuration.md"
    assert printed == (ROOT / "docs" / "reference" / "configuration.md").read_text(), f"out of date: {again}"


def test_the_words_of_the_code_are_in_the_code() -> None:
    page = (ROOT / "docs" / "concepts.md").read_text().partition("## The words of the code")[2]
    words = [word for cell in re.findall(r"^\| ([a-z ,]+) \| ", page, re.MULTILINE) for word in cell.split(", ")]
    code = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert len(words) > 30
    for word in words[1:]:  # the first is the table's head
        assert re.search(rf"\b{word.replace(' ', '[ _]')}", code, re.IGNORECASE), word
