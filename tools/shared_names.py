"""How many trials do the pipeline's studies list, and how many distinct trials are they? Nothing is trained.

python tools/shared_names.py                      # the studies of params.yaml
python tools/shared_names.py data=digits scale=smoke
python tools/shared_names.py --results results    # of tables that are there: what was asked for in the end

Without tables, every cell is taken to be best in the middle of what it is tuned over and equal to the others: the least
that its study can ask for. Weights that transfer starts from go by their path, since nothing has trained them yet.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from regimens.core.errors import UserError
from regimens.core.result import Result

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "conf"


def main() -> int:
    """Print the table; 2 for a user's mistake."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="count in the tables of this folder")
    parser.add_argument("overrides", nargs="*", help="of every study, such as scale=full")
    args = parser.parse_args()
    try:
        named = tables(args.results) if args.results else declared(*of_params(args.overrides))
        print("\n".join(lines(named)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def lines(named: Mapping[str, Sequence[str]]) -> list[str]:
    """The table as Markdown, from study -> the names of its trials, and the sums beneath it."""
    out = ["| study | trials | of them in a study above |", "| --- | --- | --- |"]
    known: set[str] = set()
    for study, names in named.items():
        out.append(f"| {study} | {len(names)} | {sum(name in known for name in names)} |")
        known |= set(names)
    listed = sum(len(names) for names in named.values())
    saved = listed - len(known)
    told = f"{len(named)} studies list {listed} trials, which are {len(known)} distinct ones"
    return [*out, "", f"{told}: {saved} ({saved / max(1, listed):.1%}) are taken over instead of trained."]


def tables(folder: Path) -> dict[str, list[str]]:
    """The names in the tables of finished studies; raises UserError where there are none."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        trials = json.loads(path.read_text()).get("trials", [])
        found[path.stem] = [trial["trial"]["content"] for trial in trials if trial.get("trial")]
    if not found:
        raise UserError(f"{folder}: no tables of studies; run some first, or leave --results out")
    return found


def of_params(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The studies of params.yaml in the order of the pipeline, and the overrides that all of them get."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    shared = [*(f"{key}={params[key]}" for key in ("data", "scale", "seed")), *overrides]
    return [name for studies in params["studies"].values() for name in studies], shared


def declared(studies: Sequence[str], overrides: Sequence[str]) -> dict[str, list[str]]:
    """The names of what declared studies ask for, one study after the other."""
    from regimens.study.queue.takeover import KnownTrials, keep_engines
    from regimens.study.queue.trial_files import TrialFiles
    from regimens.study.workers.trial_runner import data_hash_of, locate

    known, found = KnownTrials(Path()), {}
    with weights_by_path():
        for name in studies:
            files = TrialFiles(asked(name, overrides), Path(), data_hash_of(locate("regimens.trial")))
            keep_engines(files, known)
            played(files.study)
            found[name] = list(names_of(files))
            known.found |= {one: [("", name)] for one in found[name]}
    return found


def asked(name: str, overrides: Sequence[str]) -> Any:
    """A declared study with its first round of trials."""
    from hydra import compose, initialize_config_dir

    from regimens.study.definition.command_line import read_command_line
    from regimens.study.definition.composer import Composer, Source
    from regimens.study.definition.define import define
    from regimens.study.definition.settings import read_settings
    from regimens.study.queue import rounds
    from regimens.study.workers.trial_runner import locate, look_once
    from regimens.trial.regimen import plain

    arguments = [f"study={name}", *overrides]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = plain(compose("train", arguments))
    runner = locate("regimens.trial")
    look = look_once(runner)
    study = define(
        read_settings(config["study"]),
        read_command_line(arguments),
        Composer(Source("train", (f"file://{CONF}",))),
        name=name,
        tune=config.get("tune"),
        data_hash=lambda config: look(config)[0],
        size_of=lambda config: look(config)[1],
        metrics_of=runner.metrics,
    )
    rounds.begin(study)
    return study


def played(study: Any) -> None:
    """Ask for every round of a study, with a response in place of training."""
    from regimens.study.queue import rounds

    def read(cell: Any, phase: str) -> list[Result | None]:
        points = cell.points if phase == "tuning" else [cell.best] * len(cell.finals)
        return [result(cell, point or {}, number) for number, point in enumerate(points)]

    def result(cell: Any, point: Mapping[str, Any], number: int) -> Result:
        off = sum(from_middle(cell.ranges[path], value) ** 2 for path, value in point.items() if path in cell.ranges)
        value = 0.9 - 0.01 * off + 1e-6 * (number % 2)
        metrics: dict[str, float | None] = dict.fromkeys(("val/accuracy", "test/accuracy"), value)
        metrics |= {metric: value if study.maximize else -value for metric, _ in study.objectives}
        return Result("completed", "x", 1, {}, "0", study={"params": dict(point)}, metrics=metrics)

    while rounds.advance(study, read):
        pass


def from_middle(one: Any, value: Any) -> float:
    """How far a tuned value lies from the middle of its range, in steps of the range's own scale."""
    if one.choices is not None:
        return abs(one.coordinate(value) - (len(one.choices) - 1) / 2)
    return abs(one.coordinate(value) - (one.coordinate(one.low) + one.coordinate(one.high)) / 2)


def names_of(files: Any) -> Iterator[str]:
    """The name of every trial that a study has asked for."""
    for cell, phase, number in files.study.slots:
        yield files.identity(cell, phase, number, files.values(cell, phase, number) or {}).content


def weights_by_path() -> Any:
    """A context in which the weights that transfer starts from need not be there yet."""
    from contextlib import ExitStack

    def by_path(config: Mapping[str, Any]) -> str | None:
        named = (config.get("transfer") or {}).get("checkpoint")
        return str(named) if named else None

    stack = ExitStack()
    for module in ("regimens.trial.identity", "regimens.study.definition.identity"):
        stack.enter_context(mock.patch(f"{module}.weights_hash", by_path))
    return stack


if __name__ == "__main__":
    sys.exit(main())
