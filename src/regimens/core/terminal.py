"""Terminal output of one trial: a live progress line on a terminal, plain lines elsewhere or with CI set."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from regimens.core.metrics import figures, in_unit, metric_of
from regimens.core.result import Result

OnEpoch = Callable[[int, dict[str, float]], None]


def interactive(stream: TextIO) -> bool:
    """Whether `stream` is a terminal, and not that of a continuous integration."""
    return stream.isatty() and not os.environ.get("CI")


def advise(sentence: str) -> None:
    """Print one sentence of advice to standard error."""
    print(f"advice: {sentence}", file=sys.stderr)


def note(sentence: str) -> None:
    """Print what of a command has no effect, or an unexpected one, to standard error."""
    print(f"note: {sentence}", file=sys.stderr)


def numbers_line(numbers: dict[str, float]) -> str:
    """An epoch's losses, accuracy or rmse, and learning rate in one line."""
    return (
        f"loss {numbers['train/loss']:.4f}  val loss {numbers['val/loss']:.4f}  "
        f"{measured(numbers, 'accuracy')}  lr {numbers['lr']:.3g}"
    )


def live_line(numbers: dict[str, float]) -> str:
    """The same, shorter: with the epoch, a short bar and the time left it fits 80 columns."""
    return (
        f"loss {numbers['train/loss']:.3f} (val {numbers['val/loss']:.3f})  "
        f"{measured(numbers, 'acc')}  lr {numbers['lr']:.3g}"
    )


def measured(numbers: dict[str, float], accuracy: str) -> str:
    """What an epoch's predictions are worth: the accuracy in per cent, under this name, or the rmse in its unit."""
    if "val/rmse" in numbers:
        return f"val rmse {figures(numbers['val/rmse'])}"
    return f"val {accuracy} {numbers['val/accuracy']:.2%}"


@contextmanager
def progress(epochs: int) -> Iterator[OnEpoch]:
    """A callback for each epoch's numbers: a live line with the time left, or about ten plain lines in all."""
    if not interactive(sys.stderr):
        every = max(1, epochs // 10)

        def plain(epoch: int, numbers: dict[str, float]) -> None:
            if epoch % every == 0 or epoch == epochs:
                print(f"epoch {epoch}/{epochs}  {numbers_line(numbers)}", file=sys.stderr)

        yield plain
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # On a narrow terminal the bar shrinks first.
    columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(20), TextColumn("{task.description}"))
    left = (TimeRemainingColumn(compact=True), TextColumn("left"))
    with Progress(*columns, *left, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=epochs)
        yield lambda epoch, numbers: bar.update(task, completed=epoch, description=live_line(numbers))


def proposals(sentences: Sequence[str]) -> None:
    """Print what learning-rate range tests propose and where their curves are, one line each."""
    for sentence in sentences:
        print(f"lr range: {sentence}")


def summary(result: Result, directory: Path, link: str = "") -> None:
    """Print the summary of a trial: metrics, techniques that never acted, where its files are."""
    if result.status == "diverged":
        epochs = result.metrics["epochs"]
        print(f"diverged after {epochs} epochs: the loss is no longer finite; try a lower optimizer.lr")
    shown = predictions(result.metrics)
    if shown:
        told = {name: figures(value, 6) if in_unit(name) else f"{value:.4f}" for name, value in shown.items()}
        print("  ".join(f"{name} {value}" for name, value in told.items()))
    for entry in result.acted.values():
        note = "" if entry["acted"] else "  <- never acted"
        print(f"{entry['technique']}: {entry['what']}{note}")
    plain, fused = result.metrics.get("time/predict"), result.metrics.get("time/predict_fused")
    if plain and fused:
        saved = f"{1000 * fused:.2g} ms instead of {1000 * plain:.2g} ms ({1 - fused / plain:.0%} saved)"
        print(f"batch norm: folded into the layers beside it, predicting up to 1000 examples takes {saved}")
    if why := result.provenance.get("engine_note"):
        print(f"engine={result.provenance['engine']}: {why}")
    print(f"run: {directory}  ({result.durations['train']:.1f} s of training)")
    if link:
        print(f"MLflow: {link}")


def predictions(metrics: Mapping[str, float | None]) -> dict[str, float]:
    """Of a trial's metrics, those of its predictions: losses, accuracies, and what `core.metrics` knows."""
    return {
        name: value
        for name, value in metrics.items()
        if value is not None and (name.endswith(("accuracy", "loss")) or metric_of(name))
    }


def counted(number: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
