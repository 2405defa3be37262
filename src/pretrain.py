"""Train the networks from which to transfer: `python src/pretrain.py task_a models data=digits study.workers=2`.

A study like any other, which uses all workers and can be resumed; then the weights of its finals
are copied to FOLDER/a-1, FOLDER/a-2 and so on, or where it compares something, to FOLDER/a-CELL.
"""

import shutil
import sys
from pathlib import Path

from regimens.cli import USER_ERROR
from regimens.cli import main as train
from regimens.core.fork import run

RUNS = Path("runs")


def main(argv: list[str]) -> int:
    """Return the exit status: that of the study, or 2 where no study or folder is named."""
    if len(argv) < 2 or "=" in argv[0] + argv[1]:
        print("error: name a study of conf/study and a folder: python src/pretrain.py task_a models", file=sys.stderr)
        return USER_ERROR
    study, folder, *overrides = argv
    places = [f"paths.runs={RUNS}", f"paths.results={folder}"]
    status = train(["src/train.py", "-m", f"study={study}", *places, *overrides])
    if status == 0:
        publish(Path(folder) / f"{study}.json", Path(folder))
    return status


def publish(table: Path, folder: Path) -> None:
    """Copy the weights of each final of the study of `table`, under a name that other studies can refer to."""
    import json

    from regimens.study.definition.study import Study
    from regimens.study.queue.trial_files import TrialFiles

    about = json.loads(table.read_text())["study"]
    directory = RUNS / f"{about['name']}-{about['id']}"
    study = Study.load(directory / "study.json")
    files = TrialFiles(study, directory)
    for cell in study.cells:
        for number in range(len(cell.finals)):
            name = "-".join(str(value) for value in cell.values.values()) or str(number + 1)
            (folder / f"a-{name}").mkdir(parents=True, exist_ok=True)
            for kind in ("final.safetensors", "config.yaml", "result.json"):
                shutil.copy2(files.place(cell, "final", number) / kind, folder / f"a-{name}" / kind)


if __name__ == "__main__":
    sys.exit(run(lambda argv: main(argv[1:]), sys.argv))
