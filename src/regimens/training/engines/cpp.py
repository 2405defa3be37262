"""How torch calls the C++ compiler: for which instructions, and with headers that were read once for all.

`python -m regimens.training.engines.cpp` prepares the headers, as `make setup` does: seven seconds and 200 MB in this
Python's environment, for more than half of what a network's C++ takes later. Where g++ cannot use them, since it or the
processor is another, it reads the headers themselves. Torch's private names here are pinned by `torch==2.13.0`
(docs/decisions/0010-rooms.md).
"""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from regimens.core import provenance
from regimens.core.hashing import digest
from regimens.core.locks import held
from regimens.core.secrets import brief
from regimens.training.engines import compiler

FOLDER = Path(sys.prefix, "share", "regimens", "headers")
NAME = "torch.h"
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

    if headers is None and any(FOLDER.glob(f"*/{NAME}.gch")):
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
    """The path of the headers that are prepared for this command, as a word of another; "" where none are."""
    place = _place(command)
    return shlex.quote(str(place / NAME)) if (place / f"{NAME}.gch").exists() else ""


def prepare() -> None:
    """Prepare torch's headers for this machine, where they are not. Raises what the compiler raises, or OSError."""
    from torch._inductor.codecache import CppWrapperCodeCache

    with calls(_made):
        CppWrapperCodeCache.load_async(TEXT, needs_vec_isa=True)


def _made(header: str, command: str, **options: Any) -> str:
    if not found(header, command):  # no lock where there is nothing to write
        with held(FOLDER / "lock"):
            if not found(header, command):
                _make(_place(command), options)
    return found(header, command)


def _make(place: Path, options: dict[str, Any]) -> None:
    from torch._inductor import cpp_builder

    for old in FOLDER.glob("*/"):  # of other versions, or left by a kill
        shutil.rmtree(old)
    place.mkdir()
    (place / NAME).write_text(TEXT, "utf-8")
    builder = cpp_builder.CppBuilder("part", NAME, cpp_builder.CppTorchDeviceOptions(**options, precompiling=True))
    cpp_builder.run_compile_cmd(builder.get_command_line(), cwd=str(place))
    part = place / "part.gch"
    with part.open("rb") as written:
        os.fsync(written)
    part.rename(place / f"{NAME}.gch")  # g++ fails on a part, which a kill or a loss of power would leave


def _place(command: str) -> Path:
    import torch
    from torch._inductor.cpp_builder import get_compiler_version_info, get_cpp_compiler

    made_by = [torch.__version__, get_compiler_version_info(get_cpp_compiler()), provenance.processor(), command]
    return FOLDER / digest(made_by)[:16]


def main() -> None:
    """Prepare the headers where there is a g++; a sentence says why that failed."""
    if compiler.find() is None:
        return
    from torch._inductor.cpp_builder import is_gcc

    try:
        if is_gcc():  # clang stops where g++ would read the headers themselves
            prepare()
    except Exception as err:
        print(f"networks will take longer to compile: torch's C++ headers: {brief(err)}", file=sys.stderr)


if __name__ == "__main__":
    main()
