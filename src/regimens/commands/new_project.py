"""`python -m regimens new NAME`: a project of one's own, with studies, data and pipeline in its own repository."""

from __future__ import annotations

from pathlib import Path

from regimens.core.errors import UserError

TRAIN = '''"""Train one regimen, or study many with `-m`: `python src/train.py --help`."""

import sys

from regimens.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv))
'''
STUDY = """\
# @package _global_
# Does batch normalisation help?
# command: python src/train.py -m study=first
# time: about 1 min on 2 cores
defaults:
  - adhoc@study
  - override /data: digits
epochs: 5

study:
  question: Does batch normalisation help?
  compared:
    norm: [none, batch]
  tuned: [optimizer.lr]
  trials: 4
  seeds: 5
"""
PARAMS = """\
# What people choose. `studies` are files of conf/study/, here or in Regimens itself.
data: digits
seed: 42
studies: [first]
"""
DVC = """\
# `dvc repro` runs what a change touches. Trials (runs/) are no outputs: a study that was cut off goes on.
stages:
  studies:
    desc: Ask a question
    matrix: {study: "${studies}"}
    cmd: python src/train.py -m study=${item.study} data=${data} seed=${seed} study.workers=auto
    deps: [conf, src/train.py]
    outs: ["results/${item.study}.json", "results/${item.study}.csv", "results/${item.study}.cells.csv"]

  report:
    desc: Write the answers down
    cmd: python src/report.py
    deps: [conf/study, results, src/report.py]
    params: [data, seed]
    outs:
      - reports/report.html: {cache: false}
      - reports/report.md: {cache: false}
"""
IGNORED = """\
.venv/
__pycache__/
/cache/
/data/
/runs/
/results/
/mlartifacts/
/mlflow.db*
"""
README = """\
# {name}

Studies of how to train networks, on Regimens.

    python3 -m venv .venv
    .venv/bin/pip install -r requirements.txt
    .venv/bin/python src/train.py -m study=first     # one question: conf/study/first.yaml
    .venv/bin/python src/train.py status
    .venv/bin/python src/report.py                   # reports/report.html

All of it, and again only what a change touches: `git init && .venv/bin/dvc init`, once, then `.venv/bin/dvc repro`
(`source .venv/bin/activate` first, since its stages call `python`).

`conf/` is searched after Regimens' own: `conf/study/*.yaml` are questions, `conf/data/*.yaml` data sets,
`conf/optimizer/*.yaml` optimisers, and so on. Names that Regimens has are taken; choose others.
"""
REQUIREMENTS = """\
# Where Regimens comes from: its repository, at a revision (…@<revision>), or a folder with a clone of it.
regimens @ {source}
"""


def create(name: str) -> str:
    """Make the folder `name` with a project in it; what to type next, in a few lines.

    Raises:
        UserError: the folder has something in it already, or cannot be made.
    """
    folder = Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"new {name}: there is something there already; name a folder that is not there, or empty")
    report = TRAIN.replace(
        "Train one regimen, or study many with `-m`: `python src/train.py --help`.", "Write reports/."
    )
    files = {
        "src/train.py": TRAIN,
        "src/report.py": report.replace("regimens.cli", "regimens.commands.write_report").replace("(sys.argv)", "()"),
        "conf/study/first.yaml": STUDY,
        "params.yaml": PARAMS,
        "dvc.yaml": DVC,
        ".gitignore": IGNORED,
        "README.md": README.format(name=folder.resolve().name),
        "requirements.txt": REQUIREMENTS.format(source=source()),
    }
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    except OSError as error:
        raise UserError(f"new {name}: {error.strerror}: {error.filename}") from error
    return f"{folder}: {len(files)} files; next: cd {folder} && python src/train.py -m study=first"


def source() -> str:
    """Where this Regimens was installed from, as pip takes it; the address of a clone where that is not known."""
    import json
    from importlib import metadata

    try:
        told = json.loads(metadata.distribution("regimens").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        told = {}
    if commit := (told.get("vcs_info") or {}).get("commit_id"):
        return f"git+{told['url']}@{commit}"
    return str(told.get("url") or "git+https://example.org/regimens.git")
