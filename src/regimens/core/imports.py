"""Import slow packages faster: the garbage collector paused, and one that nobody uses put off."""

import gc
import importlib.util
import sys
from typing import Any

from regimens.core.process import without_collector

# torchmetrics imports it, which takes a fifth as long as all of Lightning, to give it a name that an old package wants.
PUT_OFF, LACKING = "scipy.signal", "hamming"


def import_packages(*packages: str) -> None:
    """Import `packages` with the garbage collector paused, and keep their objects out of later collections (gc.freeze).

    Collecting among half a million imported objects takes a fifth of the import time, and a second at exit.
    """
    if all(package in sys.modules for package in packages):
        return
    with without_collector():
        try:
            if "pytorch_lightning" in packages and PUT_OFF not in sys.modules:
                _put_off()
            for package in packages:
                importlib.import_module(package)
        finally:
            gc.freeze()


def _put_off() -> None:
    """Have PUT_OFF loaded when somebody asks for a name in it, but for LACKING, which it then lacks as ever.

    (`importlib.util.LazyLoader` would load it when asked for LACKING.)
    """
    spec = importlib.util.find_spec(PUT_OFF)
    if spec is None or spec.loader is None:
        return
    loader, module = spec.loader, importlib.util.module_from_spec(spec)

    def load(name: str) -> Any:
        del module.__getattr__, module.__dict__[LACKING]
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[PUT_OFF]  # as after any import that failed
            raise
        return getattr(module, name)

    vars(module).update({"__getattr__": load, LACKING: None})
    sys.modules[PUT_OFF] = module
