"""Logging results in a tracker: finished results on disk in, MLflow runs out. The only room that knows MLflow.

Start with `interface.py` (what a tracker does; `tracking=none`), then `mlflow.py`. `delivery.py` delivers each result
exactly once, also after an outage.
"""
