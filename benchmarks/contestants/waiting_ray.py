"""Ray Tune over trials that only wait: argv = trials workers seconds directory."""

import sys
import time
from typing import Any

import ray
from ray import tune


def wait(config: dict[str, Any]) -> dict[str, float]:
    """Use no processor."""
    time.sleep(config["seconds"])
    return {"value": config["x"]}


if __name__ == "__main__":
    trials, workers, seconds, directory = sys.argv[1:]
    ray.init(num_cpus=int(workers), include_dashboard=False)
    tuner = tune.Tuner(
        tune.with_resources(wait, {"cpu": 1}),
        param_space={"seconds": float(seconds), "x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(metric="value", mode="max", num_samples=int(trials)),
        run_config=tune.RunConfig(storage_path=directory, verbose=0),
    )
    results = tuner.fit()
    if len(results) != int(trials) or results.errors:
        sys.exit(f"{len(results)} results, errors: {results.errors[:1]}")
