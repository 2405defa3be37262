"""What `src/train.py` does besides studies: one trial, and one trial again; called by `cli.py`, which reads the line.

In: a composed configuration, or a finished trial's directory. Out: a run's directory, its entry in the tracker, and
words for the person who asked. Start with `one_run.py`.
"""
