"""What compiling all nine optimisers on one network costs a study of two workers, with nothing compiled yet.

command: python benchmarks/compiling.py [--rounds 3]
Processor seconds of a whole command, its workers and their C++ compilers: of one that finds nothing on the disk, less
that of the same command eagerly. A second one finds the code there.
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile

from shared import ROOT, Figure, publish, seconds_of

# Two mini-batches a trial, so that training takes next to nothing.
STUDY = (
    "study=optimizers", "study.tuned=[]", "study.seeds=1", "study.refine=0", "study.settle=null", "study.workers=2",
    "data.train_size=64", "data.n_valid=64", "epochs=1", "tracking=none",
)  # fmt: skip


def processor_seconds(engine: str, cache: str, data: str) -> float:
    """What the whole command takes of all processors. Raises NotRun where it fails."""

    def command(folder: str) -> list[str]:
        places = (f"paths.root={folder}", f"paths.data={ROOT}/data", f"data={data}")
        return [sys.executable, str(ROOT / "src" / "train.py"), "-m", *STUDY, f"engine={engine}", *places]

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # What torch's compiler keeps elsewhere lies in the temporary directory.
    seconds_of(command, f"compiling-{engine}", {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache, "TMPDIR": cache})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure, print and write; status 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds, each of three commands (default 3)")
    parser.add_argument("--data", default="fashion_mnist", help="data set (default fashion_mnist)")
    options = parser.parse_args()
    cold, warm, turns = [], [], []
    for _ in range(options.rounds):
        cache = tempfile.mkdtemp()
        try:
            turn = {
                name: processor_seconds(engine, cache, options.data)
                for name, engine in (("eager", "eager"), ("cold", "compiled"), ("warm", "compiled"))
            }
        finally:
            shutil.rmtree(cache)
        turns.append(turn)
        cold.append(turn["cold"] - turn["eager"])
        warm.append(turn["warm"] - turn["eager"])
    figures = [
        Figure("compiling nine optimisers, nothing on disk", cold, 20.0, "s"),
        Figure("the same, all on disk", warm, 10.0, "s"),
    ]
    return publish("compiling", figures, {}, turns=turns)


if __name__ == "__main__":
    sys.exit(main())
