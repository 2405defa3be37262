"""Which examples of the test set a network got right: packed into a result, and unpacked from it.

Without them a table knows only how many were right, and the difference of two networks on the same images, most of
which both get right or wrong, would count as if each had seen images of its own.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack(right: NDArray[np.bool_]) -> dict[str, Any]:
    """`count` examples as bits in base64, one character for six: 1.7 kB for 10,000 images."""
    return {"count": len(right), "bits": base64.b64encode(np.packbits(right).tobytes()).decode()}


def unpack(told: Any) -> NDArray[np.bool_] | None:
    """(count,): whether each example was right, in the test set's order; None where a result does not say."""
    if not isinstance(told, Mapping) or not told.get("bits"):
        return None
    packed = np.frombuffer(base64.b64decode(told["bits"]), dtype=np.uint8)
    return np.unpackbits(packed, count=int(told["count"])).astype(bool)
