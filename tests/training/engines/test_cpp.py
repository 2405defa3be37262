"""torch's headers, read once for all that is compiled: the same code, sooner."""

import errno
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._inductor import config, cpp_builder

from regimens.core import provenance
from regimens.training.engines import cpp
from regimens.training.engines.inductor import Inductor


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where nothing is prepared yet, in a process that has asked for nothing; its name has a space."""
    from torch._inductor.codecache import CppWrapperCodeCache

    CppWrapperCodeCache.cache_clear()
    folder = tmp_path / "my headers"
    monkeypatch.setattr(cpp, "FOLDER", folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # 190 MB


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The C++ compiler's commands; it is called as ever."""
    given: list[str] = []
    run = cpp_builder.run_compile_cmd

    def noted(command: str, *args: Any, **options: Any) -> Any:
        given.append(command)
        return run(command, *args, **options)

    monkeypatch.setattr(cpp_builder, "run_compile_cmd", noted)
    return given


def product(p: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """What a network's file has: a product added in place, and a loop."""
    p.add_(x.t() @ x)
    return p.exp().sum()


def moves(p: torch.Tensor, g: torch.Tensor) -> None:
    """What an update's file has: a loop."""
    p.sub_(g.sqrt())


@pytest.mark.thorough
def test_prepared_headers_are_read_by_all_files_and_change_no_bit(
    folder: Path, commands: list[str], tmp_path: Path
) -> None:
    from torch._inductor.codecache import CppWrapperCodeCache

    cases = [(product, False, ((5, 5), (3, 5))), (moves, True, ((100,), (100,)))]

    def results(cache: str) -> list[torch.Tensor]:
        found: list[torch.Tensor] = []
        for function, any_size, shapes in cases:
            draw = torch.Generator().manual_seed(1)
            inputs = [torch.rand(shape, generator=draw) for shape in shapes]
            compiled: Callable[..., Any] = Inductor(tmp_path / cache, any_size)(function, inputs)
            out = compiled(*inputs)
            found += inputs if out is None else [*inputs, out]
        return found

    plain = results("plain")
    assert len(commands) == 2 and "-include" not in " ".join(commands)
    cpp.prepare()
    assert "c++-header" in commands.pop()
    quick = results("quick")
    for command in commands[2:]:
        assert f"-include '{folder}/" in command
        # g++ says so where it reads the headers themselves instead.
        check = [*shlex.split(command), "-fsyntax-only", "-Winvalid-pch", "-Werror=invalid-pch"]
        assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    assert len(commands) == 4
    for one, other in zip(plain, quick, strict=True):
        assert torch.equal(one, other)
    CppWrapperCodeCache.cache_clear()
    cpp.prepare()
    assert len(commands) == 4, "prepared twice"


def leave(folder: Path) -> Path:
    """Something in place of prepared headers."""
    folder.mkdir(parents=True)
    (folder / "torch.h.gch").touch()
    return folder


def test_headers_for_another_command_compiler_or_processor_are_not_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cpp.found("torch/header.h", "g++ -O3") == ""
    place = leave(cpp._place("g++ -O3"))
    assert shlex.split(cpp.found("torch/header.h", "g++ -O3")) == [f"{place}/torch.h"]
    assert cpp.found("torch/header.h", "g++ -O2") == ""
    with monkeypatch.context() as patched:
        patched.setattr(cpp_builder, "get_compiler_version_info", lambda compiler: "gcc version 99")
        assert cpp.found("torch/header.h", "g++ -O3") == ""
    with monkeypatch.context() as patched:
        patched.setattr(provenance, "processor", lambda: "another")
        assert cpp.found("torch/header.h", "g++ -O3") == ""


def test_where_nothing_is_prepared_torch_prepares_nothing(folder: Path) -> None:
    with cpp.calls():
        assert not config.cpp_cache_precompile_headers
    leave(cpp._place("g++ -O3"))
    with cpp.calls():
        assert config.cpp_cache_precompile_headers


def test_a_disk_without_room_is_told_and_leaves_nothing_to_be_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(command: str, cwd: str) -> None:
        Path(cwd, "part.gch").write_bytes(b"a part")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cpp_builder, "run_compile_cmd", full)
    cpp.main()
    assert "No space left on device" in capsys.readouterr().err
    assert list(folder.rglob("*.gch")), "nothing was tried"
    with cpp.calls():
        assert not config.cpp_cache_precompile_headers


def test_what_an_earlier_set_up_left_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill leaves a part, another version of g++ all of what it made."""
    old = leave(folder / "0123456789abcdef")
    (old / "part.gch").touch()

    def made(command: str, cwd: str) -> None:
        assert not old.exists()
        Path(cwd, "part.gch").write_bytes(b"all")

    monkeypatch.setattr(cpp_builder, "run_compile_cmd", made)
    cpp.main()
    (place,) = folder.glob("*/")
    assert place != old and (place / "torch.h.gch").read_bytes() == b"all"
    assert sorted(path.name for path in place.iterdir()) == ["torch.h", "torch.h.gch"]


def test_what_is_prepared_needs_no_more_writing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpp, "_place", lambda command: folder / "place")
    leave(folder / "place")
    cpp.main()
    assert [path.name for path in folder.iterdir()] == ["place"]


@pytest.mark.parametrize("compiler", ["", "clang++"])
def test_a_machine_without_gcc_prepares_nothing(
    compiler: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cpp.compiler, "find", lambda: compiler or None)
    monkeypatch.setattr(cpp_builder, "is_gcc", lambda: False)
    cpp.main()
    assert not folder.exists()
    assert capsys.readouterr().err == ""
