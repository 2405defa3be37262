"""How torch calls the C++ compiler: for which instructions, and with headers that were read once for all.

`python -m regimens.training.engines.cpp` prepares the headers, as `make setup` does: seven seconds and 200 MB in this
Python's environment, for more than half of what a network's C++ takes later. Where g++ cannot use them, since it or the
processor is another, it reads the headers themselves. Torch's private names here are pinned by `torch==2.13.0`
(docs/decisions/0010-rooms.md).
"""

import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from regimens.core.hashing import digest
from regimens.core.locks import held
from regimens.core.secrets import brief
from regimens.training.engines import compiler

FOLDER = Path(sys.prefix, "share", "regimens", "headers")
# What the file of a network, or of an update, includes.
TEXT = "".join(f"#include <torch/csrc/inductor/{name}>\n" for name in ("cpp_wrapper/cpu.h", "cpp_prefix.h"))


@contextmanager
def calls(headers: Callable[..., str] | None = None) -> Iterator[None]:
    """Within, torch calls the C++ compiler as said here.

    headers: in place of torch's `_precompile_header`, which would prepare what is missing while a study waits;
    (header, the compiler's command, **torch's options) -> the path of prepared ones, or "" for none.
    """
    from torch._inductor import codecache, config
    from torch._inductor.cpu_vec_isa import VecISA

    if headers is None and any(FOLDER.glob("*/*.gch")):
        headers = found
    # Torch would test for vector instructions, 5 s, then for those of 16 and 8 bits, 1.3 s, then 0.1 each: where the
    # first are missing, compiling fails and the engine is eager; nothing here uses the second.
    options = {"cpp.vec_isa_ok": True, "cpp_cache_precompile_headers": headers is not None}
    with (
        config.patch(options),
        patch.object(VecISA, "check_build", lambda *_: False),
        patch.object(codecache, "_precompile_header", headers),
    ):
        yield


def found(header: str, command: str, **options: Any) -> str:
    """The path of the headers that are prepared for this command; "" where none are."""
    place = _place(command)
    return shlex.quote(str(place)) if place.with_name(f"{place.name}.gch").exists() else ""


def prepare() -> None:
    """Prepare torch's headers for this machine, where they are not. Raises what the compiler raises, or OSError."""
    from torch._inductor.codecache import CppWrapperCodeCache

    with calls(_made):
        CppWrapperCodeCache.load_async(TEXT, needs_vec_isa=True)


def _made(header: str, command: str, **options: Any) -> str:
    from torch._inductor.cpp_builder import CppBuilder, CppTorchDeviceOptions

    place = _place(command)
    with held(FOLDER / "lock"), tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        if not found(header, command):
            new = Path(folder, place.name)
            new.write_text(TEXT, "utf-8")
            file = shlex.quote(str(new))  # torch puts it into a command
            CppBuilder(file, file, CppTorchDeviceOptions(**options, precompiling=True)).build()
            code = Path(f"{new}.gch")
            with code.open("rb") as written:
                os.fsync(written)
            place.parent.mkdir(exist_ok=True)
            new.rename(place)
            code.rename(place.with_name(code.name))  # last: g++ fails on a part of it, which a kill would leave
    return found(header, command)


def _place(command: str) -> Path:
    import torch

    return FOLDER / digest([torch.__version__, command])[:16] / "torch.h"


def main() -> None:
    """Prepare the headers where there is a compiler; a sentence says why that failed."""
    try:
        if compiler.find():
            prepare()
    except Exception as err:
        print(f"networks will take longer to compile: torch's C++ headers: {brief(err)}", file=sys.stderr)


if __name__ == "__main__":
    main()
