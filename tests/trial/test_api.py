import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file

from regimens.core.errors import Pruned, UserError
from regimens.core.result import read
from regimens.inference import predict
from regimens.training.engines import compiler
from regimens.trial import single
from regimens.trial.composition import build_module, load_data
from regimens.trial.regimen import plain
from tests.conftest import Compose, Train


def test_a_trial_leaves_its_configuration_its_result_and_its_weights(train: Train, tmp_path: Path) -> None:
    result = train("optimizer=nadam", "scheduler=exp", "clip=norm")
    files = sorted(path.name for path in (tmp_path / "trial").iterdir())
    assert files == ["best.safetensors", "config.yaml", "final.safetensors", "inputs.safetensors", "result.json"]
    assert read(tmp_path / "trial").to_json() == result.to_json()
    assert result.choices["optimizer"] == "nadam"
    assert result.history["epoch"] == [1.0, 2.0]
    assert {"val/loss", "val/accuracy", "train/loss", "time/train", "parameters"} <= set(result.metrics)
    assert {"code", "versions", "hardware", "data", "threads", "engine", "started"} <= set(result.provenance)
    assert len(result.provenance["data"]["hash"]) == 64


def test_the_same_command_gives_the_same_numbers_to_the_last_bit(train: Train, tmp_path: Path) -> None:
    technique = ("regularization=dropout", "optimizer=adam", "activation=rrelu", "norm=batch")
    one, two = train(*technique, into="one"), train(*technique, into="two")
    timeless = [
        {key: value for key, value in result.metrics.items() if not key.startswith("time")} for result in (one, two)
    ]
    assert timeless[0] == timeless[1]
    assert {k: v for k, v in one.history.items() if k != "time"} == {
        k: v for k, v in two.history.items() if k != "time"
    }
    weights = [load_file(tmp_path / name / "final.safetensors") for name in ("one", "two")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.parametrize("job", [{}, {"SLURM_JOB_NAME": "workers", "SLURM_NTASKS": "2", "SLURM_PROCID": "1"}])
def test_a_trial_on_a_cluster_is_one_process_whatever_its_job_is(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: dict[str, str]
) -> None:
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(srun.parent), prepend=":")
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    assert train().status == "completed"


def test_what_other_installed_packages_offer_to_every_trainer_is_no_part_of_a_trial(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines with one lock would else train two things under one name."""
    from pytorch_lightning import Callback, Trainer
    from pytorch_lightning.plugins.environments import LightningEnvironment
    from pytorch_lightning.trainer.connectors import callback_connector as connector

    class Stranger(Callback):
        def setup(self, *_: object, **__: object) -> None:
            raise AssertionError("a stranger takes part")

    monkeypatch.setattr(connector, "_load_external_callbacks", lambda group: [Stranger()])
    assert train().status == "completed"
    trainer = Trainer(logger=False, plugins=[LightningEnvironment()])  # else it warns where SLURM is installed
    assert any(isinstance(one, Stranger) for one in trainer.callbacks)  # the name means this, and is back


def test_another_seed_gives_other_weights_and_global_streams_stay_untouched(train: Train, tmp_path: Path) -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train("seed=1", "regularization=dropout", into="one")
    train("seed=2", "regularization=dropout", into="two")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    weights = [load_file(tmp_path / name / "final.safetensors")["layers.0.linear.weight"] for name in ("one", "two")]
    assert not torch.equal(*weights)


def test_streams_are_separate_so_that_dropout_changes_neither_initial_weights_nor_batches(composed: Compose) -> None:
    from regimens.training.ddp import Spread
    from regimens.trial.settings import read_settings

    nets = []
    for overrides in ([], ["regularization=dropout"], ["optimizer=adam"]):
        config = plain(composed(*overrides)[0])
        settings = read_settings(config)
        module = build_module(config, settings, Spread(settings.batch_size), load_data(config))
        nets.append(module.net.state_dict())
    for other in nets[1:]:
        assert all(torch.equal(nets[0][key], other[key]) for key in nets[0])


@pytest.mark.parametrize("average", ["none", "epoch", "ema"])
@pytest.mark.parametrize("engine", ["eager", "compiled"])
@pytest.mark.thorough
def test_what_is_said_of_validation_is_true_of_the_weights_that_are_kept(
    train: Train, average: str, engine: str, tmp_path: Path
) -> None:
    if engine == "compiled" and compiler.find() is None:
        pytest.skip("no C++ compiler")
    for restore in ("last", "best"):
        own = ("norm=batch", "regularization=l2", "optimizer.lr=0.3", "epochs=4", f"restore={restore}")
        result = train(*own, f"average={average}", f"engine={engine}", into=restore)
        split = load_data(plain(OmegaConf.load(tmp_path / restore / "config.yaml")))
        weights = load_file(tmp_path / restore / "final.safetensors").values()
        penalty = result.regimen["regularization"]["l2"] * sum(one.square().sum() for one in weights if one.ndim > 1)
        with torch.no_grad():
            logits = predict.load(tmp_path / restore, "final").net(split.x_valid)
            told = torch.nn.functional.cross_entropy(logits, split.y_valid) + penalty
        assert result.metrics["val/loss"] == pytest.approx(float(told), rel=1e-5)
        assert result.metrics["val/accuracy"] == float((logits.argmax(1) == split.y_valid).double().mean())
        losses = result.history["val/loss"]
        assert result.metrics["epoch"] == (4 if restore == "last" else 1 + losses.index(min(losses)))


@pytest.mark.thorough
def test_averaged_weights_are_judged_and_kept_and_the_last_ones_are_trained(train: Train, tmp_path: Path) -> None:
    alone = train("norm=batch", "test=true", into="none")
    averaged = train("norm=batch", "test=true", "average=epoch", into="epoch")
    for name in ("train/loss", "train/accuracy", "lr"):
        assert averaged.history[name] == alone.history[name]
    assert averaged.history["val/loss"] != alone.history["val/loss"]
    assert averaged.metrics["test/loss"] != alone.metrics["test/loss"]
    assert averaged.acted["average"]["distance"] > 0
    assert averaged.regimen == {**alone.regimen, "average": averaged.regimen["average"]}
    x = load_data(plain(OmegaConf.load(tmp_path / "epoch" / "config.yaml"))).x_valid
    loaded = {name: predict.load(tmp_path / "epoch", name) for name in ("final", "best")}
    assert all(bool(model.net(x).isfinite().all()) for model in loaded.values())
    weights = {name: load_file(tmp_path / name / "final.safetensors") for name in ("none", "epoch")}
    assert weights["none"].keys() == weights["epoch"].keys()
    far = torch.linalg.vector_norm(vector(weights["none"]) - vector(weights["epoch"]))
    assert float(far / torch.linalg.vector_norm(vector(weights["none"]))) == pytest.approx(
        averaged.acted["average"]["distance"], rel=1e-5
    )


def vector(weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """All parameters, without batch norm's running statistics."""
    return torch.cat([value.flatten() for key, value in sorted(weights.items()) if "running" not in key])


@pytest.mark.parametrize("average", ["none", "epoch"])
@pytest.mark.thorough
def test_any_regimen_can_end_with_the_weights_of_its_best_epoch(train: Train, tmp_path: Path, average: str) -> None:
    overrides = ("optimizer.lr=2.0", "epochs=8", f"average={average}", "test=true")
    last, best = train(*overrides, into="last"), train(*overrides, "restore=best", into="best")
    assert last.history["val/loss"] == best.history["val/loss"]
    epoch = best.metrics["epoch"]
    losses = best.history["val/loss"]
    assert epoch == losses.index(min(losses)) + 1 < best.metrics["epochs"]  # type: ignore[type-var,operator]
    assert last.metrics["epoch"] == last.metrics["epochs"] == best.metrics["epochs"] == 8
    for result, at in ((best, int(epoch)), (last, 8)):
        for name in ("train/loss", "train/accuracy", "val/accuracy"):
            assert result.metrics[name] == result.history[name][at - 1]
        assert result.metrics["val/loss"] == pytest.approx(result.history["val/loss"][at - 1], rel=1e-6)
    files = {into: load_file(tmp_path / into / "final.safetensors") for into in ("last", "best")}
    kept = load_file(tmp_path / "last" / "best.safetensors")
    assert all(torch.equal(files["best"][key], value) for key, value in kept.items())
    assert not all(torch.equal(files["last"][key], value) for key, value in kept.items())


@pytest.mark.thorough
def test_patience_as_a_share_is_that_many_epochs(train: Train) -> None:
    base = ("regularization=early_stopping", "optimizer.lr=5", "epochs=12")
    share = train(*base, "regularization.patience=20%", into="share")
    epochs = train(*base, "regularization.patience=3", into="epochs")
    assert share.history["val/loss"] == epochs.history["val/loss"]
    assert share.metrics["epochs"] == epochs.metrics["epochs"] < 12  # type: ignore[operator]


def test_the_test_set_is_read_only_on_request(train: Train) -> None:
    assert "test/accuracy" not in train().metrics
    assert "test/accuracy" in train("test=true", into="other").metrics


def test_early_stopping_restores_the_best_weights(train: Train, tmp_path: Path) -> None:
    result = train("regularization=early_stopping", "regularization.patience=1", "optimizer.lr=5", "epochs=30")
    losses = result.history["val/loss"]
    assert result.metrics["epochs"] == len(losses) < 30
    assert result.metrics["val/loss"] == pytest.approx(min(losses), rel=1e-6)  # type: ignore[type-var]
    final, best = (load_file(tmp_path / "trial" / f"{name}.safetensors") for name in ("final", "best"))
    assert all(torch.equal(final[key], best[key]) for key in final)


def test_a_diverged_trial_ends_at_once_and_says_so(train: Train) -> None:
    result = train("optimizer.lr=1000000000000", "activation=linear", "epochs=5")
    assert result.status == "diverged"
    assert result.metrics["epochs"] < 5  # type: ignore[operator]
    json.dumps(result.to_json(), allow_nan=False)


def test_a_pruned_trial_keeps_what_it_had(train: Train) -> None:
    def stop(epoch: int, numbers: dict[str, float]) -> None:
        if epoch == 2:
            raise Pruned

    result = train("epochs=5", on_epoch=stop)
    assert result.status == "pruned"
    assert result.history["epoch"] == [1.0, 2.0]


def test_ctrl_c_leaves_no_result(train: Train, tmp_path: Path) -> None:
    def interrupt(epoch: int, numbers: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(on_epoch=interrupt)
    assert not (tmp_path / "trial" / "result.json").exists()


def test_a_worker_that_runs_many_trials_keeps_no_data_but_the_last_ones(train: Train) -> None:
    import gc
    import weakref

    import regimens.data

    seen: list[weakref.ref[torch.Tensor]] = []
    original = regimens.data.load

    def load(*arguments: object, **keywords: object) -> object:
        split = original(*arguments, **keywords)  # type: ignore[arg-type]
        seen.append(weakref.ref(split.x_train))
        return split

    gc.disable()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(regimens.data, "load", load)
            train()
            train("data.train_size=100")
    finally:
        gc.enable()
    assert [reference() is None for reference in seen] == [True, False]


def test_monte_carlo_dropout_is_reported(train: Train) -> None:
    result = train("regularization=dropout", "regularization.mc_samples=5")
    assert 0 <= result.metrics["val/mc_accuracy"] <= 1  # type: ignore[operator]
    assert result.metrics["val/mc_spread"] > 0  # type: ignore[operator]


def test_task_b_learns_from_a_frozen_then_free(train: Train, tmp_path: Path) -> None:
    train("task=a", into="a")
    before = (tmp_path / "a" / "final.safetensors").read_bytes()
    b = ("task=b", "transfer=from_a", f"transfer.checkpoint={tmp_path}/a", "transfer.reuse=2")
    frozen = train(*b, "transfer.freeze_epochs=2", into="frozen")
    free = train(*b, "transfer.freeze_epochs=1", "transfer.lr=0.5", into="free")
    a, stood, moved = (load_file(tmp_path / name / "final.safetensors") for name in ("a", "frozen", "free"))
    key = "layers.0.linear.weight"
    assert torch.equal(a[key], stood[key])
    assert not torch.equal(a[key], moved[key])
    assert frozen.status == free.status == "completed"
    assert free.history["lr"] == [0.01, 0.5]
    assert (tmp_path / "a" / "final.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["epochs=0"], "epochs=0: must be 1 or more"),
        (["epochs=ten"], "epochs=ten: must be a whole number"),
        (["batch_size=0"], "batch_size=0: must be 1 or more"),
        (["seed=-1"], "seed=-1: must be 0 or more"),
        (["probe=x"], "probe=x: must be one of none, gradients"),
        (["optimizer.lr=-1"], "lr=-1"),
        (["regularization.dropout=1.5"], "dropout=1.5"),
        (["clip=norm", "clip.bound=-1"], "clip.bound=-1"),
        (["model.hidden=[0]"], "model.hidden=\\[0\\]"),
        (["advice=error", "init=zeros"], "symmetry never breaks"),
        (["scheduler=exp", "scheduler.s=0"], "scheduler.s=0"),
        (["scheduler=exp", "scheduler.s=0%"], "scheduler.s=0%: as a share of the training it must be above 0%"),
        (["scheduler=piecewise", "scheduler.boundaries=[50%,200%]"], "scheduler.boundaries=200%"),
        (["scheduler.warmup=half"], "scheduler.warmup=half: must be a whole number, 0 or more, or a share"),
        (["regularization.patience=0%"], "regularization.patience=0%"),
        (["restore=first"], "restore=first: must be one of last, best"),
        (["average=epoch", "average.every=0"], "average.every=0: must be a whole number, 1 or more"),
        (["average=ema", "average.decay=1"], "average.decay=1: must be a number, at least 0 and less than 1"),
        (["task=b", "transfer=from_a"], "transfer.checkpoint is not set"),
        (["task=b", "transfer=from_a", "transfer.checkpoint=no/where", "transfer.reuse=1"], "no such run or file"),
        (["task=b", "transfer=from_a", "transfer.checkpoint=x", "transfer.reuse=9"], "the net has 2 hidden layers"),
        (["transfer=from_a", "transfer.checkpoint=x", "data.held_out=100"], "may have been trained on"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_in_one_line(train: Train, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        train(*overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x80\x04pickle.", b"\x00" * 100])
def test_a_checkpoint_that_is_no_weights_is_never_unpickled(train: Train, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a safetensors file"):
        train("task=b", "transfer=from_a", f"transfer.checkpoint={path}", "transfer.reuse=1")


def test_a_checkpoint_of_another_shape_names_both(train: Train, tmp_path: Path) -> None:
    train("task=a", "model.hidden=[12,8]", into="a")
    with pytest.raises(UserError, match=r"hidden layer 1 is .*12.*this net's is .*16"):
        train("task=b", "transfer=from_a", f"transfer.checkpoint={tmp_path}/a", "transfer.reuse=1", into="b")


class Forbidden:
    def __getattribute__(self, name: str) -> object:
        raise AssertionError(f"the test set was read ({name})")


def test_only_a_final_reads_the_test_set(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    load = load_data
    monkeypatch.setattr(
        single,
        "load_data",
        lambda config, **task: replace(load(config, **task), x_test=Forbidden(), y_test=Forbidden()),
    )
    assert "test/accuracy" not in train("test=false").metrics
    with pytest.raises(AssertionError, match="the test set was read"):
        train("test=true", into="final")


def test_a_logger_of_lightnings_gets_every_number_of_an_epoch(train: Train, tmp_path: Path) -> None:
    logger = "{_target_:pytorch_lightning.loggers.CSVLogger,save_dir:" + str(tmp_path / "csv") + "}"
    result = train(f"trainer.logger={logger}", "+trainer.log_every_n_steps=1")
    (path,) = (tmp_path / "csv").rglob("metrics.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for name, values in result.history.items():
        if name != "epoch":  # Lightning counts them from 0
            assert [float(row[name]) for row in rows] == pytest.approx(values), name
