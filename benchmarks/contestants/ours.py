"""Ours, inside `Trainer.fit`, metrics and progress on: argv = folder case engine. An epoch is the fit's second."""

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from hydra import compose, initialize_config_dir
from turns import L2, MAX_NORM, RATE, arrays, serve

CONF = Path(__file__).resolve().parents[2] / "conf"
CASES = {
    "sgd": ["optimizer=sgd"],
    "nadam": ["optimizer=nadam"],
    "regularised": [
        *("norm=batch", "regularization=dropout", f"regularization.dropout={RATE}"),
        *(f"regularization.l2={L2}", f"regularization.max_norm={MAX_NORM}"),
    ],
    "cnn": ["optimizer=sgd", "model=cnn", "init=he_normal"],
}
# The perceptron of the other cases.
SELU = ["activation=selu", "init=lecun_normal"]

if __name__ == "__main__":
    folder, case, engine = sys.argv[1:]
    import torch

    from regimens.core import terminal
    from regimens.data.split import Split
    from regimens.trial import composition, fitting
    from regimens.trial.single import sandbox
    from regimens.trial.task import Task, begin

    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(folder).parent / "compiled"))
    overrides = ["name=bench", "epochs=2", f"engine={engine}", *CASES[case], *([] if case == "cnn" else SELU)]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=overrides)
    x, y, x_valid, y_valid = (torch.from_numpy(part) for part in arrays(folder))
    parts = (x, y, x_valid, y_valid, x_valid, y_valid)
    split = Split(*parts, n_inputs=784, n_outputs=10, binary=False, n_classes=10, class_names=(), manifest={})
    split = replace(split, inputs=SimpleNamespace(shape=(28, 28)))

    def epoch() -> tuple[float, float]:
        """Seconds and processor seconds of the second epoch, validation included."""
        ends = []

        def note(epoch: int, numbers: dict[str, float]) -> None:
            ends.append((time.perf_counter(), time.process_time()))
            show(epoch, numbers)

        with tempfile.TemporaryDirectory() as directory, terminal.progress(2) as show:
            one = begin(Task(config, Path(directory), {}, on_epoch=note))
            with sandbox(one.settings):
                module = composition.build_module(one.config, one.settings, one.spread, split)
                fitting.fit(module, one, split)
        if module.engine.name != engine:
            raise RuntimeError(module.engine.note)
        return ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]

    serve(epoch)
