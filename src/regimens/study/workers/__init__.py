"""Who trains: a study's queue in, trained trials out; in this process, in local processes, or in a cluster's jobs.

Start with `start.py`, which chooses. `worker.py` is the loop that claims and trains, `run_batch.py` one turn of it,
`pool.py` supervises local processes, `cluster.py` those of Hydra's launchers. `trial_runner.py` is the contract of
whoever runs a single trial.
"""
