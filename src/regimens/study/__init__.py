"""A question answered: fair, resumable, replayable comparisons of regimens, on Optuna, inside Hydra's `-m`.

In: a composed Hydra configuration and the overrides of the command line. Out: one directory per trial under
`paths.runs`, and `results/<study>.{json,csv,cells.csv}`. Start with `run_study.py`, the door; then `definition/` (what
is asked), `queue/` (who trains what next), `workers/` (who trains), `results/` (tables and statistics).

Files are the truth: a `result.json` in a trial's directory means that this trial is done. Optuna's storage says who is
working on what, and is rebuilt from the files if it is lost.
"""
