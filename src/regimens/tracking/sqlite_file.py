"""MLflow's database where it is a file (SQLite): what it is called, and how it is made."""

import os
import uuid
from pathlib import Path

PREFIX = "sqlite:///"


def absolute(uri: str) -> str:
    """A SQLite URI whose relative path counts from the working directory of now, not of whoever opens it later."""
    if not uri.startswith(PREFIX) or uri == PREFIX:
        return uri
    return PREFIX + str(Path(uri.removeprefix(PREFIX)).absolute())


def beside(uri: str, artifacts: str) -> str:
    """The artifacts' URI: a relative path counts from where the SQLite file lies, so that the two stay together."""
    return (Path(uri.removeprefix(PREFIX)).parent / artifacts).absolute().as_uri()


def make(uri: str) -> None:
    """Make the file with all its tables in one move, unless it is there.

    MLflow makes one table after the other: a file where that was cut short, or where two processes did it at once, can
    never be opened again.
    """
    path = Path(uri.removeprefix(PREFIX))
    if uri == PREFIX or path.exists():
        return
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        MlflowClient(tracking_uri=f"{PREFIX}{draft}", registry_uri=f"{PREFIX}{draft}").search_experiments(max_results=1)
        os.link(draft, path)
    except FileExistsError:  # another process was faster
        pass
    finally:
        draft.unlink(missing_ok=True)
