"""Conducting a study, from a composed configuration to the exported table: the door that Hydra's sweeper knocks at."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from regimens.core.errors import UserError
from regimens.core.files import check_writable
from regimens.core.hashing import digest
from regimens.core.invocation import command
from regimens.core.provenance import code, code_root, training_code, training_sources
from regimens.core.result import BROKEN, STATUSES, Result
from regimens.core.secrets import keep, redact
from regimens.core.terminal import counted, note, proposals
from regimens.study.definition.command_line import read_command_line
from regimens.study.definition.composer import Composer, Source
from regimens.study.definition.define import Code, define
from regimens.study.definition.settings import ABLATE, Settings, read_settings
from regimens.study.definition.study import UNNAMED, Study
from regimens.study.queue import rounds
from regimens.study.queue.finished import best_final
from regimens.study.queue.open import compared_with_earlier, open_queue, recover, settle_definition, use_storage
from regimens.study.queue.other_code import of_other_code, trained_by_other_code
from regimens.study.queue.sessions import open_session
from regimens.study.queue.takeover import KnownTrials, keep_engines
from regimens.study.queue.trial_files import TrialFiles
from regimens.study.results.summary import print_summary
from regimens.study.workers.forks import Forks
from regimens.study.workers.leases import room_for
from regimens.study.workers.start import forks_for, train
from regimens.study.workers.tracked import tracked
from regimens.study.workers.trial_runner import data_hash_of, locate, look_once
from regimens.study.workers.worker import StudyStopped

#: draws a study's table, and whatever belongs into the study's directory: (figures written, sentences to print)
Draw = Callable[[Path, Path], tuple[list[Path], list[str]]]
#: what a study's table says, in a sentence
Answer = Callable[[Path], str]


@dataclass(frozen=True)
class Conducted:
    """A study that is done: where its trials lie, its main table (.json), their results, and the best final's place."""

    directory: Path
    table: Path
    results: list[Result]
    best: Path | None


def sweep(
    hydra_context: Any, config: DictConfig, arguments: Sequence[str], run_trial: str, draw: Draw, answer: Answer
) -> list[Result]:
    """Run or resume the study that a command line asks for; have `draw` show it and `answer` tell it. Its results.

    Raises:
        SystemExit: 1 if trials failed or the study had to stop, 2 for a user's mistake, 130 after Ctrl-C.
    """
    try:
        results = conduct(hydra_context, config, arguments, run_trial, draw, answer).results
    except UserError as error:
        print(f"error: {redact(str(error))}", file=sys.stderr)
        raise SystemExit(2) from None
    except StudyStopped as stop:
        print(f"error: {redact(str(stop))}; then resume with: {command()}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print(f"\nstopped; resume with: {command()}", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        from regimens.core.files import is_disk_full

        if not is_disk_full(error):
            raise
        print(f"error: the disk is full ({error}); make space, then resume with: {command()}", file=sys.stderr)
        raise SystemExit(1) from None
    if any(result.status in BROKEN for result in results):
        raise SystemExit(1)
    return results


def conduct(
    hydra_context: Any, config: DictConfig, arguments: Sequence[str], run_trial: str, draw: Draw, answer: Answer
) -> Conducted:
    """`sweep` without the exit statuses; raises UserError, StudyStopped and KeyboardInterrupt."""
    node = OmegaConf.to_container(config.study, resolve=True) if config.get("study") is not None else {}
    settings = read_settings(node)  # type: ignore[arg-type]
    keep([*arguments, node])
    for key in ("paths.runs", "paths.results"):
        if not isinstance(place := OmegaConf.select(config, key), str) or not place:
            raise UserError(f"{key}={place}: must be a folder")
        check_writable(Path(place))
    if settings.mode == ABLATE:
        from regimens.study.results.ablation import ablate

        settings = ablate(settings, Path(config.paths.runs).absolute())
    with forks_for(settings, config, run_trial) as forks:
        return _conduct(hydra_context, config, settings, arguments, run_trial, draw, answer, forks)


def _conduct(
    hydra_context: Any,
    config: DictConfig,
    settings: Settings,
    arguments: Sequence[str],
    run_trial: str,
    draw: Draw,
    answer: Answer,
    forks: Forks,
) -> Conducted:
    study = ask(hydra_context, config, settings, arguments, run_trial)
    runs = Path(config.paths.runs).absolute()
    known = KnownTrials.below(runs)
    rounds.begin(study)
    files = TrialFiles(study, runs / "unnamed", data_hash_of(locate(run_trial)))
    keep_engines(files, known)
    study.id = digest(study.identity)[:8]
    directory = runs / study.key
    if differs := compared_with_earlier(study, directory):
        print(f"note: {differs}")
    settle_definition(study, directory)
    use_storage(settings.storage)
    if settings.recover:
        recover(study, directory)
    from regimens.study.results.export import export

    with open_session(directory) as session, tracked(config, study, directory, session) as shown:
        files = replace(files, directory=directory)
        queue = open_queue(directory, session=session, files=files, storage_wait=settings.storage_wait)
        taken = queue.catch_up(known, broken=settings.retry_failed)
        for origin, count in taken.items():
            print(f"{study.name}: {counted(count, 'trial')} taken over from {origin}")
        for line in trained_by_other_code(queue.files, known):
            print(f"note: {line}")
        train(queue, settings, config, hydra_context, run_trial, shown, forks)
        shown.open_once()
        results, table, paths = export(queue.files, Path(config.paths.results))
        shown.deliver(zip(results, (queue.files.place(*slot) for slot in study.slots), strict=True))
        figures, told = draw(paths[0], directory) if shown.parent or any(r.lr_range for r in results) else ([], [])
        best = best_final(queue.files, table)
        link = shown.finish([*paths, *figures], best, table)
    _report(study, table, results, [*paths, directory], told, best, link, answer(paths[0]))
    return Conducted(directory, paths[0], results, best)


def ask(hydra_context: Any, config: DictConfig, settings: Settings, arguments: Sequence[str], run_trial: str) -> Study:
    """The study that a command line asks for."""
    places = {one.provider: one.path for one in hydra_context.config_loader.get_search_path().get_path()}
    main = places.pop("main")
    source = Source(
        config_name=config.hydra.job.config_name,
        # Hydra's own places are searched anyway
        search_path=(main, *(path for provider, path in places.items() if provider not in ("hydra", "schema"))),
        hydra_overrides=tuple(config.hydra.overrides.hydra),
    )
    runner = locate(run_trial)
    look = look_once(runner)
    return define(
        settings,
        read_command_line(arguments, hydra_context.config_loader),
        Composer(source),
        name=str(config.hydra.runtime.choices.get("study") or UNNAMED),
        tune=config.get("tune"),
        data_hash=lambda config: look(config)[0],
        size_of=lambda config: look(config)[1],
        metrics_of=runner.metrics,
        note=note,
        code=Code(training_code(), str(code(code_root())["revision"] or ""), training_sources()),
        workers=_workers(settings, config),
    )


def _workers(settings: Settings, config: DictConfig) -> int:
    """How many workers share a study's time."""
    if settings.workers == "auto":
        return max(1, room_for(settings.per_gpu, threads=config.get("threads", 1)))
    return int(settings.workers)


def _report(
    study: Study,
    table: dict[str, Any],
    results: Sequence[Result],
    places: Sequence[Path],
    told: Sequence[str],
    best: Path | None,
    link: str,
    found: str,
) -> None:
    """Print the table, best first, where everything lies, what was found, and last how many trials ended how."""
    print_summary(study, table)
    proposals(told)
    print(f"trials: {places[-1]}" + (f"  best: {best.relative_to(places[-1])}" if best else ""))
    if link:
        print(f"MLflow: {link}")
    if found:
        print(f"found: {found}")
    counts = Counter(result.status for result in results)
    ended = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    taken = Counter(str(one).partition("/")[0] for r in results if (one := (r.study or {}).get("taken_from")))
    del taken[study.key]  # two of its own cells came to one trial
    ended += "".join(f", {count} of them taken over from {origin}" for origin, count in taken.items())
    ended += "".join(f", {n} by other code (revision {name})" for name, n in of_other_code(study, results).items())
    print(f"{study.name} ({study.id}): {counted(len(results), 'trial')}: {ended}; see {places[0]}")
