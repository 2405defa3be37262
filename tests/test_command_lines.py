"""Whatever is typed either works or is one line with status 2: no command line ends in a traceback."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Asked

KEYS = [
    *("optimizer", "scheduler", "norm", "clip", "regularization", "activation", "init", "model", "data", "task"),
    *("transfer", "trainer", "tracking", "experiment", "scale", "study", "tune", "seed", "epochs", "batch_size"),
    *("name", "test", "probe", "advice", "engine", "threads", "paths", "nothing", "nothing.at.all", "optimizer@here"),
    *("optimizer.lr", "optimizer.momentum", "optimizer.tune", "optimizer.tune.lr", "scheduler.s", "scheduler.warmup"),
    *("norm.layer", "norm.position", "norm.layer.momentum", "clip.bound", "regularization.dropout", "model.hidden"),
    *("regularization.max_norm", "regularization.mc_samples", "model.hidden.0", "data.train_size", "data.n_valid"),
    *("data.name", "data.path", "data.shuffle", "task.kind", "task.b_classes", "transfer.checkpoint"),
    *("trainer.devices", "trainer.accelerator", "paths.root", "paths.runs", "paths.data", "paths.results"),
    *("tracking.uri", "hydra/launcher", "hydra.mode", "hydra.run.dir", "hydra.sweep.dir", "study.compared"),
    *("study.tuned", "study.fixed", "study.reference", "study.trials", "study.seeds", "study.metric"),
    *("study.direction", "study.metrics", "study.mode", "study.sampler", "study.pruner", "study.workers"),
    *("study.per_gpu", "study.storage", "study.name", "study.storage_wait", "study.timeout", "study.retries"),
    *("study.recover", "study.retry_failed", "study.question", "study.settle", "study.most_seeds", "study.extend"),
    *("study.code", "study.compared.optimizer"),
]
VALUES = [
    *("1", "0", "-1", "2.5", "1e-3", "true", "null", "???", "''", "abc", "sgd", "adam", "batch", "digits", "lr"),
    *("all", "adam,sgd", "sgd,sgd", "1,2", "1,a", "null,5", "[]", "[1]", "[a]", "[[1]]", "{}", "{a:1}", "{lr:0.5}"),
    *("[50],[20]", "choice(1,2)", "choice(a,b)", "choice([5],[6])", "tag(tune,choice(1,2))", "choice(1"),
    *("tag(tune,choice(sgd,adam))", "interval(0,1)", "interval(1,9)", "interval(9,1)", "tag(log,interval(0.001,1))"),
    *("tag(log,interval(0,1))", "int(interval(1,9))", "tag(foo,interval(1,2))", "range(1,4)", "range(1,2,step=0)"),
    *("glob(*)", "glob(a*)", "glob(z*)", "${seed}", "${nope}", "${now:%Y}", "${", "val/accuracy", "val/acc"),
    *("test/accuracy", "minimize", "search", "tpe", "[val/accuracy,time/train]", "{optimizer.lr:{low:0.1,high:1}}"),
    *("{optimizer.lr:5}", "{optimizer:[adam,sgd]}", "{optimizer:{a:[optimizer=adam]}}", "['optimizer=adam']"),
    *("[1,1]", "99999999999999999999", "inf", "nan", "(", "a b", "/proc/none", "a/b", "..", "a\\,b", "'x y'"),
    *("smoke", "grid", "hyperband", "maximize", "any"),
]
FLAGS = ["-m", "--multirun", "--cfg", "--cfg=job", "--resolve", "--nothing", "--config-dir=/proc/none", "-x"]

override = st.builds(
    lambda prefix, key, value: f"{prefix}{key}={value}",
    st.sampled_from(["", "", "", "", "+", "++", "~"]),
    st.sampled_from(KEYS),
    st.sampled_from(VALUES),
)
deletion = st.sampled_from(KEYS).map("~{}".format)
fragments = st.lists(st.one_of(override, override, override, deletion), min_size=1, max_size=3)
flags = st.one_of(st.just(["-m"]), st.just([]), st.sampled_from(FLAGS).map(lambda one: [one]))
quietly = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def check(ask: Callable[..., Asked], flag: list[str], typed: list[str]) -> None:
    """`ask` fails the test for a traceback."""
    asked = ask(*flag, *typed, small=("data=digits", "data.train_size=64", "model.hidden=[8]", "tracking=none"))
    assert asked.status in ("reached", 0, 2), asked
    if asked.status == 2:
        assert asked.error


@settings(max_examples=25, deadline=None, suppress_health_check=quietly, derandomize=True)
@given(flags, fragments)
@pytest.mark.thorough
def test_no_command_line_ends_in_a_traceback(ask: Callable[..., Asked], flag: list[str], typed: list[str]) -> None:
    check(ask, flag, typed)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=400, deadline=None, suppress_health_check=quietly)
@given(flags, fragments)
def test_none_of_many_command_lines_ends_in_a_traceback(
    ask: Callable[..., Asked], flag: list[str], typed: list[str]
) -> None:
    check(ask, flag, typed)
