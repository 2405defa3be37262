"""What `src/train.py` does besides studies: one trial, and one trial again (`--again`); called by `cli.py`.

In: a composed configuration, or a finished trial's directory. Out: a run's directory, its entry in the tracker, and
terminal output. Start with `one_run.py`.
"""
