"""Fashion-MNIST: where its four files may lie, how to get them, and how to know that they are the published ones.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
arXiv:1708.07747; MIT licence, copyright 2017 Zalando SE. 60,000 training and 10,000 test images, 28 x 28, uint8.
"""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from regimens.core.errors import DataError
from regimens.core.files import writing
from regimens.core.locks import Lock
from regimens.data.arrays import Array
from regimens.data.download import Progress, fetch, gunzip

log = logging.getLogger(__name__)

FILES = {  # SHA-256 of the decompressed bytes: mirrors compress differently, the content is one
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
MIRRORS = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
TIMEOUT, TRIES, PAUSE = 20.0, 4, 1.0  # seconds without an answer; tries of each mirror; seconds before the second


class Unavailable(DataError):  # noqa: N818 - a state of the world
    """The data set can be had nowhere: the message names every place and how to supply the files."""


def places(dir: str | None, cache: str) -> list[tuple[str, Path]]:
    """Folders to look in, in order, each with the words that name it in a message."""
    named: list[tuple[str, Path]] = []
    if dir:
        named.append(("data.dir", Path(dir)))
    if os.environ.get("FASHION_MNIST_DIR"):
        named.append(("$FASHION_MNIST_DIR", Path(os.environ["FASHION_MNIST_DIR"])))
    keras = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return [
        *named,
        ("the project's cache", Path(cache) / "fashion-mnist"),
        ("Keras", keras / "datasets" / "fashion-mnist"),
        ("torchvision", Path("data") / "FashionMNIST" / "raw"),
        ("torchvision", Path.home() / "data" / "FashionMNIST" / "raw"),
    ]


def obtain(dir: str | None, cache: str, mirrors: Sequence[str] | None = None) -> dict[str, bytes]:
    """The four files' decompressed content by name, each checked against its SHA-256; downloads go to `cache`.

    Raises Unavailable, whose message names each place tried and why it would not do; DataError where the disk is
    full or the cache cannot be written.
    """
    tried: list[str] = []
    for words, folder in places(dir, cache):
        try:
            return {name: _read(folder, name, digest) for name, digest in FILES.items()}
        except DataError as error:
            tried.append(f"{words}, {folder}: {error}")
            if words in ("data.dir", "$FASHION_MNIST_DIR"):
                log.warning("%s: looking further", tried[-1])
    try:
        return _download(Path(cache) / "fashion-mnist", MIRRORS if mirrors is None else mirrors)
    except Unavailable as error:
        tried.extend(str(error).splitlines())
    raise Unavailable(
        "Fashion-MNIST cannot be had. Tried:\n"
        + "\n".join(f"  - {line}" for line in tried)
        + f"\nSupply it: put {', '.join(f'{name}.gz' for name in FILES)} into a folder and give "
        "data.dir=FOLDER or FASHION_MNIST_DIR=FOLDER; or run on what needs no download: data=digits"
    )


def decode(content: bytes, name: str) -> Array:
    """The uint8 array in IDX bytes: big-endian magic 0x0000 08 ndim, then ndim sizes, then the values."""
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise DataError(f"{name} is not an IDX file of bytes")
    ndim = content[3]
    shape = tuple(int.from_bytes(content[4 * axis : 4 * axis + 4], "big") for axis in range(1, ndim + 1))
    if len(content) != 4 + 4 * ndim + int(np.prod(shape, dtype=np.int64)):
        raise DataError(f"{name} is truncated: its header promises {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * ndim).reshape(shape)


def _read(folder: Path, name: str, digest: str) -> bytes:
    """One file of `folder`, compressed or not. Raises DataError saying what is wrong with it."""
    packed, plain = folder / f"{name}.gz", folder / name
    try:
        if packed.exists():
            content = gunzip(packed)
        elif plain.exists():
            content = plain.read_bytes()
        else:
            raise DataError(f"no {name}.gz" if folder.exists() else "no such folder")
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"{packed.name} is {error}" if packed.exists() else str(error)) from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError(f"{name} is not the published file (SHA-256 differs)")
    return content


def _download(folder: Path, mirrors: Sequence[str]) -> dict[str, bytes]:
    """The four files, fetched into `folder` by one process at a time. Raises Unavailable with a line per mirror."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = Lock(folder / ".lock")
        lock.acquire()
    try:
        found: dict[str, bytes] = {}
        for name, digest in FILES.items():
            try:  # another process may have fetched it while this one waited
                found[name] = _read(folder, name, digest)
                continue
            except DataError:
                pass
            urls = [f"{mirror.rstrip('/')}/{name}.gz" for mirror in mirrors]
            with _bar(f"{name}.gz") as progress:
                try:
                    found[name] = fetch(
                        urls,
                        folder / f"{name}.gz",
                        digest,
                        timeout=TIMEOUT,
                        tries=TRIES,
                        pause=PAUSE,
                        progress=progress,
                    )
                except DataError as error:
                    if isinstance(error.__cause__, OSError):  # the disk's refusal, not a mirror's
                        raise
                    raise Unavailable(str(error)) from error
        return found
    finally:
        lock.release()


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    """A progress bar on stderr (silent where that is not a terminal)."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Rich

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Rich(*columns, console=console, disable=not console.is_terminal) as rich:
        task = rich.add_task(name, total=None)
        yield lambda have, total: rich.update(task, completed=have, total=total)
