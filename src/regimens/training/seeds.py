"""Separate random streams from one seed, so that changing one part of a regimen leaves the others' draws alone."""

import hashlib


def derive(seed: int, stream: str) -> int:
    """A 63-bit seed for the named stream ("init", "order", "noise", ...): independent, and the same on any machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}".encode()).digest()[:8], "big") >> 1
