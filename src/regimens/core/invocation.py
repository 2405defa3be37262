"""The command line of this process, as one would type it again."""

import contextlib
import shlex
import sys
from pathlib import Path

from regimens.core.secrets import redact


def command() -> str:
    """The command line of this process, to be copied; without passwords."""
    script = sys.argv[0]
    with contextlib.suppress(ValueError):
        script = str(Path(script).relative_to(Path.cwd()))
    return str(redact(shlex.join(["python", script, *sys.argv[1:]])))
