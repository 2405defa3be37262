"""What is imported without looking for garbage, and that looking goes on afterwards as before."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from regimens.core.imports import import_packages

PACKAGE = "xml.dom.pulldom"  # small, and imported by nobody here


@pytest.fixture(autouse=True)
def absent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    yield
    gc.unfreeze()


def test_what_is_brought_is_there_and_set_aside() -> None:
    gc.unfreeze()
    import_packages(PACKAGE)
    assert PACKAGE in sys.modules
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000


def test_bringing_again_sets_nothing_aside() -> None:
    # What a trial leaves behind in cycles would otherwise stay for ever with the next trial.
    import_packages(PACKAGE)
    gc.unfreeze()
    import_packages(PACKAGE)
    assert gc.get_freeze_count() == 0


def test_nobody_looks_for_garbage_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bool] = []
    monkeypatch.setattr("regimens.core.imports.importlib.import_module", lambda name: looked.append(gc.isenabled()))
    import_packages(PACKAGE)
    assert looked == [False]


def test_a_missing_package_raises_and_looking_goes_on() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_packages("no_such_package")
    assert gc.isenabled()


def test_who_had_turned_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        import_packages(PACKAGE)
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.thorough
def test_what_torchmetrics_alone_wants_of_scipy_is_put_off_and_is_there_when_asked_for() -> None:
    code = """
import sys
from regimens.core.imports import import_packages
import_packages("torch", "pytorch_lightning")
loaded = [name for name in sys.modules if name.startswith("scipy.stats")]
import scipy.signal
from scipy.signal import convolve
print(loaded, convolve([1, 2], [3, 4]).tolist(), hasattr(scipy.signal, "hamming"), scipy.signal.windows.hann(3)[1])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] [3, 10, 8] False 1.0"
