"""torch's headers, read once for all that is compiled: the same code, sooner."""

import errno
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from regimens.training.engines import compiler, cpp
from regimens.training.engines.inductor import Inductor


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nothing is prepared yet, in a process that has asked for nothing; its name has a space."""
    from torch._inductor.codecache import CppWrapperCodeCache

    CppWrapperCodeCache.cache_clear()
    monkeypatch.setattr(cpp, "FOLDER", tmp_path / "my headers")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    return tmp_path / "my headers"


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The C++ compiler's commands; it is called as ever."""
    from torch._inductor import cpp_builder

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
    prepared = commands.pop()
    assert "x c++-header" in prepared or ".gch" in prepared
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


def test_headers_for_another_command_are_not_taken(folder: Path) -> None:
    for command in ("g++ -O3", "g++ -O2"):
        assert cpp.found("torch/header.h", command) == ""
    place = cpp._place("g++ -O3")
    place.parent.mkdir(parents=True)
    place.with_name("torch.h.gch").touch()
    assert shlex.split(cpp.found("torch/header.h", "g++ -O3")) == [str(place)]
    assert cpp.found("torch/header.h", "g++ -O2") == ""


def test_where_nothing_is_prepared_torch_prepares_nothing(folder: Path) -> None:
    from torch._inductor import config

    with cpp.calls():
        assert not config.cpp_cache_precompile_headers
    place = cpp._place("g++ -O3")
    place.parent.mkdir(parents=True)
    with cpp.calls():
        assert not config.cpp_cache_precompile_headers  # as a kill leaves it
    place.with_name("torch.h.gch").touch()
    with cpp.calls():
        assert config.cpp_cache_precompile_headers


def test_a_disk_without_room_is_told_and_leaves_nothing_to_be_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from torch._inductor.cpp_builder import CppBuilder

    def full(builder: CppBuilder) -> None:
        Path(*shlex.split(builder.get_target_file_path())).write_bytes(b"a part")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(CppBuilder, "build", full)
    cpp.main()
    assert "No space left on device" in capsys.readouterr().err
    assert not list(folder.rglob("*.gch"))
    with cpp.calls():
        from torch._inductor import config

        assert not config.cpp_cache_precompile_headers


def test_a_machine_without_a_compiler_prepares_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiler, "find", lambda: None)
    cpp.main()
    assert not folder.exists()
    assert capsys.readouterr().err == ""
