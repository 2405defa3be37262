"""Data: obtain and verify a data set, split it, and serve it in index-batched tensors.

The road of an example: a *source* (`sources`) gives `Arrays`; `prepare` splits them and writes files with a manifest;
`load` reads those files, scales them, cuts out the task and gives a `Split` of tensors; `loader.Blocks` deals indices.
"""

from regimens.data.store import SPLIT_KEYS, load, prepare

__all__ = ["SPLIT_KEYS", "load", "prepare"]
