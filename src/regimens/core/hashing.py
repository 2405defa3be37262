"""Hashes of plain values, and the seeds that follow from them.

A trial draws from one random stream per purpose, so that changing one part of a regimen leaves the others' draws alone.
"""

import hashlib
import json
from typing import Any


def stream_seed(seed: int, stream: str) -> int:
    """A 63-bit seed for the named stream ("init", "order", "noise", ...): independent, and the same on any machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}".encode()).digest()[:8], "big") >> 1


def digest(value: Any) -> str:
    """SHA-256, in hex, of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def derive_seed(*parts: Any) -> int:
    """A seed in [0, 2**31) that follows from the parts and nothing else."""
    return int(digest(list(parts))[:8], 16) % 2**31
