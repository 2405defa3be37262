"""Using a trained network: a trial's directory and raw inputs in, classes and probabilities out.

Start with `predict.py` (files); `mlflow_model.py` is the same network as a model that MLflow serves.
"""
