"""The command line of `src/train.py`: one trial, or a study with `-m`; a user's mistake is reported in one line."""

import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from regimens import catalogue
from regimens.core.errors import UserError
from regimens.core.files import unwritable
from regimens.core.secrets import redact

if TYPE_CHECKING:
    from omegaconf import DictConfig

_HERE = Path(__file__).resolve()
# Of a clone; within the package where it was installed without one (there, src/regimens/conf is no link).
CONF = next(path for path in (_HERE.parents[2] / "conf", _HERE.parent / "conf") if (path / "train.yaml").exists())
FAILED, USER_ERROR, INTERRUPTED = 1, 2, 130


def main(argv: list[str]) -> int:
    """Run what `argv` asks for; the exit status: 0 done, 1 a trial failed, 2 a mistake of the user's, 130 Ctrl-C."""
    from regimens.core.streams import outlive_readers

    outlive_readers()
    argv = [argument for argument in argv if argument]  # an empty argument is an unset variable of the shell
    arguments = argv[1:]
    if {"--help", "-h"} & set(arguments):
        print(catalogue.help_text(CONF), flush=True)
        return 0
    if {"--list", "--info"} & set(arguments):
        print(catalogue.questions(CONF), flush=True)
        return 0
    try:
        if any(one.partition("=")[0] == "--again" for one in arguments):
            return _again(arguments)
        catalogue.check_options(arguments, CONF)
        if arguments[:1] == ["sync"]:
            return sync(arguments[1:])
        if arguments[:1] == ["new"]:
            return new(arguments[1:])
        if arguments[:1] in (["status"], ["--status"]):
            return status(arguments[1:])
        if any(one.partition("=")[0] == "--forget" for one in arguments):
            return forget(arguments)
        return _hydra(argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except UserError as err:
        return _mistake(str(err))
    finally:
        sys.stdout.flush()


def _again(arguments: Sequence[str]) -> int:
    """Train the trial of a directory anew."""
    from regimens.commands.again import again_from

    try:
        return again_from(arguments, CONF)
    except UserError:
        raise
    except Exception:
        return _failed()


def _hydra(argv: list[str]) -> int:
    """Run Hydra; report its errors in one line where they are about the command."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    argv = _prepared(argv)
    wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Otherwise Hydra prints the error and exits with status 1 itself.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    status = [0]
    elsewhere = any(one.startswith(("--config-", "-cp", "-cd", "-cn")) for one in argv)
    hint = "; to train a trial's own directory anew: python src/train.py --again DIRECTORY" if elsewhere else ""

    def task(cfg: "DictConfig") -> None:
        # Caught here, since Hydra would print the overrides above the message.
        from regimens.commands.one_run import single

        try:
            status[0] = single(cfg)
        except UserError as err:
            status[0] = _mistake(f"{err}{hint}")
        except OmegaConfBaseException as err:
            status[0] = _mistake(_one_line(err))
        except Exception:
            status[0] = _failed()

    task.__module__ = "__main__"
    run = hydra.main(version_base="1.3", config_path=str(CONF), config_name="train")(task)
    before, sys.argv = sys.argv, argv
    try:
        run()
    except Exception as err:
        if wanted:
            raise
        if isinstance(err, HydraException | OmegaConfBaseException | UserError):
            return _mistake(in_words(err, argv[1:]))
        return _mistake(_foreign(err)) if _is_foreign(err) else _failed()
    finally:
        sys.argv = before
        if not wanted:
            del os.environ["HYDRA_FULL_ERROR"]
    return status[0]


def _prepared(argv: list[str]) -> list[str]:
    """The arguments for Hydra; raises UserError where its parser would print its whole usage."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}; python src/train.py --help shows what there is, and values are set as epochs=5")

    parser.error = refuse  # type: ignore[method-assign]
    asked = parser.parse_intermixed_args(argv[1:])
    overrides, flags = list(asked.overrides), argv[1:]
    for one in overrides:  # flags may stand between overrides, which Hydra's own parsing does not allow
        flags.remove(one)
    if asked.multirun or "hydra.mode=MULTIRUN" in overrides:
        return [argv[0], *flags, *swept(overrides)]
    if not (asked.cfg or asked.shell_completion or asked.hydra_help):
        for one in overrides:
            if re.match(r"\+{0,2}(study|tune)[.=]", one):
                raise UserError(f"{one}: it is about a study; a study is asked for with -m")
    if (asked.config_name or asked.config_path) and not any(one.startswith("hydra.run.dir=") for one in overrides):
        # A run's own config.yaml has no `hydra` node; its files go where those of all runs are.
        overrides += ["hydra.run.dir=${paths.runs}/${name}", "hydra.output_subdir=null"]
    return [argv[0], *flags, *overrides]


def swept(overrides: Sequence[str]) -> list[str]:
    """The overrides of a study, those of techniques' values as sweeps: see `regimens.study.definition.sweeps.held`."""
    from regimens.study.definition.sweeps import held

    inside = [group for group in catalogue.groups(CONF) if group not in ("study", "scale", "tracking")]
    return [held(one, inside) for one in overrides]


def in_words(error: BaseException, arguments: Sequence[str]) -> str:
    """An error of Hydra's or ours about a command, in one line; with what to type instead, where that is known."""
    cause = error.__cause__ if isinstance(error.__cause__, UserError) else error
    return unquoted(arguments) or _explained(arguments) or _one_line(cause)


def _explained(arguments: Sequence[str]) -> str:
    """What to type instead, where a technique has no such value; empty for any other error."""
    from regimens.study.definition.composer import Composer, Source
    from regimens.study.definition.technique_values import lacking_value

    source = Source("train", (f"file://{CONF}",))
    try:
        return lacking_value([one for one in arguments if "=" in one and not one.startswith("-")], Composer(source))
    except UserError:
        return ""


def unquoted(arguments: Sequence[str]) -> str:
    """What is wrong with the first argument that Hydra cannot parse, and how to type it; "" if there is none."""
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


def _is_foreign(error: BaseException) -> bool:
    """Whether an error was raised by Hydra itself, before any code of ours ran."""
    ours = Path(__file__).parent
    frames = [Path(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return not any(frame.is_relative_to(ours) and frame != Path(__file__) for frame in frames)


def _foreign(error: BaseException) -> str:
    """Such an error in one line; for a directory that cannot be written, with what to do."""
    if isinstance(error, OSError) and error.filename is not None:
        return unwritable(Path(os.fsdecode(error.filename)), error)
    return _one_line(error)


def sync(overrides: Sequence[str]) -> int:
    """Deliver to the tracker every finished result that is only on disk; 1 if some could not be delivered."""
    from regimens.core.build import make
    from regimens.study.queue.sessions import busy
    from regimens.tracking import delivery

    config = _plain(overrides)
    room = make(config["tracking"])
    done, left = delivery.sync(room, Path(config["paths"]["runs"]), busy)
    print(f"tracking: {done} results delivered" + (f", {left} could not be; run this again later" if left else ""))
    return 1 if left else 0


def new(names: Sequence[str]) -> int:
    """Make a project of one's own in the folder that is named."""
    from regimens.commands.new_project import create

    if len(names) != 1 or names[0].startswith("-"):
        raise UserError("new: name the folder of the new project: python -m regimens new mylab")
    print(create(names[0]))
    return 0


def status(overrides: Sequence[str]) -> int:
    """Print how far the studies are, and who leads each; only `paths` of the overrides matter."""
    from regimens.commands import studies

    for line in studies.status(*studies.places_of(_plain(overrides))):
        print(line)
    return 0


def forget(arguments: Sequence[str]) -> int:
    """Delete the study that follows --forget, after asking unless --yes is there."""
    from regimens.commands import studies

    rest = [one for one in arguments if one != studies.YES]
    at = next(i for i, one in enumerate(rest) if one.partition("=")[0] == studies.FORGET)
    name = rest.pop(at).partition("=")[2] or (rest.pop(at) if at < len(rest) else "")
    if not name:
        raise UserError("--forget: the name of a study has to follow; python src/train.py status lists them")
    print(studies.forget(name, *studies.places_of(_plain(rest)), sure=studies.YES in arguments))
    return 0


def _plain(overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of these overrides as plain values."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException

    from regimens.trial.regimen import plain

    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return plain(compose("train", list(overrides)))
    except HydraException as error:
        raise UserError(_one_line(error)) from error


def _mistake(message: str) -> int:
    print(f"error: {redact(message)}", file=sys.stderr)
    return USER_ERROR


def _failed() -> int:
    """Print the traceback of the current exception, without passwords."""
    print(redact(traceback.format_exc()), file=sys.stderr)
    return FAILED


def _one_line(err: BaseException) -> str:
    """Hydra's and OmegaConf's messages without the lines that repeat the key and name classes."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("full_key:", "object_type=", "reference_type=", "See http"))]
    words = " ".join(kept).replace("To append to your config use", "- to add it, use")
    if "NoneType is incompatible" in words:  # null inside choice(...)
        words += "; write key=null,5 to compare, or 'study.tuned={key:{choices:[null,5]}}' to tune"
    return words or type(err).__name__
