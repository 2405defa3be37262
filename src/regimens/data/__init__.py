"""Obtain and verify a data set, split it, and serve it as index-batched tensors. Start with `store.py`.

The road of an example: a *source* (`sources`) gives `Arrays`; `prepare` splits them and writes files with a manifest;
`cut` reads those files and picks the task's examples, `Cut.split` scales them into a `Split` of tensors (`load`: both);
`loader.Blocks` deals indices.
"""

from regimens.data.store import HOW_KEYS, SPLIT_KEYS, cut, load, prepare

__all__ = ["HOW_KEYS", "SPLIT_KEYS", "cut", "load", "prepare"]
