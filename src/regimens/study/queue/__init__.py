"""Who trains what next: a `Study` in, claims on trials out, and their results back; a process may die at any instant.

Start with `trial_queue.py`. A `phase` holds the slots (numbered trials) of one cell's tuning or finals, `optuna_slots`
is all that touches Optuna's storage, a `claim` is the right to run one trial, `finished` reads results from the disk.
"""
