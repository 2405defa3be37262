"""What every room may use: errors, files, locks, hashes, results, provenance, building objects from configuration.

In and out: plain values. Nothing here imports torch, Hydra, Optuna or MLflow when it is imported. Start with
`result.py`: a trial's `result.json` is what all rooms exchange.
"""
