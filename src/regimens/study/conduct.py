"""Conducting a study, from a composed configuration to the exported table: the door that Hydra's sweeper knocks at."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from regimens.errors import UserError
from regimens.provenance import training_code
from regimens.result import STATUSES, Result
from regimens.secrets import keep, redact
from regimens.study.axes import read_command_line
from regimens.study.compose import Composer, Source
from regimens.study.define import define
from regimens.study.definition import Study
from regimens.study.ending import Draw, Ending
from regimens.study.fleets import looker
from regimens.study.locks import open_session
from regimens.study.opening import make_ledger, recover, settle_definition, use_storage
from regimens.study.settings import read_settings
from regimens.study.summary import counted, print_summary
from regimens.study.tracked import tracked
from regimens.study.worker import StudyStopped
from regimens.study.workers import train
from regimens.terminal import proposals


def sweep(hydra_context: Any, config: DictConfig, arguments: Sequence[str], run_trial: str, draw: Draw) -> list[Result]:
    """Run or resume the study that a command line asks for, and have `draw` show it; returns its results.

    Raises:
        SystemExit: 1 if trials failed or the study had to stop, 2 for a user's mistake, 130 after Ctrl-C.
    """
    try:
        results = conduct(hydra_context, config, arguments, run_trial, draw)
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
        from regimens.study.disk import is_disk_full

        if not is_disk_full(error):
            raise
        print(f"error: the disk is full ({error}); make space, then resume with: {command()}", file=sys.stderr)
        raise SystemExit(1) from None
    from regimens.study.phase import BROKEN

    if any(result.status in BROKEN for result in results):
        raise SystemExit(1)
    return results


def conduct(
    hydra_context: Any, config: DictConfig, arguments: Sequence[str], run_trial: str, draw: Draw
) -> list[Result]:
    """`sweep` without the exit statuses."""
    node = OmegaConf.to_container(config.study, resolve=True) if config.get("study") is not None else {}
    settings = read_settings(node)  # type: ignore[arg-type]
    keep([*arguments, node])
    source = Source(
        config_name=config.hydra.job.config_name,
        search_path=tuple((one.provider, one.path) for one in hydra_context.config_loader.get_search_path().get_path()),
        hydra_overrides=tuple(config.hydra.overrides.hydra),
    )
    composer = Composer(source)
    name = str(config.hydra.runtime.choices.get("study") or "adhoc")
    look = looker(run_trial)
    study = define(
        settings,
        read_command_line(arguments),
        composer,
        name=name,
        tune=config.get("tune"),
        data_hash=lambda cfg: look(cfg)[0],
        code_hash=training_code(),
        size_of=lambda cfg: look(cfg)[1],
    )
    directory = Path(config.paths.runs).absolute() / study.key
    settle_definition(study, directory)
    use_storage(settings.storage)
    if settings.recover:
        recover(study, directory)
    from regimens.study.export import export

    with open_session(directory) as session, tracked(config, study, directory, session) as shown:
        wait = settings.storage_wait
        ledger = make_ledger(directory, session=session, study=study, composer=composer, storage_wait=wait)
        if again := ledger.reopen(broken=settings.retry_failed):
            lost = "its result, and is" if again == 1 else "their result, and are"
            print(f"{study.name}: {counted(again, 'trial')} broke or lost {lost} run again")
        train(ledger, settings, config, hydra_context, run_trial, shown)
        shown.open_once()
        results, table, paths = export(study, directory, Path(config.paths.results))
        shown.deliver(zip(results, (ledger.place(*slot) for slot in study.slots), strict=True))
        figures, told = draw(paths[0], directory) if shown.parent or any(r.lr_range for r in results) else ([], [])
        if shown.parent:
            shown.ending.fill(study, directory, table, [*paths, *figures])
    _report(study, table, results, [*paths, directory], told, shown.ending)
    return results


def _report(
    study: Study,
    table: dict[str, Any],
    results: Sequence[Result],
    places: Sequence[Path],
    told: Sequence[str],
    ending: Ending,
) -> None:
    """Print the table, best first, where everything lies, and in the last line how many trials ended how."""
    print_summary(study, table)
    proposals(told)
    print(f"trials: {places[-1]}" + (f"  best: {ending.best.relative_to(places[-1])}" if ending.best else ""))
    if ending.link:
        print(f"MLflow: {ending.link}")
    counts = Counter(result.status for result in results)
    ended = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    print(f"{study.name} ({study.id}): {counted(len(results), 'trial')}: {ended}; see {places[0]}")


def command() -> str:
    """The command of this process, to be copied."""
    script = sys.argv[0]
    with contextlib.suppress(ValueError):
        script = str(Path(script).relative_to(Path.cwd()))
    return redact(shlex.join(["python", script, *sys.argv[1:]]))
