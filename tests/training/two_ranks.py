"""One of two ranks (`two_ranks.py RANK STORE`); rank 0 prints how far two ranks come from one process, case by case."""

import json
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from hydra import compose, initialize_config_dir

from regimens.data.loader import Blocks
from regimens.data.split import Split
from regimens.training.ddp import Spread
from regimens.trial import composition
from regimens.trial.regimen import plain
from regimens.trial.settings import read_settings

CONF = Path(__file__).parents[2] / "conf"
N, BATCH = 8 * 12 + 1, 8  # the last mini-batch has one sample, so that one rank gets none
CASES = {
    "sgd": [],
    "nadam": ["optimizer=nadam"],
    "binary, momentum, warm-up": ["task=b", "optimizer=momentum", "scheduler=exp_step", "scheduler.warmup=5"],
    "clip": ["clip=global_norm", "clip.bound=0.1"],
    "l2": ["regularization=l2", "regularization.l2=0.1"],
    "max norm": ["regularization=max_norm", "regularization.max_norm=0.5"],
    "batch norm": ["norm=batch", "norm.input=true", "probe=gradients"],
    "average, batch norm": ["average=ema", "norm=batch", "optimizer=adam"],
    "batch norm before, nadam, l1_l2, clip": [
        *("norm=batch", "norm.position=before", "optimizer=nadam", "regularization=l1_l2", "clip=norm"),
    ],
}


@cache
def configuration(*overrides: str) -> dict[str, Any]:
    defaults = ["name=test", "data=digits", f"batch_size={BATCH}", "epochs=2", "model.hidden=[12,9]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose("train", overrides=[*defaults, *overrides]))


def train(overrides: list[str], spread: Spread, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Two epochs, once over the validation set: all numbers that can be watched, and the final state."""
    config = configuration(*overrides)
    generator = torch.Generator().manual_seed(1)
    binary = "task=b" in overrides
    x, y = torch.randn(N, 20, generator=generator, dtype=dtype), torch.randint(0, 2, (N,), generator=generator)
    parts = (x, y.to(dtype) if binary else y) * 3
    outputs = 1 if binary else 3
    split = Split(*parts, n_inputs=20, n_outputs=outputs, binary=binary, n_classes=3, class_names=(), manifest={})
    module = composition.build_module(config, read_settings(config), spread, split).to(dtype).train()
    torch.manual_seed(5)
    module.group.begin(module.net)
    module.configure_optimizers()
    sums = []
    blocks = Blocks(N, spread.effective_batch, 3, 5)
    for _ in range(2):
        module.on_train_epoch_start()
        for index, indices in enumerate(blocks):
            module.training_step(indices, index)
        module.probe.end_epoch()
        sums.append(module._sums / N)
    module.on_validation_epoch_start()
    with torch.no_grad():
        module.eval()
        for whole in torch.arange(N).split(32):
            module.validation_step(whole, 0)
    sums += [module.group.sum(module._valid) / N, torch.tensor([module.actions.clipped_share])]
    flow = module.probe.report() or {"epochs": []}
    sums += [torch.tensor(value, dtype=torch.float64) for name, value in flow.items() if name != "layers"]
    state = torch.cat([value.flatten() for value in module.judged.state_dict().values()])
    return torch.cat([one.flatten().double() for one in sums]), state.double()


def main(rank: int, store: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    told = {}
    for name, overrides in CASES.items():
        one = train(overrides, Spread(BATCH), torch.float64)
        two = train(overrides, Spread(BATCH, 2), torch.float64)
        told[name] = [float((a - b).abs().max()) for a, b in zip(one, two, strict=True)]
    one = train(["norm=batch"], Spread(BATCH), torch.float32)
    two = train(["norm=batch"], Spread(BATCH, 2), torch.float32)
    told["single precision"] = [float((one[0] - two[0]).abs().max()), 0.0]
    synced = two[0]
    one = train(["optimizer.lr=0.02"], Spread(BATCH), torch.float64)
    two = train([f"batch_size={BATCH // 2}"], Spread(BATCH // 2, 2, "per_device", "linear"), torch.float64)
    told["per device, scaled"] = [float((a - b).abs().max()) for a, b in zip(one, two, strict=True)]
    apart, _ = train(["norm=batch"], Spread(BATCH, 2, sync_batchnorm=False), torch.float32)
    differ = bool(apart.isfinite().all()) and not torch.allclose(apart, synced)
    masks = train(["regularization=dropout"], Spread(BATCH, 2), torch.float64)
    states: list[torch.Tensor] = [torch.empty_like(masks[1]) for _ in range(2)]
    dist.all_gather(states, masks[1])
    seeds: list[object] = [None, None]
    dist.all_gather_object(seeds, torch.initial_seed())
    if rank == 0:
        print(json.dumps({"cases": told, "apart": differ, "ranks agree": torch.equal(*states), "seeds": seeds}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
