"""A trial without training: the same numbers for the same regimen and seed, and every way to go wrong."""

import math
import os
import random
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from regimens.core.errors import Pruned
from regimens.core.hashing import digest
from regimens.core.result import Result, write
from regimens.trial.regimen import regimen_of


def run(config, directory, *, choices, study=None, on_epoch=lambda epoch, metrics: None, note="", identity=None):
    optimizer, epochs, seed = config["optimizer"], config["epochs"], config["seed"]
    misbehave(config["advice"]["fault"], study)
    noise = random.Random(f"{optimizer['name']}{seed}").gauss(0, 0.01)
    value = 0.9 - (math.log10(optimizer["lr"]) - optimizer["peak"]) ** 2 / 10 + noise + config["scheduler"]["bonus"]
    if strikes(config["advice"]["fault"], study) and config["advice"]["fault"]["kind"] == "forget":
        value = 0.1 + noise
    status = "diverged" if optimizer["lr"] > config["diverges_above"] else "completed"
    began = time.time()
    for epoch in range(1, epochs + 1):
        time.sleep(config["advice"]["pause"])
        try:
            on_epoch(epoch, {"val/accuracy": value * epoch / epochs})
        except Pruned:
            status = "pruned"
            break
    metrics = {"val/accuracy": value, "time/train": time.time(), "parameters": 10}
    metrics |= {"test/accuracy": value - 0.01} if config["test"] else {}
    regimen = regimen_of(config)
    result = Result(
        status=status, name="fake", seed=seed, regimen=regimen, regimen_hash=digest(regimen),
        choices=dict(choices), study=dict(study), trial=identity.to_json(),
        metrics=metrics if status != "diverged" else {},
        provenance={"started": datetime.now(UTC).isoformat()},
        acted={"clip": {"technique": "clip=value", "acted": False, "what": "never clipped"}},
    )  # fmt: skip
    write(result, directory)
    with Path(config["paths"]["runs"], "trained.txt").open("a") as file:
        file.write(f"{directory}\n")
    with Path(config["paths"]["runs"], "shares.txt").open("a") as file:
        file.write(f"{os.environ.get('CUDA_VISIBLE_DEVICES', '')} {os.getpid()} {began} {time.time()}\n")
    return result


def warm_up(engines=()):
    """Nothing to import."""


def look_at_data(config):
    return None, None


def metrics(config):
    found = {"val/accuracy": "maximize", "time/train": "minimize", "parameters": "minimize"}
    return found | ({"test/accuracy": "maximize"} if config["test"] else {})


def run_fleet(tasks, journal=None):
    raise AssertionError("a trial without an engine is in no fleet")


def strikes(fault, study):
    return fault is not None and study["phase"] == fault["phase"] and fault["number"] in (None, study["number"])


def misbehave(fault, study):
    """`fault: {kind: ..., phase: ..., number: ...}` strikes the trials of that phase and number in every cell."""
    if not strikes(fault, study):
        return
    kind = fault["kind"]
    if kind == "raise" or (kind == "raise until" and not Path(fault["mark"]).exists()):
        raise RuntimeError("this trial does not like you\nsecond line")
    if kind == "memory":
        raise MemoryError("not enough of it")
    if kind == "hang":
        time.sleep(1000)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "kill once" and not Path(fault["mark"]).exists():
        Path(fault["mark"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
