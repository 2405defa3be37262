"""What a person sees of one trial."""

import io
import re

import pytest

from regimens.core import terminal


class Screen(io.StringIO):
    """A stream that somebody watches."""

    def isatty(self) -> bool:
        return True


def test_nobody_watches_a_pipe_or_a_continuous_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert terminal.interactive(Screen())
    assert not terminal.interactive(io.StringIO())
    monkeypatch.setenv("CI", "true")
    assert not terminal.interactive(Screen())


def test_the_progress_line_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("sys.stderr", screen)
    for name, value in (("COLUMNS", "80"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    numbers = {"train/loss": 2.3456, "val/loss": 1.1, "val/accuracy": 0.87654, "lr": 0.000891}
    with terminal.progress(25) as on_epoch:
        for epoch in range(1, 26):
            on_epoch(epoch, numbers)
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "loss 2.346 (val 1.100)" in written
    assert "val acc 87.65%" in written
    assert "lr 0.000891" in written
    assert "25/25" in written
    assert "left" in written
    assert "…" not in written
