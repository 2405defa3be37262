"""From directories to reports: what `src/report.py` calls."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

from regimens.core.errors import UserError
from regimens.report.longer_runs import keep_tables, kept_studies, longer_runs, write_trials
from regimens.report.page import Report, write_answers, write_exports, write_report
from regimens.report.palette import Palette
from regimens.report.sections import Section, order, section
from regimens.report.tables import Study, read_studies, read_study

ADHOC = "adhoc"  # what studies on the command line are called: no question of its own
EACH = 3  # studies a process: one draws three sooner than another one has imported what drawing takes
TITLE = "How to train deep networks, measured"


def build_report(
    results: Path, out: Path, params: Path | None = None, declared: Path | None = None, *, keep: bool = False
) -> list[Path]:
    """Write the whole report of `results/*.json` under `out`; return the files written, `report.html` first.

    `params` (params.yaml) gives the settings of tables that are too old to say their own; `declared` (conf/study) the
    studies that could be run. `figures/` and `plots/` are emptied first, so that nothing stays of a study that is gone.
    What longer runs left in `out` (parity/parity.json, tables/, */answers.json) is shown as well; with `keep`, these
    tables are left in tables/ for the next time.

    Raises:
        UserError: no results directory, or a params file that is none.
    """
    settings = read_settings(params)
    own = read_studies(results)
    longer = [s for s in kept_studies(out) if s.name not in {one.name for one in own}]
    studies = order([*own, *longer])
    elsewhere = longer_runs(out)
    answered = {one.question for one in elsewhere}
    palette = Palette(studies)
    report = Report(
        title=TITLE,
        studies=studies,
        sections=draw_sections(studies, palette, [{} if s in longer else settings for s in studies]),
        settings=settings,
        manifest=_manifest(results),
        longer=elsewhere,
        not_run=_not_run({s.name for s in studies}, answered, params, declared),
    )
    for folder in ("figures", "plots"):
        shutil.rmtree(out / folder, ignore_errors=True)
        (out / folder).mkdir(parents=True)
    tables = keep_tables(results, out) if keep else []
    return [*write_report(report, out), write_answers(report, out), *write_exports(studies, out), *tables]


def draw_sections(studies: Sequence[Study], palette: Palette, settings: Sequence[Mapping[str, str]]) -> list[Section]:
    """The sections of the studies, each with its settings; in several processes, since drawing one takes seconds."""
    from regimens.core.provenance import usable_cores

    cores = min(usable_cores(), len(studies) // EACH)
    if cores < 2:
        return list(map(section, studies, repeat(palette), settings))
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        return list(pool.map(section, studies, repeat(palette), settings))


def build_parity(table: Path, out: Path) -> list[Path]:
    """Write `parity.html` and `parity.md`: the published numbers against the runs of one study table.

    The slim table that is left beside them is what the whole report's own section of them is drawn from.
    No settings of params.yaml are shown: the published experiments bring their own data and epochs.

    Raises:
        UserError: no such table.
    """
    if not table.is_file():
        raise UserError(f"no results at {table}: run python src/train.py -m study=parity first")
    study = read_study(table)
    report = Report("Published numbers, re-trained", [study], [section(study, Palette([study]), {})], {})
    return [*write_report(report, out, "parity"), write_trials(table, out)]


def read_settings(params: Path | None) -> dict[str, str]:
    """The plain top-level values of params.yaml (data, scale, seed) as text; empty without a file."""
    return {k: str(v) for k, v in _yaml(params).items() if isinstance(v, str | int | float)}


def _yaml(path: Path | None) -> Mapping[str, Any]:
    import yaml

    if path is None or not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML: {str(error).splitlines()[0]}") from error
    return content if isinstance(content, Mapping) else {}


def _not_run(
    present: set[str], answered: set[str], params: Path | None, declared: Path | None
) -> list[tuple[str, str]]:
    """The studies that could be run, with their questions, but those that are here or `answered` by a longer run."""
    wanted = _names(_yaml(params).get("studies"))
    files = {path.stem: path for path in sorted(declared.glob("*.yaml"))} if declared and declared.is_dir() else {}
    found = []
    for name in sorted((set(files) | set(wanted)) - present - {ADHOC}):
        about = _yaml(files.get(name)).get("study") or _yaml(files.get(name))
        question = str(about.get("question") or "") if isinstance(about, Mapping) else ""
        if (question or name in wanted) and question not in answered:
            found.append((name, question))
    return found


def _names(told: Any) -> list[str]:
    if isinstance(told, Mapping):
        return [name for value in told.values() for name in _names(value)]
    return [str(name) for name in told] if isinstance(told, list) else [told] if isinstance(told, str) else []


def _manifest(results: Path) -> Mapping[str, Any]:
    path = results / "manifest.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, Mapping) else {}
