"""The command line of `src/train.py`: one trial, or a study with `-m`; a user's mistake costs one line."""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from regimens.core.errors import UserError
from regimens.core.secrets import redact

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from regimens.core.result import Result

CONF = Path(__file__).resolve().parents[2] / "conf"
FAILED, USER_ERROR, INTERRUPTED = 1, 2, 130


def main(argv: list[str]) -> int:
    """Run what `argv` asks for; the exit status: 0 done, 1 a trial failed, 2 a mistake of the user's, 130 Ctrl-C."""
    from regimens import catalogue

    argv = [argument for argument in argv if argument]  # an empty one is a shell's variable that nobody set
    if {"--help", "-h"} & set(argv[1:]):
        print(catalogue.help_text(CONF))
        return 0
    if {"--list", "--info"} & set(argv[1:]):
        print(catalogue.questions(CONF))
        return 0
    try:
        catalogue.check_options(argv[1:], CONF)
        if argv[1:2] == ["sync"]:
            return sync(argv[2:])
        return _hydra(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except UserError as err:
        return _mistake(str(err))


def _hydra(argv: list[str]) -> int:
    """Hand over to Hydra, and say its complaints in a line where they are about the command."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Otherwise Hydra prints and exits by itself, and every mistake is status 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    status = [0]

    def task(cfg: "DictConfig") -> None:
        # Caught here, since Hydra would print the overrides above the message.
        try:
            status[0] = single(cfg)
        except UserError as err:
            status[0] = _mistake(str(err))
        except OmegaConfBaseException as err:
            status[0] = _mistake(_one_line(err))
        except Exception:
            status[0] = _failed()

    task.__module__ = "__main__"
    run = hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")(task)
    before, sys.argv = sys.argv, argv
    try:
        run()
    except (HydraException, OmegaConfBaseException) as err:
        if wanted:
            raise
        cause = err.__cause__ if isinstance(err.__cause__, UserError) else err
        return _mistake(unquoted(argv[1:]) or _one_line(cause))
    except Exception:
        return _failed()
    finally:
        sys.argv = before
        if not wanted:
            del os.environ["HYDRA_FULL_ERROR"]
    return status[0]


def unquoted(arguments: Sequence[str]) -> str:
    """What is wrong with the first argument that Hydra cannot read, and how it is typed; "" where all can be read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    from regimens.data.quoting import typed

    parser, many = OverridesParser.create(), bool({"-m", "--multirun"} & set(arguments))
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key.startswith("-"):
            continue
        try:
            parsed = parser.parse_override(argument)
            if many or not (parsed.is_choice_sweep() and key.startswith("data.")):
                continue
        except HydraException:
            pass
        return f"{argument} cannot be read: quote the value for Hydra and for the shell: {typed(key, value)}"
    return ""


def single(cfg: "DictConfig") -> int:
    """Train one regimen in Hydra's run directory, show it, track it, and say where everything lies."""
    from hydra.core.hydra_config import HydraConfig

    from regimens import trial
    from regimens.core import terminal
    from regimens.core.build import make
    from regimens.core.result import write
    from regimens.study.queue.sessions import busy
    from regimens.tracking import delivery
    from regimens.trial.record import described, unfinished
    from regimens.trial.regimen import plain
    from regimens.trial.settings import read_settings
    from regimens.trial.task import given_advice

    context = HydraConfig.get().runtime
    directory, choices = Path(context.output_dir), dict(context.choices)
    config = plain(cfg)
    tracking = make(config["tracking"])
    for sentence in given_advice(read_settings(config), choices, config):
        terminal.advise(sentence)
    trial.look_at_data(config)

    def show(result: "Result") -> str | None:
        run_id = tracking.log(result, directory)
        if tracking.owes(directory):
            delivery.leave(Path(cfg.paths.runs))
        return run_id

    try:
        with terminal.progress(cfg.epochs) as on_epoch:
            result = trial.run(cfg, directory, choices=choices, on_epoch=on_epoch)
    except UserError:
        raise
    except KeyboardInterrupt:
        tracking.log(unfinished(cfg, choices=choices, status="killed"), directory)
        print("interrupted: no result was written; the same command starts again", file=sys.stderr)
        raise
    except Exception as err:
        result = unfinished(cfg, choices=choices, status="failed", error=described(err))
        write(result, directory)
        show(result)
        raise
    run_id = show(result)
    delivery.settle(tracking, Path(cfg.paths.runs), busy, print)
    terminal.summary(result, directory, tracking.link(run_id))
    if result.lr_range:
        from regimens.report import lr_range

        terminal.proposals(lr_range.of_run(result, directory)[0])
    return 0 if result.status == "completed" else 1


def sync(overrides: Sequence[str]) -> int:
    """Deliver to the tracker every finished result that is only on disk; 1 if some could not be delivered."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException

    from regimens.core.build import make
    from regimens.study.queue.sessions import busy
    from regimens.tracking import delivery
    from regimens.trial.regimen import plain

    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = plain(compose("train", list(overrides)))
    except HydraException as error:
        raise UserError(_one_line(error)) from error
    room = make(config["tracking"])
    done, left = delivery.sync(room, Path(config["paths"]["runs"]), busy)
    print(f"tracking: {done} results delivered" + (f", {left} could not be; run this again later" if left else ""))
    return 1 if left else 0


def _mistake(message: str) -> int:
    print(f"error: {redact(message)}", file=sys.stderr)
    return USER_ERROR


def _failed() -> int:
    """Show the traceback of what is being handled, without passwords."""
    print(redact(traceback.format_exc()), file=sys.stderr)
    return FAILED


def _one_line(err: BaseException) -> str:
    """Hydra's and OmegaConf's messages without the lines that repeat the key and name classes."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("full_key:", "object_type=", "reference_type=", "See http"))]
    return " ".join(kept).replace("To append to your config use", "- to add it, use")
