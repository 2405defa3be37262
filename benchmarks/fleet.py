"""The digits net (64-300-100-10, batch 32): 32 trials as one fleet against one at a time, one thread, in turn."""

import json
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRIALS, STEPS, ROUNDS, TARGET = 32, 64, 5, 3.0


def main() -> int:
    """Print and write trials a second, fleet over plain; status 1 where the target is missed."""
    import torch
    from hydra import compose, initialize_config_dir

    from regimens import trial
    from regimens.data.loader import Blocks
    from regimens.provenance import cores, processor, versions
    from regimens.training.fleet import Fleet
    from regimens.training.module import Regimen

    torch.set_num_threads(1)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        overrides = ["name=bench", "data=digits", "activation=selu", "init=lecun_normal", f"paths.root={ROOT}"]
        config = trial.plain(compose("train", overrides=overrides))
    split = trial.load_data(config)

    def ready(seed: int) -> Regimen:
        module = trial.compose(config, trial.read_settings({**config, "seed": seed}), split)
        module.train()
        module.configure_optimizers()
        module.on_train_epoch_start()
        return module

    def order(seed: int) -> list[torch.Tensor]:
        blocks = Blocks(len(split.y_train), 32, seed, STEPS)
        batches = [batch for _ in range(4) for block in blocks for batch in block if len(batch) == 32]
        return batches[:STEPS]

    orders = [order(seed) for seed in range(TRIALS)]
    rounds = []
    for _ in range(ROUNDS + 1):
        plain, together = [ready(seed) for seed in range(TRIALS)], [ready(seed) for seed in range(TRIALS)]
        start = time.perf_counter()
        for module, batches in zip(plain, orders, strict=True):
            module.training_step(batches, 0)
        middle = time.perf_counter()
        fleet = Fleet([module._job() for module in together], range(TRIALS))
        for step in range(STEPS):
            fleet.step(torch.stack([batches[step] for batches in orders]))
        fleet.save()
        rounds.append((middle - start) / (time.perf_counter() - middle))
    ratio = statistics.median(rounds[1:])
    result = {"machine": f"{processor()}, {cores()} cores", "versions": versions(), "load": os.getloadavg()}
    result |= {"trials": TRIALS, "steps": STEPS, "ratios": rounds[1:], "ratio": ratio, "target": TARGET}
    path = ROOT / "benchmarks" / "results" / "fleet.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    verdict = "met" if ratio >= TARGET else "MISSED"
    print(f"fleet of {TRIALS}: {ratio:.2f} x the plain path's trials a second  >= {TARGET}  {verdict}")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
