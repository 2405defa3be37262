"""A fleet on a processor: to the last bit, a trial's numbers are those of the trial, whoever trains beside it."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import Tensor

from regimens.data.loader import Blocks
from regimens.data.split import Split
from regimens.training.ddp import Spread
from regimens.training.engines import compiler
from regimens.training.engines.apart import Apart
from regimens.training.engines.fleet import Fleet, Member, Stepping
from regimens.training.engines.inductor import Inductor
from regimens.training.engines.trace_cache import Lower, as_traced
from regimens.trial import composition
from regimens.trial.regimen import plain
from regimens.trial.settings import read_settings
from regimens.trial.single import sandbox
from tests.conftest import CONF
from tests.training.small_modules import NOT_FUNCTIONAL, SHARPER

GROUPS = ("activation", "norm", "regularization", "clip", "optimizer", "scheduler", "average")
CATALOGUE = sorted(
    f"{group}={path.stem}"
    for group in GROUPS
    for path in (CONF / group).glob("*.yaml")
    if path.stem not in NOT_FUNCTIONAL
)
# What leaves the finite numbers at the optimiser's own learning rate.
SLOWER = {"activation=exponential": SHARPER["activation=exponential"]}
# Each of these has failed while fleets were batched: an activation's vectors, products, batch norm's units.
STANDARD = {"activation=gelu", "optimizer=nadam", "norm=batch", "regularization=dropout"}
STANDARD |= {"average=epoch", "average=ema"}
EVERY = [name if name in STANDARD else pytest.param(name, marks=pytest.mark.slow) for name in CATALOGUE]
MANY = [
    *("activation=mish", "optimizer=adamw", "norm=batch", "norm.input=true", "regularization=dropout"),
    *("regularization.l1=0.001", "regularization.max_norm=1.0", "clip=global_norm", "clip.bound=0.1"),
]
# Nothing here is a multiple of anything: vectors end within a trial, and no two trials lie alike in a batch.
BATCH, EXAMPLES, INPUTS, CLASSES, EPOCHS = 17, 23, 19, 3, 2
# No trial that diverges keeps its weights finite, and one whose rate is nearly 0 never improves by much.
DIVERGES = "optimizer.lr=1e30"

PutTogether = Callable[..., Stepping]
Bits = dict[str, Tensor]


@cache
def config(*overrides: str) -> DictConfig:
    """A small net, small steps; the last of an epoch's mini-batches is smaller than the others."""
    defaults = ["name=test", "data=digits", f"batch_size={BATCH}", f"epochs={EPOCHS}", "model.hidden=[13,7]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[*defaults, *overrides])


@cache
def split() -> Split:
    draws = torch.Generator().manual_seed(1)
    x, y = torch.randn(EXAMPLES, INPUTS, generator=draws), torch.randint(0, CLASSES, (EXAMPLES,), generator=draws)
    names = tuple("abc")
    return Split(x, y, x, y, x, y, n_inputs=INPUTS, n_outputs=CLASSES, binary=False, n_classes=CLASSES,
                 class_names=names, manifest={})  # fmt: skip


def member(seed: int, *overrides: str) -> Member:
    """A trial, its random draws its own."""
    asked = plain(config(*overrides)) | {"seed": seed}
    settings = read_settings(asked)
    with sandbox(settings):
        module = composition.build_module(asked, settings, Spread(BATCH), split()).train()
        module.configure_optimizers()
    module.data = {"train": (split().x_train, split().y_train), "val": (split().x_valid, split().y_valid)}
    return Member(module, Blocks(EXAMPLES, BATCH, seed), lambda epoch, numbers: None)


def trained(members: Sequence[Member], put_together: PutTogether = Apart) -> list[Bits]:
    """All that training leaves of each of a fleet's members, times aside."""
    shared = members[0].module.data
    for one in members:
        one.module.data = shared
    with sandbox(read_settings(plain(config()))):
        Fleet(members, EPOCHS, put_together).train()
    return [bits(one) for one in members]


def bits(one: Member) -> Bits:
    """Weights, buffers, the optimiser's state, the best weights, the history, and what acted."""
    module = one.module
    slots = {
        f"{name}'s state {i}": slot
        for name, p in module.net.named_parameters()
        for i, slot in enumerate(module._optimizer.slots(p))  # type: ignore[attr-defined]
    }
    history = {name: torch.tensor(values) for name, values in module.history.items() if name != "time"}
    best = {f"best {name}": value for name, value in (one.best.state or {}).items()}
    acted = [module.actions.clipped_share, module.actions.constrained_share, module.actions.penalty_share]
    counted = torch.tensor([*acted, module.actions.last_lr, module.actions.steps, one.waited])
    return {**dict(module.net.named_parameters()), **dict(module.net.named_buffers()), **slots, **history, **best,
            "acted": counted}  # fmt: skip


def differences(ours: Bits, theirs: Bits) -> list[str]:
    """What of two trials is not the same to the last bit."""
    assert ours.keys() == theirs.keys()
    return [name for name in ours if ours[name].numpy(force=True).tobytes() != theirs[name].numpy(force=True).tobytes()]


def assert_no_company_matters(overrides: Sequence[str], put_together: PutTogether = Apart) -> None:
    """One trial: by itself, first of two, and last, in the middle or before others of five, of whom some leave."""
    make = partial(member, 0, *overrides)
    others = [partial(member, seed, *overrides, *more) for seed, more in ((1, []), (2, []), (3, [DIVERGES]), (4, []))]
    (alone,) = trained([make()], put_together)
    assert all(bool(value.isfinite().all()) for value in alone.values())
    fleets = {
        "first of two": ([make, others[0]], 0),
        "last of five": ([*others, make], 4),
        "second of five": ([others[3], make, others[1], others[2], others[0]], 1),
        "left by all": ([others[2], make, others[2]], 1),
    }
    for name, (fleet, place) in fleets.items():
        assert differences(trained([one() for one in fleet], put_together)[place], alone) == [], name


@pytest.mark.parametrize("technique", EVERY)
@pytest.mark.thorough
def test_a_trials_bits_are_the_same_in_any_company_and_in_none(technique: str) -> None:
    assert_no_company_matters([technique, *SLOWER.get(technique, [])])


@pytest.mark.thorough
def test_techniques_together_leave_a_trials_bits_its_own() -> None:
    assert_no_company_matters(MANY)


def test_company_of_another_schedule_leaves_a_trials_bits_its_own() -> None:
    (alone,) = trained([member(0, "optimizer=nadam")])
    together, _ = trained([member(0, "optimizer=nadam"), member(1, "optimizer=nadam", "scheduler=cosine")])
    assert differences(together, alone) == []


@pytest.mark.slow
@pytest.mark.skipif(compiler.find() is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("overrides", [["activation=gelu", "optimizer=nadam", "norm=layer"], MANY])
def test_compiled_a_trials_bits_are_the_same_in_any_company(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    inductor = Inductor(tmp_path)
    assert_no_company_matters(overrides, partial(Apart, lower=lambda size: inductor))


@pytest.mark.slow
@pytest.mark.skipif(compiler.find() is None, reason="needs a C++ compiler")
def test_compiled_and_traced_steps_differ_in_rounding_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    inductor = Inductor(tmp_path)
    (traced,), (compiled,) = (
        trained([member(0, "activation=gelu")], partial(Apart, lower=lambda size, lower=lower: lower))
        for lower in (as_traced, inductor)
    )
    assert differences(traced, compiled), "nothing need tell them apart any more"
    for name, value in traced.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-3, atol=1e-5)


def test_a_shapes_step_is_compiled_once_whatever_the_fleet_and_each_size_as_it_says() -> None:
    seen: list[int] = []

    def lower(function: Callable[..., Any], inputs: Sequence[Tensor]) -> Any:
        seen.append(len(inputs[0]))
        return as_traced(function, inputs)

    def lowers(size: int) -> Lower:
        return lower if size == BATCH else as_traced

    together = [partial(Apart, lower=lowers) for _ in range(2)]
    for seeds, one in zip(([1], [1, 2, 3]), together, strict=True):
        fleet = Fleet([member(seed, "activation=tanh") for seed in seeds], EPOCHS, one)
        fleet.train()
        assert fleet.how == "compiled"
    assert seen == [BATCH]


def test_what_cannot_be_compiled_is_traced_and_says_why() -> None:
    def broken(function: Callable[..., Any], inputs: Sequence[Tensor]) -> Any:
        raise RuntimeError("no such thing")

    fleet = Fleet([member(1), member(2)], EPOCHS, partial(Apart, lower=lambda size: broken))
    fleet.train()
    assert fleet.how == "traced; cannot be compiled: no such thing"
