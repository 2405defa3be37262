"""What `src/train.py` does besides studies: one trial, and one trial again (`--again`); called by `cli.py`, `api.py`.

In: a composed configuration, or a finished trial's directory. Out: a run's directory, its entry in the tracker,
terminal output, and (`outcome.py`) what callers from Python get. Start with `one_run.py`.
"""
