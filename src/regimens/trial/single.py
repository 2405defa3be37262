"""One trial in this process: data, network, training, result."""

from collections.abc import Iterator
from contextlib import contextmanager

from regimens.core.hashing import stream_seed
from regimens.core.result import Result, write
from regimens.trial.composition import build_module, engine_named, engine_of, load_data
from regimens.trial.fitting import fit
from regimens.trial.record import conclude
from regimens.trial.settings import Settings
from regimens.trial.task import Trial


def train(trial: Trial, note: str = "") -> Result:
    """`run` in this process, which may be one of several ranks; all but rank 0 exit where training ends."""
    from regimens.training.engine import Engine

    settings = trial.settings
    with sandbox(settings):
        with trial.clock("setup"):
            split = load_data(trial.config)
            module = build_module(trial.config, settings, trial.spread, split)
            identity = trial.identify(split.manifest["hash"], engine_named(trial.config, trial.spread, split))
            if note:
                module.engine = Engine(note)
        with trial.clock("train"):
            status, best = fit(module, trial, split)
            module.group.end()
        result = conclude(trial, module, split, status, best, engine_of(module), identity)
    write(result, trial.directory)
    return result


@contextmanager
def sandbox(settings: Settings) -> Iterator[None]:
    """Set the trial's number of threads and seed torch's global generator (dropout's keys); restore both afterwards.

    On a GPU convolutions are the same each time and of float32's precision, as matrix products are by default.
    """
    import torch
    from torch.backends import cudnn

    threads = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    try:
        exact = cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.random.fork_rng(), exact:
            torch.manual_seed(stream_seed(settings.seed, "noise"))
            yield
    finally:
        torch.set_num_threads(threads)
