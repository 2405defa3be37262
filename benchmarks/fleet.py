"""The digits net (64-300-100-10, batch 32): 32 trials as one fleet against one at a time, one thread, in turn."""

import sys
import time

from shared import ROOT, Figure, publish

TRIALS, STEPS, ROUNDS, TARGET = 32, 64, 5, 3.0


def main() -> int:
    """Print and write trials a second, fleet over plain; status 1 where the target is missed."""
    import torch
    from hydra import compose, initialize_config_dir

    from regimens import trial
    from regimens.data.loader import Blocks
    from regimens.training.ddp import Spread
    from regimens.training.module import Regimen
    from regimens.training.stacked import Stacked

    torch.set_num_threads(1)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        overrides = ["name=bench", "data=digits", "activation=selu", "init=lecun_normal", f"paths.root={ROOT}"]
        config = trial.plain(compose("train", overrides=overrides))
    split = trial.load_data(config)

    def ready(seed: int) -> Regimen:
        module = trial.compose(config, trial.read_settings({**config, "seed": seed}), Spread(32), split)
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
        generators = [torch.Generator().manual_seed(seed) for seed in range(TRIALS)]
        fleet = Stacked([module.job() for module in together], generators)
        fleet.run([torch.stack([batches[step] for batches in orders]) for step in range(STEPS)])
        for i in range(TRIALS):
            fleet.save(i)
        rounds.append((middle - start) / (time.perf_counter() - middle))
    figure = Figure(f"fleet of {TRIALS}: trials a second over the plain path's", rounds[1:], TARGET, at_least=True)
    return publish("fleet", [figure], {}, trials=TRIALS, steps=STEPS)


if __name__ == "__main__":
    sys.exit(main())
