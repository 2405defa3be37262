"""Serve MLflow's or Optuna's pages on this machine alone: what `make ui` and `make dashboard` call."""

import argparse
import os
import socket
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

HOST = "127.0.0.1"


def main() -> int:
    """Replace this process by the server; 2 for the user's mistakes."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    ui = commands.add_parser("mlflow")
    ui.add_argument("--uri", default="sqlite:///mlflow.db", help="a database of runs")
    ui.add_argument("--port", type=int, default=5000)
    dashboard = commands.add_parser("optuna")
    dashboard.add_argument("--journal", default="", help="a study's directory or journal.log (default: all in runs/)")
    dashboard.add_argument("--port", type=int, default=8080)
    args = parser.parse_args()
    if taken(args.port):
        print(f"error: port {args.port} of {HOST} is in use; choose another, say PORT={args.port + 1}", file=sys.stderr)
        return 2
    command = mlflow(args.uri, args.port) if args.what == "mlflow" else optuna(args.journal, args.port)
    if not command:
        return 2
    os.execv(command[0], command)


def mlflow(uri: str, port: int) -> list[str]:
    """The command of MLflow's server, with one worker and none of its background jobs."""
    from regimens.tracking.mlflow import Mlflow
    from regimens.tracking.sqlite_file import Unusable

    # Job execution alone would start a dozen processes, for features that need a language model.
    os.environ |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:") and not path.exists():
        print(f"error: {path}: there are no runs yet; train one first (python src/train.py)", file=sys.stderr)
        return []
    try:
        page = Mlflow(uri, "regimens", "mlartifacts").table(f"http://{HOST}:{port}")
    except Unusable as why:
        print(f"error: {why}", file=sys.stderr)
        return []
    print(f"MLflow: {page}  (Ctrl-C ends it)", flush=True)
    options = ["--backend-store-uri", uri, "--host", HOST, "--port", str(port), "--workers", "1"]
    if entry_points(group="mlflow.app", name="regimens"):  # where this version is installed
        options += ["--app-name", "regimens"]
    return [sys.executable, "-m", "mlflow", "server", *options]


def optuna(journal: str, port: int) -> list[str]:
    """The command of Optuna's dashboard over all studies, or over one."""
    place = Path(journal or "runs")
    place = place.parent if place.is_file() else place
    if not any(place.glob("study.json")) and not any(place.glob("*/study.json")):
        print(f"error: {place}: no such study; run one first (python src/train.py -m ...)", file=sys.stderr)
        return []
    if not find_spec("optuna_dashboard"):
        print("error: optuna-dashboard is missing: pip install 'regimens[dashboard]'", file=sys.stderr)
        return []
    print(f"Optuna: http://{HOST}:{port}/dashboard  (Ctrl-C ends it)", flush=True)
    view = ["-m", "regimens.tracking.optuna_view", str(place), "--host", HOST, "--port", str(port)]
    return [sys.executable, *view]


def taken(port: int) -> bool:
    """Whether a process already listens on this port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


if __name__ == "__main__":
    sys.exit(main())
