"""Seeded, invented study tables in the schema that the study room writes; the report's tests rest on them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from regimens.report.rejudged import rejudged

PROVENANCE = {
    "code": {"revision": "0123abc", "dirty": False},
    "data": {"dataset": "fashion_mnist", "hash": "9f86d081", "sizes": {"train": 55000, "test": 10000}},
    "versions": {"python": "3.11.9", "torch": "2.13.0"},
    "hardware": {"processor": "a processor", "cores": 2, "memory_gib": 8, "gpus": []},
    "threads": 1,
    "engine": "eager",
}
OPTIMIZERS = {
    "sgd": 0.871, "momentum": 0.884, "nesterov": 0.885, "adagrad": 0.876,
    "rmsprop": 0.886, "adam": 0.8925, "adamax": 0.889, "nadam": 0.893,
}  # fmt: skip


def trial(
    rng: np.random.Generator, study: str, cell: Mapping[str, Any], seed: int, level: float, phase: str = "final",
    epochs: int = 6, status: str = "completed", sd: float = 0.002, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """One trial's result whose accuracy scatters around `level`."""
    end = float(np.clip(level + rng.normal(0, sd), 0, 1))
    curve = [end - 0.12 * math.exp(-0.9 * e) + float(rng.normal(0, 0.001)) for e in range(1, epochs + 1)]
    rate = more.pop("lr", [0.01] * epochs)
    done = status == "completed"
    history = {
        "epoch": list(range(1, epochs + 1)), "val/accuracy": curve, "val/loss": [1.2 - c for c in curve],
        "train/accuracy": [c + 0.01 * e for e, c in enumerate(curve)], "train/loss": [1.1 - c for c in curve],
        "lr": rate, "lr/first": [rate[0], *rate[:-1]], "time": [2.0 * e for e in range(1, epochs + 1)],
    }  # fmt: skip
    metrics = {"val/accuracy": curve[-1], "train/accuracy": curve[-1] + 0.03, "time/train": 12.5, "parameters": 266610}
    if phase == "final":
        metrics["test/accuracy"] = end
    return {
        "schema": 1, "status": status, "name": study, "seed": seed, "regimen": {}, "regimen_hash": "x", "choices": {},
        "study": {"name": study, "id": "abc", "cell": dict(cell), "phase": phase, "number": seed, "params": {}},
        "metrics": metrics if done else {}, "history": history if done else {}, "acted": {}, "advice": [],
        "gradient_flow": None, "durations": {"setup": 0.5, "train": 12.5, "evaluate": 0.4},
        "provenance": PROVENANCE, "error": None, **more,
    }  # fmt: skip


def row(cell: Mapping[str, Any], trials: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A cell's row but for its statistics, which `table` adds."""
    own = [t for t in trials if t["study"]["cell"] == dict(cell)]
    tuning = [t["metrics"]["val/accuracy"] for t in own if t["study"]["phase"] == "tuning" and t["metrics"]]
    return {
        "cell": dict(cell), "label": ",".join(f"{axis}={value}" for axis, value in cell.items()),
        "best_params": {"optimizer.lr": 0.003}, "edge_flags": {}, "default_params": {}, "n_trials": len(own),
        "n_failed": 0, "n_diverged": 0, "best_of_n": [max(tuning[: i + 1]) for i in range(len(tuning))],
        "never_acted": [], **more,
    }  # fmt: skip


def table(
    name: str, question: str, cells: list[dict[str, Any]], trials: list[dict[str, Any]], **about: Any
) -> dict[str, Any]:
    """A whole study table, with the statistics that a study's export computes, by the same functions."""
    study = {
        "name": name, "id": "abc", "question": question, "compared": [], "tuned": ["optimizer.lr"],
        "budget": 4, "seeds": 5, "metric": "val/accuracy", "direction": "maximize", "reference": cells[0]["label"],
        "margin": 0.005, "definition": {}, "look": 1, "looks": 1, **about,
    }  # fmt: skip
    return rejudged({"study": study, "cells": cells, "trials": trials, "provenance": PROVENANCE})


def grid(
    rng: np.random.Generator, name: str, question: str, levels: Mapping[tuple[tuple[str, Any], ...], float],
    seeds: int = 5, tuning: int = 4, **about: Any,
) -> dict[str, Any]:  # fmt: skip
    """A study with one cell per entry of `levels` ((axis, value) pairs -> accuracy level)."""
    trials: list[dict[str, Any]] = []
    for pairs, level in levels.items():
        trials += [trial(rng, name, dict(pairs), i, level - 0.01, "tuning", sd=0.01) for i in range(tuning)]
        trials += [trial(rng, name, dict(pairs), s, level) for s in range(1, seeds + 1)]
    return table(name, question, [row(dict(p), trials) for p in levels], trials, **about)


def _schedules(rng: np.random.Generator) -> dict[str, Any]:
    rates = {
        "constant": [0.01] * 6, "exp": [0.01 * 0.7**e for e in range(6)], "plateau": [0.02] * 6,
        "onecycle": [0.02, 0.05, 0.05, 0.02, 0.005, 0.0001],
    }  # fmt: skip
    name, trials = "schedules", []
    for i, (option, lr) in enumerate(rates.items()):
        trials += [trial(rng, name, {"scheduler": option}, s, 0.885 + 0.002 * i, lr=lr) for s in range(1, 6)]
    cells = [row({"scheduler": option}, trials) for option in rates]
    cells[2]["never_acted"] = ["scheduler=plateau"]
    cells[3]["edge_flags"] = {"optimizer.lr": "high"}
    return table(name, "Which schedule of the learning rate pays?", cells, trials)


def _depth(rng: np.random.Generator) -> dict[str, Any]:
    name, trials = "depth", []
    recipes = {"sigmoid": 0.1, "selu": 0.87}
    for recipe, level in recipes.items():
        slope = 0.25 if recipe == "sigmoid" else 0.97
        norms = [[0.3 * slope ** (19 - layer) * (1 + 0.1 * e) for layer in range(20)] for e in range(4)]
        flow = {"layers": [f"dense {i + 1}" for i in range(20)], "epochs": [1, 2, 3, 4], "gradient_norm": norms}
        trials += [trial(rng, name, {"activation": recipe}, s, level, gradient_flow=flow) for s in range(1, 6)]
    trials.append(trial(rng, name, {"activation": "sigmoid"}, 9, 0.1, status="diverged"))
    cells = [row({"activation": recipe}, trials) for recipe in recipes]
    cells[0]["n_diverged"] = 1
    return table(name, "Why does a 20-layer net not train, and what cures it?", cells, trials)


def _regularizers(rng: np.random.Generator) -> dict[str, Any]:
    name, trials = "regularizers", []
    for i, option in enumerate(("none", "l1", "l2", "dropout", "max_norm")):
        acted = (
            {"penalty": {"technique": option, "acted": True, "what": "", "zero_share": 0.2 * i}} if i in (1, 2) else {}
        )
        trials += [trial(rng, name, {"regularization": option}, s, 0.88 + 0.001 * i, acted=acted) for s in range(1, 6)]
    cells = [row({"regularization": o}, trials) for o in ("none", "l1", "l2", "dropout", "max_norm")]
    return table(name, "Which regulariser closes the gap?", cells, trials)


def _transfer(rng: np.random.Generator, fewer: bool = False) -> dict[str, Any]:
    name, trials = "transfer_ab", []
    cells = [{"transfer": "none"}, *({"transfer": f"a-{i}"} for i in (1, 2, 3))]
    for cell in cells:
        level = 0.980 if cell["transfer"] == "none" else 0.988
        trials += [trial(rng, name, cell, s, level, sd=0.005) for s in range(1, 4 if fewer else 21)]
    rows = [row(cell, trials) for cell in cells]
    return table(name, "Does a net that was trained on task A learn task B better?", rows, trials, tuned=[])


def _pairs(rng: np.random.Generator) -> dict[str, Any]:
    levels = {}
    for i in range(10):
        for j in range(i + 1, 10):
            for option, gain in (("none", 0.0), ("from_a", 0.01)):
                levels[(("task.b_classes", f"[{i},{j}]"), ("transfer", option))] = 0.96 + 0.003 * (i - 4) * gain * 50
    levels = {k: v + (0.01 if ("transfer", "from_a") in k else 0.0) for k, v in levels.items()}
    return grid(rng, "transfer_pairs", "For which pairs of classes does transfer help?", levels, seeds=2, tuning=0)


def _parity(rng: np.random.Generator) -> dict[str, Any]:
    levels = {(("experiment", k),): v for k, v in (("leaky_relu", 0.84), ("prelu", 0.86), ("b_scratch", 0.98))}
    return grid(rng, "parity", "Do the published numbers come out again?", levels, tuning=0)


def write_all(folder: Path) -> Path:
    """Write every synthetic study, a broken file and an empty study into `folder`; return it."""
    rng = np.random.default_rng(7)
    init = {
        (("init", i), ("activation", a)): 0.86 + 0.004 * x - 0.003 * y
        for x, i in enumerate(("glorot_uniform", "he_normal", "lecun_normal"))
        for y, a in enumerate(("relu", "tanh", "selu", "elu"))
    }
    optimizers = {(("optimizer", o),): v for o, v in OPTIMIZERS.items()}
    recipes = {(("recipe", "default_dnn"),): 0.891, (("recipe", "self_normalizing"),): 0.891}
    made = [
        grid(rng, "optimizers", "Which optimiser learns best?", optimizers),
        grid(rng, "initializers", "Which initialisation suits which activation?", init, tuning=0),
        grid(rng, "recipes", "Which of the two recommended recipes?", recipes),
        _schedules(rng), _depth(rng), _regularizers(rng), _transfer(rng), _pairs(rng), _parity(rng),
        {"study": {"name": "empty", "question": "An empty study"}, "cells": [], "trials": [], "provenance": {}},
    ]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for one in made:
        (folder / f"{one['study']['name']}.json").write_text(json.dumps(one))
    (folder / "broken.json").write_text('{"study": ')
    return folder
