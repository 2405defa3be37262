"""Regimens: reproducible studies of how to train deep networks. See README.md for the commands."""
